"""Where a request's messages may go: to the vendors, or, with a test key, to the sandbox."""

from collections.abc import Callable
from functools import partial

from sms_gateway.config.public_accounts import public_accounts
from sms_gateway.config.routes import Route, Routes, routes
from sms_gateway.config.senders import may_use
from sms_gateway.config.vendor_accounts import Accounts
from sms_gateway.core.sandbox import SANDBOX
from sms_gateway.core.value_object import ValueObject

TEST_RETENTION_DAYS = 7


class Destination(ValueObject, frozen=True):
    """The accounts and routes of a request, and which senders its tenant may name."""

    accounts: Accounts
    routes: Routes
    may_use: Callable[[str], bool]


class _SandboxRoute(Route, frozen=True):
    """The route of every test message. An operator's route can't name the sandbox."""

    def __post_init__(self) -> None:
        """Check nothing: its vendors are none of VENDORS, on purpose."""


def destination(tenant: str, *, test: bool) -> Destination:
    """Return where a tenant's messages may go.

    Raises ServiceUnavailableError where live ones can't go anywhere: test messages need no account.
    """
    if test:
        from sms_gateway.vendors.sandbox.adapter import ADAPTERS  # saves start-up time: few test

        everywhere = Routes([_SandboxRoute("+", list(SANDBOX))])
        return Destination(Accounts(ADAPTERS, {}), everywhere, lambda _sender: True)
    return Destination(public_accounts(), routes(), partial(may_use, tenant))

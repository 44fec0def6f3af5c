"""Calls to a vendor on a caller's behalf, and the problems for their failures.

A failed query may be repeated. A failed one-time operation was either certainly not done, or its
outcome is unknown; then it is never repeated. These calls neither open a vendor's circuit nor obey
it: they are rare, bounded, and show nothing of whether messages go through.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sms_gateway.config.vendor_accounts import Accounts
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import (
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    VendorFailedError,
    VendorTimeoutError,
)
from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage import cache
from sms_gateway.vendor_accounts.operations import OneTimeOperation, UnknownOutcome
from sms_gateway.vendors import http_client
from sms_gateway.vendors.account_services import OperationResult, service_of, vendors_with
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.redaction import Redaction
from sms_gateway.vendors.types import Request, SubmitOutcome, SubmitVerdict, VendorResponse

TIMEOUT_SECONDS = 6.0  # for a whole response
CONFIRM_SECONDS = 3.0  # for a query right after a change: both must fit into the function's 27

Send = Callable[[Request, float], VendorResponse]

DETAILS = {
    "malformed-originator": "{title} does not take this as an originator: give a number, or at "
    "most 11 letters and digits.",
    "already-authorized": "This originator needs no unlocking any more: GET it to see so.",
    "wrong-unlock-code": "{title} does not take this code: look at it again, or ask for a new one "
    "with POST …/unlock-code.",
    "not-enough-credits": "The account has not enough credits for these vouchers: see GET "
    "/balances/{name}.",
    "unknown-voucher": "{title} does not take this voucher: it does not exist, or it was redeemed "
    "before.",
}


class Caller(ValueObject, frozen=True):
    """Who calls which vendor: `key` is the Idempotency-Key, `send` the HTTP client."""

    vendor: str
    tenant: str
    now: datetime
    key: str | None = None
    send: Send = http_client.send


def resolve[T](caller: Caller, accounts: Accounts, service: type[T]) -> tuple[Adapter, T]:
    """Return the vendor's adapter with one of its services.

    Raises NotFoundError, with the vendors that offer the service, where the vendor does not, or has
    no account here.
    """
    vendors = vendors_with(service)
    if caller.vendor not in vendors:
        raise NotFoundError(
            f"This vendor does not have this operation; it is there at: {', '.join(vendors)}.",
            slug="no-such-operation",
            vendors=vendors,
        )
    adapter = accounts.adapters.get(caller.vendor)
    found = service_of(adapter, service) if adapter else None
    if adapter is None or found is None:
        raise NotFoundError(
            "This vendor is not configured; see GET /vendors.",
            slug="vendor-not-configured",
            vendor=caller.vendor,
        )
    return adapter, found


def query(
    caller: Caller, adapter: Adapter, request: Request, timeout: float = TIMEOUT_SECONDS
) -> VendorResponse:
    """Return a query's response. Raises VendorFailedError or VendorTimeoutError."""
    try:
        return caller.send(request, min(adapter.timeout, timeout))
    except http_client.VendorConnectionFailedError:
        raise _unreachable(adapter) from None
    except http_client.VendorOutcomeUnknownError:
        raise VendorTimeoutError(
            f"{adapter.title} did not answer; ask again.", vendor=adapter.name, retryable=True
        ) from None


def execute_once(
    caller: Caller,
    adapter: Adapter,
    operation: OneTimeOperation,
    request: Request,
    parse: Callable[[VendorResponse], OperationResult],
    *secrets: str,
) -> SubmitOutcome | UnknownOutcome:
    """Execute a one-time operation and return its outcome.

    Where that is unknown an UnknownOutcome, which is not recorded yet. Raises GatewayError when it
    was certainly not done, and releases the key then. `secrets` are redacted from the vendor's
    text.
    """
    try:
        response = caller.send(request, min(adapter.timeout, TIMEOUT_SECONDS))
    except http_client.VendorConnectionFailedError:
        operation.release_key(caller.now)
        raise _unreachable(adapter) from None
    except http_client.VendorOutcomeUnknownError:
        return UnknownOutcome(silent=True)
    result = parse(response)
    outcome = result.outcome
    vendor_text = Redaction(adapter, codes=secrets).words(outcome.text)
    if outcome.verdict is SubmitVerdict.ACCEPTED:
        return SubmitOutcome(SubmitVerdict.ACCEPTED, code=outcome.code, text=vendor_text)
    if outcome.verdict is SubmitVerdict.UNKNOWN:
        increment("UnreadableVendorResponse", vendor=adapter.name)
        text = vendor_text or cached_text(adapter, outcome.code)
        return UnknownOutcome(undocumented=result.undocumented, code=outcome.code, text=text)
    operation.release_key(caller.now)
    raise refusal(adapter, outcome, result.problem, *secrets)


def refusal(
    adapter: Adapter, outcome: SubmitOutcome, problem: str | None, *secrets: str
) -> GatewayError:
    """Return the problem for a response that is no success and changed nothing."""
    members: dict[str, Any] = {
        "vendor": adapter.name,
        "vendor_code": outcome.code,
        "vendor_text": (
            Redaction(adapter, codes=secrets).words(outcome.text)
            or cached_text(adapter, outcome.code)
        ),
    }
    if problem:
        detail = DETAILS[problem].format(title=adapter.title, name=adapter.name)
        return InvalidRequestError(detail, slug=problem, **members)
    if outcome.account_fault:
        logger.error("account fault", extra={"vendor": adapter.name, "code": outcome.code})
        increment("AccountFault")
        return VendorFailedError(
            f"{adapter.title} refuses the gateway's account: its operator must mend it.",
            slug="vendor-refuses-account",
            **members,
        )
    if outcome.verdict is SubmitVerdict.RETRY:
        return VendorFailedError(
            f"{adapter.title} can't do it now: ask again later.",
            slug="vendor-busy",
            retryable=True,
            **members,
        )
    if outcome.verdict is not SubmitVerdict.REFUSED:
        increment("UnreadableVendorResponse", vendor=adapter.name)
        return VendorFailedError(
            f"{adapter.title} gave no answer that can be used: ask again later.",
            slug="vendor-unreadable",
            retryable=True,
            **members,
        )
    return InvalidRequestError(
        f"{adapter.title} refuses: its own words are in vendor_text.",
        slug="vendor-refused",
        **members,
    )


def outcome_unknown(
    adapter: Adapter, outcome: UnknownOutcome, what: str, then: str, **members: Any
) -> GatewayError:
    """Return the problem for an unknown outcome of `what`; `then` is what to do."""
    kind = VendorTimeoutError if outcome.silent else VendorFailedError
    return kind(
        f"It is not known whether {what}: {adapter.title} did not say. {then} The same "
        "Idempotency-Key never does it a second time.",
        slug="outcome-unknown",
        vendor=adapter.name,
        vendor_code=outcome.code,
        vendor_text=outcome.text,
        **members,
    )


def codes_cache_key(vendor: str) -> str:
    """Return the key under which a vendor's list of status codes is cached."""
    return f"CODES#{vendor}"


def cached_text(adapter: Adapter, code: str | None) -> str | None:
    """Return what the vendor's own list says of a code, if the list was ever queried.

    Read only where neither the response nor our table has a text for it.
    """
    if code is None:
        return None
    _, cached = cache.cache_get([codes_cache_key(adapter.name)]).get(
        codes_cache_key(adapter.name), (0, None)
    )
    return cached["texts"].get(code) if cached else None


def _unreachable(adapter: Adapter) -> GatewayError:
    return VendorFailedError(
        f"{adapter.title} can't be reached, so nothing was done: ask again.",
        slug="vendor-unreachable",
        vendor=adapter.name,
        retryable=True,
    )

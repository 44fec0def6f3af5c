"""Ask the policies. Where there is none this imports and reads nothing more."""

from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from sms_gateway.config.policies import tenant_policy
from sms_gateway.config.stopped_tenants import refuse_stopped
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.http_api.request import Request

if TYPE_CHECKING:
    from sms_gateway.policies.rules import Rules


def admit(request: Request) -> None:
    """Admit a request to any route. Raises TenantStoppedError, ForbiddenError for its address.

    Raises ServiceUnavailableError when that can't be read.
    """
    if request.tenant is None:
        return
    refuse_stopped(request.tenant)
    rules = _rules(request.tenant, request.policy)
    if rules is not None:
        rules.refuse_address(request.ip)


def sending_rules(tenant: str, now: datetime, key_policy: str | None = None) -> "Rules | None":
    """Return the rules for a send; None where there is no policy.

    `key_policy` is the API key's, a JSON text. Raises ForbiddenError after a policy's end,
    ServiceUnavailableError when a policy can't be read.
    """
    rules = _rules(tenant, key_policy)
    if rules is not None:
        rules.refuse_expired(now)
    return rules


def _rules(tenant: str, key_policy: str | None) -> "Rules | None":
    texts = tuple(text for text in (tenant_policy(tenant), key_policy) if text)
    return _read(texts) if texts else None


@lru_cache(maxsize=64)
def _read(texts: tuple[str, ...]) -> "Rules":
    from sms_gateway.policies.document import parse_policy
    from sms_gateway.policies.rules import Rules

    try:
        return Rules([parse_policy(text) for text in texts])
    except ValueError:
        raise ServiceUnavailableError(
            "A policy is not valid: its operator sets it again with smsgw tenants set.",
            slug="policies-unavailable",
        ) from None

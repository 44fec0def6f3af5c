"""Ask the policies. Where there is none this imports and reads nothing more."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sms_gateway.config.policies import tenant_policy
from sms_gateway.config.stopped_tenants import refuse_stopped
from sms_gateway.core.derived_keys import Secret
from sms_gateway.core.problems import ServiceUnavailableError

if TYPE_CHECKING:
    from sms_gateway.http_api.request import Request
    from sms_gateway.policies.document import Policy
    from sms_gateway.policies.limits import Scope
    from sms_gateway.policies.quota import Counted
    from sms_gateway.policies.rules import Rules


def admit(request: "Request") -> None:
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


def count_sends(
    tenant: str,
    key_id: str | None,
    key_policy: str | None,
    parts: Sequence[tuple[str, int]],
    now: datetime,
    secret: Secret,
    *,
    is_request: bool = True,
    in_order: bool = False,
) -> "Counted | None":
    """Count a send under the limits of its tenant and key; None where there is none.

    `parts` are numbers (E.164) and segments; the rest, and what is raised, is `count_parts`'.
    """
    scopes = _scopes(tenant, key_id, key_policy)
    if not scopes or not parts:
        return None
    from sms_gateway.policies.limits import Part
    from sms_gateway.policies.quota import count_parts

    return count_parts(
        scopes,
        tenant,
        [Part(to, segments) for to, segments in parts],
        now,
        secret,
        is_request=is_request,
        in_order=in_order,
    )


def is_counted(tenant: str, key_policy: str | None) -> bool:
    """Return whether a limit of a tenant or a key is counted. Raises as `sending_rules` does."""
    return bool(_counted(tenant, key_policy))


def give_back(counted: "Counted | None") -> None:
    """Take off what was counted for a send that is not accepted after all. Never raises."""
    if counted is not None and counted.spent:
        from sms_gateway.policies import quota

        quota.give_back(counted.spent)


def give_back_message(
    under: str,
    tenant: str,
    key_id: str | None,
    part: tuple[str, int],
    accepted: datetime,
    now: datetime,
    secret: Secret,
) -> None:
    """Take a cancelled message off what counts it; `part` is its number and segments.

    `under` is the submission's `counted`. A fault of the counter raises nothing.
    """
    if under:
        from sms_gateway.policies import quota
        from sms_gateway.policies.limits import Part

        quota.give_back_message(under, tenant, key_id, Part(*part), accepted, now, secret)


def rate_limit_headers(counted: "Counted | None", now: datetime) -> dict[str, str]:
    """Return the headers that say how the limits stand after a send; none where none is counted."""
    if counted is None:
        return {}
    from sms_gateway.policies import limits

    return limits.rate_limit_headers(counted.usage, now)


def show_usage(
    tenant: str, key_id: str | None, key_policy: str | None, now: datetime
) -> dict[str, Any]:
    """Show how the counted limits of a tenant and a key stand. Raises ServiceUnavailableError."""
    from sms_gateway.policies.usage import usage_view

    return usage_view(_scopes(tenant, key_id, key_policy), tenant, now)


def _scopes(tenant: str, key_id: str | None, key_policy: str | None) -> "list[Scope]":
    found = _counted(tenant, key_policy)
    if not found:
        return []
    from sms_gateway.policies.limits import Scope

    return [Scope(of, policy, key_id or "") for of, policy in found]


def _counted(tenant: str, key_policy: str | None) -> list[tuple[str, "Policy"]]:
    texts = {"tenant": tenant_policy(tenant), "key": key_policy}
    found = ((of, _parsed(text)) for of, text in texts.items() if text)
    return [(of, policy) for of, policy in found if policy.is_counted]


def _rules(tenant: str, key_policy: str | None) -> "Rules | None":
    texts = tuple(text for text in (tenant_policy(tenant), key_policy) if text)
    if not texts:
        return None
    from sms_gateway.policies.rules import Rules

    return Rules([_parsed(text) for text in texts])


@lru_cache(maxsize=64)
def _parsed(text: str) -> "Policy":
    from sms_gateway.policies.document import parse_policy

    try:
        return parse_policy(text)
    except ValueError:
        raise ServiceUnavailableError(
            "A policy is not valid: its operator sets it again with smsgw tenants set.",
            slug="policies-unavailable",
        ) from None

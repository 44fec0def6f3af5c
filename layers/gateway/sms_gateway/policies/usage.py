"""Show how counted limits stand."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sms_gateway.policies.counters import as_of, month_key, numbers_of
from sms_gateway.policies.limits import PER_NUMBER, SAME_TEXT, Scope, Usage, next_day, usages
from sms_gateway.policies.text_shares import WINDOW
from sms_gateway.storage import quotas


def usage_view(scopes: Sequence[Scope], tenant: str, now: datetime) -> dict[str, Any]:
    """Show each limit; what single numbers got is not read. Raises ServiceUnavailableError."""
    counted = [scope for scope in scopes if scope.has_day]
    item = quotas.read(month_key(tenant, now)) if counted else {}
    shares = [
        {**_view(Usage(quota, scope.of, most, 0, end)), "used": None, "left": None}
        for scope in scopes
        for quota, end in ((PER_NUMBER, next_day(now)), (SAME_TEXT, now + WINDOW))
        if (most := getattr(scope.policy, quota)) is not None
    ]
    found = usages(counted, as_of(numbers_of(item), now), now)
    return {"limits": [_view(one) for one in found] + shares}


def _view(usage: Usage) -> dict[str, Any]:
    return {**usage.to_dict(), "left": usage.view(max(0, usage.left))}

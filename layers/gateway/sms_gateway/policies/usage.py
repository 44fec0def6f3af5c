"""Show how counted limits stand."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sms_gateway.core.timestamps import rfc3339
from sms_gateway.policies.counters import day_key, numbers_of
from sms_gateway.policies.limits import PER_NUMBER, Scope, Usage, next_day, usages
from sms_gateway.storage import quotas


def usage_view(scopes: Sequence[Scope], tenant: str, now: datetime) -> dict[str, Any]:
    """Show each limit; what single numbers got is not read. Raises ServiceUnavailableError."""
    days = [scope for scope in scopes if scope.has_day]
    item = quotas.read(day_key(tenant, now)) if days else {}
    shares = [
        {**_view(Usage(PER_NUMBER, scope.of, most, 0, next_day(now))), "used": None, "left": None}
        for scope in scopes
        if (most := scope.policy.most_per_number_per_day) is not None
    ]
    return {"limits": [_view(one) for one in usages(days, numbers_of(item), now)] + shares}


def _view(usage: Usage) -> dict[str, Any]:
    return {
        "quota": usage.quota,
        "of": usage.of,
        "limit": usage.limit,
        "used": usage.used,
        "left": max(0, usage.limit - usage.used),
        "resets_at": rfc3339(usage.resets_at),
    }

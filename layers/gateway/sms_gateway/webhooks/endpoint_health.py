"""An endpoint's health: failures in a row, pauses, the slow lane, and its end.

An endpoint is paused after failures in a row, or when it asks for it. A slow endpoint's deliveries
take the slow lane for a while, so that they delay nobody else's. One that fails for days is
disabled, which the stream tells the tenant.
"""

from sms_gateway.core.timestamps import DAY_SECONDS
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.webhooks.endpoints import Endpoint, EndpointState, find_endpoint, key_of

FAILURES_TO_PAUSE = 3  # failures in a row until an endpoint is paused
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 30, 900
SLOW_SECONDS = 2.0  # an answer that takes longer leads into the slow lane
SLOW_LANE_SECONDS = 300
# Both, with no success in between, and an endpoint is disabled: days alone may be two failures.
DAYS_TO_DISABLE = 5
FAILURES_TO_DISABLE = 10


def record_success(endpoint: Endpoint) -> None:
    """Reset an endpoint's failures and pause, unless it failed again since it was read."""
    change = ItemUpdate(key_of(endpoint.tenant, endpoint.id)).set("failures", 0).set("paused", 0)
    change.remove("failing_since").if_in("status", EndpointState.ACTIVE)
    change.if_in("failures", endpoint.failures).if_in("paused", endpoint.paused_until).apply()


def pause_seconds(failures: int, *, busy: bool, retry_after: int | None) -> int:
    """Return the pause after so many failures in a row.

    It is as long as the endpoint asked for; else it grows from the third failure on, or from the
    first where the endpoint is busy.
    """
    if retry_after is not None:
        return retry_after
    if not busy and failures < FAILURES_TO_PAUSE:
        return 0
    return int(
        min(
            FIRST_PAUSE_SECONDS * 2 ** min(max(failures - FAILURES_TO_PAUSE, 0), 10),
            MAX_PAUSE_SECONDS,
        )
    )


def record_failure(endpoint: Endpoint, now: int, *, busy: bool, retry_after: int | None) -> int:
    """Record a failed attempt and return until when the endpoint is paused.

    Concurrent attempts are one failure in a row: the first to end is counted. An attempt that began
    before a success or a proof pauses nothing. The one that makes it days of failures disables the
    endpoint.
    """
    key = key_of(endpoint.tenant, endpoint.id)
    failures, since = endpoint.failures + 1, endpoint.failing_since or now
    change = ItemUpdate(key).set("failures", failures).set("failing_since", since)
    change.if_in("failures", endpoint.failures)
    if failures >= FAILURES_TO_DISABLE and now >= since + DAYS_TO_DISABLE * DAY_SECONDS:
        reason = f"nothing arrived for {DAYS_TO_DISABLE} days"
        _disabling(change, reason, now).if_in("status", EndpointState.ACTIVE)
    change.apply()
    until = now + pause_seconds(failures, busy=busy, retry_after=retry_after)
    if until <= now:
        return now
    pause = ItemUpdate(key).set("paused", until).if_in("failures", failures)
    if pause.if_before("paused", until).apply() is not None:
        return until
    found = find_endpoint(endpoint.tenant, endpoint.id)
    return max(now, found.paused_until) if found else now


def mark_slow(endpoint: Endpoint, now: int) -> None:
    """Move an endpoint's deliveries to the slow lane for a while."""
    ItemUpdate(key_of(endpoint.tenant, endpoint.id)).set("slow", now + SLOW_LANE_SECONDS).apply()


def disable(endpoint: Endpoint, reason: str, now: int, *, by_operator: bool = False) -> None:
    """Stop deliveries to an endpoint until a challenge is answered.

    What the operator disables no test makes active again.
    """
    change = _disabling(ItemUpdate(key_of(endpoint.tenant, endpoint.id)), reason, now)
    if by_operator:
        change.set("by_operator", now)
    else:
        change.if_in("status", EndpointState.ACTIVE)
    change.apply()


def _disabling(change: ItemUpdate, reason: str, now: int) -> ItemUpdate:
    change.set("status", EndpointState.DISABLED).set("disabled", reason)
    return change.set("disabled_at", now)

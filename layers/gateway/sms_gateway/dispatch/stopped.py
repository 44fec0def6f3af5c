"""Hold what stopped tenants have in the queues: the scheduler brings it back when they start.

Nobody is stopped nearly always, so the tenant of a submission is read only while somebody is.
"""

from sms_gateway.config.stopped_tenants import Stop, stops
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import utc_now
from sms_gateway.storage import message_repository
from sms_gateway.storage.message_updates import MessageUpdate
from sms_gateway.storage.models import ItemKey, Submission, TimelineEntry

MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 60, 900  # between two looks whether the tenant has started
NOTE = "held: the operator has stopped the tenant"


def hold_if_stopped(key: ItemKey, vendor: str) -> bool:
    """Hold a queued submission of a stopped tenant, and return whether its tenant is stopped."""
    stopped = stops()
    if not stopped:
        return False
    sub = message_repository.find_submission(key)
    tenant = message_repository.tenant_of(sub) if sub else None
    if sub is None or tenant is None or tenant not in stopped:
        return False
    if sub.status is Status.ACCEPTED and sub.vendor == vendor:
        now = utc_now()
        if hold(sub, stopped[tenant], int(now.timestamp() * 1000)).if_in("vendor", vendor).apply():
            logger.info("submission held", extra={"submission": str(key), "tenant": tenant})
            increment("SubmissionHeld", vendor=vendor)
    return True


def hold(sub: Submission, stop: Stop, now_ms: int) -> MessageUpdate:
    """Build the update that holds a submission; `now_ms` is epoch milliseconds.

    A long stop is looked at less often: each look is a write.
    """
    now = now_ms // 1000
    pause = min(max(now - stop.since, MIN_PAUSE_SECONDS), MAX_PAUSE_SECONDS)
    change = MessageUpdate(sub.key).schedule_check(max(now + 1, min(now + pause, sub.expires)))
    if sub.status is Status.ACCEPTED and sub.held is None:
        change.set("held", 0)
    if sub.timeline[-1].note != NOTE:
        change.truncate_timeline(sub.timeline).append_timeline(
            TimelineEntry(now_ms, sub.status, "operator", sub.vendor, note=NOTE)
        )
    return change.if_in("status", sub.status)

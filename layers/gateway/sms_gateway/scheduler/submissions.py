"""Advance a due submission by one step."""

import os
from collections.abc import Sequence
from math import ceil

from msgspec.structs import replace

from sms_gateway.config.stopped_tenants import stops
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.status import Status
from sms_gateway.dispatch.outcome_handling import REQUEUE_AFTER, split_mixed_result
from sms_gateway.dispatch.stopped import hold
from sms_gateway.dispatch.turns import RELEASE_SECONDS
from sms_gateway.messages import queue as message_queue
from sms_gateway.messages.dashboard_lines import report_ended
from sms_gateway.scheduler.tick_run import TickRun
from sms_gateway.storage import message_repository
from sms_gateway.storage.message_updates import MessageUpdate
from sms_gateway.storage.models import Message, Submission, TimelineEntry

# Seconds after which a call without a recorded outcome counts as interrupted.
INTERRUPTED_AFTER = int(os.environ["INTERRUPTED_AFTER"])
MAX_CHECK_INTERVAL_SECONDS = 3600


def advance(run: TickRun, sub: Submission) -> None:
    """Advance a submission according to its status."""
    match sub.status:
        case Status.SCHEDULED | Status.ACCEPTED:
            _advance_accepted(run, sub)
        case Status.SUBMITTING:
            _advance_submitting(run, sub)
        case Status.SUBMITTED:
            _await_receipts(run, sub)
        case Status.UNKNOWN if sub.test and run.now_seconds < _last_look(sub):
            _await_late_receipt(run, sub)
        case _:
            MessageUpdate(sub.key).schedule_check(None).apply()


def _advance_accepted(run: TickRun, sub: Submission) -> None:
    age = run.now_seconds - sub.changed
    if sub.expires <= run.now_seconds:
        status = Status.UNKNOWN if sub.sent_again_in_doubt else Status.EXPIRED
        _close(run, sub, status, _why_expired(run, sub))
    elif (tenant := message_repository.tenant_of(sub)) is None:
        # Its request may still be writing; after REQUEUE_AFTER it died before accepting the batch.
        when = sub.changed + REQUEUE_AFTER if age < REQUEUE_AFTER else None
        MessageUpdate(sub.key).schedule_check(when).if_in("status", sub.status).apply()
    elif stop := stops().get(tenant):
        hold(sub, stop, run.now_ms).apply()
    elif sub.status is Status.SCHEDULED:
        _requeue(run, sub, REQUEUE_AFTER)
    elif sub.held is not None:
        _requeue(run, sub, REQUEUE_AFTER, sub.held)
    elif age < REQUEUE_AFTER:
        _check_at(sub, sub.changed + REQUEUE_AFTER)
    else:
        # In a long queue each requeue adds a task: wait as long again before the next.
        increment("SubmissionRequeued", vendor=sub.vendor)
        _requeue(run, sub, min(age, MAX_CHECK_INTERVAL_SECONDS))


def _why_expired(run: TickRun, sub: Submission) -> str:
    gone = run.accounts_known and not set(sub.vendors) & set(run.adapters_of(sub))
    because = f": {sub.vendor} is not configured any more" if gone else ""
    return f"its validity passed before it could be sent{because}"


def _requeue(run: TickRun, sub: Submission, pause: int, place: int = 0) -> None:
    """Enqueue a submission, for shortly before its turn if it has a `place` in a line."""
    now = run.now_seconds
    delay = max(0, (sub.due or now) + RELEASE_SECONDS - now) if place else 0
    change = MessageUpdate(sub.key).schedule_check(min(now + delay + pause, sub.expires))
    vendor = _usable_vendor(run, sub)
    if vendor != sub.vendor:
        note = f"{sub.vendor} is not configured any more"
        change.set("vendor", vendor)
        change.append_timeline(
            TimelineEntry(run.now_ms, Status.ACCEPTED, "clock", vendor, note=note)
        )
    if sub.status is Status.SCHEDULED:
        change.set("status", Status.ACCEPTED).set("changed", run.now_seconds)
        change.append_timeline(TimelineEntry(run.now_ms, Status.ACCEPTED, "clock", sub.vendor))
    if sub.held is not None:
        change.remove("held").if_in("held", sub.held)
    if change.if_in("status", sub.status).apply():
        left = sub.expires - now
        task = message_queue.make_task(
            vendor, sub.key, sub.count, left, code=sub.is_code, segments=sub.segments
        )
        if place and vendor == sub.vendor and not task.urgent:
            task = replace(task, place=place)
        message_queue.enqueue_submissions([task], sub.tenant or sub.key.batch, delay)


def _usable_vendor(run: TickRun, sub: Submission) -> str:
    """Return the submission's vendor, or the route's next if its account is gone."""
    adapters = run.adapters_of(sub)
    if sub.vendor in adapters:
        return sub.vendor
    usable = [vendor for vendor in sub.vendors if vendor in adapters and vendor not in sub.refused]
    return usable[0] if usable else sub.vendor


def _advance_submitting(run: TickRun, sub: Submission) -> None:
    if not sub.outcome_unknown:
        if run.now_seconds - sub.changed < INTERRUPTED_AFTER:
            _check_at(sub, sub.changed + INTERRUPTED_AFTER)
            return
        logger.warning(
            "vendor call interrupted", extra={"submission": str(sub.key), "vendor": sub.vendor}
        )
        increment("VendorCallInterrupted", vendor=sub.vendor)
        MessageUpdate(sub.key).set("outcome_unknown", 1).if_in("status", Status.SUBMITTING).apply()
    _await_receipts(run, sub)


def _await_receipts(run: TickRun, sub: Submission) -> None:
    """Close a submission that was or may have been sent, poll for its receipts, or wait."""
    _, messages = message_repository.load_messages(sub)
    open_messages = [message for message in messages if message.status is None]
    # The worker that recorded a mixed answer may have died before splitting it.
    detached = split_mixed_result(sub, open_messages, run.routable_vendors(sub), run.now)
    waiting = [message for message in open_messages if message.id not in detached]
    send_at = _scheduled_until(messages)
    if not sub.is_single and not waiting:
        MessageUpdate(sub.key).schedule_check(None).apply()
    elif run.now_seconds >= (deadline := max(sub.changed, send_at) + run.deadline_of(sub)):
        _close(run, sub, Status.UNKNOWN, "no receipt came before the deadline")
    elif sub.status is Status.SUBMITTED and run.now_seconds < send_at:
        MessageUpdate(sub.key).schedule_check(send_at + _first_wait_seconds(run, sub)).if_in(
            "status", sub.status
        ).apply()
    elif _resend_allowed(run, sub, waiting):
        _resend(run, sub)
    elif _can_poll(run, sub):
        run.due_polls[sub.vendor].append((sub, waiting, deadline))
    else:
        back_off(run, sub, deadline).apply()


def _can_poll(run: TickRun, sub: Submission) -> bool:
    adapter = run.adapters_of(sub).get(sub.vendor)
    return adapter is not None and adapter.capabilities.receipts_poll


def _await_late_receipt(run: TickRun, sub: Submission) -> None:
    """Poll for a test that is unknown: its receipt may come late, as those of callbacks do."""
    _, messages = message_repository.load_messages(sub)
    waiting = [message for message in messages if message.status is None]
    run.due_polls[sub.vendor].append((sub, waiting, _last_look(sub)))


def _last_look(sub: Submission) -> int:
    from sms_gateway.vendors.sandbox.outcomes import LAST_LOOK_SECONDS

    return sub.changed + LAST_LOOK_SECONDS


def _scheduled_until(messages: Sequence[Message]) -> int:
    """Return when the vendor sends its scheduled messages (epoch seconds); 0 for none."""
    times = (message.content.send_at for message in messages if message.content.at_vendor)
    return max((ceil(when.timestamp()) for when in times if when), default=0)


def _first_wait_seconds(run: TickRun, sub: Submission) -> int:
    """Return the seconds until the first poll."""
    adapter = run.adapters_of(sub).get(sub.vendor)
    return adapter.poll_after if adapter else REQUEUE_AFTER


def _resend_allowed(run: TickRun, sub: Submission, waiting: Sequence[Message]) -> bool:
    # A vendor that knows our reference is polled first.
    adapter = run.adapters_of(sub).get(sub.vendor)
    poll_first = adapter is not None and adapter.capabilities.own_reference and sub.polls == 0
    unknown = sub.status is Status.SUBMITTING and run.now_seconds < sub.expires
    once = run.accounts_known and unknown and not poll_first and not sub.sent_again_in_doubt
    return once and all(message.content.on_unknown == "resend" for message in waiting)


def _resend(run: TickRun, sub: Submission) -> None:
    """Send again despite an unknown outcome, as the caller chose."""
    change = MessageUpdate(sub.key).set("status", Status.ACCEPTED).set("changed", run.now_seconds)
    change.append_timeline(
        TimelineEntry(run.now_ms, Status.ACCEPTED, "clock", sub.vendor, sub.attempt, note="resend")
    )
    change.remove("outcome_unknown").set("in_doubt", 1).set("polls", 0).schedule_check(
        run.now_seconds + REQUEUE_AFTER
    )
    moved = change.if_in("status", Status.SUBMITTING).if_in("attempt", sub.attempt).apply()
    if moved:
        increment("SubmissionResent", vendor=sub.vendor)
        left = sub.expires - run.now_seconds
        task = message_queue.make_task(
            sub.vendor, sub.key, sub.count, left, code=sub.is_code, segments=sub.segments
        )
        message_queue.enqueue_submissions([task], sub.tenant or sub.key.batch)


def back_off(run: TickRun, sub: Submission, deadline: int) -> MessageUpdate:
    """Build the update for the next check, further away each time."""
    pause = min(_first_wait_seconds(run, sub) * 2 ** min(sub.polls, 10), MAX_CHECK_INTERVAL_SECONDS)
    when = min(run.now_seconds + pause, deadline)
    polls = sub.polls + 1 if run.accounts_known else sub.polls
    change = (
        MessageUpdate(sub.key).set("polls", polls).schedule_check(max(when, run.now_seconds + 1))
    )
    return change.if_in("status", Status.SUBMITTING, Status.SUBMITTED)


def _check_at(sub: Submission, when: int) -> None:
    MessageUpdate(sub.key).schedule_check(when).if_in("status", sub.status).apply()


def _close(run: TickRun, sub: Submission, status: Status, note: str) -> None:
    entry = TimelineEntry(run.now_ms, status, "clock", sub.vendor, sub.attempt, note=note)
    look_again = run.now_seconds + 1 if sub.test and status is Status.UNKNOWN else None
    change = MessageUpdate(sub.key).set("status", status).append_timeline(entry)
    if change.schedule_check(look_again).if_in("status", sub.status).apply():
        increment("ClosedByScheduler", sub.count, vendor=sub.vendor, status=status)
        report_ended(sub.vendor, status, sub.count)

"""Take a due submission one step further."""

import os
from collections.abc import Sequence
from math import ceil

from sms_gateway.core.observability import increment, logger
from sms_gateway.core.status import Status
from sms_gateway.dispatch.outcome_handling import REQUEUE_AFTER, split_mixed_result
from sms_gateway.messages import queue as message_queue
from sms_gateway.scheduler.tick_run import TickRun
from sms_gateway.storage import message_repository
from sms_gateway.storage.message_updates import MessageUpdate
from sms_gateway.storage.models import Message, Submission, TimelineEntry

INTERRUPTED_AFTER = int(
    os.environ["CUT_SHORT_AFTER"]
)  # seconds until a call without a record is over
MAX_WAIT_SECONDS = 3600  # seconds between two looks at one submission


def advance(run: TickRun, sub: Submission) -> None:
    match sub.status:
        case Status.SCHEDULED | Status.ACCEPTED:
            _advance_accepted(run, sub)
        case Status.SUBMITTING:
            _advance_submitting(run, sub)
        case Status.SUBMITTED:
            _await_receipts(run, sub)
        case _:
            MessageUpdate(sub.key).schedule_check(None).apply()


def _advance_accepted(run: TickRun, sub: Submission) -> None:
    age = run.now_seconds - sub.changed
    if sub.expires <= run.now_seconds:
        status = Status.UNKNOWN if sub.sent_again_in_doubt else Status.EXPIRED
        _end(run, sub, status, "its validity passed before it could be sent")
    elif sub.tenant is None and message_repository.find_batch(sub.key.batch) is None:
        # The request that writes it may still be at work; after GRACE it died before the batch was
        # accepted, and nobody was promised it.
        when = sub.changed + REQUEUE_AFTER if age < REQUEUE_AFTER else None
        MessageUpdate(sub.key).schedule_check(when).if_in("status", sub.status).apply()
    elif sub.status is Status.SCHEDULED:
        _requeue(run, sub, REQUEUE_AFTER)
    elif age < REQUEUE_AFTER:
        _check_at(sub, sub.changed + REQUEUE_AFTER)
    else:
        # In a long queue each hand-over is one more: as long again until the next.
        increment("HandedOutAgain", vendor=sub.vendor)
        _requeue(run, sub, min(age, MAX_WAIT_SECONDS))


def _requeue(run: TickRun, sub: Submission, pause: int) -> None:
    change = MessageUpdate(sub.key).schedule_check(min(run.now_seconds + pause, sub.expires))
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
    if change.if_in("status", sub.status).apply():
        message_queue.enqueue_submissions(
            vendor, [(sub.key, sub.count)], sub.tenant or sub.key.batch
        )


def _usable_vendor(run: TickRun, sub: Submission) -> str:
    """The submission's vendor, or the next of its route when its account is gone."""
    if sub.vendor in run.adapters:
        return sub.vendor
    usable = [v for v in sub.vendors if v in run.adapters and v not in sub.refused]
    return usable[0] if usable else sub.vendor


def _advance_submitting(run: TickRun, sub: Submission) -> None:
    if not sub.outcome_unknown:
        if run.now_seconds - sub.changed < INTERRUPTED_AFTER:
            _check_at(sub, sub.changed + INTERRUPTED_AFTER)
            return
        logger.warning("cut short", extra={"submission": str(sub.key), "vendor": sub.vendor})
        increment("CutShort", vendor=sub.vendor)
        MessageUpdate(sub.key).set("unsettled", 1).if_in("status", Status.SUBMITTING).apply()
    _await_receipts(run, sub)


def _await_receipts(run: TickRun, sub: Submission) -> None:
    """What was, or may have been, handed to the vendor: close it, ask, or wait on."""
    _, messages = message_repository.load_messages(sub)
    bare = [one for one in messages if one.status is None]
    # Whoever recorded a mixed answer may have died before its messages went their own ways.
    left = split_mixed_result(sub, bare, run.usable_vendors, run.now)
    waiting = [one for one in bare if one.id not in left]
    leaves = _scheduled_until(messages)
    if not sub.is_single and not waiting:
        MessageUpdate(sub.key).schedule_check(None).apply()
    elif run.now_seconds >= (deadline := max(sub.changed, leaves) + run.receipt_deadline):
        _end(run, sub, Status.UNKNOWN, "no receipt came before the deadline")
    elif sub.status is Status.SUBMITTED and run.now_seconds < leaves:
        MessageUpdate(sub.key).schedule_check(leaves + _first_wait_seconds(run, sub)).if_in(
            "status", sub.status
        ).apply()
    elif _resend_allowed(run, sub, waiting):
        _resend(run, sub)
    elif sub.vendor in run.adapters and run.adapters[sub.vendor].capabilities.receipts_poll:
        run.to_ask[sub.vendor].append((sub, waiting, deadline))
    else:
        back_off(run, sub, deadline).apply()


def _scheduled_until(messages: Sequence[Message]) -> int:
    """When the vendor itself is to send what it holds; 0 for what it does not hold."""
    held = (one.content.send_at for one in messages if one.content.at_vendor)
    return max((ceil(when.timestamp()) for when in held if when), default=0)


def _first_wait_seconds(run: TickRun, sub: Submission) -> int:
    """Seconds until receipts are first asked for."""
    return run.adapters[sub.vendor].poll_after if sub.vendor in run.adapters else REQUEUE_AFTER


def _resend_allowed(run: TickRun, sub: Submission, waiting: Sequence[Message]) -> bool:
    # Where the vendor can be asked by our reference it is asked first, and only silence counts.
    adapter = run.adapters.get(sub.vendor)
    ask_first = adapter is not None and adapter.capabilities.own_reference and sub.polls == 0
    unanswered = sub.status is Status.SUBMITTING and run.now_seconds < sub.expires
    once = run.accounts_known and unanswered and not ask_first and not sub.sent_again_in_doubt
    return once and all(one.content.on_unknown == "resend" for one in waiting)


def _resend(run: TickRun, sub: Submission) -> None:
    """At the caller's word only: better twice than not at all."""
    change = MessageUpdate(sub.key).set("status", Status.ACCEPTED).set("changed", run.now_seconds)
    change.append_timeline(
        TimelineEntry(run.now_ms, Status.ACCEPTED, "clock", sub.vendor, sub.attempt, note="resend")
    )
    change.remove("unsettled").set("doubt", 1).set("polls", 0).schedule_check(
        run.now_seconds + REQUEUE_AFTER
    )
    moved = change.if_in("status", Status.SUBMITTING).if_in("attempt", sub.attempt).apply()
    if moved:
        increment("Resent", vendor=sub.vendor)
        message_queue.enqueue_submissions(
            sub.vendor, [(sub.key, sub.count)], sub.tenant or sub.key.batch
        )


def back_off(run: TickRun, sub: Submission, deadline: int) -> MessageUpdate:
    """The next look, further away each time."""
    pause = min(_first_wait_seconds(run, sub) * 2 ** min(sub.polls, 10), MAX_WAIT_SECONDS)
    when = min(run.now_seconds + pause, deadline)
    asked = sub.polls + 1 if run.accounts_known else sub.polls
    change = (
        MessageUpdate(sub.key).set("polls", asked).schedule_check(max(when, run.now_seconds + 1))
    )
    return change.if_in("status", Status.SUBMITTING, Status.SUBMITTED)


def _check_at(sub: Submission, when: int) -> None:
    MessageUpdate(sub.key).schedule_check(when).if_in("status", sub.status).apply()


def _end(run: TickRun, sub: Submission, status: Status, why: str) -> None:
    entry = TimelineEntry(run.now_ms, status, "clock", sub.vendor, sub.attempt, note=why)
    change = (
        MessageUpdate(sub.key).set("status", status).append_timeline(entry).schedule_check(None)
    )
    if change.if_in("status", sub.status).apply():
        increment("Ended", sub.count, vendor=sub.vendor, status=status)

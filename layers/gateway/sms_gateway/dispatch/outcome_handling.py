"""What follows an attempt that did not settle a message: the next vendor, a retry, or the end.

Every step is safe to repeat.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

from sms_gateway.core.observability import increment
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import epoch_ms, epoch_seconds
from sms_gateway.dispatch.failover import NextAttempt, next_attempt
from sms_gateway.messages import queue
from sms_gateway.messages.dashboard_lines import report_ended
from sms_gateway.storage import dynamodb
from sms_gateway.storage.message_updates import MessageUpdate
from sms_gateway.storage.models import (
    Message,
    Submission,
    SubmissionResult,
    TimelineEntry,
    VerdictLetter,
)
from sms_gateway.vendors.types import SubmitOutcome, SubmitVerdict

# Seconds that the queue has before the scheduler requeues a submission.
REQUEUE_AFTER = int(os.environ["REQUEUE_AFTER"])

# Attempts after which pauses are waited for in the due index: Lambda takes a chain of about 16
# invocations through queues for a loop.
MAX_CHAIN = 12

STATUS_AFTER_SPLIT = {
    VerdictLetter.REFUSED: Status.ACCEPTED,
    VerdictLetter.RETRY: Status.ACCEPTED,
    VerdictLetter.UNKNOWN: Status.SUBMITTING,
}


def route_or_finish(
    sub: Submission,
    outcome: SubmitOutcome,
    usable: Collection[str],
    now: datetime,
    result: SubmissionResult | None = None,
    raw: str | None = None,
) -> None:
    """Route a submission after an attempt that sent nothing, or finish it.

    It goes to the next vendor, or waits for another round, while it is valid; it is rejected when
    every vendor has refused. If an earlier attempt may have sent it, it ends as unknown.
    """
    seconds = epoch_seconds(now)
    refused = sub.refused
    if outcome.verdict is SubmitVerdict.REFUSED:
        refused = (*refused, sub.vendor)
    step = next_attempt(sub.vendors, sub.vendor, refused, usable, sub.attempt)
    in_doubt = sub.sent_again_in_doubt or outcome.verdict is SubmitVerdict.UNKNOWN
    status = _next_status(step, sub.expires - seconds, in_doubt=in_doubt)
    change = MessageUpdate(sub.key).set("status", status).set("changed", seconds)
    if in_doubt:
        change.set("in_doubt", 1)
    if raw:
        change.set("raw", raw)
    change.truncate_timeline(sub.timeline).append_timeline(
        TimelineEntry(
            epoch_ms(now),
            status,
            "dispatch",
            sub.vendor,
            sub.attempt,
            outcome.code,
            outcome.text,
            outcome.note,
        )
    )
    if refused:
        change.set("refused", ",".join(refused))
    change.if_in("status", Status.SUBMITTING).if_in("attempt", sub.attempt)
    if step is None or status is not Status.ACCEPTED:
        _finish(change, sub, status, result)
        return
    _go_on(change.remove("outcome_unknown"), sub, step, now)


def _go_on(change: MessageUpdate, sub: Submission, step: NextAttempt, now: datetime) -> None:
    """Write the change of a submission that goes on, and enqueue it unless it is held."""
    seconds = epoch_seconds(now)
    _schedule(change, step, sub.attempt, seconds)
    fails_over = step.vendor != sub.vendor
    if fails_over:
        change.set("vendor", step.vendor).append_timeline(_routed_entry(step.vendor, now))
    if change.apply():
        if fails_over:
            increment("FailedOver", sub.count, vendor=sub.vendor)
        if not ends_chain(step, sub.attempt):
            left = sub.expires - seconds
            task = queue.make_task(
                step.vendor, sub.key, sub.count, left, code=sub.is_code, segments=sub.segments
            )
            queue.enqueue_submissions([task], sub.tenant or sub.key.batch, step.pause)


def ends_chain(step: NextAttempt, attempt: int) -> bool:
    """Return whether the scheduler, and no queue, brings a submission back after its pause."""
    return step.pause > 0 and attempt >= MAX_CHAIN


def _schedule(
    change: MessageUpdate, step: NextAttempt | None, attempt: int, seconds: int
) -> MessageUpdate:
    """Set when the scheduler looks: to bring it back, or to see that the queue has done so."""
    if step is not None and ends_chain(step, attempt):
        return change.set("held", 0).schedule_check(seconds + step.pause)
    return change.schedule_check(seconds + (step.pause if step else 0) + REQUEUE_AFTER)


def _finish(
    change: MessageUpdate, sub: Submission, status: Status, result: SubmissionResult | None
) -> None:
    change.schedule_check(None)
    if result is not None:
        change.set("result", result)
    if change.apply():
        report_ended(sub.vendor, status, sub.count)


def _next_status(step: NextAttempt | None, seconds_left: int, *, in_doubt: bool) -> Status:
    if step is not None and step.pause < seconds_left:
        return Status.ACCEPTED
    if in_doubt:
        return Status.UNKNOWN
    return Status.REJECTED if step is None else Status.EXPIRED


def split_mixed_result(
    sub: Submission, open_messages: Sequence[Message], usable: Collection[str], now: datetime
) -> set[str]:
    """Give the messages of a mixed result submissions of their own; return the ids of those.

    Refused ones go to the next vendor or end, retries and unknown outcomes leave the accepted ones.
    `open_messages` have no status of their own.
    """
    if sub.result is None or sub.is_single:
        return set()
    splits = STATUS_AFTER_SPLIT if sub.status is Status.SUBMITTED else {VerdictLetter.REFUSED}
    changes: list[MessageUpdate] = []
    ends: list[Status | None] = []
    requeued: dict[NextAttempt, list[queue.SubmissionTask]] = defaultdict(list)
    seconds_left = sub.expires - epoch_seconds(now)
    detached: set[str] = set()
    for message in open_messages:
        verdict = sub.result.verdict(message.key.position - sub.key.position)
        if verdict not in splits:
            continue
        detached.add(message.id)
        refused = (*sub.refused, sub.vendor) if verdict is VerdictLetter.REFUSED else sub.refused
        step = None
        if verdict is not VerdictLetter.UNKNOWN:
            step = next_attempt(sub.vendors, sub.vendor, refused, usable, sub.attempt)
        ends.append(_end(sub, verdict, step))
        changes.append(_detach_message(sub, message, verdict, refused, step, now))
        if step is not None and not ends_chain(step, sub.attempt):
            code = message.content.category == "otp"
            segments = message.content.segments if sub.segments else 0
            task = queue.make_task(
                step.vendor, message.key, 1, seconds_left, code=code, segments=segments
            )
            requeued[step].append(task)
    written = dynamodb.apply_all(changes)
    ended = Counter(status for status, held in zip(ends, written, strict=True) if status and held)
    for status, count in ended.items():
        report_ended(sub.vendor, status, count)
    if any(written):
        for step, tasks in requeued.items():
            queue.enqueue_submissions(tasks, sub.key.batch, step.pause)
    return detached


def _end(sub: Submission, verdict: VerdictLetter, step: NextAttempt | None) -> Status | None:
    """Return the status with which a refused message ends; None for one that goes on."""
    if verdict is not VerdictLetter.REFUSED or step is not None:
        return None
    return Status.UNKNOWN if sub.sent_again_in_doubt else Status.REJECTED


def _detach_message(
    sub: Submission,
    message: Message,
    verdict: VerdictLetter,
    refused: Sequence[str],
    step: NextAttempt | None,
    now: datetime,
) -> MessageUpdate:
    """Build the update that makes a message its own submission, or ends it."""
    offset = message.key.position - sub.key.position
    code, text, note = sub.result.detail_of(offset) if sub.result else (None, None, None)
    end = _end(sub, verdict, step)
    status = end or STATUS_AFTER_SPLIT[verdict]
    entry = TimelineEntry(
        epoch_ms(now), status, "dispatch", sub.vendor, sub.attempt, code, text, note
    )
    change = MessageUpdate(message.key).set("status", status).if_no_own_status()
    if end:
        return change.append_timeline(entry)
    vendor = step.vendor if step else sub.vendor
    seconds = epoch_seconds(now)
    earlier = [past for past in sub.timeline if past.status != Status.SUBMITTED]
    change.append_timeline(*earlier, entry)
    if vendor != sub.vendor:
        change.append_timeline(_routed_entry(vendor, now))
    if sub.sent_again_in_doubt:
        change.set("in_doubt", 1)
    if sub.test:
        change.set("test", 1)
    change.set("vendor", vendor).set("vendors", ",".join(sub.vendors))
    change.set("count", 1).set("attempt", sub.attempt).set("created", sub.created)
    change.set("expires", sub.expires).set("changed", seconds)
    _schedule(change, step, sub.attempt, seconds)
    if refused:
        change.set("refused", ",".join(refused))
    if sub.segments:
        change.set("segments", message.content.segments)
    if sub.seed is not None:
        change.set("seed", sub.seed)  # the submission may end, and forget it, before the message
    if step:
        return change
    if sub.result:
        # The vendor id to poll by, and the price in case the message arrived.
        change.set("result", sub.result.result_of(offset))
    return change.set("outcome_unknown", 1)


def _routed_entry(vendor: str, now: datetime) -> TimelineEntry:
    return TimelineEntry(
        epoch_ms(now), Status.ACCEPTED, "dispatch", vendor, note="next on the route"
    )

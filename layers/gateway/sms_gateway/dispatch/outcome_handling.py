"""What follows from an attempt that did not settle a message: the next vendor, another round, or
the end. Whatever is done here is safe to repeat."""

import os
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

from sms_gateway.core.observability import increment
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import epoch_ms, epoch_seconds
from sms_gateway.dispatch.failover import NextAttempt, next_attempt
from sms_gateway.messages import queue
from sms_gateway.storage import dynamodb
from sms_gateway.storage.message_updates import MessageUpdate
from sms_gateway.storage.models import (
    ItemKey,
    Message,
    Submission,
    SubmissionResult,
    TimelineEntry,
    VerdictLetter,
)
from sms_gateway.vendors.types import SubmitOutcome, SubmitVerdict

REQUEUE_AFTER = int(
    os.environ["HAND_OVER_AFTER"]
)  # seconds that the queue has before the clock helps

STATUS_AFTER_SPLIT = {
    VerdictLetter.REFUSED: Status.ACCEPTED,
    VerdictLetter.RETRY: Status.ACCEPTED,
    VerdictLetter.UNKNOWN: Status.SUBMITTING,
}


def route_or_finish(
    taken: Submission,
    outcome: SubmitOutcome,
    usable: Collection[str],
    now: datetime,
    result: SubmissionResult | None = None,
    said: str | None = None,
) -> None:
    """After an attempt that sent nothing: the next vendor of the route, or another round after a
    pause, while the submission is valid; rejected when every vendor has refused. What an earlier
    attempt may have sent is neither rejected nor expired, but unknown."""
    seconds = epoch_seconds(now)
    refused = taken.refused
    if outcome.verdict is SubmitVerdict.REFUSED:
        refused = (*refused, taken.vendor)
    step = next_attempt(taken.vendors, taken.vendor, refused, usable, taken.attempt)
    late = step is not None and seconds + step.pause >= taken.expires
    status = Status.REJECTED if step is None else Status.EXPIRED if late else Status.ACCEPTED
    doubt = taken.sent_again_in_doubt or outcome.verdict is SubmitVerdict.UNKNOWN
    if doubt and status is not Status.ACCEPTED:
        status = Status.UNKNOWN
    change = MessageUpdate(taken.key).set("status", status).set("changed", seconds)
    if doubt:
        change.set("doubt", 1)
    if said:
        change.set("raw", said)
    change.truncate_timeline(taken.timeline).append_timeline(
        TimelineEntry(
            epoch_ms(now),
            status,
            "dispatch",
            taken.vendor,
            taken.attempt,
            outcome.code,
            outcome.text,
            outcome.note,
        )
    )
    if refused:
        change.set("refused", ",".join(refused))
    if step is None or late:
        change.schedule_check(None)
        if result is not None:
            change.set("result", result)
    else:
        change.schedule_check(seconds + step.pause + REQUEUE_AFTER).remove("unsettled")
        if step.vendor != taken.vendor:
            change.set("vendor", step.vendor).append_timeline(_routed_entry(step.vendor, now))
    done = change.if_in("status", Status.SUBMITTING).if_in("attempt", taken.attempt).apply()
    if done and step is not None and not late:
        if step.vendor != taken.vendor:
            increment("PassedOn", taken.count, vendor=taken.vendor)
        group = taken.tenant or taken.key.batch
        queue.enqueue_submissions(step.vendor, [(taken.key, taken.count)], group, step.pause)


def split_mixed_result(
    sub: Submission, bare: Sequence[Message], usable: Collection[str], now: datetime
) -> set[str]:
    """Gives the messages of a mixed answer their own way: the refused go to the next vendor or end,
    those to be tried again, and those in doubt beside some that the vendor took, become submissions
    of their own. `bare` are those without a status of their own; returns the ids of those that
    left. Safe to repeat."""
    if sub.result is None or sub.is_single:
        return set()
    leaving = STATUS_AFTER_SPLIT if sub.status is Status.SUBMITTED else {VerdictLetter.REFUSED}
    changes: list[MessageUpdate] = []
    again: dict[NextAttempt, list[tuple[ItemKey, int]]] = defaultdict(list)
    left: set[str] = set()
    for one in bare:
        verdict = sub.result.verdict(one.key.position - sub.key.position)
        if verdict not in leaving:
            continue
        left.add(one.id)
        refused = (*sub.refused, sub.vendor) if verdict is VerdictLetter.REFUSED else sub.refused
        step = None
        if verdict is not VerdictLetter.UNKNOWN:
            step = next_attempt(sub.vendors, sub.vendor, refused, usable, sub.attempt)
        changes.append(_detach_message(sub, one, verdict, refused, step, now))
        if step is not None:
            again[step].append((one.key, 1))
    done = dynamodb.apply_all(changes)
    if any(done):
        for step, keys in again.items():
            queue.enqueue_submissions(step.vendor, keys, sub.key.batch, step.pause)
    return left


def _detach_message(
    sub: Submission,
    message: Message,
    verdict: VerdictLetter,
    refused: Sequence[str],
    step: NextAttempt | None,
    now: datetime,
) -> MessageUpdate:
    """One message's own way out of a submission with a mixed answer."""
    offset = message.key.position - sub.key.position
    code, text, note = sub.result.words_for(offset) if sub.result else (None, None, None)
    ends = verdict is VerdictLetter.REFUSED and step is None
    status = (
        STATUS_AFTER_SPLIT[verdict]
        if not ends
        else Status.UNKNOWN
        if sub.sent_again_in_doubt
        else Status.REJECTED
    )
    entry = TimelineEntry(
        epoch_ms(now), status, "dispatch", sub.vendor, sub.attempt, code, text, note
    )
    change = MessageUpdate(message.key).set("status", status).if_no_own_status()
    if ends:
        return change.append_timeline(entry)
    vendor = step.vendor if step else sub.vendor
    seconds = epoch_seconds(now)
    before = [one for one in sub.timeline if one.status != Status.SUBMITTED]
    change.append_timeline(*before, entry)
    if vendor != sub.vendor:
        change.append_timeline(_routed_entry(vendor, now))
    if sub.sent_again_in_doubt:
        change.set("doubt", 1)
    change.set("vendor", vendor).set("vendors", ",".join(sub.vendors))
    change.set("count", 1).set("attempt", sub.attempt).set("created", sub.created)
    change.set("expires", sub.expires).set("changed", seconds)
    change.schedule_check(seconds + (step.pause if step else 0) + REQUEUE_AFTER)
    if refused:
        change.set("refused", ",".join(refused))
    if step:
        return change
    if sub.result:
        change.set(
            "result", sub.result.part_for(offset)
        )  # to ask by, and what it costs if it arrived
    return change.set("unsettled", 1)


def _routed_entry(vendor: str, now: datetime) -> TimelineEntry:
    return TimelineEntry(
        epoch_ms(now), Status.ACCEPTED, "dispatch", vendor, note="next on the route"
    )

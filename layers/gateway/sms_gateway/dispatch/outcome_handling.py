"""What follows from an attempt that did not settle a message: the next vendor, another round, or
the end. Whatever is done here is safe to repeat."""

import os
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

from sms_gateway.core.observability import count
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import epoch_ms, epoch_seconds
from sms_gateway.dispatch.failover import Step, next_step
from sms_gateway.messages import queue
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import Change
from sms_gateway.storage.models import Entry, Key, Message, Result, Submission
from sms_gateway.vendors.adapter import Outcome, Verdict

GRACE = int(os.environ["HAND_OVER_AFTER"])  # seconds that the queue has before the clock helps

FANNED = {"R": Status.ACCEPTED, "T": Status.ACCEPTED, "U": Status.SUBMITTING}


def pass_on(
    taken: Submission,
    outcome: Outcome,
    usable: Collection[str],
    now: datetime,
    result: Result | None = None,
    said: str | None = None,
) -> None:
    """After an attempt that sent nothing: the next vendor of the route, or another round after a
    pause, while the submission is valid; rejected when every vendor has refused. What an earlier
    attempt may have sent is neither rejected nor expired, but unknown."""
    seconds = epoch_seconds(now)
    refused = taken.refused
    if outcome.verdict is Verdict.REFUSED:
        refused = (*refused, taken.vendor)
    step = next_step(taken.vendors, taken.vendor, refused, usable, taken.attempt)
    late = step is not None and seconds + step.pause >= taken.expires
    status = Status.REJECTED if step is None else Status.EXPIRED if late else Status.ACCEPTED
    doubt = taken.doubt or outcome.verdict is Verdict.UNKNOWN
    if doubt and status is not Status.ACCEPTED:
        status = Status.UNKNOWN
    change = Change(taken.key).put("status", status).put("changed", seconds)
    if doubt:
        change.put("doubt", 1)
    if said:
        change.put("raw", said)
    change.fold(taken.log).note(
        Entry(
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
        change.put("refused", ",".join(refused))
    if step is None or late:
        change.look_at(None)
        if result is not None:
            change.put("result", result)
    else:
        change.look_at(seconds + step.pause + GRACE).drop("unsettled")
        if step.vendor != taken.vendor:
            change.put("vendor", step.vendor).note(_chosen(step.vendor, now))
    done = change.when("status", Status.SUBMITTING).when("attempt", taken.attempt).apply()
    if done and step is not None and not late:
        if step.vendor != taken.vendor:
            count("PassedOn", taken.count, vendor=taken.vendor)
        group = taken.tenant or taken.key.batch
        queue.enqueue(step.vendor, [(taken.key, taken.count)], group, step.pause)


def fan_out(
    sub: Submission, bare: Sequence[Message], usable: Collection[str], now: datetime
) -> set[str]:
    """Gives the messages of a mixed answer their own way: the refused go to the next vendor or end,
    those to be tried again, and those in doubt beside some that the vendor took, become submissions
    of their own. `bare` are those without a status of their own; returns the ids of those that
    left. Safe to repeat."""
    if sub.result is None or sub.own_item:
        return set()
    leaving = "RTU" if sub.status is Status.SUBMITTED else "R"
    changes: list[Change] = []
    again: dict[Step, list[tuple[Key, int]]] = defaultdict(list)
    left: set[str] = set()
    for one in bare:
        verdict = sub.result.verdict(one.key.position - sub.key.position)
        if verdict not in leaving:
            continue
        left.add(one.id)
        refused = (*sub.refused, sub.vendor) if verdict == "R" else sub.refused
        step = None
        if verdict != "U":
            step = next_step(sub.vendors, sub.vendor, refused, usable, sub.attempt)
        changes.append(_leave(sub, one, verdict, refused, step, now))
        if step is not None:
            again[step].append((one.key, 1))
    done = dynamodb.apply_all(changes)
    if any(done):
        for step, keys in again.items():
            queue.enqueue(step.vendor, keys, sub.key.batch, step.pause)
    return left


def _leave(
    sub: Submission,
    message: Message,
    verdict: str,
    refused: Sequence[str],
    step: Step | None,
    now: datetime,
) -> Change:
    """One message's own way out of a submission with a mixed answer."""
    offset = message.key.position - sub.key.position
    code, text, note = sub.result.said(offset) if sub.result else (None, None, None)
    ends = verdict == "R" and step is None
    status = FANNED[verdict] if not ends else Status.UNKNOWN if sub.doubt else Status.REJECTED
    entry = Entry(epoch_ms(now), status, "dispatch", sub.vendor, sub.attempt, code, text, note)
    change = Change(message.key).put("status", status).when_bare()
    if ends:
        return change.note(entry)
    vendor = step.vendor if step else sub.vendor
    seconds = epoch_seconds(now)
    before = [one for one in sub.log if one.status != Status.SUBMITTED]
    change.note(*before, entry)
    if vendor != sub.vendor:
        change.note(_chosen(vendor, now))
    if sub.doubt:
        change.put("doubt", 1)
    change.put("vendor", vendor).put("vendors", ",".join(sub.vendors))
    change.put("count", 1).put("attempt", sub.attempt).put("created", sub.created)
    change.put("expires", sub.expires).put("changed", seconds)
    change.look_at(seconds + (step.pause if step else 0) + GRACE)
    if refused:
        change.put("refused", ",".join(refused))
    if step:
        return change
    if sub.result:
        change.put("result", sub.result.only(offset))  # to ask by, and what it costs if it arrived
    return change.put("unsettled", 1)


def _chosen(vendor: str, now: datetime) -> Entry:
    return Entry(epoch_ms(now), Status.ACCEPTED, "dispatch", vendor, note="next on the route")

"""Take a due submission one step further."""

import os
from collections.abc import Sequence
from math import ceil

from sms_gateway.core.observability import count, log
from sms_gateway.core.status import Status
from sms_gateway.dispatch.outcome_handling import GRACE, fan_out
from sms_gateway.messages import queue as message_queue
from sms_gateway.scheduler.tick_run import Tick
from sms_gateway.storage import message_repository
from sms_gateway.storage.message_updates import MessageUpdate
from sms_gateway.storage.models import Entry, Message, Submission

CUT_SHORT = int(os.environ["CUT_SHORT_AFTER"])  # seconds until a call without a record is over
LONGEST_WAIT = 3600  # seconds between two looks at one submission


def _step(run: Tick, sub: Submission) -> None:
    match sub.status:
        case Status.SCHEDULED | Status.ACCEPTED:
            _step_accepted(run, sub)
        case Status.SUBMITTING:
            _step_submitting(run, sub)
        case Status.SUBMITTED:
            _wait_or_ask(run, sub)
        case _:
            MessageUpdate(sub.key).look_at(None).apply()


def _step_accepted(run: Tick, sub: Submission) -> None:
    age = run.seconds - sub.changed
    if sub.expires <= run.seconds:
        status = Status.UNKNOWN if sub.doubt else Status.EXPIRED
        _end(run, sub, status, "its validity passed before it could be sent")
    elif sub.tenant is None and message_repository.batch(sub.key.batch) is None:
        # The request that writes it may still be at work; after GRACE it died before the batch was
        # accepted, and nobody was promised it.
        when = sub.changed + GRACE if age < GRACE else None
        MessageUpdate(sub.key).look_at(when).when("status", sub.status).apply()
    elif sub.status is Status.SCHEDULED:
        _hand_out(run, sub, GRACE)
    elif age < GRACE:
        _look_again(sub, sub.changed + GRACE)
    else:
        # In a long queue each hand-over is one more: as long again until the next.
        count("HandedOutAgain", vendor=sub.vendor)
        _hand_out(run, sub, min(age, LONGEST_WAIT))


def _hand_out(run: Tick, sub: Submission, pause: int) -> None:
    change = MessageUpdate(sub.key).look_at(min(run.seconds + pause, sub.expires))
    vendor = _vendor(run, sub)
    if vendor != sub.vendor:
        note = f"{sub.vendor} is not configured any more"
        change.put("vendor", vendor)
        change.note(Entry(run.ms, Status.ACCEPTED, "clock", vendor, note=note))
    if sub.status is Status.SCHEDULED:
        change.put("status", Status.ACCEPTED).put("changed", run.seconds)
        change.note(Entry(run.ms, Status.ACCEPTED, "clock", sub.vendor))
    if change.when("status", sub.status).apply():
        message_queue.enqueue(vendor, [(sub.key, sub.count)], sub.tenant or sub.key.batch)


def _vendor(run: Tick, sub: Submission) -> str:
    """The submission's vendor, or the next of its route when its account is gone."""
    if sub.vendor in run.adapters:
        return sub.vendor
    usable = [v for v in sub.vendors if v in run.adapters and v not in sub.refused]
    return usable[0] if usable else sub.vendor


def _step_submitting(run: Tick, sub: Submission) -> None:
    if not sub.outcome_unknown:
        if run.seconds - sub.changed < CUT_SHORT:
            _look_again(sub, sub.changed + CUT_SHORT)
            return
        log.warning("cut short", extra={"submission": str(sub.key), "vendor": sub.vendor})
        count("CutShort", vendor=sub.vendor)
        MessageUpdate(sub.key).put("unsettled", 1).when("status", Status.SUBMITTING).apply()
    _wait_or_ask(run, sub)


def _wait_or_ask(run: Tick, sub: Submission) -> None:
    """What was, or may have been, handed to the vendor: close it, ask, or wait on."""
    _, messages = message_repository.members(sub)
    bare = [one for one in messages if one.status is None]
    # Whoever recorded a mixed answer may have died before its messages went their own ways.
    left = fan_out(sub, bare, run.usable, run.now)
    waiting = [one for one in bare if one.id not in left]
    leaves = _held_until(messages)
    if not sub.own_item and not waiting:
        MessageUpdate(sub.key).look_at(None).apply()
    elif run.seconds >= (deadline := max(sub.changed, leaves) + run.receipt_deadline):
        _end(run, sub, Status.UNKNOWN, "no receipt came before the deadline")
    elif sub.status is Status.SUBMITTED and run.seconds < leaves:
        MessageUpdate(sub.key).look_at(leaves + _first_wait(run, sub)).when(
            "status", sub.status
        ).apply()
    elif _resend_allowed(run, sub, waiting):
        _resend(run, sub)
    elif sub.vendor in run.adapters and run.adapters[sub.vendor].capabilities.receipts_poll:
        run.asked[sub.vendor].append((sub, waiting, deadline))
    else:
        _wait(run, sub, deadline).apply()


def _held_until(messages: Sequence[Message]) -> int:
    """When the vendor itself is to send what it holds; 0 for what it does not hold."""
    held = (one.content.send_at for one in messages if one.content.at_vendor)
    return max((ceil(when.timestamp()) for when in held if when), default=0)


def _first_wait(run: Tick, sub: Submission) -> int:
    """Seconds until receipts are first asked for."""
    return run.adapters[sub.vendor].poll_after if sub.vendor in run.adapters else GRACE


def _resend_allowed(run: Tick, sub: Submission, waiting: Sequence[Message]) -> bool:
    # Where the vendor can be asked by our reference it is asked first, and only silence counts.
    adapter = run.adapters.get(sub.vendor)
    ask_first = adapter is not None and adapter.capabilities.own_reference and sub.polls == 0
    unanswered = sub.status is Status.SUBMITTING and run.seconds < sub.expires
    once = run.known and unanswered and not ask_first and not sub.doubt
    return once and all(one.content.on_unknown == "resend" for one in waiting)


def _resend(run: Tick, sub: Submission) -> None:
    """At the caller's word only: better twice than not at all."""
    change = MessageUpdate(sub.key).put("status", Status.ACCEPTED).put("changed", run.seconds)
    change.note(Entry(run.ms, Status.ACCEPTED, "clock", sub.vendor, sub.attempt, note="resend"))
    change.drop("unsettled").put("doubt", 1).put("polls", 0).look_at(run.seconds + GRACE)
    moved = change.when("status", Status.SUBMITTING).when("attempt", sub.attempt).apply()
    if moved:
        count("Resent", vendor=sub.vendor)
        message_queue.enqueue(sub.vendor, [(sub.key, sub.count)], sub.tenant or sub.key.batch)


def _wait(run: Tick, sub: Submission, deadline: int) -> MessageUpdate:
    """The next look, further away each time."""
    pause = min(_first_wait(run, sub) * 2 ** min(sub.polls, 10), LONGEST_WAIT)
    when = min(run.seconds + pause, deadline)
    asked = sub.polls + 1 if run.known else sub.polls
    change = MessageUpdate(sub.key).put("polls", asked).look_at(max(when, run.seconds + 1))
    return change.when("status", Status.SUBMITTING, Status.SUBMITTED)


def _look_again(sub: Submission, when: int) -> None:
    MessageUpdate(sub.key).look_at(when).when("status", sub.status).apply()


def _end(run: Tick, sub: Submission, status: Status, why: str) -> None:
    entry = Entry(run.ms, status, "clock", sub.vendor, sub.attempt, note=why)
    change = MessageUpdate(sub.key).put("status", status).note(entry).look_at(None)
    if change.when("status", sub.status).apply():
        count("Ended", sub.count, vendor=sub.vendor, status=status)

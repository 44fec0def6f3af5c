"""Hands submissions to vendors: at most once, and never in doubt.

The attempt is recorded before the call, by a conditional write that one worker wins; what the
vendor answered is recorded after it, in one write. A submission found with an attempt but no answer
is not sent again: the clock settles it.
"""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

from sms_gateway.core.observability import count, log
from sms_gateway.core.problems import Unavailable
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import epoch_ms, epoch_seconds, utc_now
from sms_gateway.dispatch.failover import FIRST_PAUSE
from sms_gateway.dispatch.outcome_handling import fan_out, pass_on
from sms_gateway.dispatch.vendor_session import Desk
from sms_gateway.messages.prices import rates
from sms_gateway.storage import message_repository, vendor_message_ids
from sms_gateway.storage.dynamodb import Change
from sms_gateway.storage.items import DAY
from sms_gateway.storage.models import EVERY, Entry, Key, Message, Result, Submission, Words
from sms_gateway.vendors.adapter import Adapter, Call, Outcome, Verdict

LETTERS = {
    Verdict.ACCEPTED: "A",
    Verdict.REFUSED: "R",
    Verdict.RETRY: "T",
    Verdict.UNKNOWN: "U",
}
POINTED = 7 * DAY  # seconds that a vendor's id is remembered


def dispatch(key: Key, desk: Desk) -> None:
    """Takes a submission and hands it to the vendor, unless it is no longer to be sent."""
    now = utc_now()
    taken = _take(key, desk.adapter.name, now)
    if taken is None:
        log.info("not to be sent", extra={"submission": str(key)})
        return
    try:
        _, messages = message_repository.members(taken)
        waiting = [one for one in messages if one.status is None]
        outgoing = [desk.outgoing(one, now) for one in waiting]
        calls = desk.adapter.submit(outgoing, desk.callback_url(taken.key)) if waiting else []
    except Exception:
        # Nothing has left yet, so that it may be tried again.
        log.exception("call not made", extra={"submission": str(key)})
        pass_on(taken, Outcome(Verdict.RETRY, note="the call could not be made"), desk.usable, now)
        return
    if not waiting:
        _close_empty(taken)
        return
    outcomes = _outcomes(calls, desk)
    record(taken, waiting, outcomes, desk)


def _take(key: Key, vendor: str, now: datetime) -> Submission | None:
    entry = Entry(epoch_ms(now), Status.SUBMITTING, "dispatch", vendor)
    seconds = epoch_seconds(now)
    claim = secrets.token_hex(8)
    taken = (
        Change(key)
        .put("status", Status.SUBMITTING)
        .put("claim", claim)
        .put("changed", seconds)
        .add("attempt", 1)
        .note(entry)
        .when("status", Status.ACCEPTED)
        .when("vendor", vendor)
        .after("expires", seconds)
        .move()
    )
    # When DynamoDB's answer is lost, the SDK asks again and finds our own first writing.
    return taken or message_repository.submission(key, claim=claim)


def _close_empty(taken: Submission) -> None:
    """All messages were cancelled between acceptance and now."""
    Change(taken.key).put("status", Status.CANCELLED).look_at(None).when(
        "status", Status.SUBMITTING
    ).apply()


def _outcomes(calls: Sequence[Call], desk: Desk) -> dict[str, tuple[Outcome, str | None]]:
    """Each message's outcome, with what the vendor said where it can't be understood."""
    found: dict[str, tuple[Outcome, str | None]] = {}
    for call, (outcomes, raw) in zip(calls, desk.answers(calls), strict=True):
        for member, outcome in zip(call.members, outcomes, strict=True):
            found[member.id] = (outcome, raw)
    return found


def record(
    taken: Submission,
    waiting: Sequence[Message],
    outcomes: Mapping[str, tuple[Outcome, str | None]],
    desk: Desk,
) -> None:
    """Writes what the vendor said of a submission, in one write, and then what follows from it."""
    now, adapter = utc_now(), desk.adapter
    faults = {o.code or "" for o, _ in outcomes.values() if o.account}
    if faults:
        log.error("account fault", extra={"vendor": taken.vendor, "codes": sorted(faults)})
        count("AccountFault")
    result, said = _result(taken, waiting, outcomes, adapter)
    letters = set(result.verdicts or "A")
    first = next(iter(outcomes.values()))[0]
    if letters - {"C"} in ({"T"}, {"R"}) or _may_resend(taken, waiting, letters, adapter, now):
        pass_on(taken, first, desk.usable, now, result, said)
        return
    change = Change(taken.key).put("result", result).put("changed", epoch_seconds(now))
    if said:
        change.put("raw", said)
    if "A" in letters or "T" in letters:
        status = Status.SUBMITTED
        change.drop("unsettled")
    else:
        status = Status.SUBMITTING
        change.put("unsettled", 1)
    accepted = [o for o, _ in outcomes.values() if LETTERS[o.verdict] == "A"]
    word = accepted[0] if accepted and status is Status.SUBMITTED else first
    entry = Entry(
        epoch_ms(now),
        status,
        "dispatch",
        taken.vendor,
        taken.attempt,
        word.code,
        word.text,
        word.note,
    )
    change.note(entry).put("status", status)
    mixed = not taken.own_item and len(letters - {"C"}) > 1
    change.look_at(_next_look(taken, adapter, now, soon=mixed))
    if adapter.account_callbacks:
        _point(taken, result, now)  # first, since a push may be as fast as the answer
    moved = change.when("status", Status.SUBMITTING).when("attempt", taken.attempt).move()
    if moved is None:
        # A receipt was faster than the answer: the answer is kept, the status stays.
        Change(taken.key).put("result", result).when("attempt", taken.attempt).apply()
        return
    if accepted:
        count("Submitted", len(accepted), vendor=taken.vendor)
    if mixed:
        fan_out(moved, waiting, desk.usable, now)


def _point(taken: Submission, result: Result, now: datetime) -> None:
    """For a vendor whose callbacks name its own id only: remembers what each id means."""
    known = [(result.id_of(offset), offset) for offset in range(taken.count)]
    first = taken.key.position
    pointers = [
        (identifier, Key(taken.key.batch, f"M#{first + offset:03d}"))
        for identifier, offset in known
        if identifier
    ]
    try:
        vendor_message_ids.point(taken.vendor, pointers, epoch_seconds(now) + POINTED)
    except Unavailable:
        # The vendor's answer itself matters more, and receipts can be asked for.
        log.exception("ids not remembered", extra={"submission": str(taken.key)})
        count("PointersNotWritten", vendor=taken.vendor)


def _next_look(taken: Submission, adapter: Adapter, now: datetime, *, soon: bool) -> int:
    # The time set at acceptance is kept where it will do: moving it costs two index writes.
    seconds = epoch_seconds(now)
    wait = 0 if soon else adapter.poll_after
    if not soon and taken.due is not None and taken.due >= seconds + wait // 2:
        return taken.due
    return seconds + wait


def _result(
    taken: Submission,
    waiting: Sequence[Message],
    outcomes: Mapping[str, tuple[Outcome, str | None]],
    adapter: Adapter,
) -> tuple[Result, str | None]:
    """The vendor's answers by offset; `C` marks a message that was cancelled before the call."""
    first = taken.key.position
    by_offset = {one.key.position - first: outcomes[one.id] for one in waiting}
    letters = []
    ids: list[str | None] = []
    prices: list[tuple[str, str] | None] = []
    words: dict[int, Words] = {}
    said = None
    for offset in range(taken.count):
        if offset not in by_offset:
            letters.append("C")
            ids.append(None)
            prices.append(None)
            continue
        outcome, raw = by_offset[offset]
        said = said or raw
        letters.append(LETTERS[outcome.verdict])
        ids.append(outcome.vendor_id)
        price = outcome.price
        prices.append((str(price.amount), price.currency) if price else None)
        if outcome.verdict is not Verdict.ACCEPTED:
            words[offset] = (outcome.code, outcome.text, outcome.note)
    one_id, one_price = len(set(ids)) == 1, len(set(prices)) == 1
    own = all(outcomes[one.id][0].vendor_id in (None, one.id) for one in waiting)
    untold = [one.content.to for one in waiting if _perhaps_taken_untold(outcomes[one.id][0])]
    result = Result(
        verdicts="" if set(letters) == {"A"} else "".join(letters),
        own=own and any(ids),
        vendor_id=ids[0] if one_id and not own else None,
        vendor_ids=None if one_id or own else ids,
        price=prices[0] if one_price else None,
        prices=None if one_price else prices,
        words=_folded(words),
        rates=rates(adapter, untold),
    )
    return result, said


def _perhaps_taken_untold(outcome: Outcome) -> bool:
    """Whether the vendor took the message, or may have, and told no price for it."""
    return outcome.price is None and outcome.verdict in (Verdict.ACCEPTED, Verdict.UNKNOWN)


def _folded(words: dict[int, Words]) -> dict[int, Words] | None:
    """One word for all is kept once: a thousand refusals must not make a thousand copies."""
    different = set(words.values())
    return {EVERY: different.pop()} if len(different) == 1 else words or None


def _may_resend(
    taken: Submission,
    waiting: Sequence[Message],
    letters: set[str],
    adapter: Adapter,
    now: datetime,
) -> bool:
    """Whether messages in doubt go out once more: at their callers' word only, while there is time
    for it, and where the vendor can't be asked by our reference first."""
    return (
        letters - {"C"} == {"U"}
        and not taken.doubt
        and now.timestamp() + FIRST_PAUSE < taken.expires
        and not adapter.capabilities.own_reference
        and all(one.content.on_unknown == "resend" for one in waiting)
    )

"""Hands submissions to vendors: at most once, and never in doubt.

The attempt is recorded before the call, by a conditional write that one worker wins; what the
vendor answered is recorded after it, in one write. A submission found with an attempt but no answer
is not sent again: the clock settles it.
"""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import epoch_ms, epoch_seconds, utc_now
from sms_gateway.dispatch.failover import FIRST_PAUSE_SECONDS
from sms_gateway.dispatch.outcome_handling import route_or_finish, split_mixed_result
from sms_gateway.dispatch.vendor_session import VendorSession
from sms_gateway.messages.prices import price_rows
from sms_gateway.storage import message_repository, vendor_message_ids
from sms_gateway.storage.items import DAY_SECONDS
from sms_gateway.storage.message_updates import MessageUpdate
from sms_gateway.storage.models import (
    ALL_MESSAGES,
    ItemKey,
    Message,
    Submission,
    SubmissionResult,
    TimelineEntry,
    VerdictLetter,
    Words,
)
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.types import SubmitCall, SubmitOutcome, SubmitVerdict

LETTER_OF_VERDICT = {verdict: VerdictLetter[verdict.name] for verdict in SubmitVerdict}
VENDOR_ID_SECONDS = 7 * DAY_SECONDS  # seconds that a vendor's id is remembered


def dispatch(key: ItemKey, desk: VendorSession) -> None:
    """Takes a submission and hands it to the vendor, unless it is no longer to be sent."""
    now = utc_now()
    taken = _claim(key, desk.adapter.name, now)
    if taken is None:
        logger.info("not to be sent", extra={"submission": str(key)})
        return
    try:
        _, messages = message_repository.load_messages(taken)
        waiting = [one for one in messages if one.status is None]
        outgoing = [desk.outgoing(one, now) for one in waiting]
        calls = desk.adapter.submit(outgoing, desk.callback_url(taken.key)) if waiting else []
    except Exception:
        # Nothing has left yet, so that it may be tried again.
        logger.exception("call not made", extra={"submission": str(key)})
        route_or_finish(
            taken,
            SubmitOutcome(SubmitVerdict.RETRY, note="the call could not be made"),
            desk.usable,
            now,
        )
        return
    if not waiting:
        _cancel_empty(taken)
        return
    outcomes = _outcomes(calls, desk)
    record_outcome(taken, waiting, outcomes, desk)


def _claim(key: ItemKey, vendor: str, now: datetime) -> Submission | None:
    entry = TimelineEntry(epoch_ms(now), Status.SUBMITTING, "dispatch", vendor)
    seconds = epoch_seconds(now)
    claim = secrets.token_hex(8)
    taken = (
        MessageUpdate(key)
        .set("status", Status.SUBMITTING)
        .set("claim", claim)
        .set("changed", seconds)
        .add("attempt", 1)
        .append_timeline(entry)
        .if_in("status", Status.ACCEPTED)
        .if_in("vendor", vendor)
        .if_after("expires", seconds)
        .apply_to_submission()
    )
    # When DynamoDB's answer is lost, the SDK asks again and finds our own first writing.
    return taken or message_repository.find_submission(key, claim=claim)


def _cancel_empty(taken: Submission) -> None:
    """All messages were cancelled between acceptance and now."""
    MessageUpdate(taken.key).set("status", Status.CANCELLED).schedule_check(None).if_in(
        "status", Status.SUBMITTING
    ).apply()


def _outcomes(
    calls: Sequence[SubmitCall], desk: VendorSession
) -> dict[str, tuple[SubmitOutcome, str | None]]:
    """Each message's outcome, with what the vendor said where it can't be understood."""
    found: dict[str, tuple[SubmitOutcome, str | None]] = {}
    for call, (outcomes, raw) in zip(calls, desk.send_calls(calls), strict=True):
        for member, outcome in zip(call.members, outcomes, strict=True):
            found[member.id] = (outcome, raw)
    return found


def record_outcome(
    taken: Submission,
    waiting: Sequence[Message],
    outcomes: Mapping[str, tuple[SubmitOutcome, str | None]],
    desk: VendorSession,
) -> None:
    """Writes what the vendor said of a submission, in one write, and then what follows from it."""
    now, adapter = utc_now(), desk.adapter
    faults = {o.code or "" for o, _ in outcomes.values() if o.account_fault}
    if faults:
        logger.error("account fault", extra={"vendor": taken.vendor, "codes": sorted(faults)})
        increment("AccountFault")
    result, said = _result(taken, waiting, outcomes, adapter)
    verdicts = {VerdictLetter(letter) for letter in result.verdicts} or {VerdictLetter.ACCEPTED}
    sent = verdicts - {VerdictLetter.CANCELLED}
    first = next(iter(outcomes.values()))[0]
    if sent in ({VerdictLetter.RETRY}, {VerdictLetter.REFUSED}) or _may_resend(
        taken, waiting, sent, adapter, now
    ):
        route_or_finish(taken, first, desk.usable, now, result, said)
        return
    change = MessageUpdate(taken.key).set("result", result).set("changed", epoch_seconds(now))
    if said:
        change.set("raw", said)
    if sent & {VerdictLetter.ACCEPTED, VerdictLetter.RETRY}:
        status = Status.SUBMITTED
        change.remove("unsettled")
    else:
        status = Status.SUBMITTING
        change.set("unsettled", 1)
    accepted = [o for o, _ in outcomes.values() if o.verdict is SubmitVerdict.ACCEPTED]
    word = accepted[0] if accepted and status is Status.SUBMITTED else first
    entry = TimelineEntry(
        epoch_ms(now),
        status,
        "dispatch",
        taken.vendor,
        taken.attempt,
        word.code,
        word.text,
        word.note,
    )
    change.append_timeline(entry).set("status", status)
    mixed = not taken.is_single and len(sent) > 1
    change.schedule_check(_next_check(taken, adapter, now, soon=mixed))
    if adapter.account_callbacks:
        _put_vendor_ids(taken, result, now)  # first, since a push may be as fast as the answer
    moved = (
        change.if_in("status", Status.SUBMITTING)
        .if_in("attempt", taken.attempt)
        .apply_to_submission()
    )
    if moved is None:
        # A receipt was faster than the answer: the answer is kept, the status stays.
        MessageUpdate(taken.key).set("result", result).if_in("attempt", taken.attempt).apply()
        return
    if accepted:
        increment("Submitted", len(accepted), vendor=taken.vendor)
    if mixed:
        split_mixed_result(moved, waiting, desk.usable, now)


def _put_vendor_ids(taken: Submission, result: SubmissionResult, now: datetime) -> None:
    """For a vendor whose callbacks name its own id only: remembers what each id means."""
    known = [(result.vendor_id_of(offset), offset) for offset in range(taken.count)]
    first = taken.key.position
    pointers = [
        (identifier, ItemKey(taken.key.batch, f"M#{first + offset:03d}"))
        for identifier, offset in known
        if identifier
    ]
    try:
        vendor_message_ids.put_vendor_ids(
            taken.vendor, pointers, epoch_seconds(now) + VENDOR_ID_SECONDS
        )
    except ServiceUnavailableError:
        # The vendor's answer itself matters more, and receipts can be asked for.
        logger.exception("ids not remembered", extra={"submission": str(taken.key)})
        increment("PointersNotWritten", vendor=taken.vendor)


def _next_check(taken: Submission, adapter: Adapter, now: datetime, *, soon: bool) -> int:
    # The time set at acceptance is kept where it will do: moving it costs two index writes.
    seconds = epoch_seconds(now)
    wait = 0 if soon else adapter.poll_after
    if not soon and taken.due is not None and taken.due >= seconds + wait // 2:
        return taken.due
    return seconds + wait


def _result(
    taken: Submission,
    waiting: Sequence[Message],
    outcomes: Mapping[str, tuple[SubmitOutcome, str | None]],
    adapter: Adapter,
) -> tuple[SubmissionResult, str | None]:
    """The vendor's answers by offset."""
    first = taken.key.position
    by_offset = {one.key.position - first: outcomes[one.id] for one in waiting}
    letters: list[VerdictLetter] = []
    ids: list[str | None] = []
    prices: list[tuple[str, str] | None] = []
    words: dict[int, Words] = {}
    said = None
    for offset in range(taken.count):
        if offset not in by_offset:
            letters.append(VerdictLetter.CANCELLED)
            ids.append(None)
            prices.append(None)
            continue
        outcome, raw = by_offset[offset]
        said = said or raw
        letters.append(LETTER_OF_VERDICT[outcome.verdict])
        ids.append(outcome.vendor_id)
        price = outcome.price
        prices.append((str(price.amount), price.currency) if price else None)
        if outcome.verdict is not SubmitVerdict.ACCEPTED:
            words[offset] = (outcome.code, outcome.text, outcome.note)
    one_id, one_price = len(set(ids)) == 1, len(set(prices)) == 1
    own = all(outcomes[one.id][0].vendor_id in (None, one.id) for one in waiting)
    untold = [one.content.to for one in waiting if _perhaps_accepted(outcomes[one.id][0])]
    result = SubmissionResult(
        verdicts="" if set(letters) == {VerdictLetter.ACCEPTED} else "".join(letters),
        own=own and any(ids),
        vendor_id=ids[0] if one_id and not own else None,
        vendor_ids=None if one_id or own else ids,
        price=prices[0] if one_price else None,
        prices=None if one_price else prices,
        words=_fold_words(words),
        rates=price_rows(adapter, untold),
    )
    return result, said


def _perhaps_accepted(outcome: SubmitOutcome) -> bool:
    """Whether the vendor took the message, or may have, and told no price for it."""
    return outcome.price is None and outcome.verdict in (
        SubmitVerdict.ACCEPTED,
        SubmitVerdict.UNKNOWN,
    )


def _fold_words(words: dict[int, Words]) -> dict[int, Words] | None:
    """One word for all is kept once: a thousand refusals must not make a thousand copies."""
    different = set(words.values())
    return {ALL_MESSAGES: different.pop()} if len(different) == 1 else words or None


def _may_resend(
    taken: Submission,
    waiting: Sequence[Message],
    sent: set[VerdictLetter],
    adapter: Adapter,
    now: datetime,
) -> bool:
    """Whether messages in doubt go out once more: at their callers' word only, while there is time
    for it, and where the vendor can't be asked by our reference first."""
    return (
        sent == {VerdictLetter.UNKNOWN}
        and not taken.sent_again_in_doubt
        and now.timestamp() + FIRST_PAUSE_SECONDS < taken.expires
        and not adapter.capabilities.own_reference
        and all(one.content.on_unknown == "resend" for one in waiting)
    )

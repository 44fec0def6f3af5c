"""Send submissions to vendors, each at most once.

The attempt is recorded before the call, by a conditional write that one worker wins; the vendor's
answer after it, in one write. A submission with an attempt but no answer is not sent again: the
scheduler resolves it.
"""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.sandbox import is_sandbox
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import DAY_SECONDS, epoch_ms, epoch_seconds, utc_now
from sms_gateway.dispatch.failover import FIRST_PAUSE_SECONDS
from sms_gateway.dispatch.outcome_handling import route_or_finish, split_mixed_result
from sms_gateway.dispatch.vendor_session import VendorSession
from sms_gateway.messages.dashboard_lines import report_submitted
from sms_gateway.messages.prices import price_rows
from sms_gateway.messages.sealed_text import SealBrokenError
from sms_gateway.storage import message_repository, vendor_message_ids
from sms_gateway.storage.message_updates import MessageUpdate
from sms_gateway.storage.models import (
    ALL_MESSAGES,
    ItemKey,
    Message,
    OutcomeDetail,
    Submission,
    SubmissionResult,
    TimelineEntry,
    VerdictLetter,
)
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.types import SubmitCall, SubmitOutcome, SubmitVerdict

LETTER_OF_VERDICT = {verdict: VerdictLetter[verdict.name] for verdict in SubmitVerdict}
VENDOR_ID_SECONDS = 7 * DAY_SECONDS  # how long a vendor's id leads to its message

Outcomes = Mapping[str, tuple[SubmitOutcome, str | None]]  # by message id, each with the raw answer


def dispatch(key: ItemKey, session: VendorSession) -> None:
    """Claim a submission, send it to the vendor and record the outcome.

    Does nothing when it is no longer sendable.
    """
    now = utc_now()
    sub = _claim(key, session, now)
    if sub is None:
        logger.info("submission not sendable", extra={"submission": str(key)})
        return
    try:
        _, messages = message_repository.load_messages(sub)
        open_messages = [message for message in messages if message.status is None]
        outgoing = [session.outgoing(message, now) for message in open_messages]
        calls = (
            session.adapter.submit(outgoing, session.callback_url(sub.key, outgoing, now))
            if open_messages
            else []
        )
    except Exception as error:
        # Nothing has been sent, so another attempt is safe.
        logger.exception("vendor call not built", extra={"submission": str(key)})
        note = str(error) if isinstance(error, SealBrokenError) else "the call could not be made"
        route_or_finish(
            sub,
            SubmitOutcome(SubmitVerdict.RETRY, note=note),
            session.usable,
            now,
        )
        return
    if not open_messages:
        _cancel_empty(sub)
        return
    outcomes = _send(calls, session)
    record_outcome(sub, open_messages, outcomes, session)


def _claim(key: ItemKey, session: VendorSession, now: datetime) -> Submission | None:
    vendor = session.adapter.name
    entry = TimelineEntry(epoch_ms(now), Status.SUBMITTING, "dispatch", vendor)
    seconds = epoch_seconds(now)
    claim = secrets.token_hex(8)
    change = session.of_its_kind(MessageUpdate(key))
    claimed = (
        change.set("status", Status.SUBMITTING)
        .set("claim", claim)
        .set("changed", seconds)
        .remove("held")
        .add("attempt", 1)
        .append_timeline(entry)
        .if_in("status", Status.ACCEPTED)
        .if_in("vendor", vendor)
        .if_after("expires", seconds)
        .apply_to_submission()
    )
    # When DynamoDB's answer is lost, the SDK retries and meets our own first write.
    return claimed or message_repository.find_submission(key, claim=claim)


def _cancel_empty(sub: Submission) -> None:
    """Cancel a submission whose messages were all cancelled since acceptance."""
    MessageUpdate(sub.key).set("status", Status.CANCELLED).schedule_check(None).if_in(
        "status", Status.SUBMITTING
    ).apply()


def _send(calls: Sequence[SubmitCall], session: VendorSession) -> Outcomes:
    """Make the calls; return each message's outcome, with the raw answer if it is unreadable."""
    by_message: dict[str, tuple[SubmitOutcome, str | None]] = {}
    for call, (outcomes, raw) in zip(calls, session.send_calls(calls), strict=True):
        for member, outcome in zip(call.members, outcomes, strict=True):
            by_message[member.id] = (outcome, raw)
    return by_message


def record_outcome(
    sub: Submission, messages: Sequence[Message], outcomes: Outcomes, session: VendorSession
) -> None:
    """Record the vendor's answer to a submission in one write, then act on it."""
    now, adapter = utc_now(), session.adapter
    _alarm_account_faults(sub.vendor, outcomes)
    result, raw = _build_result(sub, messages, outcomes, adapter)
    verdicts = {VerdictLetter(letter) for letter in result.verdicts} or {VerdictLetter.ACCEPTED}
    sent = verdicts - {VerdictLetter.CANCELLED}
    first = next(iter(outcomes.values()))[0]
    if sent in ({VerdictLetter.RETRY}, {VerdictLetter.REFUSED}) or _may_resend(
        sub, messages, sent, adapter, now
    ):
        route_or_finish(sub, first, session.usable, now, result, raw)
        return
    change = MessageUpdate(sub.key).set("result", result).set("changed", epoch_seconds(now))
    if raw:
        change.set("raw", raw)
    if sent & {VerdictLetter.ACCEPTED, VerdictLetter.RETRY}:
        status = Status.SUBMITTED
        change.remove("outcome_unknown")
    else:
        status = Status.SUBMITTING
        change.set("outcome_unknown", 1)
    accepted = [
        outcome for outcome, _ in outcomes.values() if outcome.verdict is SubmitVerdict.ACCEPTED
    ]
    reported = accepted[0] if accepted and status is Status.SUBMITTED else first
    entry = TimelineEntry(
        epoch_ms(now),
        status,
        "dispatch",
        sub.vendor,
        sub.attempt,
        reported.code,
        reported.text,
        reported.note,
    )
    change.append_timeline(entry).set("status", status)
    mixed = not sub.is_single and len(sent) > 1
    change.schedule_check(_next_check(sub, adapter, now, soon=mixed))
    if adapter.account_callbacks:
        _store_vendor_ids(sub, result, now)  # first: a push may be as fast as the answer
    moved = (
        change.if_in("status", Status.SUBMITTING)
        .if_in("attempt", sub.attempt)
        .apply_to_submission()
    )
    if moved is None:
        # A receipt was faster: store the answer, leave the status.
        MessageUpdate(sub.key).set("result", result).if_in("attempt", sub.attempt).apply()
        return
    if accepted:
        increment("Submitted", len(accepted), vendor=sub.vendor)
        sent_messages = [
            message
            for message in messages
            if outcomes[message.id][0].verdict is SubmitVerdict.ACCEPTED
        ]
        report_submitted(moved, sent_messages, now)
    if mixed:
        split_mixed_result(moved, messages, session.usable, now)


def _alarm_account_faults(vendor: str, outcomes: Outcomes) -> None:
    if is_sandbox(vendor):
        return  # nobody must act on it
    codes = {outcome.code or "" for outcome, _ in outcomes.values() if outcome.account_fault}
    if codes:
        logger.error("account fault", extra={"vendor": vendor, "codes": sorted(codes)})
        increment("AccountFault")


def _store_vendor_ids(sub: Submission, result: SubmissionResult, now: datetime) -> None:
    """Store the vendor's ids, for a vendor whose callbacks name nothing else."""
    first = sub.key.position
    ids = [
        (vendor_id, ItemKey(sub.key.batch, f"M#{first + offset:03d}"))
        for offset in range(sub.count)
        if (vendor_id := result.vendor_id_of(offset))
    ]
    try:
        vendor_message_ids.put_vendor_ids(sub.vendor, ids, epoch_seconds(now) + VENDOR_ID_SECONDS)
    except ServiceUnavailableError:
        # The vendor's answer matters more, and receipts can be polled.
        logger.exception("vendor ids not stored", extra={"submission": str(sub.key)})
        increment("VendorIdsNotStored", vendor=sub.vendor)


def _next_check(sub: Submission, adapter: Adapter, now: datetime, *, soon: bool) -> int:
    # Leave the time set before where it will do: moving it costs two index writes.
    # A test is asked for soon: somebody waits for it.
    seconds = epoch_seconds(now)
    wait = 0 if soon else adapter.poll_after
    if not (soon or sub.test) and sub.due is not None and sub.due >= seconds + wait // 2:
        return sub.due
    return seconds + wait


def _build_result(
    sub: Submission, messages: Sequence[Message], outcomes: Outcomes, adapter: Adapter
) -> tuple[SubmissionResult, str | None]:
    """Build the stored result from the outcomes; return an unreadable answer beside it."""
    first = sub.key.position
    by_offset = {message.key.position - first: outcomes[message.id] for message in messages}
    letters: list[VerdictLetter] = []
    ids: list[str | None] = []
    prices: list[tuple[str, str] | None] = []
    details: dict[int, OutcomeDetail] = {}
    unreadable = None
    for offset in range(sub.count):
        if offset not in by_offset:
            letters.append(VerdictLetter.CANCELLED)
            ids.append(None)
            prices.append(None)
            continue
        outcome, raw = by_offset[offset]
        unreadable = unreadable or raw
        letters.append(LETTER_OF_VERDICT[outcome.verdict])
        ids.append(outcome.vendor_id)
        price = outcome.price
        prices.append((str(price.amount), price.currency) if price else None)
        if outcome.verdict is not SubmitVerdict.ACCEPTED:
            details[offset] = (outcome.code, outcome.text, outcome.note)
    same_id, same_price = len(set(ids)) == 1, len(set(prices)) == 1
    own_ids = all(outcomes[message.id][0].vendor_id in (None, message.id) for message in messages)
    unpriced = [message.content.to for message in messages if _may_cost(outcomes[message.id][0])]
    result = SubmissionResult(
        verdicts="" if set(letters) == {VerdictLetter.ACCEPTED} else "".join(letters),
        own_ids=own_ids and any(ids),
        vendor_id=ids[0] if same_id and not own_ids else None,
        vendor_ids=None if same_id or own_ids else ids,
        price=prices[0] if same_price else None,
        prices=None if same_price else prices,
        details=_merge_details(details),
        rates=price_rows(adapter, unpriced),
    )
    return result, unreadable


def _may_cost(outcome: SubmitOutcome) -> bool:
    """Return whether the vendor may have accepted the message without telling a price."""
    return outcome.price is None and outcome.verdict in (
        SubmitVerdict.ACCEPTED,
        SubmitVerdict.UNKNOWN,
    )


def _merge_details(details: dict[int, OutcomeDetail]) -> dict[int, OutcomeDetail] | None:
    """Store a detail that all messages share once: a thousand refusals make one copy."""
    distinct = set(details.values())
    return {ALL_MESSAGES: distinct.pop()} if len(distinct) == 1 else details or None


def _may_resend(
    sub: Submission,
    messages: Sequence[Message],
    verdicts: set[VerdictLetter],
    adapter: Adapter,
    now: datetime,
) -> bool:
    """Return whether messages with an unknown outcome may be sent again at once.

    Only if their callers chose so, in time, and where the vendor can't be polled by our reference.
    """
    return (
        verdicts == {VerdictLetter.UNKNOWN}
        and not sub.sent_again_in_doubt
        and now.timestamp() + FIRST_PAUSE_SECONDS < sub.expires
        and not adapter.capabilities.own_reference
        and all(message.content.on_unknown == "resend" for message in messages)
    )

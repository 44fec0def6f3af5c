"""Poll vendors for the receipts of due submissions, and apply them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from sms_gateway.config.stack_keys import message_key
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.status import Status
from sms_gateway.messages.dashboard_lines import handed_over
from sms_gateway.messages.sealed_text import SealBrokenError, known_text, open_outgoing
from sms_gateway.receipts import apply
from sms_gateway.receipts.apply import ReceiptUpdate
from sms_gateway.scheduler.submissions import back_off
from sms_gateway.scheduler.tick_run import RESERVE_SECONDS, DuePoll, TickRun
from sms_gateway.storage import dynamodb
from sms_gateway.storage.message_updates import MessageUpdate
from sms_gateway.storage.models import (
    Message,
    Submission,
    SubmissionResult,
    TimelineEntry,
    VerdictLetter,
    message_id,
)
from sms_gateway.vendors import http_client
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.redaction import Redaction
from sms_gateway.vendors.types import (
    DeliveryReport,
    PendingReceipt,
    PollCall,
    VendorResponse,
    chunks,
)

Owners = Mapping[str, tuple[Submission, Message]]  # by message id


def poll_vendor(run: TickRun, adapter: Adapter, polls: Sequence[DuePoll]) -> None:
    """Poll a vendor for the receipts of several submissions, and schedule their next checks."""
    owners: dict[str, tuple[Submission, Message]] = {}
    pending = []
    for sub, messages, _ in polls:
        for message in messages:
            owners[message.id] = (sub, message)
            offset = message.key.position - sub.key.position
            vendor_id = sub.result.vendor_id_of(offset) if sub.result else None
            pending.append(
                PendingReceipt(message.id, message.content.to, vendor_id, message.content.category)
            )
    answered: set[str] = set()
    calls = adapter.poll(pending)
    requested = {message.id for call in calls for message in call.pending}
    for page in chunks(calls, adapter.concurrency):
        if not run.has_time_for(
            adapter.timeout + http_client.CONNECT_TIMEOUT_SECONDS + RESERVE_SECONDS
        ):
            increment("ReceiptPollPostponed", len(requested - answered), vendor=adapter.name)
            return  # the rest is still due
        for ids in run.pool.map(lambda call: _send_poll(run, adapter, owners, call), page):
            answered |= ids
    changes = []
    for sub, messages, deadline in polls:
        if any(message.id not in answered for message in messages):
            changes.append(back_off(run, sub, deadline))
        elif not sub.is_single:
            changes.append(MessageUpdate(sub.key).schedule_check(None))
    dynamodb.apply_all(changes)


def _send_poll(run: TickRun, adapter: Adapter, owners: Owners, call: PollCall) -> set[str]:
    """Make one call and apply its answer at once; return the ids that became final.

    Some answers can be read only once, so none waits for others or fails with them.
    """
    try:
        response = run.send_of(adapter)(call.request, adapter.timeout)
    except (
        http_client.VendorConnectionFailedError,
        http_client.VendorOutcomeUnknownError,
    ) as error:
        logger.warning("receipt poll failed", extra={"vendor": adapter.name, "error": str(error)})
        increment("ReceiptPollFailed", vendor=adapter.name)
        return set()
    try:
        return _apply_answer(run, adapter, owners, call, response)
    except Exception:
        ids = [receipt.id for receipt in call.pending]
        raw = _redaction(adapter, owners, call).raw(response.body)
        logger.exception("receipts not stored", extra={"message_ids": ids[:50], "response": raw})
        increment("ReceiptsNotStored", vendor=adapter.name)
        return set()


def _apply_answer(
    run: TickRun, adapter: Adapter, owners: Owners, call: PollCall, response: VendorResponse
) -> set[str]:
    """Apply one answer's reports; return the ids of the messages that became final.

    An unchanged message is checked again: another receipt was faster, or it is still open.
    """
    by_attempt: dict[int, list[ReceiptUpdate]] = defaultdict(list)
    final_ids: set[str] = set()
    redaction = _redaction(adapter, owners, call)
    for report in map(redaction.report, adapter.reports(response, call)):
        owner = owners.get(report.message_id or "")
        if owner is None:
            continue
        sub, message = owner
        if report.account_fault or report.unknown_status:
            apply.log_unrecognized(report, adapter.name, "poll", message.id)
        raw = redaction.raw(response.body) if report.read_once or report.unknown_status else None
        if report.accepted and (report.status is None or not sub.is_single):
            members = [member for owner, member in owners.values() if owner is sub]
            _confirm_by_reference(run, adapter, sub, members, message, report)
        if report.status is None:
            if raw:
                apply.store_unrecognized(message.key, raw)
            continue
        update = ReceiptUpdate(message.key, report.status, report, handed_over(sub), raw)
        by_attempt[sub.attempt].append(update)
    for attempt, updates in by_attempt.items():
        written = apply.apply_updates(updates, adapter.name, attempt, "poll", run.now)
        for update, changed in zip(updates, written, strict=True):
            if changed:
                final_ids.add(message_id(update.key.batch, update.key.position))
    return final_ids


def _redaction(adapter: Adapter, owners: Owners, call: PollCall) -> Redaction:
    messages = [owners[one.id][1] for one in call.pending if one.id in owners]
    return Redaction(
        adapter,
        numbers=[message.content.to for message in messages],
        texts=[known_text(message, message_key) for message in messages],
        code_sent=any(message.content.withheld for message in messages),
    )


def _confirm_by_reference(
    run: TickRun,
    adapter: Adapter,
    sub: Submission,
    members: Sequence[Message],
    message: Message,
    report: DeliveryReport,
) -> None:
    """Record as submitted what the vendor knows by our reference, after a lost answer."""
    if sub.status is not Status.SUBMITTING:
        return
    entry = TimelineEntry(
        run.now_ms, Status.SUBMITTED, "poll", sub.vendor, sub.attempt, report.code, report.text
    )
    change = (
        MessageUpdate(sub.key)
        .set("status", Status.SUBMITTED)
        .remove("outcome_unknown")
        .append_timeline(entry)
    )
    result = sub.result or SubmissionResult(VerdictLetter.UNKNOWN * sub.count)
    if _sent_together(run, adapter, members):
        # One call carried them all, so the vendor has all of them.
        verdicts = result.verdicts.replace(VerdictLetter.UNKNOWN, VerdictLetter.ACCEPTED)
    else:
        # Packed for another vendor: the other calls stay unknown and are split off later.
        offset = message.key.position - sub.key.position
        verdicts = (
            f"{result.verdicts[:offset]}{VerdictLetter.ACCEPTED}{result.verdicts[offset + 1 :]}"
        )
    change.set("result", msgspec.structs.replace(result, verdicts=verdicts, own_ids=True))
    change.if_in("status", Status.SUBMITTING).if_in("attempt", sub.attempt).apply()


def _sent_together(run: TickRun, adapter: Adapter, members: Sequence[Message]) -> bool:
    """Return whether one call carried them all; no, where that can't be told any more."""
    try:
        outgoing = [open_outgoing(member, message_key, run.now) for member in members]
    except SealBrokenError:
        return False
    return len(adapter.pack(outgoing)) == 1

"""Ask vendors for the receipts of due submissions, and apply what they answer."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from sms_gateway.core.observability import increment, logger
from sms_gateway.core.status import Status
from sms_gateway.receipts import apply
from sms_gateway.receipts.apply import ReceiptUpdate
from sms_gateway.scheduler.submissions import back_off
from sms_gateway.scheduler.tick_run import RESERVE_SECONDS, Asked, TickRun
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
from sms_gateway.vendors.redaction import redact
from sms_gateway.vendors.types import (
    DeliveryReport,
    PendingReceipt,
    PollCall,
    VendorResponse,
    chunks,
)


def ask_vendor(run: TickRun, adapter: Adapter, waiting: Sequence[Asked]) -> None:
    """Asks a vendor for the receipts of several submissions, and writes what it says."""
    owners: dict[str, tuple[Submission, Message]] = {}
    pending = []
    for sub, messages, _ in waiting:
        for one in messages:
            owners[one.id] = (sub, one)
            offset = one.key.position - sub.key.position
            known = sub.result.vendor_id_of(offset) if sub.result else None
            pending.append(PendingReceipt(one.id, one.content.to, known, one.content.category))
    answered: set[str] = set()
    calls = adapter.poll(pending)
    asked = {one.id for call in calls for one in call.pending}
    for some in chunks(calls, adapter.concurrency):
        if not run.has_time_for(
            adapter.timeout + http_client.CONNECT_TIMEOUT_SECONDS + RESERVE_SECONDS
        ):
            increment("PollPutOff", len(asked - answered), vendor=adapter.name)
            return  # whatever was not asked is still due
        for ids in run.pool.map(lambda call: _ask_once(run, adapter, owners, call), some):
            answered |= ids
    changes = []
    for sub, messages, deadline in waiting:
        if any(one.id not in answered for one in messages):
            changes.append(back_off(run, sub, deadline))
        elif not sub.is_single:
            changes.append(MessageUpdate(sub.key).schedule_check(None))
    dynamodb.apply_all(changes)


Owners = Mapping[str, tuple[Submission, Message]]


def _ask_once(run: TickRun, adapter: Adapter, owners: Owners, call: PollCall) -> set[str]:
    """Asks, and writes at once: an answer may be had only once, and must not wait for others, or
    fail with them."""
    try:
        reply = run.send(call.request, adapter.timeout)
    except (
        http_client.VendorConnectionFailedError,
        http_client.VendorOutcomeUnknownError,
    ) as error:
        logger.warning("no receipts", extra={"vendor": adapter.name, "error": str(error)})
        increment("PollFailed", vendor=adapter.name)
        return set()
    try:
        return _apply_answer(run, adapter, owners, call, reply)
    except Exception:
        ids = [one.id for one in call.pending]
        said = redact(reply.body)
        logger.exception("receipts not written", extra={"message_ids": ids[:50], "said": said})
        increment("ReceiptsNotWritten", vendor=adapter.name)
        return set()


def _apply_answer(
    run: TickRun, adapter: Adapter, owners: Owners, call: PollCall, reply: VendorResponse
) -> set[str]:
    """Writes one answer's reports; the ids of the messages that this made final. One that did not
    change is looked at once more: either another word was faster, or it is still open."""
    by_attempt: dict[int, list[ReceiptUpdate]] = defaultdict(list)
    ids: set[str] = set()
    for report in adapter.reports(reply, call):
        found = owners.get(report.message_id or "")
        if found is None:
            continue
        sub, message = found
        if report.account_fault or report.unknown_status:
            apply.log_unrecognized(report, adapter.name, "poll", message.id)
        raw = redact(reply.body) if report.read_once or report.unknown_status else None
        if report.accepted and (report.status is None or not sub.is_single):
            members = [one for owner, one in owners.values() if owner is sub]
            _confirm_by_reference(run, adapter, sub, members, message, report)
        if report.status is None:
            if raw:
                apply.store_unrecognized(message.key, raw)
            continue
        by_attempt[sub.attempt].append(ReceiptUpdate(message.key, report.status, report, raw))
    for attempt, words in by_attempt.items():
        done = apply.apply_updates(words, adapter.name, attempt, "poll", run.now)
        for word, changed in zip(words, done, strict=True):
            if changed:
                ids.add(message_id(word.key.batch, word.key.position))
    return ids


def _confirm_by_reference(
    run: TickRun,
    adapter: Adapter,
    sub: Submission,
    members: Sequence[Message],
    message: Message,
    report: DeliveryReport,
) -> None:
    """A vendor that knows our reference did take a call whose answer was lost."""
    if sub.status is not Status.SUBMITTING:
        return
    entry = TimelineEntry(
        run.now_ms, Status.SUBMITTED, "poll", sub.vendor, sub.attempt, report.code, report.text
    )
    change = (
        MessageUpdate(sub.key)
        .set("status", Status.SUBMITTED)
        .remove("unsettled")
        .append_timeline(entry)
    )
    result = sub.result or SubmissionResult(VerdictLetter.UNKNOWN * sub.count)
    if len(adapter.pack([one.content.outgoing(one.id, run.now) for one in members])) == 1:
        # One call carried them all: none of them is in doubt any more.
        verdicts = result.verdicts.replace(VerdictLetter.UNKNOWN, VerdictLetter.ACCEPTED)
    else:
        # Packed for another vendor: of the other calls nobody knows yet, and fan_out parts them.
        offset = message.key.position - sub.key.position
        verdicts = (
            f"{result.verdicts[:offset]}{VerdictLetter.ACCEPTED}{result.verdicts[offset + 1 :]}"
        )
    change.set("result", msgspec.structs.replace(result, verdicts=verdicts, own=True))
    change.if_in("status", Status.SUBMITTING).if_in("attempt", sub.attempt).apply()

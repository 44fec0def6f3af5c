"""Apply delivery receipts, from polls and callbacks alike.

Statuses only move forward. The first final one wins, except `unknown`, which a late receipt
replaces. A status code we do not know is stored and counted.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from sms_gateway.core.derived_keys import Secret
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import epoch_ms, epoch_seconds
from sms_gateway.core.value_object import ValueObject
from sms_gateway.messages.dashboard_lines import handed_over, report_received
from sms_gateway.messages.sealed_text import known_text
from sms_gateway.receipts.matching import match_reports
from sms_gateway.storage import dynamodb
from sms_gateway.storage.message_state import status_of
from sms_gateway.storage.message_updates import MessageUpdate
from sms_gateway.storage.models import ItemKey, Message, Source, TimelineEntry
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.redaction import Redaction
from sms_gateway.vendors.secret_marks import Marks
from sms_gateway.vendors.types import DeliveryReport

MAX_ODD_LOGGED = 100  # lines of a callback: a stranger may write thousands into one
NOT_SENT = (Status.REJECTED, Status.EXPIRED, Status.CANCELLED)


class ReceiptUpdate(ValueObject, frozen=True):
    """A receipt's final status of one message.

    `since` is when the vendor got the message, in epoch milliseconds; `raw` is the whole answer
    when it can't be read again.
    """

    key: ItemKey
    status: Status
    report: DeliveryReport
    since: int
    raw: str | None = None


def apply_updates(
    updates: Sequence[ReceiptUpdate], vendor: str, attempt: int, source: Source, now: datetime
) -> list[bool]:
    """Write receipt updates in parallel; return for each whether it changed its message."""
    changes = [_receipt_change(update, vendor, attempt, source, now) for update in updates]
    written = dynamodb.apply_all(changes)
    for update, changed in zip(updates, written, strict=True):
        if not changed and update.raw:
            store_raw(update.key, update.raw)
    ends = zip(updates, written, strict=True)
    report_received(vendor, [(one.status, one.since) for one, changed in ends if changed], now)
    return written


def _receipt_change(
    update: ReceiptUpdate, vendor: str, attempt: int, source: Source, now: datetime
) -> MessageUpdate:
    report = update.report
    entry = TimelineEntry(
        epoch_ms(now), update.status, source, vendor, attempt, report.code, report.text
    )
    change = (
        MessageUpdate(update.key)
        .set("status", update.status)
        .append_timeline(entry)
        .schedule_check(None)
    )
    if report.at:
        change.set("done", epoch_seconds(report.at))
    if update.raw:
        change.set("raw", update.raw)
    return change.if_open(or_unknown=True)


def store_raw(key: ItemKey, raw: str) -> None:
    """Store an answer that can't be read again on its message."""
    MessageUpdate(key).set("raw", raw).apply()


def store_unrecognized(key: ItemKey, raw: str) -> None:
    """Store the first unrecognized answer on its message or submission."""
    _unrecognized_update(key, raw).apply()


def _unrecognized_update(key: ItemKey, raw: str) -> MessageUpdate:
    return MessageUpdate(key).set("raw", raw).if_missing("raw")


def log_unrecognized(report: DeliveryReport, vendor: str, source: Source, message_id: str) -> None:
    """Log and count an account fault or an unknown vendor status."""
    if report.account_fault:
        logger.error(
            "account fault", extra={"vendor": vendor, "code": report.code, "message_id": message_id}
        )
        increment("AccountFault")
    if report.unknown_status:
        logger.warning(
            "unknown vendor status",
            extra={
                "vendor": vendor,
                "code": report.code,
                "source": source,
                "message_id": message_id,
            },
        )
        increment("UnknownVendorStatus", vendor=vendor)


def apply_callback(
    adapter: Adapter,
    subject: ItemKey | None,
    reports: Sequence[DeliveryReport],
    now: datetime,
    key: Secret,
    marks: Marks,
    token: str,
) -> int:
    """Apply a callback's reports; return how many messages changed.

    Updates are written in parallel, one a message: its first final status, since the first stands
    anyway, and its first unknown word. `subject` is the submission of the callback's token, `key`
    opens the texts of category `otp`, `marks` stand for the account's secrets, `token` is the
    callback's own. Reports without a message are counted and dropped.
    """
    unmatched = conflicting = 0
    redaction_of = partial(_redaction, adapter, key, marks, token)
    odd = _OddReports(adapter.name, redaction_of)
    updates: dict[ItemKey, tuple[int, ReceiptUpdate]] = {}  # with the attempt
    for report, match in zip(reports, match_reports(adapter.name, subject, reports), strict=True):
        if match is None:
            unmatched += 1
            continue
        message, sub = match
        odd.take(report, message)
        if report.status is None or message.key in updates:
            continue
        other_vendor_failed = adapter.name != sub.vendor and report.status is not Status.DELIVERED
        if other_vendor_failed or (message.status is None and sub.status in NOT_SENT):
            # After a failover only the vendor in charge may fail the message.
            conflicting += 1
            continue
        if (status := status_of(message, sub)).final and status is not Status.UNKNOWN:
            continue
        redacted = redaction_of(message).report(report)
        update = ReceiptUpdate(message.key, report.status, redacted, handed_over(sub))
        updates[message.key] = sub.attempt, update
    odd.count_rest()
    if unmatched:
        logger.warning("unmatched receipts", extra={"vendor": adapter.name, "reports": unmatched})
        increment("UnmatchedReceipt", unmatched, vendor=adapter.name)
    if conflicting:
        increment("ConflictingReceipt", conflicting, vendor=adapter.name)
    dynamodb.apply_all([*odd.updates.values()])
    attempts = sorted({attempt for attempt, _ in updates.values()})
    return sum(
        sum(
            apply_updates(
                [update for own, update in updates.values() if own == attempt],
                adapter.name,
                attempt,
                "callback",
                now,
            )
        )
        for attempt in attempts
    )


class _OddReports:
    """A callback's account faults and unknown words: logged, each once, and stored."""

    def __init__(self, vendor: str, redaction_of: Callable[[Message], Redaction]) -> None:
        self.updates: dict[ItemKey, MessageUpdate] = {}
        self._vendor, self._redaction_of = vendor, redaction_of
        self._seen: set[tuple[ItemKey, str | None]] = set()

    def take(self, report: DeliveryReport, message: Message) -> None:
        word = (message.key, report.code)
        if not (report.status is None or report.account_fault) or word in self._seen:
            return
        self._seen.add(word)
        redaction = self._redaction_of(message)
        said = redaction.report(report)
        if len(self._seen) <= MAX_ODD_LOGGED:
            log_unrecognized(said, self._vendor, "callback", message.id)
        if report.unknown_status and message.key not in self.updates:
            raw = redaction.raw(f"{said.code or ''} {said.text or ''}".encode())
            self.updates[message.key] = _unrecognized_update(message.key, raw)

    def count_rest(self) -> None:
        rest = len(self._seen) - MAX_ODD_LOGGED
        if rest > 0:
            extra = {"vendor": self._vendor, "reports": rest}
            logger.warning("more odd reports", extra=extra)
            increment("UnknownVendorStatus", rest, vendor=self._vendor)


def _redaction(
    adapter: Adapter, key: Secret, marks: Marks, token: str, message: Message
) -> Redaction:
    content = message.content
    return Redaction(
        adapter,
        numbers=[content.to],
        texts=[known_text(message, key)],
        codes=[token],
        code_sent=content.withheld,
        marks=marks,
    )

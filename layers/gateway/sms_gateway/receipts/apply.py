"""What vendors say afterwards: every word, from polls and callbacks alike, goes through `apply`.

Statuses only move forward. The first final one wins, but for `unknown`, which a late receipt
settles. A word that is no news is kept and counted when we do not know it.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from sms_gateway.core.observability import increment, logger
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import epoch_ms, epoch_seconds
from sms_gateway.core.value_object import ValueObject
from sms_gateway.receipts.matching import match_reports
from sms_gateway.storage import dynamodb
from sms_gateway.storage.message_updates import MessageUpdate
from sms_gateway.storage.models import ItemKey, Source, TimelineEntry
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.redaction import redact
from sms_gateway.vendors.types import DeliveryReport

NEVER_LEFT = (Status.REJECTED, Status.EXPIRED, Status.CANCELLED)  # a submission that never left


class ReceiptUpdate(ValueObject, frozen=True):
    """A vendor's word on one message; `raw` is the whole answer when it can't be had again."""

    key: ItemKey
    status: Status
    report: DeliveryReport
    raw: str | None = None


def apply_updates(
    updates: Sequence[ReceiptUpdate], vendor: str, attempt: int, source: Source, now: datetime
) -> list[bool]:
    """Writes what final words say, side by side; whether each one changed its message."""
    changes = [_change(word, vendor, attempt, source, now) for word in updates]
    done = dynamodb.apply_all(changes)
    for word, changed in zip(updates, done, strict=True):
        if not changed and word.raw:
            store_raw(word.key, word.raw)
    return done


def _change(
    word: ReceiptUpdate, vendor: str, attempt: int, source: Source, now: datetime
) -> MessageUpdate:
    report = word.report
    entry = TimelineEntry(
        epoch_ms(now), word.status, source, vendor, attempt, report.code, report.text
    )
    change = (
        MessageUpdate(word.key)
        .set("status", word.status)
        .append_timeline(entry)
        .schedule_check(None)
    )
    if report.at:
        change.set("done", epoch_seconds(report.at))
    if word.raw:
        change.set("raw", word.raw)
    return change.if_open(or_unknown=True)


def store_raw(key: ItemKey, raw: str) -> None:
    """Keeps an answer that can't be read again on its message."""
    MessageUpdate(key).set("raw", raw).apply()


def store_unrecognized(key: ItemKey, raw: str) -> None:
    """Keeps the first answer that nobody understands on its message or submission."""
    _stored_unrecognized(key, raw).apply()


def _stored_unrecognized(key: ItemKey, raw: str) -> MessageUpdate:
    return MessageUpdate(key).set("raw", raw).if_missing("raw")


def log_unrecognized(report: DeliveryReport, vendor: str, source: Source, message: str) -> None:
    """Counts a word that settles nothing; an operator is alarmed where the account is at fault."""
    if report.account_fault:
        logger.error(
            "account fault", extra={"vendor": vendor, "code": report.code, "message_id": message}
        )
        increment("AccountFault")
    if report.unknown_status:
        logger.warning(
            "unknown vendor word",
            extra={"vendor": vendor, "code": report.code, "source": source, "message_id": message},
        )
        increment("UnknownVendorWord", vendor=vendor)


def apply_callback(
    adapter: Adapter, subject: ItemKey | None, reports: Sequence[DeliveryReport], now: datetime
) -> int:
    """Applies a callback's reports to the messages of the submission that its token names, side by
    side; those of one message in their order. Returns how many messages changed; a report on a
    message that is not there is counted and dropped."""
    strange: list[MessageUpdate] = []
    rounds: dict[
        tuple[int, int], list[ReceiptUpdate]
    ] = {}  # by how many are before it, and attempt
    before: Counter[ItemKey] = Counter()
    for report, found in zip(reports, match_reports(adapter.name, subject, reports), strict=True):
        if found is None:
            logger.warning("receipt for an unknown message", extra={"vendor": adapter.name})
            increment("UnknownReceipt", vendor=adapter.name)
            continue
        message, sub = found
        if report.status is None or report.account_fault:
            log_unrecognized(report, adapter.name, "callback", message.id)
        if report.unknown_status:
            said = redact(f"{report.code or ''} {report.text or ''}".encode())
            strange.append(_stored_unrecognized(message.key, said))
        if report.status is None:
            continue
        elsewhere = adapter.name != sub.vendor and report.status is not Status.DELIVERED
        if elsewhere or (message.status is None and sub.status in NEVER_LEFT):
            # What went on to the next vendor is for that one to fail.
            increment("ContradictingReceipt", vendor=adapter.name)
            continue
        word = ReceiptUpdate(message.key, report.status, report)
        rounds.setdefault((before[message.key], sub.attempt), []).append(word)
        before[message.key] += 1
    dynamodb.apply_all(strange)
    return sum(
        sum(apply_updates(words, adapter.name, attempt, "callback", now))
        for (_, attempt), words in sorted(rounds.items(), key=lambda one: one[0])
    )

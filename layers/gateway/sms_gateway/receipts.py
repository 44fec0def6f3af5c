"""What vendors say afterwards: every word, from polls and callbacks alike, goes through `apply`.

Statuses only move forward. The first final one wins, but for `unknown`, which a late receipt
settles. A word that is no news is kept and counted when we do not know it.
"""

from collections.abc import Sequence
from datetime import datetime

from sms_gateway import table
from sms_gateway.observe import count, log
from sms_gateway.records import Entry, Key, Message, Source, Submission, split_id
from sms_gateway.redaction import redact
from sms_gateway.status import Status
from sms_gateway.table import Change
from sms_gateway.value import Value
from sms_gateway.vendors.base import Adapter, Report

SHORTEST_NUMBER = 7  # digits; the end of a number fits many
SETTLED = (Status.REJECTED, Status.EXPIRED, Status.CANCELLED)  # a submission that never left


class Word(Value, frozen=True):
    """A vendor's word on one message; `raw` is the whole answer when it can't be had again."""

    key: Key
    status: Status
    report: Report
    raw: str | None = None


def apply(
    words: Sequence[Word], vendor: str, attempt: int, source: Source, now: datetime
) -> list[bool]:
    """Writes what final words say, side by side; whether each one changed its message."""
    changes = [_change(word, vendor, attempt, source, now) for word in words]
    done = table.apply_all(changes)
    for word, changed in zip(words, done, strict=True):
        if not changed and word.raw:
            keep(word.key, word.raw)
    return done


def _change(word: Word, vendor: str, attempt: int, source: Source, now: datetime) -> Change:
    report = word.report
    entry = Entry(
        int(now.timestamp() * 1000), word.status, source, vendor, attempt, report.code, report.text
    )
    change = Change(word.key).put("status", word.status).note(entry).look_at(None)
    if report.at:
        change.put("done", int(report.at.timestamp()))
    if word.raw:
        change.put("raw", word.raw)
    return change.when_open(or_unknown=True)


def keep(key: Key, raw: str) -> None:
    """Keeps an answer that can't be read again on its message."""
    Change(key).put("raw", raw).apply()


def keep_strange(key: Key, raw: str) -> None:
    """Keeps the first answer that nobody understands on its message or submission."""
    Change(key).put("raw", raw).when_missing("raw").apply()


def no_news(report: Report, vendor: str, source: Source, message: str) -> None:
    """Counts a word that settles nothing; an operator is alarmed where the account is at fault."""
    if report.alarm:
        log.error(
            "account fault", extra={"vendor": vendor, "code": report.code, "message_id": message}
        )
        count("AccountFault")
    if report.unknown_word:
        log.warning(
            "unknown vendor word",
            extra={"vendor": vendor, "code": report.code, "source": source, "message_id": message},
        )
        count("UnknownVendorWord", vendor=vendor)


def from_callback(
    adapter: Adapter, subject: Key | None, reports: Sequence[Report], now: datetime
) -> int:
    """Applies a callback's reports to the messages of the submission that its token names. Returns
    how many messages changed; a report on a message that is not there is counted and dropped."""
    changed = 0
    for report in reports:
        found = _meant(adapter.name, subject, report)
        if found is None:
            log.warning("receipt for an unknown message", extra={"vendor": adapter.name})
            count("UnknownReceipt", vendor=adapter.name)
            continue
        message, sub = found
        if report.status is None or report.alarm:
            no_news(report, adapter.name, "callback", message.id)
        if report.unknown_word:
            keep_strange(message.key, redact(f"{report.code or ''} {report.text or ''}".encode()))
        if report.status is None:
            continue
        elsewhere = adapter.name != sub.vendor and report.status is not Status.DELIVERED
        if elsewhere or (message.status is None and sub.status in SETTLED):
            # What went on to the next vendor is for that one to fail.
            count("ContradictingReceipt", vendor=adapter.name)
            continue
        word = Word(message.key, report.status, report)
        changed += sum(apply([word], adapter.name, sub.attempt, "callback", now))
    return changed


def _meant(vendor: str, subject: Key | None, report: Report) -> tuple[Message, Submission] | None:
    """The message that a report speaks of, if it is one that this vendor carries."""
    key = split_id(report.message_id) if report.message_id else None
    if key is None and subject is None and report.vendor_id:
        key = table.pointed(vendor, report.vendor_id)
    if key is not None or subject is None:
        found = table.find(key) if key else None
    elif subject.sort.startswith("M#"):  # a submission of one is found with its message
        found = table.find(subject)
        if found is not None and not _alone(found[1], found[2], report):
            return None
    else:
        key = _in_submission(subject, report)
        found = table.find(key) if key else None
    if found is None:
        return None
    _, message, sub = found
    if vendor not in sub.vendors or (subject is not None and not _named(subject, message, sub)):
        return None
    return message, sub


def _named(subject: Key, message: Message, sub: Submission) -> bool:
    """Whether the submission that a token names carries the message, or did in an attempt before
    the message got a submission of its own."""
    if subject == sub.key:
        return True
    if subject.batch != message.key.batch or not sub.own_item:
        return False
    earlier = table.submission(subject)
    offset = message.key.position - subject.position
    return earlier is not None and 0 <= offset < earlier.count


def _alone(message: Message, sub: Submission, report: Report) -> bool:
    """Whether a report to a submission of one speaks of its message: by the vendor's id, or by the
    number; without either, it can be no other."""
    if sub.result and report.vendor_id and sub.result.id_of(0) == report.vendor_id:
        return True
    if not report.number:
        return sub.result is None or not report.vendor_id
    return _has(message, report.number)


def _in_submission(subject: Key, report: Report) -> Key | None:
    """By the vendor's id; by the number where the vendor's answer is not stored (yet)."""
    sub = table.submission(subject)
    if sub is None:
        return None
    for offset in range(sub.count if sub.result and report.vendor_id else 0):
        if sub.result and sub.result.id_of(offset) == report.vendor_id:
            return Key(subject.batch, f"M#{subject.position + offset:03d}")
    if not report.number:
        return None
    _, messages = table.members(sub)
    fitting = [one.key for one in messages if _has(one, report.number)]
    return fitting[0] if len(fitting) == 1 else None


def _has(message: Message, number: str) -> bool:
    """Whether a message's number ends as the vendor writes it; a short end fits too many."""
    digits = number.lstrip("+0")
    return len(digits) >= SHORTEST_NUMBER and message.content.to.endswith(digits)

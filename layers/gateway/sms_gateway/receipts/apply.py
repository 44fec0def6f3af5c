"""What vendors say afterwards: every word, from polls and callbacks alike, goes through `apply`.

Statuses only move forward. The first final one wins, but for `unknown`, which a late receipt
settles. A word that is no news is kept and counted when we do not know it.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from sms_gateway.core.observability import count, log
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import epoch_ms, epoch_seconds
from sms_gateway.core.value_object import Value
from sms_gateway.receipts.matching import meant
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import Change
from sms_gateway.storage.models import Entry, Key, Source
from sms_gateway.vendors.adapter import Adapter, Report
from sms_gateway.vendors.redaction import redact

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
    done = dynamodb.apply_all(changes)
    for word, changed in zip(words, done, strict=True):
        if not changed and word.raw:
            keep(word.key, word.raw)
    return done


def _change(word: Word, vendor: str, attempt: int, source: Source, now: datetime) -> Change:
    report = word.report
    entry = Entry(epoch_ms(now), word.status, source, vendor, attempt, report.code, report.text)
    change = Change(word.key).put("status", word.status).note(entry).look_at(None)
    if report.at:
        change.put("done", epoch_seconds(report.at))
    if word.raw:
        change.put("raw", word.raw)
    return change.when_open(or_unknown=True)


def keep(key: Key, raw: str) -> None:
    """Keeps an answer that can't be read again on its message."""
    Change(key).put("raw", raw).apply()


def keep_strange(key: Key, raw: str) -> None:
    """Keeps the first answer that nobody understands on its message or submission."""
    _kept_strange(key, raw).apply()


def _kept_strange(key: Key, raw: str) -> Change:
    return Change(key).put("raw", raw).when_missing("raw")


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
    """Applies a callback's reports to the messages of the submission that its token names, side by
    side; those of one message in their order. Returns how many messages changed; a report on a
    message that is not there is counted and dropped."""
    strange: list[Change] = []
    rounds: dict[tuple[int, int], list[Word]] = {}  # by how many are before it, and attempt
    before: Counter[Key] = Counter()
    for report, found in zip(reports, meant(adapter.name, subject, reports), strict=True):
        if found is None:
            log.warning("receipt for an unknown message", extra={"vendor": adapter.name})
            count("UnknownReceipt", vendor=adapter.name)
            continue
        message, sub = found
        if report.status is None or report.alarm:
            no_news(report, adapter.name, "callback", message.id)
        if report.unknown_word:
            said = redact(f"{report.code or ''} {report.text or ''}".encode())
            strange.append(_kept_strange(message.key, said))
        if report.status is None:
            continue
        elsewhere = adapter.name != sub.vendor and report.status is not Status.DELIVERED
        if elsewhere or (message.status is None and sub.status in SETTLED):
            # What went on to the next vendor is for that one to fail.
            count("ContradictingReceipt", vendor=adapter.name)
            continue
        word = Word(message.key, report.status, report)
        rounds.setdefault((before[message.key], sub.attempt), []).append(word)
        before[message.key] += 1
    dynamodb.apply_all(strange)
    return sum(
        sum(apply(words, adapter.name, attempt, "callback", now))
        for (_, attempt), words in sorted(rounds.items(), key=lambda one: one[0])
    )

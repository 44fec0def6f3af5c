"""Views of messages and batches."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from sms_gateway.core.sandbox import mark
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import from_ms, rfc3339
from sms_gateway.core.ulids import created_at
from sms_gateway.core.value_object import ValueObject
from sms_gateway.messages.prices import price_view, sum_prices
from sms_gateway.storage.message_state import price_of_message, status_of
from sms_gateway.storage.models import Batch, Message, Submission, TimelineEntry, VerdictLetter

TITLES = {
    Status.UNDELIVERED: "The vendor took the message and could not deliver it",
    Status.REJECTED: "The message was refused and did not leave",
    Status.EXPIRED: "The message's validity passed",
    Status.UNKNOWN: "Nobody can say what became of the message",
}

AT_VENDOR = (VerdictLetter.ACCEPTED, VerdictLetter.UNKNOWN)  # the vendor has it, or may have it


def message_view(
    owner: Batch, message: Message, sub: Submission, *, show_text: bool = True
) -> dict[str, Any]:
    """Show a message with its timeline; its text unless it is an `otp`, or not to be shown."""
    withheld = message.content.withheld or not show_text
    content, status = message.content, status_of(message, sub)
    offset = message.key.position - sub.key.position
    entries = _timeline(message, sub, offset)
    return {
        "id": message.id,
        "batch_id": owner.id,
        "to": content.to,
        "from": content.sender,
        "text": None if withheld else content.text,
        "text_withheld": withheld,
        "category": content.category,
        "status": status,
        "final": status.final,
        "vendor": sub.vendor,
        "vendor_id": _vendor_id(message, sub, offset),
        "encoding": content.encoding,
        "segments": content.segments,
        "price": price_view(price_of_message(message, sub)),
        "reference": content.reference,
        "metadata": content.metadata or {},
        "send_at": rfc3339(content.send_at) if content.send_at else None,
        "created_at": rfc3339(created_at(owner.id)),
        "updated_at": rfc3339(from_ms(entries[-1].at)),
        "problem": _problem(status, _last(entries, status)),
        "key_id": owner.key_id,
        **mark(test=owner.test),
        "timeline": [_first_step(entries[0], owner), *map(_entry_view, entries[1:])],
    }


def _vendor_id(message: Message, sub: Submission, offset: int) -> str | None:
    if sub.result is None or sub.result.verdict(offset) not in AT_VENDOR:
        return None
    return message.id if sub.result.own_ids else sub.result.vendor_id_of(offset)


def _timeline(message: Message, sub: Submission, offset: int) -> list[TimelineEntry]:
    """Merge the timelines of a message and its submission."""
    if message.key == sub.key:
        return _numbered(sub.timeline)
    own = list(message.timeline)
    at_vendor = sub.result is None or sub.result.verdict(offset) in AT_VENDOR
    shared = [entry for entry in sub.timeline if at_vendor or entry.status != Status.SUBMITTED]
    if own and own[0].status == Status.CANCELLED:
        shared = [entry for entry in shared if entry.at <= own[0].at]
    return _numbered(sorted(shared + own, key=lambda entry: entry.at))


def _numbered(entries: Iterable[TimelineEntry]) -> list[TimelineEntry]:
    """Count the attempts: an entry that begins one is written before its number is known."""
    attempt = 0
    numbered = []
    for entry in entries:
        if entry.status == Status.SUBMITTING and not entry.attempt:
            attempt += 1
            entry = msgspec.structs.replace(entry, attempt=attempt)
        attempt = max(attempt, entry.attempt)
        numbered.append(entry)
    return numbered


def _entry_view(entry: TimelineEntry) -> dict[str, Any]:
    return {
        "at": rfc3339(from_ms(entry.at)),
        "status": entry.status,
        "source": entry.source,
        "vendor": entry.vendor,
        "attempt": entry.attempt,
        "vendor_code": entry.code,
        "vendor_text": entry.text,
        "note": entry.note,
    }


def _first_step(entry: TimelineEntry, owner: Batch) -> dict[str, Any]:
    """Show the step of the request, with the API key that asked."""
    return _entry_view(entry) | {"key_id": owner.key_id}


def _last(entries: Sequence[TimelineEntry], status: Status) -> TimelineEntry:
    """Find the entry that led to a status; a late response may follow it."""
    return next((entry for entry in reversed(entries) if entry.status == status), entries[-1])


def _problem(status: Status, last: TimelineEntry) -> dict[str, Any] | None:
    if status not in TITLES:
        return None
    return {
        "type": f"/problems/{status}",
        "title": TITLES[status],
        "retryable": False,
        "detail": last.note or last.text or TITLES[status],
        "vendor": last.vendor,
        "vendor_code": last.code,
        "vendor_text": last.text,
    }


class Outcome(ValueObject, frozen=True):
    """A message's status, the vendor's words on it, and in one line what went wrong."""

    status: Status
    vendor_code: str | None
    vendor_text: str | None
    problem: str


def outcome_of(message: Message, sub: Submission) -> Outcome:
    """Return what became of a message so far."""
    status = status_of(message, sub)
    last = _last(_timeline(message, sub, message.key.position - sub.key.position), status)
    problem = _problem(status, last)
    return Outcome(status, last.code, last.text, problem["detail"] if problem else "")


def batch_view(owner: Batch, messages: Iterable[tuple[Message, Submission]]) -> dict[str, Any]:
    """Show a batch's counts and prices."""
    states = list(messages)
    counts = Counter(status_of(message, sub) for message, sub in states)
    return {
        "id": owner.id,
        "created_at": rfc3339(created_at(owner.id)),
        "total": counts.total(),
        "counts": dict(counts),
        "final": all(status.final for status in counts),
        "price": sum_prices(price_of_message(message, sub) for message, sub in states),
        "key_id": owner.key_id,
        **mark(test=owner.test),
    }

"""Messages and batches as the API shows them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from sms_gateway.core.problems import GatewayError
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import from_ms, rfc3339
from sms_gateway.core.ulids import created_at
from sms_gateway.messages.prices import price_view, sums
from sms_gateway.storage.message_state import price_of_message, status_of
from sms_gateway.storage.models import Batch, Entry, Message, Submission

TITLES = {
    Status.UNDELIVERED: "The vendor took the message and could not deliver it",
    Status.REJECTED: "The message was refused and did not leave",
    Status.EXPIRED: "The message's validity passed",
    Status.UNKNOWN: "Nobody can say what became of the message",
}


def message_view(owner: Batch, message: Message, sub: Submission) -> dict[str, Any]:
    """GET /messages/{id}'s answer."""
    content, status = message.content, status_of(message, sub)
    offset = message.key.position - sub.key.position
    entries = _timeline(message, sub, offset)
    return {
        "id": message.id,
        "batch_id": owner.id,
        "to": content.to,
        "from": content.sender,
        "text": content.text,
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
        "timeline": [_entry_view(entry) for entry in entries],
    }


def _vendor_id(message: Message, sub: Submission, offset: int) -> str | None:
    if sub.result is None or sub.result.verdict(offset) not in "AU":
        return None
    return message.id if sub.result.own else sub.result.id_of(offset)


def _timeline(message: Message, sub: Submission, offset: int) -> list[Entry]:
    """A message's steps: its submission's, then its own."""
    if message.key == sub.key:
        return _numbered(sub.log)
    own = list(message.log)
    taken = sub.result is None or sub.result.verdict(offset) in "AU"
    steps = [entry for entry in sub.log if taken or entry.status not in ("submitted",)]
    if own and own[0].status == Status.CANCELLED:
        steps = [entry for entry in steps if entry.at <= own[0].at]
    return _numbered(sorted(steps + own, key=lambda entry: entry.at))


def _numbered(entries: Iterable[Entry]) -> list[Entry]:
    """A call's beginning is written before its number is known: it is counted here."""
    attempt = 0
    numbered = []
    for entry in entries:
        if entry.status == Status.SUBMITTING and not entry.attempt:
            attempt += 1
            entry = msgspec.structs.replace(entry, attempt=attempt)
        attempt = max(attempt, entry.attempt)
        numbered.append(entry)
    return numbered


def _entry_view(entry: Entry) -> dict[str, Any]:
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


def _last(entries: Sequence[Entry], status: Status) -> Entry:
    """The step that led to a status; a late answer may stand behind it."""
    return next((entry for entry in reversed(entries) if entry.status == status), entries[-1])


def _problem(status: Status, last: Entry) -> dict[str, Any] | None:
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


def outcome(message: Message, sub: Submission) -> tuple[Status, str]:
    """A message's status, and in one line what went wrong."""
    status = status_of(message, sub)
    if status not in TITLES:
        return status, ""
    entries = _timeline(message, sub, message.key.position - sub.key.position)
    problem = _problem(status, _last(entries, status)) or {}
    said = (problem["vendor_code"], problem["vendor_text"])
    words = " ".join(word for word in said if word and word != problem["detail"])
    return status, f"{problem['detail']}{f' ({words})' if words else ''}"


def batch_view(owner: Batch, found: Iterable[tuple[Message, Submission]]) -> dict[str, Any]:
    """GET /batches/{id}'s answer."""
    every = list(found)
    counts = Counter(status_of(message, sub) for message, sub in every)
    return {
        "id": owner.id,
        "created_at": rfc3339(created_at(owner.id)),
        "total": counts.total(),
        "counts": dict(counts),
        "final": all(status.final for status in counts),
        "price": sums(price_of_message(message, sub) for message, sub in every),
    }


def accepted_view(batch: str, receipts: Iterable[Any], rejected: Iterable[Any]) -> dict[str, Any]:
    """POST /messages' answer, in the order of the request."""
    return {
        "batch_id": batch,
        "messages": [
            {
                "id": one.id,
                "to": one.accepted.content.to,
                "status": one.status,
                "vendor": one.accepted.vendors[0],
                "encoding": one.accepted.content.encoding,
                "segments": one.accepted.content.segments,
                "reference": one.accepted.content.reference,
                "warnings": warnings_view(one.accepted),
            }
            for one in receipts
        ],
        "rejected": [rejected_view(one.index, one.to, one.problem) for one in rejected],
    }


def warnings_view(accepted: Any) -> list[dict[str, Any]]:
    """What may keep an accepted message from arriving."""
    return [
        {
            "type": f"/warnings/{caution.slug}",
            "detail": caution.detail,
            "pointer": f"{accepted.draft.place}/{caution.field}",
        }
        for caution in accepted.cautions
    ]


def rejected_view(index: int, to: str, problem: GatewayError) -> dict[str, Any]:
    """One refused recipient."""
    return {"index": index, "to": to, "problem": problem.document()}

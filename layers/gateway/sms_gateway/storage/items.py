"""The table's items: the shape of each, and its conversion to a value. No I/O."""

from collections.abc import Iterable
from typing import Any
from zlib import crc32

import msgspec

from sms_gateway.core.status import Status
from sms_gateway.storage.models import (
    Batch,
    ItemKey,
    Message,
    MessageContent,
    SealedText,
    Submission,
    SubmissionResult,
    TimelineEntry,
)

Item = dict[str, Any]

SHARDS = tuple(f"{number:02d}" for number in range(32))
MARK_BYTES = 4
MARKS = "X"  # the sort key of a batch's marks: behind all that readers of a batch want

_content = msgspec.json.Decoder(MessageContent)
_entry = msgspec.json.Decoder(TimelineEntry)
_result = msgspec.json.Decoder(SubmissionResult)
_encode = msgspec.json.Encoder().encode


def shard_of(batch: str) -> str:
    """Return the due index's partition for a batch's submissions."""
    return SHARDS[crc32(batch.encode()) % len(SHARDS)]


def json_attribute(data: object) -> Item:
    """Encode a value as JSON."""
    return {"S": _encode(data).decode()}


def number_attribute(value: int) -> Item:
    """Encode a whole number."""
    return {"N": str(value)}


def timeline_attribute(entries: Iterable[TimelineEntry]) -> Item:
    """Encode a timeline."""
    return {"L": [json_attribute(entry) for entry in entries]}


def batch_item(batch: Batch, day: str, ttl: int, marks: bytes | None = None) -> Item:
    """Build the item whose write accepts a batch of many; `marks` are its messages'."""
    item: Item = {
        "pk": {"S": batch.id},
        "sk": {"S": "B"},
        "tenant": {"S": batch.tenant},
        "day": {"S": f"{batch.tenant}#{day}"},
        "count": number_attribute(batch.count),
        "data": json_attribute(batch.shared),
        "ttl": number_attribute(ttl),
    }
    return item | _origin(batch.campaign, batch.key_id) | _test(test=batch.test) | _marks(marks)


def _marks(marks: bytes | None) -> Item:
    """Encode what a search finds an accepted batch by; what has none is looked into."""
    return {} if marks is None else {"marks": {"B": marks}}


def _origin(campaign: str | None, key_id: str | None) -> Item:
    """Encode what an accepted batch came from; "key" is the id of an API key."""
    known = {"campaign": campaign, "key": key_id}
    return {name: {"S": value} for name, value in known.items() if value is not None}


def _test(*, test: bool) -> Item:
    """Encode whether it is a test key's; a live item has no such attribute."""
    return {"test": number_attribute(1)} if test else {}


def message_item(
    batch: str, position: int, own: dict[str, Any], ttl: int, sealed: bytes | None = None
) -> Item:
    """Build the item of a message in a batch of many; its submission holds the status."""
    item: Item = {
        "pk": {"S": batch},
        "sk": {"S": f"M#{position:03d}"},
        "data": json_attribute(own),
        "ttl": number_attribute(ttl),
    }
    return item | ({"sealed": {"B": sealed}} if sealed is not None else {})


def marks_item(batch: str, marks: bytes, ttl: int) -> Item:
    """Build the item of the marks that a batch's own item has no room for."""
    return {"pk": {"S": batch}, "sk": {"S": MARKS}, "ttl": number_attribute(ttl)} | _marks(marks)


def submission_item(
    submission: Submission, ttl: int, day: str | None = None, marks: bytes | None = None
) -> Item:
    """Build a submission's item; a batch of one has its content and tenant in it."""
    item: Item = {
        "pk": {"S": submission.key.batch},
        "sk": {"S": submission.key.sort},
        "count": number_attribute(submission.count),
        "vendor": {"S": submission.vendor},
        "vendors": {"S": ",".join(submission.vendors)},
        "status": {"S": submission.status},
        "attempt": number_attribute(submission.attempt),
        "created": number_attribute(submission.created),
        "expires": number_attribute(submission.expires),
        "changed": number_attribute(submission.changed),
        "timeline": timeline_attribute(submission.timeline),
        "ttl": number_attribute(ttl),
    }
    if submission.due is not None:
        item["due"] = number_attribute(submission.due)
        item["shard"] = {"S": shard_of(submission.key.batch)}
    if submission.counted:
        item["counted"] = {"S": submission.counted}
    if submission.segments:
        item["segments"] = number_attribute(submission.segments)
    if submission.seed is not None:
        item["seed"] = {"B": submission.seed}
    if submission.sealed is not None:
        item["sealed"] = {"B": submission.sealed}
    if submission.content is not None and submission.tenant is not None:
        item["data"] = json_attribute(submission.content)
        item["tenant"] = {"S": submission.tenant}
        item["day"] = {"S": f"{submission.tenant}#{day}"}
        item |= _origin(submission.campaign, submission.key_id) | _marks(marks)
    return item | _test(test=submission.test)


def read_submission(item: Item) -> Submission:
    """Read a submission from its item."""

    def number(attribute: str) -> int:
        return int(item[attribute]["N"])

    tenant = item.get("tenant", {}).get("S")
    return Submission(
        key=ItemKey(item["pk"]["S"], item["sk"]["S"]),
        count=number("count"),
        vendor=item["vendor"]["S"],
        vendors=tuple(item["vendors"]["S"].split(",")),
        status=Status(item["status"]["S"]),
        attempt=number("attempt"),
        created=number("created"),
        expires=number("expires"),
        due=number("due") if "due" in item else None,
        polls=number("polls") if "polls" in item else 0,
        changed=number("changed"),
        result=_result.decode(item["result"]["S"]) if "result" in item else None,
        timeline=_read_timeline(item),
        refused=tuple(item["refused"]["S"].split(",")) if "refused" in item else (),
        outcome_unknown="outcome_unknown" in item,
        sent_again_in_doubt="in_doubt" in item,
        tenant=tenant,
        content=_content.decode(item["data"]["S"]) if tenant else None,
        campaign=item.get("campaign", {}).get("S"),
        key_id=item.get("key", {}).get("S"),
        held=number("held") if "held" in item else None,
        # In a record of the stream these are base64: nobody opens a text there.
        seed=item.get("seed", {}).get("B"),
        sealed=item.get("sealed", {}).get("B") if tenant else None,
        test="test" in item,
        counted=item.get("counted", {}).get("S", ""),
        segments=number("segments") if "segments" in item else 0,
    )


def _read_timeline(item: Item) -> tuple[TimelineEntry, ...]:
    return tuple(_entry.decode(entry["S"]) for entry in item.get("timeline", {}).get("L", []))


def read_batch(item: Item) -> Batch:
    """Read a batch from its own item, or from the only item of a batch of one."""
    is_single = item["sk"]["S"] != "B"
    return Batch(
        item["pk"]["S"],
        item["tenant"]["S"],
        int(item["count"]["N"]),
        {} if is_single else msgspec.json.decode(item["data"]["S"]),
        item.get("campaign", {}).get("S"),
        item.get("key", {}).get("S"),
        "test" in item,
    )


def read_message(item: Item, shared: Any, seed: bytes | None = None) -> Message:
    """Read a message from its item and its batch's shared content; to open it, with its `seed`."""
    data = item["data"]["S"]
    content = (
        msgspec.convert({**shared, **msgspec.json.decode(data)}, MessageContent)
        if shared
        else _content.decode(data)
    )
    status = Status(item["status"]["S"]) if "status" in item else None
    sealed = read_sealed(seed, item.get("sealed", {}).get("B"))
    key = ItemKey(item["pk"]["S"], item["sk"]["S"])
    return Message(key, content, status, _read_timeline(item), sealed)


def read_sealed(seed: bytes | None, data: bytes | None) -> SealedText | None:
    """Return a sealed text; None when one of its parts is gone or was not read."""
    return SealedText(seed, data) if seed is not None and data is not None else None


def key_of(key: ItemKey) -> Item:
    """Encode a key."""
    return {"pk": {"S": key.batch}, "sk": {"S": key.sort}}

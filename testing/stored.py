"""Items as the table has them: messages that are final, and submissions that are due.

The same identifiers come of the same seed, and everything was accepted at BEGAN.
"""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sms_gateway.core.status import Status
from sms_gateway.storage import dynamodb, items
from sms_gateway.storage.items import Item
from sms_gateway.storage.models import (
    Batch,
    ItemKey,
    MessageContent,
    Submission,
    SubmissionResult,
    TimelineEntry,
)
from testing.counting import read_units, size_of

BEGAN = 1_793_525_400  # epoch seconds at which everything was accepted
TTL = BEGAN + 90 * 86_400
DAY = "2026-11-01"
TEXT = "Your order 4711 has left our house and will be with you tomorrow between nine and noon."
DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SHARED: dict[int, Item] = {}  # what does not differ is kept once: a million messages fit in a GB


def ulid(draw: random.Random) -> str:
    """Return a batch's id of BEGAN."""
    ms, written = BEGAN * 1000, ""
    for _ in range(10):
        ms, digit = divmod(ms, 32)
        written = DIGITS[digit] + written
    return written + "".join(draw.choices(DIGITS, k=16))


def waiting(batch: str, count: int) -> Iterator[Item]:
    """Return a submission that the vendor took, due from BEGAN on, with its messages."""
    alone = count == 1
    content = MessageContent(to="+447700900001", text=TEXT)
    state = items.submission_item(
        _submission(batch, count, Status.SUBMITTED, content if alone else None, BEGAN), TTL, DAY
    ) | {"result": items.json_attribute(SubmissionResult(own_ids=True))}
    yield state
    if not alone:
        yield from _members(batch, count)


def final(batch: str, count: int) -> Iterator[Item]:
    """Return a batch in one submission whose messages have all arrived."""
    yield items.submission_item(_submission(batch, count, Status.SUBMITTED, None, None), TTL)
    log = items.timeline_attribute(
        [TimelineEntry(BEGAN * 1000, Status.DELIVERED, "poll", "server2sms", 1, "0")]
    )
    for item in _members(batch, count):
        if item["sk"]["S"] != "B":
            item |= {"status": {"S": "delivered"}, "timeline": log}
        yield item


def _members(batch: str, count: int) -> Iterator[Item]:
    yield items.batch_item(Batch(batch, "acme", count, {"text": TEXT}), DAY, TTL)
    place = {"S": batch}
    for position in range(count):
        if position not in _SHARED:
            own = {"to": f"+4477{position:08d}"}
            _SHARED[position] = items.message_item("", position, own, TTL)
        yield _SHARED[position] | {"pk": place}


def _submission(
    batch: str, count: int, status: Status, content: MessageContent | None, due: int | None
) -> Submission:
    log = [
        TimelineEntry(
            BEGAN * 1000, Status.ACCEPTED, "api", "server2sms", note="first usable of route +44"
        ),
        TimelineEntry(BEGAN * 1000, Status.SUBMITTING, "dispatch", "server2sms"),
        TimelineEntry(BEGAN * 1000, status, "dispatch", "server2sms", 1, "1", "OK"),
    ]
    return Submission(
        key=ItemKey(batch, "M#000" if content else "S#000"),
        count=count,
        vendor="server2sms",
        vendors=("server2sms",),
        status=status,
        attempt=1,
        created=BEGAN * 1000,
        expires=BEGAN + 172_800,
        due=due,
        polls=0,
        changed=BEGAN,
        result=None,
        timeline=tuple(log),
        tenant="acme" if content else None,
        content=content,
    )


@contextmanager
def seen(traffic: Counter[str]) -> Iterator[None]:
    """Add up the due index's units by partition: each query's, and two for each entry moved."""

    def ends(parsed: Any, context: Any, **_: Any) -> None:
        asked = context["counted"]
        if asked.get("IndexName") == "due":
            shard = asked["ExpressionAttributeValues"][":shard"]["S"]
            sizes = [size_of(one) for one in parsed["Items"]]
            traffic[shard] += read_units(sizes, consistent=False)  # type: ignore[assignment] # fractions
        elif "shard" in parsed.get("Attributes", {}):
            traffic[parsed["Attributes"]["shard"]["S"]] += 2

    events = dynamodb.client().meta.events
    events.register("after-call.dynamodb", ends)
    try:
        yield
    finally:
        events.unregister("after-call.dynamodb", ends)

"""Counts that may not pass a limit: numbers of one item, added to by one conditional write.

A bucket is the time at which it would be full again (GCRA), in microseconds: a request moves it on
by its cost, and it may not lie further ahead than its room.
"""

import secrets
from collections.abc import Sequence
from typing import Any

from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.items import Item
from sms_gateway.storage.models import ItemKey

PREFIX = "QUOTA#"
REACHED = "REACHED"  # the sort key of how much of a limit was used


class Count(ValueObject, frozen=True):
    """What is added to a number, and the most that it may come to; None counts without a limit."""

    name: str
    amount: int
    most: int | None = None


class Bucket(ValueObject, frozen=True):
    """A bucket from which a request takes `cost` of its `room`, in microseconds.

    `idle` chooses the form of the write: for a bucket that is full, or for one that is not.
    """

    name: str
    cost: int
    room: int
    idle: bool


def add(
    key: ItemKey,
    counts: Sequence[Count],
    buckets: Sequence[Bucket],
    now: int,
    ttl: int,
    outdated: Sequence[str] = (),
) -> tuple[Item, bool]:
    """Add to all numbers and take from all buckets, or to none; `now` is in microseconds.

    `outdated` are attributes that are removed then.
    Returns the item as it is then, and whether it was written. Raises ServiceUnavailableError.
    """
    claim = secrets.token_hex(8)  # by which a write whose answer was lost is known
    update = ItemUpdate(key, may_create=True).if_missing_or_not("claim", claim)
    update.set("claim", claim).set("ttl", ttl).remove(*outdated)
    for count in counts:
        update.add(count.name, count.amount)
        if count.most is not None:
            room = count.most - count.amount
            if room < 0:  # not even the first one is written
                update.if_at_most(count.name, room)
            else:
                update.if_missing_or_at_most(count.name, room)
    for bucket in buckets:
        _take(update, bucket, now)
    item, written = update.apply_or_read()
    return item, written or item.get("claim") == {"S": claim}


def _take(update: ItemUpdate, bucket: Bucket, now: int) -> None:
    if bucket.idle:
        update.if_missing_or_at_most(bucket.name, now).set(bucket.name, now + bucket.cost)
        return
    latest = now + bucket.room - bucket.cost
    update.if_between(bucket.name, now, latest).add(bucket.name, bucket.cost)


def give_back(key: ItemKey, amounts: dict[str, int]) -> None:
    """Take amounts off an item's numbers, if it still has them. Raises ServiceUnavailableError.

    The SDK's token makes a retry harmless.
    """
    update = ItemUpdate(key)
    for name, amount in amounts.items():
        update.add(name, -amount).if_present(name)
    write: Any = {"Update": update.parameters()}
    dynamodb.conditional_write(
        lambda: dynamodb.client().transact_write_items(TransactItems=[write])
    )


def put_reached(tenant: str, name: str, details: dict[str, Any], ttl: int) -> bool:
    """Store that so much of a limit is used; the event is made of it. False where it is there.

    `details` are stored as JSON. Raises ServiceUnavailableError.
    """
    update = ItemUpdate(ItemKey(f"{PREFIX}{tenant}#{name}", REACHED), may_create=True)
    return update.if_missing("data").set("data", details).set("ttl", ttl).apply() is not None


def read(key: ItemKey) -> Item:
    """Read an item of counts, {} for none. Raises ServiceUnavailableError."""
    return dynamodb.get(key) or {}


def number_of(item: Item, name: str) -> int:
    """Read a number of an item, 0 for none."""
    return int(item[name]["N"]) if name in item else 0

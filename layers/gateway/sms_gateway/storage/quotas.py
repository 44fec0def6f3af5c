"""Counts that may not pass a limit: numbers of one item, added to by one conditional write.

A bucket is the time at which it would be full again (GCRA), in microseconds: a request moves it on
by its cost, and it may not lie further ahead than its room.
"""

import secrets
from collections.abc import Sequence
from typing import Any

from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ConditionFailedError, ItemUpdate, translate_errors
from sms_gateway.storage.items import Item
from sms_gateway.storage.models import ItemKey

PREFIX = "QUOTA#"


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
    key: ItemKey, counts: Sequence[Count], buckets: Sequence[Bucket], now: int, ttl: int
) -> tuple[Item, bool]:
    """Add to all numbers and take from all buckets, or to none; `now` is in microseconds.

    Returns the item as it is then, and whether it was written. Raises ServiceUnavailableError.
    """
    claim = secrets.token_hex(8)  # by which a write whose answer was lost is known
    update = ItemUpdate(key, may_create=True).if_missing_or_not("claim", claim)
    update.set("claim", claim).set("ttl", ttl)
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
    try:
        with translate_errors():
            answer = dynamodb.client().update_item(
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **update.parameters(),
            )
    except ConditionFailedError as error:
        return error.item, error.item.get("claim") == {"S": claim}
    return dict(answer["Attributes"]), True


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


def read(key: ItemKey) -> Item:
    """Read an item of counts, {} for none. Raises ServiceUnavailableError."""
    return dynamodb.get(key) or {}


def number_of(item: Item, name: str) -> int:
    """Read a number of an item, 0 for none."""
    return int(item[name]["N"]) if name in item else 0

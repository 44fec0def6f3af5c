"""Counts that may not pass a limit: numbers of one item, added to by one conditional write.

A bucket is the time at which it would be full again (GCRA), in microseconds: a request moves it on
by its cost, and it may not lie further ahead than its room.
"""

import secrets
from collections.abc import Sequence
from typing import Any

from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ConditionFailedError, translate_errors
from sms_gateway.storage.items import Item, json_attribute, key_of, number_attribute
from sms_gateway.storage.models import ItemKey

PREFIX = "QUOTA#"
REACHED = "REACHED"  # the sort key of what was told of a limit


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
    update = _Update()
    update.where(f"({update.name('claim')} <> {update.text(claim)})", "claim")
    update.set("claim", update.text(claim))
    update.set("ttl", update.number(ttl))
    for count in counts:
        update.add(count.name, count.amount)
        if count.most is not None:
            fits = count.amount <= count.most  # else not even the first one is written
            room = update.number(count.most - count.amount)
            update.where(f"{update.name(count.name)} <= {room}", count.name if fits else None)
    for bucket in buckets:
        _take(update, bucket, now)
    for name in outdated:
        update.remove(name)
    try:
        with translate_errors():
            answer = dynamodb.client().update_item(
                TableName=dynamodb.table_name(),
                Key=key_of(key),
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **update.request(),
            )
    except ConditionFailedError as error:
        return error.item, error.item.get("claim") == {"S": claim}
    return dict(answer["Attributes"]), True


def _take(update: "_Update", bucket: Bucket, now: int) -> None:
    name = update.name(bucket.name)
    if bucket.idle:
        update.where(f"{name} <= {update.number(now)}", bucket.name)
        update.set(bucket.name, update.number(now + bucket.cost))
        return
    latest = now + bucket.room - bucket.cost
    update.where(f"{name} BETWEEN {update.number(now)} AND {update.number(latest)}")
    update.set(bucket.name, f"{name} + {update.number(bucket.cost)}")


def give_back(key: ItemKey, amounts: dict[str, int]) -> None:
    """Take amounts off an item's numbers, if it still has them. Raises ServiceUnavailableError.

    The SDK's token makes a retry harmless.
    """
    update = _Update()
    for name, amount in amounts.items():
        update.add(name, -amount)
        update.must(f"attribute_exists({update.name(name)})")
    write: Any = {"TableName": dynamodb.table_name(), "Key": key_of(key), **update.request()}
    dynamodb.conditional_write(
        lambda: dynamodb.client().transact_write_items(TransactItems=[{"Update": write}])
    )


def put_reached(tenant: str, name: str, details: dict[str, Any], ttl: int) -> bool:
    """Store that so much of a limit is used; the event is made of it. False where it is there.

    `details` are stored as JSON. Raises ServiceUnavailableError.
    """
    update = _Update()
    update.must(f"attribute_not_exists({update.name('data')})")
    update.set("data", update.text(json_attribute(details)["S"]))
    update.set("ttl", update.number(ttl))
    key = key_of(ItemKey(f"{PREFIX}{tenant}#{name}", REACHED))
    write: Any = {"TableName": dynamodb.table_name(), "Key": key, **update.request()}
    return dynamodb.conditional_write(lambda: dynamodb.client().update_item(**write)) is not None


def read(key: ItemKey) -> Item:
    """Read an item of counts, {} for none. Raises ServiceUnavailableError."""
    return dynamodb.get(key) or {}


def number_of(item: Item, name: str) -> int:
    """Read a number of an item, 0 for none."""
    return int(item[name]["N"]) if name in item else 0


class _Update:
    """An update expression; names have signs that an expression may not have."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: Item = {}
        self._sets: list[str] = []
        self._adds: list[str] = []
        self._removes: list[str] = []
        self._conditions: list[str] = []

    def name(self, attribute: str) -> str:
        return self._names.setdefault(attribute, f"#n{len(self._names)}")

    def number(self, value: int) -> str:
        return self._value(number_attribute(value))

    def text(self, value: str) -> str:
        return self._value({"S": value})

    def _value(self, value: Item) -> str:
        placeholder = f":v{len(self._values)}"
        self._values[placeholder] = value
        return placeholder

    def set(self, attribute: str, expression: str) -> None:
        self._sets.append(f"{self.name(attribute)} = {expression}")

    def add(self, attribute: str, amount: int) -> None:
        self._adds.append(f"{self.name(attribute)} {self.number(amount)}")

    def remove(self, attribute: str) -> None:
        self._removes.append(self.name(attribute))

    def must(self, condition: str) -> None:
        self._conditions.append(condition)

    def where(self, condition: str, absent: str | None = None) -> None:
        """Add a condition; `absent` is the attribute without which it holds."""
        missing = f"attribute_not_exists({self.name(absent)}) OR " if absent else ""
        self.must(f"({missing}{condition})")

    def request(self) -> Any:
        sets = [f"SET {', '.join(self._sets)}"] if self._sets else []
        adds = [f"ADD {', '.join(self._adds)}"] if self._adds else []
        removes = [f"REMOVE {', '.join(self._removes)}"] if self._removes else []
        return {
            "UpdateExpression": " ".join([*sets, *adds, *removes]),
            "ConditionExpression": " AND ".join(self._conditions),
            "ExpressionAttributeNames": {sign: name for name, sign in self._names.items()},
            "ExpressionAttributeValues": self._values,
        }

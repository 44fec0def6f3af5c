"""What vendors told of their balances: the last rows of an account, and its hourly amounts.

Two items an account: `CACHE` is small and written at each answer, `HOURS` grows to a bound and is
written once an hour. Who asks a vendor first claims the question in `CACHE`.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage import dynamodb
from sms_gateway.storage.items import Item, json_attribute, key_of, number_attribute
from sms_gateway.storage.models import ItemKey

PREFIX = "BALANCE#"

Row = dict[str, Any]


class KeptBalances(ValueObject, frozen=True):
    """An account's rows, when they were stored, and the hour since 1970 they were asked in.

    `next_question` is the epoch second before which nobody may ask the vendor.
    """

    rows: tuple[Row, ...] = ()
    at: int = 0  # epoch seconds
    hour: int = 0
    next_question: int = 0


class Hours(msgspec.Struct, frozen=True):
    """A product's amounts, one an hour up to `last` (hours since 1970); None where none is known.

    Another `unit` is another series.
    """

    unit: str
    last: int
    amounts: list[str | None]


def read_balances(vendors: Iterable[str]) -> dict[str, KeptBalances]:
    """Read what is kept of the accounts at vendors. Raises ServiceUnavailableError."""
    keys = [_key(vendor, "CACHE") for vendor in vendors]
    items = dynamodb.get_many(keys) if keys else {}
    return {key.batch.removeprefix(PREFIX): read_kept(item) for key, item in items.items()}


def read_rows(vendor: str) -> tuple[Row, ...]:
    """Read what a vendor told last, eventually consistent. Raises ServiceUnavailableError."""
    item = dynamodb.get(_key(vendor, "CACHE"), consistent=False)
    return read_kept(item).rows if item else ()


def read_kept(item: Item) -> KeptBalances:
    """Read a `CACHE` item; one that was only claimed has no rows."""
    return KeptBalances(
        rows=tuple(msgspec.json.decode(item["data"]["S"])) if "data" in item else (),
        at=int(item["at"]["N"]) if "at" in item else 0,
        hour=int(item["hour"]["N"]) if "hour" in item else 0,
        next_question=int(item["next"]["N"]) if "next" in item else 0,
    )


def claim_question(vendor: str, now: int, until: int) -> KeptBalances | None:
    """Claim the right to ask a vendor at `now`; nobody else gets it before `until`.

    Returns what is kept of the vendor, or None when nobody may ask it yet. Times are epoch seconds.
    Raises ServiceUnavailableError.
    """

    def write() -> Any:
        return dynamodb.client().update_item(
            TableName=dynamodb.table_name(),
            Key=key_of(_key(vendor, "CACHE")),
            UpdateExpression="SET #next = :until",
            ConditionExpression="attribute_not_exists(pk) OR #next <= :now",
            ExpressionAttributeNames={"#next": "next"},
            ExpressionAttributeValues={
                ":until": number_attribute(until),
                ":now": number_attribute(now),
            },
            ReturnValues="ALL_NEW",
        )

    response = dynamodb.conditional_write(write)
    return read_kept(response["Attributes"]) if response else None


def keep_answer(vendor: str, claimed: int, kept: KeptBalances) -> bool:
    """Store what a vendor told; False when somebody asked it since the question `claimed`."""
    change = dynamodb.ItemUpdate(_key(vendor, "CACHE"))
    change.set("data", list(kept.rows)).set("at", kept.at).set("hour", kept.hour)
    change.set("next", kept.next_question).if_in("next", claimed)
    return change.apply() is not None


def read_hours(vendor: str) -> tuple[dict[str, Hours], int]:
    """Read an account's hourly amounts by product, and the hour in which they were stored."""
    item = dynamodb.get(_key(vendor, "HOURS"))
    if item is None:
        return {}, 0
    return (
        msgspec.json.decode(item["data"]["S"], type=dict[str, Hours]),
        int(item["hour"]["N"]),
    )


def keep_hours(vendor: str, hour: int, hours: dict[str, Hours]) -> bool:
    """Store the hourly amounts, unless this hour's or later ones are stored."""
    key = _key(vendor, "HOURS")
    item = {**key_of(key), "data": json_attribute(hours), "hour": number_attribute(hour)}
    existing = dynamodb.put(
        item,
        "attribute_not_exists(pk) OR #hour < :hour",
        ExpressionAttributeNames={"#hour": "hour"},
        ExpressionAttributeValues={":hour": number_attribute(hour)},
    )
    return existing in (None, item)


def _key(vendor: str, sort: str) -> ItemKey:
    return ItemKey(f"{PREFIX}{vendor}", sort)

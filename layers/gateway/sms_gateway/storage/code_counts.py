"""Counts of codes, a key and a day an item: added to by one write, which answers all of the day."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

from sms_gateway.core.timestamps import DAY_SECONDS
from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage import dynamodb
from sms_gateway.storage.items import Item, json_attribute, key_of, number_attribute
from sms_gateway.storage.models import ItemKey

PREFIX = "GUARD#"
KEPT_DAYS = 16  # the best of 14 days is asked for, and the day itself
KNOWN_DAYS = 90  # so long a number is known whose owner typed in a code
KNOWN = "KNOWN"  # the sort key of such a number
BLOCKED = "BLOCKED"  # the sort key of what was refused last
FEW = 4  # so many writes go one after another: threads take longer


class CountKey(ValueObject, frozen=True):
    """Whose codes are counted (a tenant, and what it counts by) on which UTC day."""

    tenant: str
    name: str
    day: date

    @property
    def item(self) -> ItemKey:
        """The key of the day's item."""
        return ItemKey(f"{PREFIX}{self.tenant}#{self.name}", self.day.isoformat())


class Addition(ValueObject, frozen=True):
    """What one write adds to a day: to numbers, and to the set `countries`."""

    key: CountKey
    numbers: Mapping[str, int]
    country: str | None = None

    def request(self) -> Any:
        """Return the parameters of UpdateItem, except the table."""
        names = {f"#{name}": name for name in self.numbers} | {"#ttl": "ttl"}
        values: Item = {f":{name}": number_attribute(n) for name, n in self.numbers.items()}
        adds = [f"#{name} :{name}" for name in self.numbers]
        values[":ttl"] = number_attribute(_ttl(self.key.day))
        if self.country is not None:
            names["#countries"], values[":countries"] = "countries", {"SS": [self.country]}
            adds.append("#countries :countries")
        return {
            "Key": key_of(self.key.item),
            "UpdateExpression": f"ADD {', '.join(adds)} SET #ttl = :ttl",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }


def add(addition: Addition) -> Item:
    """Add, and return the day's whole item. Raises ServiceUnavailableError."""
    with dynamodb.translate_errors():
        answer = dynamodb.client().update_item(
            TableName=dynamodb.table_name(), ReturnValues="ALL_NEW", **addition.request()
        )
    return dict(answer["Attributes"])


def add_all(additions: Sequence[Addition]) -> list[Item]:
    """Add to several, in parallel when they are many. Raises ServiceUnavailableError."""
    if len(additions) <= FEW:
        return [add(addition) for addition in additions]
    with ThreadPoolExecutor(dynamodb.MAX_PARALLEL_WRITES) as pool:
        return list(pool.map(add, additions))


def put_blocked(key: CountKey, details: Mapping[str, Any]) -> None:
    """Store what was refused of a country; the event is made of it. Raises ServiceUnavailableError.

    `details` are stored as JSON.
    """
    with dynamodb.translate_errors():
        dynamodb.client().update_item(
            TableName=dynamodb.table_name(),
            Key=key_of(blocked_key(key)),
            UpdateExpression="SET #data = :data, #ttl = :ttl",
            ExpressionAttributeNames={"#data": "data", "#ttl": "ttl"},
            ExpressionAttributeValues={
                ":data": json_attribute(details),
                ":ttl": number_attribute(_ttl(key.day)),
            },
        )


def remember(key: CountKey) -> None:
    """Store that the owner of a number, which the key names, typed in a code that day.

    Raises ServiceUnavailableError.
    """
    with dynamodb.translate_errors():
        dynamodb.client().update_item(
            TableName=dynamodb.table_name(),
            Key=key_of(ItemKey(key.item.batch, KNOWN)),
            UpdateExpression="SET #ttl = :ttl",
            ExpressionAttributeNames={"#ttl": "ttl"},
            ExpressionAttributeValues={":ttl": number_attribute(_ttl(key.day, KNOWN_DAYS))},
        )


def find_known(keys: Sequence[CountKey]) -> set[str]:
    """Return the names of those that are remembered. Raises ServiceUnavailableError."""
    wanted = {ItemKey(key.item.batch, KNOWN): key.name for key in keys}
    return {wanted[found] for found in dynamodb.get_many([*wanted])}


def blocked_key(key: CountKey) -> ItemKey:
    """Return the key of what was refused last."""
    return ItemKey(key.item.batch, BLOCKED)


def days_before(key: CountKey, days: int) -> dict[date, Item]:
    """Read the days before one, eventually consistent: they hardly change any more.

    Raises ServiceUnavailableError.
    """
    low, high = key.day - timedelta(days=days), key.day - timedelta(days=1)
    items = dynamodb.query_range(
        key.item.batch, low.isoformat(), high.isoformat(), days, consistent=False
    )
    return {date.fromisoformat(item["sk"]["S"]): item for item in items}


def _ttl(day: date, kept: int = KEPT_DAYS) -> int:
    return ((day - date(1970, 1, 1)).days + kept) * DAY_SECONDS

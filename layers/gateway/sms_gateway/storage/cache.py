"""Values cached in the table, by key."""

from collections.abc import Sequence
from typing import Any

import msgspec

from sms_gateway.storage.dynamodb import client, get_all, table_name, translate_errors
from sms_gateway.storage.items import Item, json_attribute, number_attribute


def cache_get(keys: Sequence[str]) -> dict[str, tuple[int, Any]]:
    """Return the cached values by key, each with the epoch second of its storing."""
    if not keys:
        return {}
    items = get_all([{"pk": {"S": key}, "sk": {"S": "CACHE"}} for key in keys])
    return {item["pk"]["S"]: read_cached(item) for item in items}


def read_cached(item: Item) -> tuple[int, Any]:
    """Read a cached value and the epoch second of its storing."""
    return int(item["at"]["N"]), msgspec.json.decode(item["data"]["S"])


def cache_put(key: str, now: int, value: object) -> None:
    """Cache a value under a key; `now` is epoch seconds."""
    with translate_errors():
        client().put_item(
            TableName=table_name(),
            Item={
                "pk": {"S": key},
                "sk": {"S": "CACHE"},
                "at": number_attribute(now),
                "data": json_attribute(value),
            },
        )

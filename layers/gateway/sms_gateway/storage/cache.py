"""Values that are kept for a while, by name."""

from collections.abc import Sequence
from typing import Any

import msgspec

from sms_gateway.storage.dynamodb import client, get_all, table_name, translate_errors
from sms_gateway.storage.items import (
    Item,
    json_attribute,
    number_attribute,
)


def cache_get(names: Sequence[str]) -> dict[str, tuple[int, Any]]:
    """Values by name, each with the epoch second at which it was kept."""
    if not names:
        return {}
    found = get_all([{"pk": {"S": one}, "sk": {"S": "KEPT"}} for one in names])
    return {item["pk"]["S"]: read_cached(item) for item in found}


def read_cached(item: Item) -> tuple[int, Any]:
    """A kept value, with the epoch second at which it was kept."""
    return int(item["at"]["N"]), msgspec.json.decode(item["data"]["S"])


def cache_put(key: str, now: int, value: object) -> None:
    """Keeps a value under a name."""
    with translate_errors():
        client().put_item(
            TableName=table_name(),
            Item={
                "pk": {"S": key},
                "sk": {"S": "KEPT"},
                "at": number_attribute(now),
                "data": json_attribute(value),
            },
        )

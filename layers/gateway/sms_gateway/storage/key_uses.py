"""When each API key was last used, to the hour: an item a key, apart from the keys themselves.

So whoever writes it can change no key.
"""

from typing import Any

from sms_gateway.storage import dynamodb
from sms_gateway.storage.items import key_of, number_attribute
from sms_gateway.storage.models import ItemKey

PARTITION = "KEY_USES"
SAMPLE_SECONDS = 3_600  # a key has at most one write in so long
MAX_NOTED = 10_000  # keys that a process remembers

_noted: dict[str, int] = {}  # by key id, when this process last tried, in epoch seconds


def note_use(identifier: str, now: int) -> None:
    """Store that a key is used now (epoch seconds), unless that was stored within an hour.

    A process tries once an hour, whatever comes of it. Raises ServiceUnavailableError.
    """
    if now - _noted.get(identifier, 0) < SAMPLE_SECONDS:
        return
    if len(_noted) >= MAX_NOTED:
        _noted.clear()
    _noted[identifier] = now
    write: Any = {
        "TableName": dynamodb.table_name(),
        "Key": key_of(ItemKey(PARTITION, identifier)),
        "UpdateExpression": "SET #used = :now",
        "ConditionExpression": "attribute_not_exists(#used) OR #used <= :before",
        "ExpressionAttributeNames": {"#used": "used"},
        "ExpressionAttributeValues": {
            ":now": number_attribute(now),
            ":before": number_attribute(now - SAMPLE_SECONDS),
        },
    }
    dynamodb.conditional_write(lambda: dynamodb.client().update_item(**write))


def last_uses() -> dict[str, int]:
    """Return when each key was last used, by its id, in epoch seconds; never used is absent."""
    items = dynamodb.query("pk = :pk", {":pk": {"S": PARTITION}})
    return {item["sk"]["S"]: int(item["used"]["N"]) for item in items}

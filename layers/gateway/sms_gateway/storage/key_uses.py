"""When each API key was last used, to the hour: an item a key, apart from the keys themselves.

So whoever writes it can change no key.
"""

from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ItemUpdate
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
    change = ItemUpdate(ItemKey(PARTITION, identifier), may_create=True)
    change.if_missing_or_at_most("used", now - SAMPLE_SECONDS).set("used", now).apply()


def last_uses() -> dict[str, int]:
    """Return when each key was last used, by its id, in epoch seconds; never used is absent."""
    items = dynamodb.query("pk = :pk", {":pk": {"S": PARTITION}})
    return {item["sk"]["S"]: int(item["used"]["N"]) for item in items}

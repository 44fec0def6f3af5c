"""The event of a counted limit of which half, four fifths or all is used."""

from collections.abc import Iterator

import msgspec

from sms_gateway.core.event import Event, EventType
from sms_gateway.storage.items import Item
from sms_gateway.storage.quotas import PREFIX, REACHED


def quota_events(old: Item, new: Item) -> Iterator[Event]:
    """Yield the event of a threshold that was reached; `at` in it is epoch milliseconds."""
    if new["sk"]["S"] != REACHED or old.get("data") == new.get("data"):
        return
    tenant, _, name = new["pk"]["S"].removeprefix(PREFIX).partition("#")
    data = msgspec.json.decode(new["data"]["S"])
    at = data.pop("at")
    yield Event(f"quota-{tenant}-{name}", EventType.QUOTA_REACHED, at, tenant, data)

"""The event of the guard: the first code of an hour that it refused in a country, or suspected."""

from collections.abc import Iterator

import msgspec

from sms_gateway.core.event import Event, EventType
from sms_gateway.core.timestamps import from_ms, rfc3339
from sms_gateway.storage.code_counts import BLOCKED, PREFIX
from sms_gateway.storage.items import Item


def guard_events(old: Item, new: Item, at: int) -> Iterator[Event]:
    """Yield the event of what was refused in another hour than before; `at` is epoch milliseconds.

    The number block stays in the table: an event may go to others.
    """
    if new["sk"]["S"] != BLOCKED or old.get("data") == new.get("data"):
        return
    tenant, _, country = new["pk"]["S"].removeprefix(PREFIX).split("#")
    blocked = msgspec.json.decode(new["data"]["S"])
    data = {
        "country": country,
        "hour": rfc3339(from_ms(blocked["hour"] * 1000)),
        "mode": blocked["mode"],
        "reasons": blocked["reasons"],
    }
    identifier = f"guard-{tenant}-{country}-{blocked['hour']}-{blocked['mode']}"
    yield Event(identifier, EventType.BLOCKED, at, tenant, data)

"""The events of the guard: the first code of an hour that it refused in a country, or suspected."""

from collections.abc import Iterator
from datetime import date

import msgspec

from sms_gateway.core.event import Event, EventType
from sms_gateway.core.timestamps import from_ms, rfc3339
from sms_gateway.storage.code_counts import PREFIX
from sms_gateway.storage.items import DAY_SECONDS, Item

HOUR_SECONDS = 3600
COUNTED = ("refused", "suspected")


def guard_events(old: Item, new: Item, at: int) -> Iterator[Event]:
    """Yield an event for each hour that first counts a refusal; `at` is epoch milliseconds."""
    tenant, kind, country = new["pk"]["S"].removeprefix(PREFIX).split("#")
    for name in new.keys() - old.keys():
        counted = name.rstrip("0123456789")
        if kind != "country" or counted not in COUNTED:
            continue
        day, hour = date.fromisoformat(new["sk"]["S"]), int(name.removeprefix(counted))
        begin = (day - date(1970, 1, 1)).days * DAY_SECONDS + hour * HOUR_SECONDS
        last = msgspec.json.decode(new["last"]["S"])
        data = {
            "country": country,
            "hour": rfc3339(from_ms(begin * 1000)),
            "mode": "block" if counted == "refused" else "monitor",
            "reasons": last["reasons"],
        }
        identifier = f"guard-{tenant}-{country}-{begin}-{counted}"
        yield Event(identifier, EventType.BLOCKED, at, tenant, data)

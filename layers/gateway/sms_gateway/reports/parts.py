"""Parts: what was counted of a tenant's days, kept for whoever asks next.

A part has the figures of the entries of `by_tenant` behind its start, up to `upto`; the next part
of its day begins there. It is replaced as a whole, by one conditional write.
"""

import zlib
from collections.abc import Iterator
from copy import replace
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from sms_gateway.core.timestamps import DAY_SECONDS, epoch_seconds
from sms_gateway.core.ulids import first_ulid
from sms_gateway.core.value_object import ValueObject
from sms_gateway.reports.counting import Entry
from sms_gateway.reports.figures import Figures, Place, Sheet
from sms_gateway.storage import dynamodb, search_runs
from sms_gateway.storage.items import Item, key_of, number_attribute
from sms_gateway.storage.models import ItemKey

FORMAT = 1  # of what is counted: a part of another one is counted again
KEPT_DAYS = 400  # longer than messages
type _Cells = list[tuple[Place, Figures]]


class _Data(msgspec.Struct, array_like=True):
    settled: _Cells
    waiting: _Cells
    singles: list[str]
    several: list[str]


class Part(ValueObject, frozen=True):
    """A part of a day: `start` < batch <= `upto`, with so many `entries` of the index.

    `work` is what it takes to count it.

    `checked`: the index was read again when nothing could come late any more. `next` is the second
    before which nobody reads the `open` entries again; `ends` the one in which they are removed.
    `version` is 0 for what is not stored yet.
    """

    day: date
    start: str
    upto: str
    entries: int = 0
    work: int = 0
    checked: bool = False
    settled: Sheet = msgspec.field(default_factory=Sheet)
    waiting: Sheet = msgspec.field(default_factory=Sheet)
    open: tuple[Entry, ...] = ()
    next: int = 0
    ends: int | None = None
    hour: int | None = None  # in which the first entry was accepted
    version: int = 0
    format: int = FORMAT


def day_start(day: date) -> str:
    """Return the start of a day's first part."""
    return first_ulid(datetime.combine(day, time(), UTC))


def stored_parts(tenant: str, first: date, last: date) -> dict[date, list[Part]]:
    """Return the parts of a tenant's days, in order, by one query."""
    found: dict[date, list[Part]] = {}
    items = dynamodb.query(
        "pk = :pk AND sk BETWEEN :low AND :high",
        {
            ":pk": {"S": _partition(tenant)},
            ":low": {"S": first.isoformat()},
            ":high": {"S": f"{last.isoformat()}~"},
        },
        ConsistentRead=True,
    )
    for item in items:
        part = _read(item)
        found.setdefault(part.day, []).append(part)
    return found


class OvertakenError(Exception):
    """Somebody else has stored another version of a part."""


def store(tenant: str, part: Part, now: datetime) -> Part:
    """Store a part in place of the version before. Raises OvertakenError when there is another."""
    data = _Data(
        list(part.settled),
        list(part.waiting),
        [one.batch for one in part.open if one.single],
        [one.batch for one in part.open if not one.single],
    )
    numbers = {
        **{
            "entries": part.entries,
            "work": part.work,
            "version": part.version + 1,
            "format": FORMAT,
        },
        **{"next": part.next, "counted": epoch_seconds(now)},
        "ttl": epoch_seconds(datetime.combine(part.day, time(), UTC)) + KEPT_DAYS * DAY_SECONDS,
        **({"checked": 1} if part.checked else {}),
        **({"ends": part.ends} if part.ends is not None else {}),
        **({"hour": part.hour} if part.hour is not None else {}),
    }
    item: Item = {
        **key_of(_key(tenant, part)),
        "upto": {"S": part.upto},
        "data": {"B": zlib.compress(msgspec.json.encode(data))},
        **{name: number_attribute(value) for name, value in numbers.items()},
    }
    before = number_attribute(part.version)
    found = (
        dynamodb.put(item, "version = :before", ExpressionAttributeValues={":before": before})
        if part.version
        else dynamodb.put(item, "attribute_not_exists(pk)")
    )
    if found not in (None, item):
        raise OvertakenError
    return replace(part, version=part.version + 1)


def _read(item: Item) -> Part:
    day, _, start = item["sk"]["S"].partition("#")
    data = msgspec.json.decode(zlib.decompress(item["data"]["B"]), type=_Data)
    singles = (Entry(one, True) for one in data.singles)
    several = (Entry(one, False) for one in data.several)
    return Part(
        day=date.fromisoformat(day),
        start=start,
        upto=item["upto"]["S"],
        entries=int(item["entries"]["N"]),
        work=int(item["work"]["N"]),
        checked="checked" in item,
        settled=Sheet(data.settled),
        waiting=Sheet(data.waiting),
        open=(*singles, *several),
        next=int(item["next"]["N"]),
        ends=int(item["ends"]["N"]) if "ends" in item else None,
        hour=int(item["hour"]["N"]) if "hour" in item else None,
        version=int(item["version"]["N"]),
        format=int(item["format"]["N"]),
    )


def _key(tenant: str, part: Part) -> ItemKey:
    return ItemKey(_partition(tenant), f"{part.day.isoformat()}#{part.start}")


def _partition(tenant: str) -> str:
    return f"REPORTS#{tenant}"


def entries_between(tenant: str, day: date, start: str, upto: str) -> Iterator[Entry]:
    """Yield what the index has of a day behind a start, the oldest first, without campaigns."""
    found = search_runs.entries(tenant, day, before=f"{upto}0", after=start, newest_first=False)
    return (Entry(one.batch, one.single) for one in found)


def day_end(day: date) -> datetime:
    """Return when a day is over."""
    return datetime.combine(day, time(), UTC) + timedelta(days=1)

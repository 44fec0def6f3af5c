"""What a search reads: entries of `by_tenant`, and the runs that they are sorted into by mark.

A run is written once and never changed: the entries of a tenant's day behind the run before it, up
to the batch that the run is named after. Its items are the records of singles, sorted by mark, and
then, if its name ends in SEVERAL, all else in order. docs/data-model.md draws them.
"""

from collections.abc import Iterable, Iterator, Sequence
from copy import replace
from datetime import date, datetime
from itertools import batched
from typing import Any

import msgspec

from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.items import MARK_BYTES, MARKS, Item, key_of, number_attribute
from sms_gateway.storage.models import ItemKey

TENANTS = "SEARCH"  # the partition of tenants that have runs
RECORD_BYTES = MARK_BYTES + 26
PAGE_BYTES = 3900  # with its key below the 4 KB of a read unit, and of four write units
LAST = "~"  # behind every ULID
SEVERAL = "+"
PLACES_AHEAD = 50
ENTRIES_AT_ONCE = 10_000  # at most 1 MB, which ends a page of a query

type Marks = tuple[bytes, ...]


class Place(ValueObject, frozen=True):
    """A batch where something may be found; without `marks` it must be looked into."""

    batch: str
    marks: Marks | None = None
    single: bool = False  # a batch of one


class IndexedTenant(ValueObject, frozen=True):
    """A tenant whose runs are written: of `day`, not before `next` (epoch seconds)."""

    tenant: str
    day: date
    next: int


class IndexedDay(ValueObject, frozen=True):
    """A day's runs, oldest first; `closed` when nothing is behind them."""

    runs: tuple[str, ...] = ()
    closed: bool = False


def note_tenant(tenant: str, now: datetime) -> None:
    """Have a tenant's runs written from today on, unless they are already."""
    dynamodb.put_new(
        {
            **key_of(ItemKey(TENANTS, tenant)),
            "day": {"S": now.date().isoformat()},
            "next": number_attribute(0),
        }
    )


def indexed_tenants() -> list[IndexedTenant]:
    """Return the tenants whose runs are written."""
    return [
        IndexedTenant(item["sk"]["S"], date.fromisoformat(item["day"]["S"]), int(item["next"]["N"]))
        for item in dynamodb.query("pk = :pk", {":pk": {"S": TENANTS}})
    ]


def move_on(known: IndexedTenant, day: date, at: int) -> bool:
    """Set a tenant's day and next time, unless somebody else did; return whether it was set."""
    change = ItemUpdate(ItemKey(TENANTS, known.tenant)).set("day", day.isoformat()).set("next", at)
    change.if_in("day", known.day.isoformat()).if_in("next", known.next)
    return change.apply() is not None


def entries(
    tenant: str, day: date, *, before: str = LAST, after: str = "", newest_first: bool
) -> Iterator[Place]:
    """Yield what `by_tenant` has of a day between two batches, without campaigns."""
    items = dynamodb.query(
        "#day = :day AND pk BETWEEN :after AND :before",
        {
            ":day": {"S": f"{tenant}#{day.isoformat()}"},
            ":after": {"S": after or "0"},
            ":before": {"S": before},
        },
        IndexName="by_tenant",
        ExpressionAttributeNames={"#day": "day"},
        ScanIndexForward=not newest_first,
        Limit=ENTRIES_AT_ONCE,
    )
    for item in items:
        batch = item["pk"]["S"]
        if item["sk"]["S"] != "C" and after < batch < before:
            marks = _split(item["marks"]["B"]) if "marks" in item else None
            yield Place(batch, marks, item["sk"]["S"] != "B")


def _split(marks: bytes) -> Marks:
    return tuple(marks[at : at + MARK_BYTES] for at in range(0, len(marks), MARK_BYTES))


def with_marks(places: Iterable[Place]) -> Iterator[Place]:
    """Add the marks that batches have in an item of their own, a few places ahead."""
    for several in batched(places, PLACES_AHEAD, strict=False):
        unmarked = [
            ItemKey(one.batch, MARKS) for one in several if one.marks is None and not one.single
        ]
        found = dynamodb.get_many(unmarked)
        for one in several:
            item = found.get(ItemKey(one.batch, MARKS))
            yield replace(one, marks=_split(item["marks"]["B"])) if item else one


def indexed_days(tenant: str, oldest: date, newest: date) -> dict[date, IndexedDay]:
    """Return the days that have runs, by one query."""
    found = dynamodb.query(
        "pk = :pk AND sk BETWEEN :oldest AND :newest",
        {
            ":pk": {"S": f"{TENANTS}#{tenant}"},
            ":oldest": {"S": oldest.isoformat()},
            ":newest": {"S": newest.isoformat()},
        },
        ConsistentRead=True,
    )
    return {
        date.fromisoformat(item["sk"]["S"]): IndexedDay(
            tuple(item["runs"]["S"].split(",")), "closed" in item
        )
        for item in found
    }


def store_run(
    tenant: str, day: date, before: IndexedDay, places: Sequence[Place], *, last: bool, ttl: int
) -> None:
    """Write a run of batches, oldest first, and then that the day has it; `last` closes the day.

    Another scheduler may do the same at once: then both write the same.
    """
    others = [place for place in places if not place.single or place.marks is None]
    run = places[-1].batch + (SEVERAL if others else "")
    partition = f"{TENANTS}#{tenant}#{day.isoformat()}"
    records = [
        (mark, place.batch)
        for place in places
        if place.single and place.marks is not None
        for mark in place.marks
    ]
    dynamodb.put_all(
        [*_record_pages(partition, run, records, ttl), *_other_pages(partition, run, others, ttl)]
    )
    runs = ",".join((*before.runs, run))
    item: Item = {
        **key_of(ItemKey(f"{TENANTS}#{tenant}", day.isoformat())),
        "runs": {"S": runs},
        "ttl": number_attribute(ttl),
        **({"closed": number_attribute(1)} if last else {}),
    }
    condition = "runs = :before" if before.runs else "attribute_not_exists(pk)"
    values: Any = (
        {"ExpressionAttributeValues": {":before": {"S": ",".join(before.runs)}}}
        if before.runs
        else {}
    )
    dynamodb.put(item, condition, **values)


def _record_pages(
    partition: str, run: str, records: list[tuple[bytes, str]], ttl: int
) -> Iterator[Item]:
    for page in batched(sorted(records), PAGE_BYTES // RECORD_BYTES, strict=False):
        mark, batch = page[0]
        data = b"".join(mark + batch.encode() for mark, batch in page)
        yield _item(partition, f"{run}#{mark.hex()}#{batch}", data, ttl)


def _other_pages(partition: str, run: str, others: Sequence[Place], ttl: int) -> Iterator[Item]:
    for page in _by_size(others):
        packed = [(one.batch, None if one.marks is None else b"".join(one.marks)) for one in page]
        yield _item(partition, f"{run}~{packed[0][0]}", msgspec.msgpack.encode(packed), ttl)


def _item(partition: str, sort: str, data: bytes, ttl: int) -> Item:
    key = key_of(ItemKey(partition, sort))
    return {**key, "records": {"B": data}, "ttl": number_attribute(ttl)}


def _by_size(places: Sequence[Place]) -> Iterator[list[Place]]:
    page: list[Place] = []
    size = 0
    for place in places:
        own = RECORD_BYTES + 2 + len(place.marks or ()) * MARK_BYTES
        if size + own > PAGE_BYTES:
            yield page
            page, size = [], 0
        page.append(place)
        size += own
    if page:
        yield page


def marked_in_run(tenant: str, day: date, run: str, mark: bytes, before: str) -> Iterator[Place]:
    """Yield a run's singles with a mark, before a batch, newest first."""
    written = mark.hex()
    low, high = f"{run}#", f"{run}#{written}#{before}"
    for sort, data in _newest_pages(tenant, day, low, high, 1):  # few have a second
        for start in range(len(data) - RECORD_BYTES, -1, -RECORD_BYTES):
            batch = data[start + MARK_BYTES : start + RECORD_BYTES].decode()
            if data[start : start + MARK_BYTES] == mark and batch < before:
                yield Place(batch, (mark,), single=True)
        if sort[len(run) + 1 :].partition("#")[0] < written:
            return


def others_in_run(tenant: str, day: date, run: str, before: str) -> Iterator[Place]:
    """Yield a run's batches of several, or without marks, before a batch, newest first."""
    if not run.endswith(SEVERAL):
        return
    for _, data in _newest_pages(tenant, day, f"{run}~", f"{run}~{before}", 50):
        for batch, marks in reversed(_places.decode(data)):
            if batch < before:
                yield Place(batch, None if marks is None else _split(marks))


def _newest_pages(
    tenant: str, day: date, low: str, high: str, at_once: int
) -> Iterator[tuple[str, bytes]]:
    pages = dynamodb.query(
        "pk = :pk AND sk BETWEEN :low AND :high",
        {
            ":pk": {"S": f"{TENANTS}#{tenant}#{day.isoformat()}"},
            ":low": {"S": low},
            ":high": {"S": high},
        },
        ConsistentRead=True,
        ScanIndexForward=False,
        Limit=at_once,
    )
    return ((item["sk"]["S"], item["records"]["B"]) for item in pages)


_places = msgspec.msgpack.Decoder(list[tuple[str, bytes | None]])

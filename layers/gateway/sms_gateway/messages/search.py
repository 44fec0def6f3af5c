"""Find where messages to a number, or with a reference, may be: by marks, without reading them."""

from collections.abc import Iterator
from datetime import date, timedelta
from heapq import merge
from typing import Self

from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.value_object import ValueObject
from sms_gateway.messages.search_marks import wanted_marks
from sms_gateway.storage import search_runs
from sms_gateway.storage.search_runs import LAST, IndexedDay, Place

# Passed over for one page.
MAX_ENTRIES = 25_000  # more than a run, so that a page gets through what no run has yet
UNITS_OF_SEVERAL = 10  # its marks may be an item of their own
MAX_SEARCHED_DAYS = 100

Step = tuple[date, str, bool]  # a batch of a day, and whether to read it, or to stop behind it


class Wanted(ValueObject, frozen=True):
    """The marks that a search asks for, each of them under every key; one at least is asked for."""

    asked: tuple[frozenset[bytes], ...]

    @classmethod
    def of(cls, tenant: str, to: str | None, reference: str | None) -> Self | None:
        """Return what a search wants; None when it wants neither, or no key can be read."""
        kinds = {"to": to, "reference": reference}
        try:
            asked = tuple(
                wanted_marks(tenant, kind, value)
                for kind, value in kinds.items()
                if value is not None
            )
        except ServiceUnavailableError:
            return None
        return cls(asked) if asked else None

    def may_be_in(self, place: Place) -> bool:
        """Whether a batch may have it."""
        return place.marks is None or all(not one.isdisjoint(place.marks) for one in self.asked)


def candidates(
    tenant: str, wanted: Wanted, newest: date, before: str | None, oldest: date
) -> Iterator[Step]:
    """Yield the batches that may have what is wanted, newest first.

    `before` is a batch of the day `newest`. Where the work for one page ends, the last step says
    where to go on.
    """
    days = search_runs.indexed_days(tenant, oldest, newest)
    passed = 0
    for _ in range(MAX_SEARCHED_DAYS):
        if newest < oldest:
            return
        known = days.get(newest, IndexedDay())
        for place, is_wanted in _places(tenant, newest, known, wanted, before or LAST):
            passed += 1 if place.single else UNITS_OF_SEVERAL
            if is_wanted:
                yield newest, place.batch, True
            elif passed >= MAX_ENTRIES:
                yield newest, place.batch, False
                return
        newest -= timedelta(days=1)
        before = None
    if newest >= oldest:
        yield newest, "", False


def _places(
    tenant: str, day: date, known: IndexedDay, wanted: Wanted, before: str
) -> Iterator[tuple[Place, bool]]:
    """Yield what no run has, then the runs' places, and of each whether it is wanted."""
    ends = ("", *known.runs)
    if not known.closed:
        entries = search_runs.entries(tenant, day, before=before, after=ends[-1], newest_first=True)
        for place in search_runs.with_marks(entries):
            yield place, wanted.may_be_in(place)
    for end in range(len(ends) - 1, 0, -1):
        if ends[end - 1] < before:
            yield from _in_run(tenant, day, ends[end], wanted, before)


def _in_run(
    tenant: str, day: date, run: str, wanted: Wanted, before: str
) -> Iterator[tuple[Place, bool]]:
    singles = [
        search_runs.marked_in_run(tenant, day, run, mark, before) for mark in wanted.asked[0]
    ]
    others = search_runs.with_marks(search_runs.others_in_run(tenant, day, run, before))
    for place in merge(*singles, others, key=lambda one: one.batch, reverse=True):
        # A record has one mark: the message says whether it has the other.
        yield place, place.single or wanted.may_be_in(place)

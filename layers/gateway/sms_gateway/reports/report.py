"""Reports: count what is not counted yet, and sum what is kept.

Nothing is counted while nobody asks. A question counts a bounded part, the oldest days first, and
says whether it is `complete`; asking again goes on. What nothing will change is never read again.
"""

from collections.abc import Iterable, Iterator, Sequence
from copy import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, takewhile
from typing import Any

from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.core.timestamps import epoch_seconds, rfc3339
from sms_gateway.core.ulids import created_at, first_ulid
from sms_gateway.reports import parts
from sms_gateway.reports.counting import Entry, count_entries
from sms_gateway.reports.figures import Figures, Place, Sheet
from sms_gateway.reports.parts import FORMAT, OvertakenError, Part
from sms_gateway.reports.query import ReportQuery

STEP = timedelta(minutes=15)  # figures are that old at most, where their messages are as young
# A batch has its id before it is stored, by a function that runs for 15 minutes at most; the rest
# is for the index, which lags.
SETTLED_AFTER = timedelta(minutes=20)
PART_WORK = 10_000  # singles, which all open are some 200 KB of the 400 that an item may have
MAX_WORK = 10_000  # of one question, and the last part's on top
WORK = {True: 1, False: 100}  # a single; a batch of several, of up to a thousand
DAY_WORK = 20  # a day is looked at, a part is written
MAX_ROWS = 5_000  # some 3 MB, of the 6 that an answer may have


def _work(entries: Iterable[Entry]) -> int:
    return sum(WORK[one.single] for one in entries)


def _within(entries: Iterable[Entry], room: int) -> list[Entry]:
    """Return the first entries that are `room`'s work, and at least one."""
    taken: list[Entry] = []
    for one in entries:
        if room <= 0 and taken:
            break
        room -= WORK[one.single]
        taken.append(one)
    return taken


class Report:
    """One tenant's counted days."""

    def __init__(self, tenant: str, query: ReportQuery, now: datetime) -> None:
        """Count what is missing, within MAX_WORK. Raises ServiceUnavailableError."""
        self._tenant, self._now = tenant, now
        self._left = MAX_WORK
        self._limit = _step_before(now)
        self._late = first_ulid(now - SETTLED_AFTER)
        self._days = parts.stored_parts(tenant, query.first, query.last)
        try:
            self.complete = all(
                self._bring_up_to_date(day) for day in query.days if day <= now.date()
            )
        except OvertakenError:  # what another question counts at this moment is as good
            self._days = parts.stored_parts(tenant, query.first, query.last)
            self.complete = False
        self.counted_until = self._counted_until(query)

    def __iter__(self) -> Iterator[tuple[date, Place, Figures]]:
        for day, found in sorted(self._days.items()):
            for part in found:
                for place, figures in (*part.settled, *part.waiting):
                    yield day, place, figures

    def _bring_up_to_date(self, day: date) -> bool:
        """Count what is missing of a day; return whether nothing is left."""
        kept = self._days.setdefault(day, [])
        for nth, part in enumerate(kept):
            if self._left <= 0:
                return False
            kept[nth] = self._refreshed(part)
        return self._count_on(day, kept)

    def _refreshed(self, part: Part) -> Part:
        """Return a part with what changed; as it was when nothing is due."""
        seconds = epoch_seconds(self._now)
        needs_check = part.format != FORMAT or (not part.checked and part.upto <= self._late)
        needs_read = bool(part.open) and part.next <= seconds
        if not (needs_check or needs_read):
            return part
        self._left -= DAY_WORK
        if needs_check:
            found = list(parts.entries_between(self._tenant, part.day, part.start, part.upto))
            more = len(found) - part.entries  # fewer are left when messages are removed
            if more > 0 or (more == 0 and part.format != FORMAT):
                return self._recounted(part, found)
            part = replace(part, checked=True, format=FORMAT)
        if needs_read:
            part = self._read_again(part, seconds)
        return self._stored(part)

    def _read_again(self, part: Part, seconds: int) -> Part:
        """Read a part's open entries, unless the first of them may be gone: that is their end."""
        if part.ends is not None and part.ends <= seconds:
            part.settled.add_all(part.waiting)
            return replace(part, waiting=Sheet(), open=(), ends=None)
        again = replace(part, waiting=Sheet(), open=(), ends=None)
        return self._with_counted(again, part.open)

    def _recounted(self, part: Part, entries: Sequence[Entry]) -> Part:
        """Count a part from the table alone, in place of what was kept."""
        empty = Part(part.day, part.start, part.upto, hour=part.hour, version=part.version)
        return self._stored(self._grown(empty, entries, part.upto))

    def _count_on(self, day: date, kept: list[Part]) -> bool:
        """Count a day's entries behind its last part; return whether none is left."""
        end = first_ulid(min(self._limit, parts.day_end(day)))
        while True:
            start = kept[-1].upto if kept else parts.day_start(day)
            if start >= end:
                return True
            if self._left <= 0:
                return False
            self._left -= DAY_WORK
            found = parts.entries_between(self._tenant, day, start, end)
            part, entries, upto = self._next_piece(day, kept, list(islice(found, PART_WORK + 1)))
            grown = self._stored(self._grown(part, entries, upto or end))
            if part.version:
                kept[-1] = grown
            else:
                kept.append(grown)

    def _next_piece(
        self, day: date, kept: list[Part], ahead: Sequence[Entry]
    ) -> tuple[Part, list[Entry], str | None]:
        """Return the part that grows, the entries that it gets, and up to where; None for the end.

        A part begins in one hour and takes entries of that hour, so that a quiet tenant has a small
        item for each hour, and a busy one several.
        """
        last = kept[-1] if kept else None
        if not ahead and last is not None:
            return last, [], None
        start = last.upto if last else parts.day_start(day)
        if not ahead:
            return Part(day, start, start), [], None
        hour = created_at(ahead[0].batch).hour
        grows = last is not None and last.hour in (hour, None) and last.work < PART_WORK
        part = last if last is not None and grows else Part(day, start, start)
        of_hour = takewhile(lambda one: created_at(one.batch).hour == hour, ahead)
        taken = _within(of_hour, min(PART_WORK - part.work, self._left))
        return part, taken, None if len(taken) == len(ahead) else taken[-1].batch

    def _grown(self, part: Part, entries: Sequence[Entry], upto: str) -> Part:
        """Count entries into a part, which then reaches up to `upto`."""
        hour = created_at(entries[0].batch).hour if entries and part.hour is None else part.hour
        grown = replace(
            part,
            upto=upto,
            entries=part.entries + len(entries),
            work=part.work + _work(entries),
            checked=upto <= self._late,  # what it had before was checked before it grows so far
            hour=hour,
        )
        return self._with_counted(grown, entries)

    def _with_counted(self, part: Part, entries: Sequence[Entry]) -> Part:
        """Count entries into a part; those that are open are read when they are as old again."""
        self._left -= _work(entries)
        counted = count_entries(entries, self._now)
        part.settled.add_all(counted.settled)
        part.waiting.add_all(counted.waiting)
        ends = [one for one in (part.ends, counted.ends) if one is not None]
        age = self._now - created_at(part.upto)
        following = epoch_seconds(self._now + max(STEP, age))
        return replace(
            part,
            open=(*part.open, *counted.open),
            ends=min(ends, default=None),
            next=min(part.next, following) if part.open else following,
        )

    def _stored(self, part: Part) -> Part:
        return parts.store(self._tenant, part, self._now)

    def _counted_until(self, query: ReportQuery) -> datetime | None:
        """Return the moment before which all that was accepted is in the figures."""
        until = datetime.combine(query.first, time(), UTC)
        for day in query.days:
            kept = self._days.get(day)
            if not kept:
                break
            until = min(created_at(kept[-1].upto), parts.day_end(day))
            if until < parts.day_end(day):
                break
        return until if until > datetime.combine(query.first, time(), UTC) else None


def _step_before(now: datetime) -> datetime:
    """Return the last full quarter of an hour."""
    return now.replace(minute=now.minute - now.minute % 15, second=0, microsecond=0)


def report_view(query: ReportQuery, found: dict[str, Report]) -> dict[str, Any]:
    """Show reports of tenants, by name, as one. Raises InvalidRequestError for too many rows."""
    rows: dict[tuple[str, ...], Figures] = {}
    for tenant, report in found.items():
        for day, (hour, vendor, country, category), figures in report:
            values = {
                **{"day": day.isoformat(), "vendor": vendor, "country": country},
                **{"category": category, "tenant": tenant},
                "hour": rfc3339(datetime.combine(day, time(hour), UTC)),
            }
            rows.setdefault(tuple(values[one] for one in query.by), Figures()).add(figures)
            if len(rows) > MAX_ROWS:
                raise InvalidRequestError(
                    f"The report would have more than {MAX_ROWS:,} rows: ask for fewer days, or "
                    "for fewer dimensions in `by`.",
                    slug="report-too-large",
                )
    until = [one.counted_until for one in found.values()]
    whole = [one for one in until if one is not None]
    return {
        "from": query.first.isoformat(),
        "to": query.last.isoformat(),
        "by": list(query.by),
        "complete": all(one.complete for one in found.values()),
        "counted_until": rfc3339(min(whole)) if whole and len(whole) == len(until) else None,
        "rows": [
            {**dict(zip(query.by, key, strict=True)), **figures.view()}
            for key, figures in sorted(rows.items())
        ],
    }

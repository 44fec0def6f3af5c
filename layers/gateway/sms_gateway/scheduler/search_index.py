"""Sort what tenants have sent into runs, by which a search finds it."""

import os
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice

from sms_gateway.core.observability import increment, logger
from sms_gateway.core.timestamps import DAY_SECONDS, epoch_seconds
from sms_gateway.core.ulids import created_at, first_ulid
from sms_gateway.messages.planning import MAX_SCHEDULE_AHEAD
from sms_gateway.storage import search_runs
from sms_gateway.storage.search_runs import IndexedDay, IndexedTenant, Place

RUN_ENTRIES = 20_000  # a search reads fewer that no run has, and one item of each run
# A batch has its id before it is stored, by a function that runs for 15 minutes at most; the rest
# is for the index, which lags.
SETTLED_AFTER = timedelta(minutes=20)
MIN_WAIT, MAX_WAIT = 300, 3600  # seconds until a tenant is looked at again
RUN_SECONDS = 5  # a run takes some 1.2 s of this function's CPU, and 40 calls of DynamoDB


def sort_into_runs(now: datetime, has_time_for: Callable[[float], bool]) -> None:
    """Write the runs that are due, while there is time; the tenant that waits longest first."""
    for known in sorted(search_runs.indexed_tenants(), key=lambda one: one.next):
        if known.next > epoch_seconds(now) or not has_time_for(RUN_SECONDS):
            return
        try:
            _catch_up(known, now, has_time_for)
        except Exception:  # the others' turn comes in any case
            logger.exception("search runs not written", extra={"tenant": known.tenant})
            increment("SearchRunFailed")


def _catch_up(known: IndexedTenant, now: datetime, has_time_for: Callable[[float], bool]) -> None:
    """Write a tenant's runs up to what is settled, and say when to look again."""
    settled, day = now - SETTLED_AFTER, known.day
    wait = 0
    while day <= settled.date() and has_time_for(RUN_SECONDS):
        is_over = day < settled.date()
        stored = search_runs.indexed_days(known.tenant, day, day).get(day, IndexedDay())
        found = _next_entries(known.tenant, day, stored, settled)
        is_full = len(found) == RUN_ENTRIES
        if is_full or (is_over and found):
            search_runs.store_run(
                known.tenant, day, stored, found, last=not is_full, ttl=_ttl(settled)
            )
        if is_full:
            continue
        if not is_over:
            wait = _wait(stored, day, len(found), settled)
            break
        day += timedelta(days=1)
    search_runs.move_on(known, day, epoch_seconds(now) + (wait or MIN_WAIT))


def _next_entries(tenant: str, day: date, stored: IndexedDay, settled: datetime) -> Sequence[Place]:
    found = search_runs.entries(
        tenant,
        day,
        before=first_ulid(settled),
        after=stored.runs[-1] if stored.runs else "",
        newest_first=False,
    )
    return [*islice(found, RUN_ENTRIES)]


def _wait(stored: IndexedDay, day: date, found: int, settled: datetime) -> int:
    """Return half the seconds after which a run is full at the pace so far, within bounds."""
    begin = created_at(stored.runs[-1]) if stored.runs else datetime.combine(day, time(), UTC)
    seconds = (settled - begin).total_seconds()
    left = seconds * (RUN_ENTRIES - found) / max(1, found)
    return int(min(max(left / 2, MIN_WAIT), MAX_WAIT))


def _ttl(settled: datetime) -> int:
    """Return when nothing in a run can be there any more, in epoch seconds."""
    kept = int(os.environ["RETENTION_DAYS"]) * DAY_SECONDS
    return epoch_seconds(settled) + kept + int(MAX_SCHEDULE_AHEAD.total_seconds())

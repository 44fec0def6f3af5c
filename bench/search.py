"""A search by number against what is stored, by read units."""

import os
from datetime import UTC, datetime, time, timedelta
from itertools import batched

from bench.gateway import Gateway
from bench.targets import Table
from testing.stored import BEGAN, waiting

STORED = (1_000, 10_000, 100_000, 1_000_000)  # singles, a tenth on each of ten days
DAYS = 10
TODAY = datetime.fromtimestamp(BEGAN, UTC).date()
WANTED = "+447700900001"  # the number of what testing/stored.py stores


def searched(gateway: Gateway) -> Table:
    """Return what a search that finds a message of each day reads, by how many are stored."""
    return {f"{stored:,} singles stored": _reads(gateway, stored) for stored in STORED}


def _reads(gateway: Gateway, stored: int) -> dict[str, float]:
    """Store runs as the scheduler writes them, and of the messages those that are found."""
    from sms_gateway.config.stack_keys import message_key
    from sms_gateway.core.ulids import first_ulid
    from sms_gateway.messages.listing import list_messages, parse_query
    from sms_gateway.messages.search_marks import marks_of
    from sms_gateway.scheduler.search_index import RUN_ENTRIES
    from sms_gateway.storage import dynamodb, search_runs
    from sms_gateway.storage.models import MessageContent
    from sms_gateway.storage.search_runs import IndexedDay, Place

    gateway.aws.clear()
    for back in range(1, DAYS + 1):
        day = TODAY - timedelta(days=back)
        begin, known = datetime.combine(day, time(), UTC), IndexedDay()
        for numbers in batched(range(stored // DAYS), RUN_ENTRIES, strict=False):
            places = []
            for nth in numbers:
                to = WANTED if nth == 0 else f"+88019{nth:08d}"
                marks = marks_of("acme", [MessageContent(to=to)], message_key)
                batch = first_ulid(begin + timedelta(milliseconds=nth))
                places.append(Place(batch, (marks or b"",), single=True))
            search_runs.store_run("acme", day, known, places, last=True, ttl=2 * BEGAN)
            known = IndexedDay((*known.runs, places[-1].batch), closed=True)
        (found,) = waiting(first_ulid(begin), 1)
        del found["day"]  # it is in the run
        gateway.aws.put([found], os.environ["TABLE_NAME"])
    now = datetime.combine(TODAY, time(12), UTC)
    since = datetime.combine(TODAY - timedelta(days=DAYS), time(), UTC)
    asked, _ = parse_query({"to": WANTED, "created_from": since.isoformat()})
    with gateway.meter().listening(dynamodb.client()) as meter:
        answer = list_messages("acme", asked, None, now)
    return {"found": len(answer["messages"]), "read units": meter.total.reads}

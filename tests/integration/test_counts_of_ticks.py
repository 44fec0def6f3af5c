"""What the clock asks the table for, by what is due and by what is stored; and what a message of a
batch writes in its whole life where the clock asks for its receipt.

`make bench-scale` and `make bench-cost` measure the same with a million messages and in dollars.
"""

import math
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from moto.dynamodb.models import dynamodb_backends

from sms_gateway.aws import sqs
from sms_gateway.config import routes, vendor_accounts
from sms_gateway.scheduler import tick as scheduler_tick
from sms_gateway.scheduler import tick_run
from sms_gateway.storage import dynamodb, items
from sms_gateway.vendors.types import Request
from testing.counting import Item, Meter
from testing.environment import ACCOUNT_ID, REGION
from testing.gateway import Gateway
from testing.numbers import number
from testing.stored import BEGAN, final, seen, ulid, waiting
from testing.vendor_answers import POLL

LEASES = 2  # write units of a tick with anything due, however much
HOTTEST = 10  # per cent of the due index's traffic that one partition has at most


def stored(key: Item) -> Item | None:
    """An item as moto keeps it, without a call."""
    found = dynamodb_backends[ACCOUNT_ID][REGION].get_item(dynamodb.table_name(), dict(key))
    return found.to_json()["Attributes"] if found else None


@pytest.fixture
def meter(gateway: Gateway) -> Iterator[Meter]:
    vendor_accounts.accounts()
    routes.routes()
    with Meter(stored).listening(dynamodb.client(), sqs._client()) as meter:
        yield meter


def test_a_hundred_of_jst_from_accept_to_final(gateway: Gateway, meter: Meter) -> None:
    """At most 2.3 write units a message: one at acceptance, one at the receipt, the rest shared."""
    rows = [{"mobile": number("jst", nth)[3:], "status": "DELIVRD"} for nth in range(100)]
    gateway.wire.answers[POLL["jst"]] = {"report": rows}
    with meter.step() as tally:
        ids = gateway.sent("jst", 100)
        gateway.tick(300)
    assert set(gateway.statuses(ids)) == {"delivered"}
    assert (tally.writes - LEASES) / 100 <= 2.1


def test_a_hundred_of_dinisoft_from_accept_to_final(gateway: Gateway, meter: Meter) -> None:
    """Two submissions of fifty, whose messages each have an id of their own at the vendor."""

    def delivered(request: Request) -> dict[str, Any]:
        asked = parse_qs(urlsplit(request.url).query)["messageid"][0]
        return {"Status": "0", "Text": "DELIVRD", "Message_ID": asked}

    gateway.wire.answers[POLL["dinisoft"]] = delivered
    with meter.step() as tally:
        ids = gateway.sent("dinisoft", 100)
        gateway.tick(300)
    assert set(gateway.statuses(ids)) == {"delivered"}
    assert (tally.writes - LEASES) / 100 <= 2.2


def wait(count: int) -> None:
    """Stores so many submissions that are due, the same ones in every run."""
    draw = random.Random("due")  # noqa: S311 - the same in every run
    dynamodb.put_all([item for _ in range(count) for item in waiting(ulid(draw), 1)])


def arrive(count: int) -> None:
    """Stores batches of a hundred messages that are final."""
    draw = random.Random("final")  # noqa: S311 - the same in every run
    dynamodb.put_all([item for _ in range(count // 100) for item in final(ulid(draw), 100)])


def tick(gateway: Gateway, after: int) -> int:
    """Runs the clock so many seconds after all was accepted; the vendor has no news."""
    gateway.wire.answers[POLL["server2sms"]] = {"StatusCode": "1"}
    with ThreadPoolExecutor(scheduler_tick.THREADS) as pool:
        now = datetime.fromtimestamp(BEGAN + after, UTC)
        run = tick_run.TickRun(
            vendor_accounts.accounts().adapters, pool, now, math.inf, gateway.wire
        )
        return scheduler_tick.process_all_due(run)


def test_a_tick_asks_the_same_however_much_is_stored(gateway: Gateway, meter: Meter) -> None:
    """To the call and the unit: what is final is never looked at."""
    wait(20)
    found = []
    for after, more in ((4_000, 0), (8_000, 100), (16_000, 2_000)):
        arrive(more)
        with meter.step() as tally:
            assert tick(gateway, after) == 20
        found.append((tally.calls, tally.writes, tally.reads, tally.items))
    assert found[0] == found[1] == found[2]


def test_no_partition_of_the_due_index_has_a_tenth_of_the_traffic(
    gateway: Gateway, meter: Meter
) -> None:
    wait(100)
    traffic = Counter[str]()
    with seen(traffic):
        assert tick(gateway, 4_000) == 100
    assert set(traffic) == set(items.SHARDS)
    assert 100 * max(traffic.values()) / traffic.total() < HOTTEST

"""The scheduler against what is stored and against what is due, by counts.

What it asks for, reads and is answered decides what it takes, and is the same on every machine.
Nothing that is due gets a receipt: each check asks the vendor, learns nothing and postpones.
"""

import gc
import os
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from math import inf

from bench.gateway import Gateway, quiet
from bench.search import DAYS, searched
from bench.targets import Family, Table
from testing.stored import BEGAN, final, seen, ulid, waiting

STORED = (1_000, 10_000, 100_000, 1_000_000)  # messages, with the same number due
DUE = (100, 1_000, 10_000)  # submissions, with the same number stored
ALWAYS_DUE, ALWAYS_STORED = 50, 10_000
GROUP = 10  # messages of a group that is due: every fifth; the others are single messages
BATCH = 100  # messages of a batch that is final
CHECKED = 4_000  # seconds after BEGAN
HOTTEST = "hottest partition, %"

Counts = Mapping[str, float]


def contents(seed: str, stored: int, due: int) -> Iterator[dict[str, object]]:
    """Return a table's items: what is due, and messages that are final up to `stored`."""
    draw = random.Random(seed)  # noqa: S311 - the same in every run
    made = 0
    for nth in range(due):
        count = GROUP if nth % 5 == 0 else 1
        yield from waiting(ulid(draw), count)
        made += count
    while made < stored:
        count = min(BATCH, stored - made)
        yield from final(ulid(draw), count)
        made += count


def counted(gateway: Gateway, stored: int, due: int) -> Counts:
    """Return what one run of the scheduler takes where so much is stored and due."""
    from sms_gateway.config.vendor_accounts import accounts
    from sms_gateway.scheduler import tick, tick_run
    from sms_gateway.storage import dynamodb
    from sms_gateway.vendors.types import Request, VendorResponse

    def no_news(_request: Request, _timeout: float) -> VendorResponse:
        return VendorResponse(200, b'{"StatusCode": "1", "DeliveryNotifications": null}')

    gateway.aws.clear()
    with quiet():
        adapters = accounts().adapters
    gateway.aws.put(contents(f"{stored}-{due}", stored, due), os.environ["TABLE_NAME"])
    traffic = Counter[str]()
    now = datetime.fromtimestamp(BEGAN + CHECKED, UTC)
    with (
        gateway.meter().listening(dynamodb.client()) as meter,
        seen(traffic),
        ThreadPoolExecutor(tick.THREADS) as pool,
    ):
        checked = tick.check_all_due(tick_run.TickRun(adapters, pool, now, inf, send=no_news))
    if checked != due:
        raise RuntimeError(f"{checked} were checked instead of {due}")
    total = meter.total
    return {
        "calls": total.calls.total(),
        "items read": total.items,
        "bytes": total.bytes_out + total.bytes_in,
        "read units": total.reads,
        "write units": total.consumed,
        HOTTEST: 100 * max(traffic.values()) / traffic.total(),
    }


def main() -> Family:
    """Flat in what is stored, linear in what is due, spread over the due index's partitions."""
    gateway = Gateway(POWERTOOLS_LOG_LEVEL="ERROR")
    gc.disable()  # a million items are no garbage
    by_due = {due: counted(gateway, ALWAYS_STORED, due) for due in (0, *DUE)}
    by_stored = {stored: counted(gateway, stored, ALWAYS_DUE) for stored in STORED}
    flat = f"{ALWAYS_DUE} due"
    tables = {
        flat: _flat(by_stored),
        f"{ALWAYS_STORED:,} stored, for each that is due": _linear(by_due),
        f"a search by number over {DAYS} days, one message found on each": searched(gateway),
    }
    return Family("scale", TITLE, tables, (flat, "calls", "items read"), [HOW])


def _flat(found: Mapping[int, Counts]) -> Table:
    names = [name for name in found[STORED[0]] if name != HOTTEST]
    rows = {f"{stored:,} stored": {n: counts[n] for n in names} for stored, counts in found.items()}
    columns = {name: [row[name] for row in rows.values()] for name in names}
    apart = {name: round(100 * (max(v) / min(v) - 1), 2) for name, v in columns.items()}
    return rows | {"most over least, %": apart}


def _linear(found: Mapping[int, Counts]) -> Table:
    """Return what a due one takes, whether fewer or more are; the hottest partition's share."""
    names = [name for name in found[0] if name != HOTTEST]
    each = {due: {n: (found[due][n] - found[0][n]) / due for n in names} for due in DUE}
    few, middle, many = DUE
    apart = {
        f"{due:,} due against {middle:,}, %": {
            n: round(abs(100 * (each[due][n] / each[middle][n] - 1)), 2) for n in names
        }
        for due in (few, many)
    }
    rows = {f"{due:,} due": row | {HOTTEST: found[due][HOTTEST]} for due, row in each.items()}
    return rows | apart


TITLE = "The scheduler against what is stored and what is due"
HOW = f"""\
One run of the scheduler on a table with messages that are final, in batches of {BATCH}, and
submissions that are due: four of five a single message, the fifth a group of {GROUP}. Bytes are
those of the table's requests and answers. What a run computes hangs on these alone. A search reads
the runs of each day, of 20,000 singles at most, and what it finds; the runs are stored as the
scheduler writes them, the other messages are not."""

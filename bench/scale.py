"""The clock's tick against what is stored and against what is due: calls, units and CPU time.

The tables are the emulator's, filled in its own process; the tick runs here and talks to it as to
AWS. So the CPU time is the gateway's with all of botocore, and nothing of the table's. Nothing that
is due gets a receipt: each look asks the vendor, hears nothing and puts the submission off, so that
the same ones are due at the next tick, and each tick does the same work.
"""

import gc
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import fmean, median
from typing import Any

import conftest  # noqa: F401 - the environment that a function has
from integration.stage import ACCOUNTS

from bench.calm import ENOUGH, Samples
from bench.counting import TEMPLATE, Meter, read_units, size_of
from bench.emulator import emulator, patient, table_definition, use
from bench.report import Result, Row
from sms_gateway import clock, items, table
from sms_gateway.items import Item
from sms_gateway.records import Batch, Content, Entry, Key, Submission
from sms_gateway.records import Result as Answer
from sms_gateway.settings import read_accounts
from sms_gateway.status import Status
from sms_gateway.vendors.base import Reply, Request

STORED = (1_000, 10_000, 100_000, 1_000_000)  # messages, with the same number due
DUE = (100, 1_000, 10_000)  # submissions, with the same number stored
ALWAYS_DUE, ALWAYS_STORED = 50, 10_000
GROUP = 10  # messages of a group that is due: every fifth; the others are single messages
BATCH = 100  # messages of a batch that is final
BEGAN = 1_793_525_400  # epoch seconds at which everything was accepted
BETWEEN = 4_000  # seconds from tick to tick: by then all is due again
FLAT, LINEAR, HOTTEST = 5, 10, 10  # per cent
BLOCKS = 24  # of one tick on each table
TEXT = "Your order 4711 has left our house and will be with you tomorrow between nine and noon."
DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def stored_table(stored: int) -> str:
    """The table with so many messages, of which ALWAYS_DUE submissions are due."""
    return f"stored-{stored}"


def due_table(due: int) -> str:
    """The table in which so many submissions are due."""
    return f"due-{due}"


# In the emulator's process


def fill() -> None:
    """Makes and fills the tables, each with the same identifiers in every run."""
    from ministack.services import dynamodb  # type: ignore[import-untyped] # ministack has no types

    for name, stored, due in [
        *((stored_table(one), one, ALWAYS_DUE) for one in STORED),
        *((due_table(one), ALWAYS_STORED, one) for one in DUE),
        (due_table(0), ALWAYS_STORED, 0),
    ]:
        status, _, body = dynamodb._create_table(table_definition(name, TEMPLATE))
        if status != 200:
            raise RuntimeError(f"no table: {body!r}")
        made = dynamodb._tables[name]
        for item in contents(name, stored, due):
            dynamodb._set_item(made, item["pk"]["S"], item["sk"]["S"], item)
        dynamodb._index_members(made)
    gc.freeze()


def contents(name: str, stored: int, due: int) -> Iterator[Item]:
    """A table's items: what is due, and messages that are final up to `stored`."""
    draw = random.Random(name)  # noqa: S311 - the same in every run
    made = 0
    for nth in range(due):
        count = GROUP if nth % 5 == 0 else 1
        yield from waiting(ulid(draw), count)
        made += count
    while made < stored:
        batch, count = ulid(draw), min(BATCH, stored - made)
        yield from final(batch, count)
        made += count


def ulid(draw: random.Random) -> str:
    """A batch's id of BEGAN."""
    ms, written = BEGAN * 1000, ""
    for _ in range(10):
        ms, digit = divmod(ms, 32)
        written = DIGITS[digit] + written
    return written + "".join(draw.choices(DIGITS, k=16))


def waiting(batch: str, count: int) -> Iterator[Item]:
    """A submission that the vendor took, due from BEGAN on, with its messages."""
    alone = count == 1
    content = Content(to="+447700900001", text=TEXT)
    state = items.submission_item(
        _submission(batch, count, Status.SUBMITTED, content if alone else None, BEGAN), TTL, DAY
    ) | {"result": items.text(Answer(own=True))}
    yield state
    if not alone:
        yield from _members(batch, count)


def final(batch: str, count: int) -> Iterator[Item]:
    """A batch in one submission whose messages have all arrived."""
    yield items.submission_item(_submission(batch, count, Status.SUBMITTED, None, None), TTL)
    log = items.steps([Entry(BEGAN * 1000, Status.DELIVERED, "poll", "server2sms", 1, "0")])
    for item in _members(batch, count):
        if item["sk"]["S"] != "B":
            item |= {"status": DELIVERED, "log": log}
        yield item


TTL = BEGAN + 90 * 86_400
DAY = "2026-11-01"
DELIVERED = {"S": "delivered"}
_SHARED: dict[int, Item] = {}  # what does not differ is kept once: a million messages fit in a GB


def _members(batch: str, count: int) -> Iterator[Item]:
    yield items.batch_item(Batch(batch, "acme", count, {"text": TEXT}), DAY, TTL)
    place = {"S": batch}
    for position in range(count):
        if position not in _SHARED:
            _SHARED[position] = items.message_item(
                "", position, {"to": f"+4477{position:08d}"}, TTL
            )
        yield _SHARED[position] | {"pk": place}


def _submission(
    batch: str, count: int, status: Status, content: Content | None, due: int | None
) -> Submission:
    log = [
        Entry(BEGAN * 1000, Status.ACCEPTED, "api", "server2sms", note="first usable of route +"),
        Entry(BEGAN * 1000, Status.SUBMITTING, "dispatch", "server2sms"),
        Entry(BEGAN * 1000, status, "dispatch", "server2sms", 1, "1", "OK"),
    ]
    return Submission(
        key=Key(batch, "M#000" if content else "S#000"),
        count=count,
        vendor="server2sms",
        vendors=("server2sms",),
        status=status,
        attempt=1,
        created=BEGAN * 1000,
        expires=BEGAN + 172_800,
        due=due,
        polls=0,
        changed=BEGAN,
        result=None,
        log=tuple(log),
        tenant="acme" if content else None,
        content=content,
    )


# In this process


@dataclass
class Tick:
    """What one tick took: looks, calls, read and write units, and the due index's traffic in units
    by partition."""

    looked: int
    calls: int
    reads: float
    writes: float
    traffic: Counter[str]


class Parts(clock.Tick):
    """A tick that is timed in parts, from one question after the time left to the next. `parts` has
    of each the looks, the CPU seconds, and the references before and after it."""

    def begin(self, samples: Samples) -> None:
        """Before the tick."""
        self.samples, self.before, self.seen = samples, samples.look(), 0
        self.parts: list[tuple[int, float, float, float]] = []
        self.started = time.process_time()

    def time_for(self, seconds: float) -> bool:
        """As the clock's, and not after enough parts with looks: the rest is still due."""
        self.end()
        looks = sum(bool(looked) for looked, *_ in self.parts)
        return looks < 2 * ENOUGH and super().time_for(seconds)

    @property
    def rest(self) -> float:
        """CPU seconds at full speed of what is no look."""
        return sum(self._at_full_speed(*part) for looked, *part in self.parts if not looked)

    @property
    def whole(self) -> float:
        """CPU seconds at full speed."""
        return sum(self._at_full_speed(*part) for _, *part in self.parts)

    def _at_full_speed(self, cpu: float, before: float, after: float) -> float:
        return cpu * self.samples.full((before + after) / 2)

    def end(self) -> None:
        """The end of a part."""
        cpu, after = time.process_time() - self.started, self.samples.look()
        self.parts.append((self.looked - self.seen, cpu, self.before, after))
        self.before, self.seen = after, self.looked
        self.started = time.process_time()


class Clock:
    """Runs ticks on tables; each one on the same table comes later."""

    def __init__(self) -> None:
        self._adapters = read_accounts(json.dumps(ACCOUNTS)).adapters
        self._times: Counter[str] = Counter()

    def _now(self, name: str) -> datetime:
        os.environ["TABLE_NAME"] = name
        self._times[name] += 1
        return datetime.fromtimestamp(BEGAN, UTC) + timedelta(seconds=BETWEEN * self._times[name])

    def counted(self, name: str) -> Tick:
        """One tick on a table, counted, which takes time of its own."""
        meter, traffic = Meter(ask=True), Counter[str]()
        with ThreadPoolExecutor(clock.THREADS) as pool:
            run = clock.Tick(self._adapters, pool, self._now(name), LONG, send=_no_news)
            with meter.listening(table.client()), seen(traffic):
                looked = clock.tick(run)
        total = meter.total
        return Tick(looked, total.calls.total(), total.reads, total.reported, traffic)

    def timed(self, name: str, samples: Samples) -> Parts:
        """One tick on a table, timed, in one thread: several would take CPU time to wait for each
        other, more or less of it by chance."""
        with ThreadPoolExecutor(1) as pool:
            run = Parts(self._adapters, pool, self._now(name), LONG, send=_no_news)
            gc.collect()
            gc.disable()  # collected between ticks, or it strikes one of them by chance
            try:
                run.begin(samples)
                clock.tick(run)
                run.end()
            finally:
                gc.enable()
        return run


LONG = time.time() + 86_400  # when a tick must be over


def _no_news(request: Request, timeout: float) -> Reply:
    return Reply(200, b'{"StatusCode": "1", "DeliveryNotifications": null}')


@contextmanager
def seen(traffic: Counter[str]) -> Iterator[None]:
    """Adds up the due index's units by partition: each query's, and two for each entry moved."""

    def ends(parsed: Any, context: Any, **_: Any) -> None:
        asked = context["counted"]
        if asked.get("IndexName") == "due":
            shard = asked["ExpressionAttributeValues"][":shard"]["S"]
            sizes = [size_of(one) for one in parsed["Items"]]
            traffic[shard] += read_units(sizes, consistent=False)  # type: ignore[assignment] # fractions
        elif "shard" in parsed.get("Attributes", {}):
            traffic[parsed["Attributes"]["shard"]["S"]] += 2

    events = table.client().meta.events
    events.register("after-call.dynamodb", ends)
    try:
        yield
    finally:
        events.unregister("after-call.dynamodb", ends)


def main() -> Result:
    """Flat in what is stored, linear in what is due, spread over the due index's partitions."""
    with emulator("bench.scale:fill") as endpoint:
        use(endpoint)
        patient()
        gc.freeze()
        clock_ = Clock()
        return Result(
            "scale",
            "The clock's tick against what is stored and what is due",
            [*_flat(clock_), *_linear(clock_)],
            "ms of CPU time",
            [
                HOW.format(
                    due=ALWAYS_DUE,
                    stored=ALWAYS_STORED,
                    group=GROUP,
                    batch=BATCH,
                    blocks=BLOCKS,
                    enough=ENOUGH,
                    most=clock.AT_ONCE,
                )
            ],
        )


def _flat(clock_: Clock) -> list[Row]:
    counted = {one: clock_.counted(stored_table(one)) for one in STORED}
    times = _blocks(clock_)
    mean = fmean(median(taken) for taken in times.values())
    ratios = {
        one: median(
            taken / fmean(block) for taken, *block in zip(times[one], *times.values(), strict=True)
        )
        for one in STORED
    }
    rows = []
    for one in STORED:
        label = f"{one:,} stored, {ALWAYS_DUE} due"
        rows.append(Row(label, 1000 * mean * ratios[one], "ms of CPU time"))
        for what in ("calls", "reads", "writes"):
            unit = what if what == "calls" else f"{what[:-1]} units"
            rows.append(Row(f"{label}: {what}", getattr(counted[one], what), unit))
    for what in ("calls", "reads", "writes"):
        spread = _spread([getattr(one, what) for one in counted.values()])
        rows.append(Row(f"{what}: most over least stored", round(spread, 2), "% more", FLAT))
    spread = _spread(list(ratios.values()))
    rows.append(Row("CPU time: most over least stored", round(spread, 2), "% more", FLAT))
    return rows


def _blocks(clock_: Clock) -> dict[int, list[float]]:
    """CPU seconds of ticks by what is stored, in blocks of one tick on each table."""
    samples = Samples()
    times: dict[int, list[float]] = {one: [] for one in STORED}
    for nth in range(BLOCKS):
        first = nth % len(STORED)
        for one in (*STORED[first:], *STORED[:first]):
            times[one].append(clock_.timed(stored_table(one), samples).whole)
    return times


def _spread(values: list[float]) -> float:
    """How far the largest lies above the smallest, in per cent."""
    return 100 * (max(values) / min(values) - 1)


def _linear(clock_: Clock) -> list[Row]:
    still = clock_.counted(due_table(0))
    each = {due: clock_.counted(due_table(due)) for due in DUE}
    cpu = _looks(clock_)
    rows = []
    for due, found in each.items():
        if found.looked != due:
            raise RuntimeError(f"{found.looked} were looked at instead of {due}")
        rows.append(Row(f"{due:,} due: each", 1000 * cpu[due], "ms of CPU time"))
        for what in ("calls", "reads", "writes"):
            value = (getattr(found, what) - getattr(still, what)) / due
            unit = what if what == "calls" else f"{what[:-1]} units"
            rows.append(Row(f"{due:,} due: {what} for each", round(value, 3), unit))
        share = 100 * max(found.traffic.values()) / found.traffic.total()
        rows.append(Row(f"{due:,} due: hottest partition's traffic", round(share, 2), "%", HOTTEST))
    for what in ("calls", "reads", "writes"):
        values = {
            due: (getattr(found, what) - getattr(still, what)) / due for due, found in each.items()
        }
        rows += _deviations(what, values)
    return [*rows, *_deviations("CPU time", cpu)]


def _looks(clock_: Clock) -> dict[int, float]:
    """CPU seconds for each submission that is due, by how many are, without what a tick takes when
    nothing is: of the looks themselves, and of the questions before and after them."""
    samples = Samples()
    rest: dict[int, list[float]] = {due: [] for due in (0, *DUE)}
    wanting: list[int] = [*rest]
    while wanting:
        for due in wanting:
            run = clock_.timed(due_table(due), samples)
            for looked, cpu, before, after in run.parts:
                if looked:
                    samples.add(due, cpu / looked, before, after)
            rest[due].append(run.rest)
        wanting = [due for due in rest if not (samples.has(due) if due else len(rest[0]) >= ENOUGH)]
    fixed = median(rest[0])
    return {due: median(samples.of(due)) + (median(rest[due]) - fixed) / due for due in DUE}


def _deviations(what: str, each: dict[int, float]) -> list[Row]:
    """How far one that is due is from costing as much whether fewer or more are, in per cent."""
    middle = each[DUE[1]]
    return [
        Row(
            f"{what} for each: {due:,} due against {DUE[1]:,}",
            round(abs(100 * (each[due] / middle - 1)), 2),
            "% apart",
            LINEAR,
        )
        for due in (DUE[0], DUE[2])
    ]


HOW = """\
How: each table has messages that are final, in batches of {batch}, and submissions that are due:
four of five a single message, the fifth a group of {group}. In the first part {due} are due, in the
second {stored:,} messages are stored. Counts are exact, with the clock's threads.

The CPU time is this process's, with the functions' own client of botocore and without the table's
(which has the other CPU) and the vendor's HTTP; a tick that is timed works in one thread, and its
time is that of the machine's full speed (see above). In the first part the four tables take turns
in {blocks} blocks, in rotating order; the figure is the middle of each one's share of its block, so
that what makes a whole block slower does not count. In the second part it is the middle of {enough}
looks or more, each at up to {most} submissions, less what a tick with nothing due takes."""

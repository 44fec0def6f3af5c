"""The clock's tick against what is stored and against what is due: calls, units and CPU time.

The tables are the emulator's, filled in its own process; ticks run here and talk to it as to AWS,
and are played back to be timed. Nothing that is due gets a receipt: each look asks the vendor,
hears nothing and puts the submission off, so that the same ones are due at the next tick, and each
tick does the same work.
"""

import gc
import json
import os
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import fmean, median
from typing import Any

import conftest  # noqa: F401 - the environment that a function has

from bench.calm import Samples
from bench.counting import TEMPLATE, Meter, read_units, size_of
from bench.emulator import emulator, patient, table_definition, use
from bench.playback import LONG, Player, Recording, Timed, no_news, record
from bench.report import Result, Row
from sms_gateway.config.vendor_accounts import parse_accounts
from sms_gateway.core.status import Status
from sms_gateway.scheduler import tick as scheduler_tick
from sms_gateway.scheduler import tick_run
from sms_gateway.storage import dynamodb as storage_dynamodb
from sms_gateway.storage import items
from sms_gateway.storage.items import Item
from sms_gateway.storage.models import Batch, ItemKey, MessageContent, Submission, TimelineEntry
from sms_gateway.storage.models import SubmissionResult as Answer
from testing.settings import ACCOUNTS

STORED = (1_000, 10_000, 100_000, 1_000_000)  # messages, with the same number due
DUE = (100, 1_000, 10_000)  # submissions, with the same number stored
ALWAYS_DUE, ALWAYS_STORED = 50, 10_000
GROUP = 10  # messages of a group that is due: every fifth; the others are single messages
BATCH = 100  # messages of a batch that is final
BEGAN = 1_793_525_400  # epoch seconds at which everything was accepted
BETWEEN = 4_000  # seconds from tick to tick: by then all is due again
FLAT, LINEAR, HOTTEST = 5, 10, 10  # per cent
FLAT_BLOCKS, LINEAR_BLOCKS = 32, 8  # of one tick on each table
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
    content = MessageContent(to="+447700900001", text=TEXT)
    state = items.submission_item(
        _submission(batch, count, Status.SUBMITTED, content if alone else None, BEGAN), TTL, DAY
    ) | {"result": items.json_attribute(Answer(own_ids=True))}
    yield state
    if not alone:
        yield from _members(batch, count)


def final(batch: str, count: int) -> Iterator[Item]:
    """A batch in one submission whose messages have all arrived."""
    yield items.submission_item(_submission(batch, count, Status.SUBMITTED, None, None), TTL)
    log = items.timeline_attribute(
        [TimelineEntry(BEGAN * 1000, Status.DELIVERED, "poll", "server2sms", 1, "0")]
    )
    for item in _members(batch, count):
        if item["sk"]["S"] != "B":
            item |= {"status": DELIVERED, "timeline": log}
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
    batch: str, count: int, status: Status, content: MessageContent | None, due: int | None
) -> Submission:
    log = [
        TimelineEntry(
            BEGAN * 1000, Status.ACCEPTED, "api", "server2sms", note="first usable of route +"
        ),
        TimelineEntry(BEGAN * 1000, Status.SUBMITTING, "dispatch", "server2sms"),
        TimelineEntry(BEGAN * 1000, status, "dispatch", "server2sms", 1, "1", "OK"),
    ]
    return Submission(
        key=ItemKey(batch, "M#000" if content else "S#000"),
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
        timeline=tuple(log),
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


class Clock:
    """Runs ticks on tables; each one on the same table comes later."""

    def __init__(self) -> None:
        self.adapters = parse_accounts(json.dumps(ACCOUNTS)).adapters
        self._times: Counter[str] = Counter()

    def _now(self, name: str) -> datetime:
        os.environ["TABLE_NAME"] = name
        self._times[name] += 1
        return datetime.fromtimestamp(BEGAN, UTC) + timedelta(seconds=BETWEEN * self._times[name])

    def counted(self, name: str) -> Tick:
        """One tick on a table, counted, which takes time of its own."""
        meter, traffic = Meter(ask=True), Counter[str]()
        with ThreadPoolExecutor(scheduler_tick.THREADS) as pool:
            run = tick_run.TickRun(self.adapters, pool, self._now(name), LONG, send=no_news)
            with meter.listening(storage_dynamodb.client()), seen(traffic):
                looked = scheduler_tick.process_all_due(run)
        total = meter.total
        return Tick(looked, total.calls.total(), total.reads, total.reported, traffic)

    def recorded(self, name: str) -> Recording:
        """One tick on a table, to be played back."""
        return record(self.adapters, self._now(name))


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

    events = storage_dynamodb.client().meta.events
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
        by_stored = {one: clock_.counted(stored_table(one)) for one in STORED}
        stored = {one: clock_.recorded(stored_table(one)) for one in STORED}
        by_due = {one: clock_.counted(due_table(one)) for one in (0, *DUE)}
        due = {one: clock_.recorded(due_table(one)) for one in (0, *DUE)}
    player = Player(clock_.adapters, Samples())
    how = HOW.format(
        due=ALWAYS_DUE,
        stored=ALWAYS_STORED,
        group=GROUP,
        batch=BATCH,
        flat=FLAT_BLOCKS,
        linear=LINEAR_BLOCKS,
        most=scheduler_tick.SUBMISSIONS_AT_ONCE,
    )
    return Result(
        "scale",
        "The clock's tick against what is stored and what is due",
        [
            *_flat(by_stored, _whole(_blocks(player, stored, FLAT_BLOCKS))),
            *_linear(by_due, _each(_blocks(player, due, LINEAR_BLOCKS))),
        ],
        "ms of CPU time",
        [how],
    )


def _flat(counted: Mapping[int, Tick], cpu: Mapping[int, float]) -> list[Row]:
    rows = []
    for one in STORED:
        label = f"{one:,} stored, {ALWAYS_DUE} due"
        rows.append(Row(label, 1000 * cpu[one], "ms of CPU time"))
        for what in ("calls", "reads", "writes"):
            unit = what if what == "calls" else f"{what[:-1]} units"
            rows.append(Row(f"{label}: {what}", getattr(counted[one], what), unit))
    for what in ("calls", "reads", "writes"):
        spread = _spread([getattr(one, what) for one in counted.values()])
        rows.append(Row(f"{what}: most over least stored", round(spread, 2), "% more", FLAT))
    spread = _spread(list(cpu.values()))
    rows.append(Row("CPU time: most over least stored", round(spread, 2), "% more", FLAT))
    return rows


def _blocks(
    player: Player, recordings: Mapping[int, Recording], blocks: int
) -> dict[int, list[Timed]]:
    """Ticks by what a table has, in blocks that have one of each, in rotating order."""
    names = [*recordings]
    found: dict[int, list[Timed]] = {one: [] for one in names}
    for nth in range(blocks):
        first = nth % len(names)
        for one in (*names[first:], *names[:first]):
            found[one].append(player.play(recordings[one]))
    return found


def _whole(ticks: Mapping[int, Sequence[Timed]]) -> dict[int, float]:
    """CPU seconds of a tick."""
    return _middle({one: [tick.look + tick.rest for tick in ticks[one]] for one in ticks})


def _middle(times: Mapping[int, list[float]]) -> dict[int, float]:
    """The middle of each one's share of its block, times what all take in the middle: what makes a
    whole block slower does not count."""
    mean = fmean(median(taken) for taken in times.values())
    return {
        one: mean
        * median(t / fmean(block) for t, *block in zip(taken, *times.values(), strict=True))
        for one, taken in times.items()
    }


def _spread(values: list[float]) -> float:
    """How far the largest lies above the smallest, in per cent."""
    return 100 * (max(values) / min(values) - 1)


def _linear(counted: Mapping[int, Tick], cpu: Mapping[int, float]) -> list[Row]:
    still, each, rows = counted[0], {due: counted[due] for due in DUE}, list[Row]()
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


def _each(ticks: Mapping[int, Sequence[Timed]]) -> dict[int, float]:
    """CPU seconds for each submission that is due, by how many are: its part of a look, and of what
    a tick takes more than one with nothing due, for the submissions that it finds at once."""
    looks = _middle({due: [one.look / one.looked for one in ticks[due]] for due in DUE})
    rest = {due: median(one.rest for one in ticks[due]) for due in ticks}
    at_once = len(items.SHARDS) * scheduler_tick.PAGE_SIZE
    return {due: looks[due] + (rest[due] - rest[0]) / min(due, at_once) for due in DUE}


def _deviations(what: str, each: Mapping[int, float]) -> list[Row]:
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

The CPU time is this process's, of a tick in one thread that is given what the emulator answered to
one like it ([playback.py](playback.py)): with the functions' own client of botocore down to the
bytes of HTTP, without the kernel's sockets, the table's time and the vendor's HTTP, at the
machine's full speed (see above). The tables take turns in blocks, in rotating order, {flat} in the
first part and {linear} in the second; the figure is the middle of each one's share of its block, so
that what makes a whole block slower does not count. In the second part a tick is timed up to the
end of its first look, at up to {most} submissions: those that follow do the same, until nothing is
due."""

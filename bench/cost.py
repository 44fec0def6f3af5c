"""What messages cost on AWS: calls, units and bytes counted, times measured, and prices.toml.

Amounts are of a message, in a batch of 10 to 1,000 or alone, through each vendor, with receipts as
the vendor gives them: asked for by the clock, or told by calls.
"""

import io
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, redirect_stdout
from math import ceil
from typing import Any

import boto3
import conftest  # noqa: F401 - the environment that a function has

from bench.calm import Samples
from bench.conditions import asked
from bench.counting import TEMPLATE, Meter, size_of
from bench.emulator import emulator, patient, table_definition, use
from bench.life import LEASES, SINGLES, Lives, Step
from bench.pricing import (
    ASSUMED,
    CHANGES,
    EVENTS,
    MINUTES,
    PRICES,
    Spent,
    dollars,
    idle,
    kept,
    onward,
    shown,
    spent,
)
from bench.report import Result, Row
from bench.stream import written
from sms_gateway.aws import sqs
from sms_gateway.config import routes, vendor_accounts
from sms_gateway.core.event import Event
from sms_gateway.events import eventbridge
from sms_gateway.storage import dynamodb
from testing import settings

CALLED: dict[str, tuple[bool, ...]] = {
    "jst": (False,),
    "dinisoft": (False,),
    "server2sms": (True, False),
    "rajasms": (True,),
}
KINDS = ((1, False), (1, True), (10, False), (100, False), (1000, False))  # size, with a key
SAMPLE = 50  # calls of a vendor that are made for a thousand messages
TIMES = 4  # lives of each kind that are timed; half of the runs count
PRICE, SINGLE_PRICE = 4, 15  # dollars a million at most
AUTHORIZED = MINUTES / 1_000_000  # of a single message: a key is asked for once a minute at most


def main() -> Result:
    """Write units and dollars a message, and the idle cost, with their targets."""
    with emulator() as endpoint:
        use(endpoint)
        patient()
        defaults = {name: one.get("Default") for name, one in TEMPLATE["Parameters"].items()}
        os.environ["DISPATCH_WORKERS"] = defaults["DispatchWorkers"]
        os.environ["EVENTS"] = defaults["Events"]
        os.environ["EVENT_BUS"] = "default"
        return Bench().result()


class Bench:
    """The emulator's table and queues, and lives run on them."""

    def __init__(self) -> None:
        self._sqs, self._side = boto3.client("sqs"), boto3.client("dynamodb")
        self._side.create_table(**table_definition(dynamodb.table_name(), TEMPLATE))
        for vendor in CALLED:
            self._sqs.create_queue(QueueName=vendor)
        settings.set_accounts(settings.ACCOUNTS)
        settings.set_routes(TEMPLATE["Resources"]["RoutesParameter"]["Properties"]["Value"])
        vendor_accounts.accounts()
        routes.routes()
        self._meter = Meter(self._peek, ask=True)
        self._counted = Lives(self._meter, ASSUMED, self._sqs)
        self._timed = Lives(None, ASSUMED, self._sqs)
        self._samples = Samples()
        self._clients = dynamodb.client(), sqs._client(), eventbridge._client()
        self._steps: dict[str, dict[str, Step]] = {}  # counted, by what was measured
        self.differ = 0.0  # between our units and the emulator's
        self.stored = 0  # bytes of a single message's item at the end

    def _peek(self, key: Any) -> Any:
        return self._side.get_item(
            TableName=dynamodb.table_name(), Key=key, ConsistentRead=True
        ).get("Item")

    def result(self) -> Result:
        """Runs everything."""
        self._measure("idle", Lives.tick_now)
        self._measure("telling", _tick_that_tells)
        self._measure("key", Lives.authorize)
        kinds = [
            (vendor, called, size, keyed)
            for vendor, ways in CALLED.items()
            for called in ways
            for size, keyed in KINDS
        ]
        for vendor, called, size, keyed in kinds:
            self._live(vendor, called, size, keyed)
        self._tell()
        still, telling = self._spent("idle")["tick"], self._spent("telling")["tick"]
        found = [(_label(*kind), self._life(*kind, still), kind[2], kind[3]) for kind in kinds]
        rows = [_writes(label, one, size) for label, one, size, _ in found if size != 10]
        rows += [_price(label, one, size, keyed) for label, one, size, keyed in found]
        month = idle(still)
        rows += [Row(f"idle: {name}", round(price, 3), "$/month") for name, price in month.items()]
        rows.append(Row("idle, in all", sum(month.values()), "$/month", 5))
        rows += _options(still, telling)
        rows += [
            Row(f"a single more with Events={events}", sum(dollars(one).values()), "$/million")
            for events, one in onward(self._spent("told")["publish"]).items()
        ]
        rows.append(Row("our units, less the emulator's", self.differ, "write units", 0))
        return Result("cost", "What a message costs", rows, "$/million", self._notes(found))

    def _measure(self, label: str, work: Callable[[Lives], object], times: int = TIMES) -> None:
        """Counts once, and times each function's runs in each step so many times."""
        with self._meter.listening(*self._clients), self._counted.fresh() as counted:
            work(self._counted)
        told = [one.tally for one in counted.values()]
        self.differ += sum(abs(one.reported - one.simple_writes) for one in told)
        self._steps[label] = counted
        with ExitStack() as stack:
            for client in self._clients:
                stack.enter_context(self._timed.waits.of(client))
            stack.enter_context(redirect_stdout(io.StringIO()))
            for _ in range(times):
                self._time(label, work)

    def _time(self, label: str, work: Callable[[Lives], object]) -> None:
        self._timed.times.clear()
        before = self._samples.look()
        work(self._timed)
        after = self._samples.look()
        for step, name, cpu, waited in self._timed.times:
            self._samples.add((label, step, name), cpu, before, after, waited)

    def _spent(self, label: str) -> dict[str, Spent]:
        """Each step's cost."""
        return {
            step: spent(one, {name: self._billed((label, step, name)) for name in one.runs})
            for step, one in self._steps[label].items()
        }

    def _billed(self, what: tuple[str, str, str]) -> list[int]:
        """Milliseconds, of which Lambda bills each that has begun."""
        return [ceil(one) for one in self._samples.of(what)]

    def _tell(self) -> None:
        """A message's changes, published one by one, as they come for a message that is alone."""
        counted = self._counted
        with (
            self._meter.listening(*self._clients),
            counted.fresh(),
            written(self._clients[0]) as records,
        ):
            counted.live("jst", 1, keyed=False, called=False, most=0, times=1)
        told = Counter[str]()

        def put(events: Sequence[Event], until: float) -> set[str]:
            told["events"] += len(events)
            return eventbridge.publish(events, until)

        def tell(lives: Lives) -> None:
            for record in records:
                lives.publish(record, put)

        self._measure("told", tell)
        if told["events"] % EVENTS or len(records) != CHANGES:
            raise RuntimeError(f"{len(records)} changes of a single message made {told} events")

    def _live(self, vendor: str, called: bool, size: int, keyed: bool) -> None:
        """A message's whole life."""

        def work(lives: Lives) -> None:
            lives.live(vendor, size, keyed=keyed, called=called, most=_most(size))

        label = _label(vendor, called, size, keyed)
        self._measure(label, work, 1 if size == 1000 else TIMES)  # Lambda is the least of these
        if size == 1:
            items = self._side.scan(TableName=dynamodb.table_name())["Items"]
            singles = (one for one in items if "vendor" in one and one["sk"]["S"][0] == "M")
            self.stored = max(self.stored, *map(size_of, singles))

    def _life(self, vendor: str, called: bool, size: int, keyed: bool, still: Spent) -> Spent:
        """What a message costs. A tick is counted without what it costs when nothing is due, and
        without its leases, which do not grow with what is due: both stand in the idle cost."""
        steps = self._spent(_label(vendor, called, size, keyed))
        messages, whole = SINGLES if size == 1 else size, Spent()
        for name, one in steps.items():
            whole.add(one, max(1, messages / _most(size)) if name == "callback" else 1)
        whole.add(still, -1)
        if steps["tick"].writes:
            whole.add(Spent(writes=LEASES), -1)
        each = Spent()
        each.add(whole, 1 / messages)
        if size == 1:
            each.add(self._spent("key")["authorize"], AUTHORIZED)
        return each

    def _notes(self, found: list[tuple[str, Spent, int, bool]]) -> list[str]:
        parts = "\n".join(
            f"| {label} | {one.writes:.3f} | {one.reads:.3f} | {sum(one.calls.values()):.2f} "
            f"| {one.bytes:,.0f} | {one.log_bytes:,.0f} | {sum(one.runs.values()):.3f} "
            f"| {sum(one.gb_seconds.values()) * 1000:.2f} | {shown(dollars(one))} |"
            for label, one, *_ in found
        )
        return [
            "Of each message, from accept to its status read once:\n\n"
            "| | write units | read units | AWS calls | bytes to and from AWS | log bytes "
            "| invocations | GB-ms | dollars a million |\n|---|--:|--:|--:|--:|--:|--:|--:|---|\n"
            + parts,
            HOW.format(
                **ASSUMED,
                events=EVENTS,
                changes=CHANGES,
                times=TIMES,
                date=PRICES["date"],
                region=PRICES["region"],
                kept=kept(self.stored),
                key=sum(dollars(Spent(writes=1)).values()),
            ),
        ]


WAYS = ("SendFromBucket", "SendFromBus", "SendFromQueue", "SendFromTopic")


def _options(still: Spent, telling: Spent) -> list[Row]:
    """What a deployment costs idle beyond the default one, by what is turned on."""
    usual = idle(still)
    telling_all = idle(telling, asked(TEMPLATE, Events="all"))
    given = dict.fromkeys(WAYS, "true")
    every = idle(telling, asked(TEMPLATE, Events="all", CognitoKeyArn="arn", **given))
    rows = [
        Row(f"idle with Events=all: {name}", round(price, 3), "$/month")
        for name, price in telling_all.items()
        if name not in usual or round(price, 3) != round(usual[name], 3)
    ]
    for label, month, most in (
        ("Events=all", telling_all, 5),
        ("everything turned on", every, None),
    ):
        rows.append(Row(f"idle with {label}, in all", sum(month.values()), "$/month", most))
    return rows


def _tick_that_tells(lives: Lives) -> None:
    """The clock's with Events=all, which looks at deliveries too."""
    os.environ["EVENTS"] = "all"
    lives.tick_now()
    os.environ["EVENTS"] = "none"


def _most(size: int) -> int:
    return SAMPLE if size > 100 else size * SINGLES


def _label(vendor: str, called: bool, size: int, keyed: bool) -> str:
    return f"{vendor}{', called back' if called else ''}, {_kind(size, keyed)}"


def _kind(size: int, keyed: bool) -> str:
    if size > 1:
        return f"{size:,} in a batch"
    return "single with an Idempotency-Key" if keyed else "single"


def _writes(label: str, one: Spent, size: int) -> Row:
    # Units are whole numbers, shared by messages: only what floats add to that is rounded away.
    return Row(f"{label}: writes", round(one.writes, 9), "write units", 8 if size == 1 else 2.3)


def _price(label: str, one: Spent, size: int, keyed: bool) -> Row:
    most = SINGLE_PRICE if size == 1 else PRICE
    return Row(label, sum(dollars(one).values()), "$/million", most, gated=not keyed)


HOW = """\
How. The functions' own code ran here, warm; DynamoDB and SQS were the emulator. Every call was
counted by hooks on botocore. Units are worked out from the items' sizes, indexes included
([counting.py](counting.py)), and write units are compared with those that the emulator reports
for the same calls. A single message is alone in everything but the clock's tick: one request,
one queue message received and deleted, one invocation each. A batch's status is read once. A
tick's queries and leases, the same whatever is due, stand in the idle cost and not here.
Receipts come by the first poll, or by one call for each message to the callback function's URL.

What a single costs more with `Events=bus` are its {events} events, and {changes} invocations of
`publish`, whose calls and time were measured with the records that a life had written; the stream's
own reading is free. With `Events=webhooks` and one webhook it is as much for `notify`, and for each
event a letter that is sent, received and deleted, one read of the webhook, and an invocation of
`deliver`, which waits for the receiver as for a vendor and computes as long as `publish`.

A single with an Idempotency-Key is shown against the target of singles and not held to it: its
key's record is a write unit more, and these {key:.2f} $ a million, with the time that it takes, are
what being answered once costs.

Lambda's billed time is CPU time divided by the function's share of a CPU (memory /
{full_cpu_mb} MB), and the waiting: {dynamodb_ms} ms a DynamoDB call, {sqs_ms} ms an SQS call,
{vendor_ms} ms a vendor's answer, one after the other within a thread. The CPU time is this
machine's, x86_64 or not, at arm64's price, as if Lambda's arm64 took as long for it; of the
vendor's HTTP it has nothing (see `bench-cpu`). Each is the middle of the calmer half of
{times} lives at the machine's full speed (see above), and of the only one of 1,000, for which
Lambda is the least of what they cost.

Prices: `{region}`, list prices of {date}, no free tier: [prices.toml](prices.toml) names the
source of each, and says which could not be verified. Not in the figures: cold starts, data to
the internet (0.09 $ a GB), keeping messages for {retention_days} days ({kept:.2f} $ a million
singles, with point-in-time recovery), custom metrics (0.30 $ a month for each that is written
at all: `Submitted` of each vendor), the secret read each minute by each function that is busy
(0.22 $ a month)."""

"""What messages cost on AWS: calls, units and bytes counted, times measured, and prices.toml.

Amounts are of a message, in a batch of 10 to 1,000 or alone, through each vendor, with receipts as
the vendor gives them: asked for by the clock, or told by calls.
"""

import io
import os
from collections.abc import Callable
from contextlib import ExitStack, redirect_stdout
from typing import Any

import boto3
import conftest  # noqa: F401 - the environment that a function has
from integration import stage

from bench.conditions import asked
from bench.counting import TEMPLATE, Meter, size_of
from bench.emulator import emulator, patient, table_definition, use
from bench.life import LEASES, SINGLES, Lives, Step
from bench.pricing import ASSUMED, MINUTES, PRICES, Spent, dollars, idle, kept, shown, spent
from bench.report import Result, Row
from sms_gateway import queues, settings, table

CALLED: dict[str, tuple[bool, ...]] = {
    "jst": (False,),
    "dinisoft": (False,),
    "server2sms": (True, False),
    "rajasms": (True,),
}
KINDS = ((1, False), (1, True), (10, False), (100, False), (1000, False))  # size, with a key
SAMPLE = 50  # calls of a vendor that are made for a thousand messages
ROUNDS = 3  # of timing single messages
AUTHORIZED = MINUTES / 1_000_000  # of a single message: a key is asked for once a minute at most


def main() -> Result:
    """Write units and dollars a message, and the idle cost, with their targets."""
    with emulator() as endpoint:
        use(endpoint)
        patient()
        defaults = {name: one.get("Default") for name, one in TEMPLATE["Parameters"].items()}
        os.environ["DISPATCH_WORKERS"] = defaults["DispatchWorkers"]
        os.environ["EVENTS"] = defaults["Events"]
        return Bench().result()


class Bench:
    """The emulator's table and queues, and lives run on them."""

    def __init__(self) -> None:
        self._sqs, self._side = boto3.client("sqs"), boto3.client("dynamodb")
        self._side.create_table(**table_definition(table.name(), TEMPLATE))
        for vendor in CALLED:
            self._sqs.create_queue(QueueName=vendor)
        stage.set_accounts(stage.ACCOUNTS)
        stage.set_routes(TEMPLATE["Resources"]["RoutesParameter"]["Properties"]["Value"])
        settings.accounts()
        settings.routes()
        self._meter = Meter(self._peek, ask=True)
        self._counted = Lives(self._meter, ASSUMED, self._sqs)
        self._timed = Lives(None, ASSUMED, self._sqs)
        self._still = Spent()
        self._telling = Spent()
        self._key = Spent()
        self.differ = 0.0  # between our units and the emulator's
        self.stored = 0  # bytes of a single message's item at the end

    def _peek(self, key: Any) -> Any:
        return self._side.get_item(TableName=table.name(), Key=key, ConsistentRead=True).get("Item")

    def result(self) -> Result:
        """Runs everything."""
        self._still = self._measured(Lives.tick_now, 5)["tick"]
        os.environ["EVENTS"] = "all"  # the clock looks at deliveries too
        self._telling = self._measured(Lives.tick_now, 5)["tick"]
        os.environ["EVENTS"] = "none"
        self._key = self._measured(Lives.authorize, 5)["authorize"]
        found = [
            (f"{vendor}{', called back' if called else ''}, {_kind(size, keyed)}", one, size, keyed)
            for vendor, ways in CALLED.items()
            for called in ways
            for size, keyed in KINDS
            for one in [self._life(vendor, size, keyed, called)]
        ]
        rows = [_writes(label, one, size) for label, one, size, _ in found if size != 10]
        rows += [_price(label, one, size, keyed) for label, one, size, keyed in found]
        month = idle(self._still)
        rows += [Row(f"idle: {name}", round(price, 3), "$/month") for name, price in month.items()]
        rows.append(Row("idle, in all", round(sum(month.values()), 2), "$/month", 5))
        rows += _options(self._still, self._telling)
        rows.append(Row("our units, less the emulator's", self.differ, "write units", 0))
        return Result("cost", "What a message costs", rows, "$/million", self._notes(found))

    def _measured(self, work: Callable[[Lives], object], rounds: int = 1) -> dict[str, Spent]:
        """Each step's cost: counted once, timed `rounds` times."""
        clients = table.client(), queues._client()
        with self._meter.listening(*clients), self._counted.fresh() as counted:
            work(self._counted)
        told = [one.tally for one in counted.values()]
        self.differ += sum(abs(one.reported - one.simple_writes) for one in told)
        timed: list[dict[str, Step]] = []
        with ExitStack() as stack:
            for client in clients:
                stack.enter_context(self._timed.waits.of(client))
            stack.enter_context(redirect_stdout(io.StringIO()))
            for _ in range(rounds):
                with self._timed.fresh() as steps:
                    work(self._timed)
                timed.append(steps)
        return {name: spent(one, [steps[name] for steps in timed]) for name, one in counted.items()}

    def _life(self, vendor: str, size: int, keyed: bool, called: bool) -> Spent:
        """A message's whole life. A tick is counted without what it costs when nothing is due, and
        without its leases, which do not grow with what is due: both stand in the idle cost."""
        most = SAMPLE if size > 100 else size * SINGLES
        told = {"messages": 0}

        def work(lives: Lives) -> None:
            told["messages"] = lives.live(vendor, size, keyed=keyed, called=called, most=most)

        steps = self._measured(work, ROUNDS if size == 1 else 1)
        messages, whole = told["messages"], Spent()
        for name, one in steps.items():
            whole.add(one, max(1, messages / most) if name == "callback" else 1)
        whole.add(self._still, -1)
        if steps["tick"].writes:
            whole.add(Spent(writes=LEASES), -1)
        if size == 1:
            self.stored = max(
                size_of(item) for item in self._side.scan(TableName=table.name())["Items"]
            )
        each = Spent()
        each.add(whole, 1 / messages)
        if size == 1:
            each.add(self._key, AUTHORIZED)
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
                **ASSUMED, date=PRICES["date"], region=PRICES["region"], kept=kept(self.stored)
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
        rows.append(
            Row(f"idle with {label}, in all", round(sum(month.values()), 2), "$/month", most)
        )
    return rows


def _kind(size: int, keyed: bool) -> str:
    if size > 1:
        return f"{size:,} in a batch"
    return "single with an Idempotency-Key" if keyed else "single"


def _writes(label: str, one: Spent, size: int) -> Row:
    return Row(f"{label}: writes", round(one.writes, 3), "write units", 8 if size == 1 else 2.3)


def _price(label: str, one: Spent, size: int, keyed: bool) -> Row:
    whole = round(sum(dollars(one).values()), 2)
    limit = {1: None if keyed else 15, 10: None}.get(size, 4)
    return Row(label, whole, "$/million", limit)


HOW = """\
How. The functions' own code ran here, warm; DynamoDB and SQS were the emulator. Every call was
counted by hooks on botocore. Units are worked out from the items' sizes, indexes included
([counting.py](counting.py)), and write units are compared with those that the emulator reports
for the same calls. A single message is alone in everything but the clock's tick: one request,
one queue message received and deleted, one invocation each. A batch's status is read once. A
tick's queries and leases, the same whatever is due, stand in the idle cost and not here.
Receipts come by the first poll, or by one call for each message to the callback function's URL.

Lambda's billed time is CPU time divided by the function's share of a CPU (memory /
{full_cpu_mb} MB), and the waiting: {dynamodb_ms} ms a DynamoDB call, {sqs_ms} ms an SQS call,
{vendor_ms} ms a vendor's answer, one after the other within a thread. The CPU time is this
machine's, taken as equal to Lambda's arm64; of the vendor's HTTP it has nothing (see
`bench-cpu`).

Prices: `{region}`, list prices of {date}, no free tier: [prices.toml](prices.toml) names the
source of each, and says which could not be verified. Not in the figures: cold starts, data to
the internet (0.09 $ a GB), keeping messages for {retention_days} days ({kept:.2f} $ a million
singles, with point-in-time recovery), custom metrics (0.30 $ a month for each that is written
at all: `Submitted` of each vendor), the secret read each minute by each function that is busy
(0.22 $ a month)."""

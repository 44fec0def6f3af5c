"""What messages cost on AWS: calls, units and bytes counted, times measured, and prices.toml."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import product
from statistics import quantiles
from typing import Any

from ministack.services.lambda_svc import _apply_filter_criteria as filtered  # type: ignore[import-untyped]  # no stubs

from bench.gateway import EVENTS, SCHEDULER, Gateway, body, numbers, quiet
from bench.pricing import (
    ASSUMED,
    LEASES,
    MINUTES,
    PRICES,
    added,
    billed,
    dollars,
    idle,
    memory,
    units,
)
from bench.targets import Family, Table
from testing.counting import Tally
from testing.template import EVERYTHING, FUNCTIONS, TEMPLATE, asked

WAYS = (  # vendor, and whether it tells of receipts by a call for each message or is asked
    ("JST", False),
    ("Dinisoft", False),
    ("server2sms", True),
    ("server2sms", False),
    ("RajaSMS", True),
)
KINDS = {  # size and whether with an Idempotency-Key
    "single": (1, False),
    "single with a key": (1, True),
    "10": (10, False),
    "100": (100, False),
    "1,000": (1000, False),
}
SINGLES = 10  # single messages of one life, which share the scheduler's run
ROUNDS = 5  # the first is counted, the others are timed
PUBLISH, NOTIFY, DELIVER = "publish_events", "queue_webhooks", "deliver_webhooks"

Label = tuple[str, ...]


class Bench:
    """What was counted and timed, by label."""

    def __init__(self) -> None:
        defaults = {name: one.get("Default") for name, one in TEMPLATE["Parameters"].items()}
        self.gateway = Gateway(
            DISPATCH_WORKERS=str(defaults["DispatchWorkers"]),
            EVENTS=str(defaults["Events"]),
            EVENT_BUS="default",
        )
        self.counted: dict[Label, tuple[Tally, Counter[str]]] = {}
        self.leases: dict[Label, int] = {}
        self.times: dict[tuple[Label, str], list[float]] = defaultdict(list)

    @contextmanager
    def measuring(self, label: Label) -> Iterator[None]:
        """Count what is done within when it is done for the first time, else time it."""
        from sms_gateway.aws import sqs
        from sms_gateway.events import eventbridge
        from sms_gateway.storage import dynamodb

        runs = self.gateway.runs
        runs.clear()
        if label in self.counted:
            with quiet():
                yield
            for run in runs:
                self.times[label, run.function].append(billed(run))
            return
        clients = dynamodb.client(), sqs.client(), eventbridge._client()
        with self.gateway.meter().listening(*clients) as meter:
            yield
        self.counted[label] = meter.total, Counter(run.function for run in runs)

    def units(self, *label: str) -> dict[str, float]:
        """Return what is billed of one life."""
        tally, runs = self.counted[label]
        times = {name: fast(self.times[label, name]) for name in runs}
        return added((units(tally, times, runs), 1))

    def live(self, vendor: str, by_calls: bool, kind: str) -> None:
        """Return a batch, or SINGLES single messages, from accept to a status read each."""
        size, keyed = KINDS[kind]
        label, gateway = (vendor, str(by_calls), kind), self.gateway
        gateway.aws.clear()
        ids, text = [], body(numbers(vendor.lower(), size))
        with self.measuring(label):
            for nth in range(SINGLES if size == 1 else 1):
                answer = gateway.send(text, f"{label}{nth}" if keyed else None)
                one = answer["messages"][0]["id"]
                ids.append(f"/messages/{one}" if size == 1 else f"/batches/{answer['batch_id']}")
            gateway.dispatch(1 if size == 1 else 10)
            self.leases[label] = LEASES * bool(gateway.settle(vendor.lower(), by_calls=by_calls))
            for path in ids:
                gateway.read(path)
        gateway.all_delivered()

    def others(self) -> None:
        """Return the scheduler with nothing due, without and with events.

        A key that is asked for; a single message's changes, published one by one as they
        come for one that is alone.
        """
        from sms_gateway.config import api_keys

        gateway = self.gateway
        gateway.aws.clear()
        with self.measuring(("idle",)):
            gateway.handle(SCHEDULER, EVENTS[SCHEDULER])
        os.environ["EVENTS"] = "all"
        with self.measuring(("idle", "Events=all")):
            gateway.handle(SCHEDULER, EVENTS[SCHEDULER])
        os.environ["EVENTS"] = "none"
        key, _ = api_keys.create_key("acme", ["messages:send"], "", datetime.now(UTC))
        with self.measuring(("key",)):
            event = EVENTS["authorize"] | {"authorizationToken": f"Bearer {key}"}
            gateway.handle("authorize", event)
        gateway.aws.clear()
        with quiet():
            gateway.send(body(numbers("jst", 1)))
            gateway.dispatch()
            gateway.settle("jst", by_calls=False)
        source = FUNCTIONS[PUBLISH]["Events"]["Changes"]["Properties"]
        gateway.aws.events.clear()
        with self.measuring(("told",)):
            for record in filtered(gateway.aws.changes(), source):
                gateway.handle(PUBLISH, {"Records": [record]})

    def message(self, vendor: str, by_calls: bool, kind: str) -> dict[str, float]:
        """Return what a message costs.

        What the scheduler asks and leases the same whatever is due stands in the idle cost
        and not here.
        """
        size, _ = KINDS[kind]
        label = (vendor, str(by_calls), kind)
        leases = {"write units": self.leases[label]}
        life, still = self.units(*label), added((self.units("idle"), 1), (leases, 1))
        each = 1 / (SINGLES if size == 1 else size)
        asks = MINUTES / 1_000_000 if size == 1 else 0  # once a minute at most
        return added((life, each), (still, -each), (self.units("key"), asks))

    def with_events(self) -> dict[str, float]:
        """Return the dollars that the parameter Events adds to a million single messages.

        Delivered to one webhook at the first try: a delivery is queued, received and deleted, reads
        the endpoint, takes a tenth of a booking of its host, waits for its receiver as for
        a vendor and computes as long as a publishing.
        """
        published = self.units("told")
        events, changes = len(self.gateway.aws.events), published["invocations"]
        each = published["GB-seconds"] / changes / memory(PUBLISH) * memory(DELIVER)
        waited = (ASSUMED["ms"]["vendor"] + ASSUMED["ms"]["dynamodb"]) / 1e6 * memory(DELIVER)
        notified = published | {
            "GB-seconds": published["GB-seconds"] / memory(PUBLISH) * memory(NOTIFY)
        }
        delivered = {
            "read units": 1 + 1 / events,
            "write units": 0.1,
            "SQS requests": 3,
            "invocations": 1,
            "GB-seconds": each + waited / 1.024,
        }
        return {
            "bus": dollars(added((published, 1), ({"events": events}, 1))),
            "webhooks": dollars(added((notified, 1), (delivered, events))),
        }


def fast(samples: list[float]) -> float:
    """Return what something takes while the machine is at its full speed: the first decile."""
    return quantiles(samples, n=10, method="inclusive")[0]


def main() -> Family:
    """Write units and dollars of a message, and of the idle deployment."""
    bench = Bench()
    for turn, (way, kind) in product(range(ROUNDS), product(WAYS, KINDS)):
        if kind != "1,000" or turn < 2:  # Lambda is the least of what these cost
            bench.live(*way, kind)
        if kind == "single":
            bench.others()
    return Family("cost", "What a message costs", _tables(bench), _PLOT, [_how(bench)])


_MESSAGES = "from accept to a status read: a million in $, writes of each"
_PLOT = (_MESSAGES, *(f"{kind}, $" for kind in KINDS))


def _tables(bench: Bench) -> dict[str, Table]:
    rows: dict[str, dict[str, float]] = {}
    for vendor, by_calls in WAYS:
        found = {kind: bench.message(vendor, by_calls, kind) for kind in KINDS}
        bills = {f"{kind}, $": dollars(one) for kind, one in found.items()}
        # What floats add to whole numbers, shared by messages, is rounded away.
        writes = {f"{kind}, writes": round(one["write units"], 9) for kind, one in found.items()}
        rows[f"{vendor}{', called back' if by_calls else ''}"] = bills | writes
    differ = sum(tally.differ for tally, _ in bench.counted.values())
    rows["write units worked out, less DynamoDB's"] = {"check": differ}
    events = asked(TEMPLATE, Events="all")
    every = asked(TEMPLATE, **EVERYTHING)
    still, telling = bench.units("idle"), bench.units("idle", "Events=all")
    month = {
        "default": idle(still),
        "Events=all": idle(telling, events),
        "Events=all and every source": idle(telling, every),
        "Dashboard=true": idle(still, asked(TEMPLATE, Dashboard="true")),
        "a key of your own": idle(still, asked(TEMPLATE, KmsKeyArn="arn")),
    }
    idles = {row: {**one, "idle, $ a month": sum(one.values())} for row, one in month.items()}
    return {_MESSAGES: rows, "a month, nobody sends": idles}


def _how(bench: Bench) -> str:
    one = bench.message("JST", False, "single")
    parts = {name: dollars({name: value}) for name, value in one.items()}
    shares = ", ".join(f"{name} {price:.2f}" for name, price in parts.items())
    ms: Any = ASSUMED["ms"]
    with_events = bench.with_events().items()
    more = " and ".join(f"{price:.2f} $ (Events={name})" for name, price in with_events)
    return f"""\
The functions' own handlers, warm. Write units are DynamoDB's own (the emulator's
`ConsumedCapacity`), compared with those that the tests work out; read units are worked out. What
the scheduler asks whatever is due stands in the idle cost. Of a million JST singles: {shares} $.
A million singles cost more with a bus or one webhook: {more}. Lambda's billed time is CPU time
divided by the function's share of a CPU (memory / {ASSUMED["full_cpu_mb"]} MB), and the waiting:
{ms["dynamodb"]} ms a DynamoDB call, {ms["amazonsqs"]} ms an SQS call, {ms["vendor"]} ms a vendor's
answer, one after the other within a thread; the CPU time is this machine's, at arm64's price. A
single with an Idempotency-Key is not held to the dollars of the others. Prices:
`{PRICES["region"]}`, list prices of {PRICES["date"]}, no free tier, with their sources in
[prices.toml](prices.toml). Not in the figures: cold starts, data to the internet, keeping
messages, custom metrics."""

"""CPU time a message: each function's handler, warm, down to the bytes of HTTP.

python -m bench.cpu is pyperf's: a process for each case in turn, ROUNDS times over, since a shared
host is slow for a while at any time.
"""

import gc
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pyperf  # type: ignore[import-untyped]  # no stubs

from bench.gateway import EVENTS, SCHEDULER, TITLES, Gateway, api, body, numbers, own_texts, quiet
from bench.targets import Family
from testing.paths import ROOT

MANY, SEVERAL = 1000, 100
ROUNDS, VALUES, WARM_UP = 3, 8, 2
RAW = ROOT / ".bench" / "results" / "pyperf.json"
BARE = "an UpdateItem alone, to compare with"


def main() -> Family:
    """Measure."""
    RAW.parent.mkdir(parents=True, exist_ok=True)
    RAW.unlink(missing_ok=True)
    command = [sys.executable, "-m", "bench.cpu", "--quiet", "--copy-env", "--append", str(RAW)]
    for _ in range(ROUNDS):
        subprocess.run(command, check=True)  # noqa: S603 - our own program
    found = pyperf.BenchmarkSuite.load(str(RAW)).get_benchmarks()
    times = {one.get_name(): 1000 * one.percentile(10) for one in found}
    table = {
        name: {"ms a message": ms, "in bare UpdateItems": ms / times[BARE]}
        for name, ms in times.items()
    }
    plot = ("CPU time", "ms a message")
    return Family("cpu", "CPU time", {"CPU time": table}, plot, [HOW], log=True)


def measure() -> None:  # noqa: C901 - a list of cases
    """Time each case; raise RuntimeError when it does not do what it should."""
    from sms_gateway.storage import dynamodb

    gateway = Gateway()
    gc.freeze()
    runner = pyperf.Runner(
        processes=1, values=VALUES, warmups=WARM_UP, loops=1, program_args=("-m", "bench.cpu")
    )

    def case(
        label: str, work: Callable[[Any], object], prepare: Callable[[], Any], messages: int = 1
    ) -> None:
        """Time `work` on what `prepare` made, which is so many messages."""

        def taken(_loops: int) -> float:
            with quiet():
                gateway.aws.clear()
                gateway.runs.clear()
                given = prepare()
                began = gateway.wire.cpu()
                work(given)
                return gateway.wire.cpu() - began

        runner.bench_time_func(label, taken, inner_loops=messages)

    def update(_given: object) -> None:
        dynamodb.client().update_item(
            TableName=dynamodb.table_name(),
            Key={"pk": {"S": "01JB2QK8W3Z5Y7X9V1T4R6P8N0"}, "sk": {"S": "M#000"}},
            UpdateExpression="SET changed = :changed",
            ExpressionAttributeValues={":changed": {"N": "1"}},
            ReturnValues="ALL_NEW",
        )

    def accept(event: Any) -> None:
        gateway.handle("send", event)

    def sends(text: str, **headers: str) -> Callable[[], Any]:
        event = api("POST", "/messages", text, headers)
        return lambda: event

    def accepted(vendor: str, count: int) -> Callable[[], Any]:
        return lambda: gateway.send(body(numbers(vendor, count)))

    def submitted(vendor: str, count: int) -> list[str]:
        messages = gateway.send(body(numbers(vendor, count)))["messages"]
        gateway.dispatch()
        return [str(one["id"]) for one in messages]

    def dispatch(_given: object) -> None:
        gateway.dispatch()
        if any(gateway.aws.queues.values()):
            raise RuntimeError("not dispatched")

    def reported(count: int) -> Callable[[], Any]:
        def prepare() -> Any:
            submitted("rajasms", count)
            (event,) = gateway.callbacks("rajasms", count)
            return event

        return prepare

    def hear(event: Any) -> None:
        gateway.handle("callback", event)

    def due(count: int) -> Callable[[], Any]:
        def prepare() -> None:
            submitted("server2sms", count)
            gateway.aws.vendors.deliver()
            gateway.make_due()

        return prepare

    def tick(_given: object) -> None:
        gateway.handle(SCHEDULER, EVENTS[SCHEDULER])

    def read(identifier: str) -> None:
        gateway.read(f"/messages/{identifier}")

    one = body(numbers("dinisoft", 1))
    case(BARE, update, lambda: None)
    case("accept, 1", accept, sends(one))
    keyed = sends(one, **{"Idempotency-Key": "order-1"})
    case("accept, 1 with an Idempotency-Key", accept, keyed)
    many = numbers("rajasms", MANY)
    case("accept, 1,000, one text", accept, sends(body(many)), MANY)
    case("accept, 1,000, each its own text", accept, sends(own_texts(many)), MANY)
    case("dispatch, Dinisoft, 1", dispatch, accepted("dinisoft", 1))
    for vendor in ("rajasms", "jst", "server2sms", "dinisoft"):
        label = f"dispatch, {TITLES[vendor]}, 1,000"
        case(label, dispatch, accepted(vendor, MANY), MANY)
    case("callback, 1 report", hear, reported(1))
    case("callback, 100 reports, each", hear, reported(SEVERAL), SEVERAL)
    case("poll, 1 reference, with the whole tick", tick, due(1))
    case("poll, 100 references, each", tick, due(SEVERAL), SEVERAL)
    case("status read, batch of one", read, lambda: submitted("rajasms", 1)[0])
    case("status read, one of 100", read, lambda: submitted("rajasms", SEVERAL)[50])


HOW = f"""\
First deciles of {ROUNDS * VALUES} values, taken by pyperf: a shared host is slower than it can be
most of the time, never faster. CPU time of the whole process, all threads, for one invocation of a
function's own handler (of ten queue messages for `dispatch`), divided by its messages. Counted: our
code, Powertools, botocore with its signatures, urllib3 down to the bytes of each request and
answer, logs, metrics. Not counted: the kernel's sockets, TLS, and what answers for AWS and the
vendors. Dinisoft takes one recipient a call: its 1,000 are 1,000 calls over HTTP, each held to the
target of one dispatch."""


if __name__ == "__main__":
    measure()

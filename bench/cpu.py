"""CPU time a message: each function's handler, warm, down to the bytes of HTTP.

python -m bench.cpu is pyperf's: a process for each case in turn, ROUNDS times over, since a shared
host is slow for a while at any time.
"""

import gc
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pyperf  # type: ignore[import-untyped]  # no stubs

from bench.gateway import EVENTS, SCHEDULER, TITLES, Gateway, body, numbers, own_texts, quiet
from bench.targets import Family
from testing.paths import ROOT

MANY, SEVERAL = 1000, 100
ROUNDS, VALUES, WARM_UP = 3, 8, 2
RAW = ROOT / ".bench" / "results" / "pyperf.json"
BARE = "an UpdateItem alone, to compare with"

type Work = Callable[[], object]


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

    def case(label: str, messages: int, prepare: Callable[..., Work], *given: Any) -> None:
        """Time what `prepare` returns, which works on so many messages."""

        def taken(_loops: int) -> float:
            with quiet():
                gateway.aws.clear()
                gateway.runs.clear()
                work = prepare(*given)
                began = gateway.wire.cpu()
                work()
                return gateway.wire.cpu() - began

        runner.bench_time_func(label, taken, inner_loops=messages)

    def update() -> Work:
        return partial(
            dynamodb.client().update_item,
            TableName=dynamodb.table_name(),
            Key={"pk": {"S": "01JB2QK8W3Z5Y7X9V1T4R6P8N0"}, "sk": {"S": "M#000"}},
            UpdateExpression="SET changed = :changed",
            ExpressionAttributeValues={":changed": {"N": "1"}},
            ReturnValues="ALL_NEW",
        )

    def accept(text: str, key: str | None = None) -> Work:
        return partial(gateway.send, text, key)

    def dispatch(vendor: str, count: int) -> Work:
        gateway.send(body(numbers(vendor, count)))
        return gateway.dispatch

    def submitted(vendor: str, count: int) -> list[str]:
        messages = gateway.send(body(numbers(vendor, count)))["messages"]
        gateway.dispatch()
        return [str(one["id"]) for one in messages]

    def report(count: int) -> Work:
        submitted("rajasms", count)
        (event,) = gateway.callbacks("rajasms", count)
        return partial(gateway.handle, "callback", event)

    def poll(count: int) -> Work:
        submitted("server2sms", count)
        gateway.aws.vendors.deliver()
        gateway.make_due()
        return partial(gateway.handle, SCHEDULER, EVENTS[SCHEDULER])

    def read(count: int) -> Work:
        return partial(gateway.read, f"/messages/{submitted('rajasms', count)[count // 2]}")

    one, many = body(numbers("dinisoft", 1)), numbers("rajasms", MANY)
    case(BARE, 1, update)
    case("accept, 1", 1, accept, one)
    case("accept, 1 with an Idempotency-Key", 1, accept, one, "order-1")
    case("accept, 1,000, one text", MANY, accept, body(many))
    case("accept, 1,000, each its own text", MANY, accept, own_texts(many))
    case("dispatch, Dinisoft, 1", 1, dispatch, "dinisoft", 1)
    for vendor in ("rajasms", "jst", "server2sms", "dinisoft"):
        case(f"dispatch, {TITLES[vendor]}, 1,000", MANY, dispatch, vendor, MANY)
    case("callback, 1 report", 1, report, 1)
    case("callback, 100 reports, each", SEVERAL, report, SEVERAL)
    case("poll, 1 reference, with the whole tick", 1, poll, 1)
    case("poll, 100 references, each", SEVERAL, poll, SEVERAL)
    case("status read, batch of one", 1, read, 1)
    case("status read, one of 100", 1, read, SEVERAL)


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

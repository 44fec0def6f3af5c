"""CPU time a message: each function's handler, warm, down to the bytes of HTTP."""

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from statistics import quantiles
from timeit import Timer
from typing import Any

from bench.gateway import EVENTS, SCHEDULER, TITLES, Gateway, api, body, numbers, own_texts, quiet
from bench.targets import Family, Figure

MANY, SEVERAL = 1000, 100
SECONDS = 60  # of samples, all cases in turn
FEWEST = 12  # turns
SPELL, MOST_IN_A_SPELL = 30, 15  # ms of a case's samples in a turn, and how many
BARE = "an UpdateItem alone, to compare with"


@dataclass(frozen=True, slots=True)
class Case:
    """What is timed: `work` on what `prepare` made, which is so many messages."""

    label: str
    work: Callable[[Any], object]
    prepare: Callable[[], Any]
    messages: int = 1


def main() -> Family:
    """Measure."""
    gateway = Gateway()
    with quiet():
        cases = list(_cases(gateway))
        samples: dict[str, list[float]] = {case.label: [] for case in cases}
        gc.freeze()
        for case in cases * 2:
            sample(gateway, case)  # warms up
        until = time.monotonic() + SECONDS
        for turn in count():
            if turn >= FEWEST and time.monotonic() > until:
                break
            for case in cases:
                taken = [sample(gateway, case)]
                while sum(taken) * case.messages < SPELL and len(taken) < MOST_IN_A_SPELL:
                    taken.append(sample(gateway, case))
                samples[case.label] += taken
    times = {label: fast(taken) for label, taken in samples.items()}
    figures = []
    for label, ms in times.items():
        figures += [
            Figure("CPU time", label, "ms a message", ms),
            Figure("CPU time", label, "in bare UpdateItems", ms / times[BARE]),
        ]
    return Family("cpu", "CPU time", figures, ("CPU time", "ms a message"), [HOW], log=True)


def fast(samples: list[float]) -> float:
    """Return what something takes while the machine is at its full speed: the first decile."""
    return quantiles(samples, n=10, method="inclusive")[0]


def sample(gateway: Gateway, case: Case) -> float:
    """One run's CPU time a message, in ms."""
    given: list[Any] = []

    def prepare() -> None:
        gateway.aws.clear()
        gateway.runs.clear()
        given[:] = [case.prepare()]
        gc.enable()  # as in the function; Timer turns it off

    timer = Timer(lambda: case.work(given[0]), prepare, gateway.wire.cpu)
    return 1000 * timer.timeit(1) / case.messages


def _cases(gateway: Gateway) -> Iterator[Case]:  # noqa: C901 - a list of cases
    """All of them; each work raises RuntimeError when it does not do what it should."""
    from sms_gateway.storage import dynamodb

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
    yield Case(BARE, update, lambda: None)
    yield Case("accept, 1", accept, sends(one))
    yield Case(
        "accept, 1 with an Idempotency-Key", accept, sends(one, **{"Idempotency-Key": "order-1"})
    )
    many = numbers("rajasms", MANY)
    yield Case("accept, 1,000, one text", accept, sends(body(many)), MANY)
    yield Case("accept, 1,000, each its own text", accept, sends(own_texts(many)), MANY)
    yield Case("dispatch, Dinisoft, 1", dispatch, accepted("dinisoft", 1))
    for vendor in ("rajasms", "jst", "server2sms", "dinisoft"):
        label = f"dispatch, {TITLES[vendor]}, 1,000"
        yield Case(label, dispatch, accepted(vendor, MANY), MANY)
    yield Case("callback, 1 report", hear, reported(1))
    yield Case("callback, 100 reports, each", hear, reported(SEVERAL), SEVERAL)
    yield Case("poll, 1 reference, with the whole tick", tick, due(1))
    yield Case("poll, 100 references, each", tick, due(SEVERAL), SEVERAL)
    yield Case("status read, batch of one", read, lambda: submitted("rajasms", 1)[0])
    yield Case("status read, one of 100", read, lambda: submitted("rajasms", SEVERAL)[50])


HOW = """\
CPU time of the whole process, all threads, for one invocation of a function's own handler (of ten
queue messages for `dispatch`), divided by its messages. Counted: our code, Powertools, botocore
with its signatures, urllib3 down to the bytes of each request and answer, logs, metrics. Not
counted: the kernel's sockets, TLS, and what answers for AWS and the vendors. Dinisoft takes one
recipient a call: its 1,000 are 1,000 calls over HTTP, each held to the target of one dispatch."""

"""Codes beside a campaign: seconds from a code's acceptance to the vendor's call.

The gateway's own code runs in a model of AWS with a simulated clock: the campaign worker, the send,
the dispatch worker with its slots and turns, and the scheduler. Threads are real, but one runs at a
time: who sleeps or waits hands over to whoever is next in simulated time.

What is assumed of AWS, of which nothing was measured there:
- SQS hands over a message at once, a delayed one up to a second late. Of the message groups that
  have something visible, the one with the fewest messages in flight is served first ("fair
  queues"), each in its own order.
- Lambda asks with as many pollers as the source's MaximumConcurrency, without a batching window and
  ahead of no free invocation; it fills a batch with what is visible. An invocation begins 20 ms
  after its batch is received; the first of each environment 0.5 s later (a cold start).
- A table's answer takes 5 ms, a queue's 10 ms, the vendor's 50 ms. CPU at the function's memory:
  14 ms a call, 1.2 ms for each further message of it, one thread at a time within an environment.
"""

import heapq
import itertools
import json
import os
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import partial
from io import StringIO
from multiprocessing import get_context
from statistics import quantiles
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from bench import express_local
from bench.gateway import TITLES
from bench.pricing import ASSUMED
from bench.targets import Family
from local.simulators.registry import vendor_number
from testing import campaign_file
from testing.aws import ENVIRONMENT, Aws, setting
from testing.campaign_file import CAMPAIGN, uploaded
from testing.server import Asked, Said, Wire
from testing.template import FUNCTIONS, TEMPLATE

RATE, EVERY, CODES_FROM = 50, 10.0, 5.0  # messages a second; seconds between codes
ROWS = {"rajasms": 20_000, "dinisoft": 5_000}  # a call of up to 1,000; of one
WORKERS = int(TEMPLATE["Parameters"]["DispatchWorkers"]["Default"])
BATCH = 10
TIMEOUT = float(FUNCTIONS["dispatch"]["Timeout"])
START, COLD_START, LATE = 0.02, 0.5, 1.0  # seconds
CALL_CPU, MESSAGE_CPU = 0.014, 0.0012
TENANT = "acme"


class SimulatedDatetime(datetime):
    """A datetime whose present is `time.time()`'s."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "SimulatedDatetime":
        """Return the simulated present."""
        return cls.fromtimestamp(time.time(), tz)


class Clock:
    """Simulated time, and threads that run one at a time in it."""

    def __init__(self) -> None:
        self.at = time.time()
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()
        self._over = threading.Semaphore(0)  # released when a thread hands over
        self._gates: dict[int, threading.Semaphore] = {}
        self._failed: list[BaseException] = []
        self._sleep = time.sleep

    def time(self) -> float:
        """Return the simulated present, as time.time()."""
        return self.at

    def plan(self, seconds: float, what: Callable[[], object]) -> None:
        """Do something in so many seconds."""
        heapq.heappush(self._events, (self.at + seconds, next(self._order), what))

    def begin(self, what: Callable[[], object], seconds: float = 0) -> None:
        """Start a thread in so many seconds."""

        def run() -> None:
            self._gates[threading.get_ident()] = threading.Semaphore(0)
            try:
                what()
            except BaseException as error:
                self._failed.append(error)
            finally:
                del self._gates[threading.get_ident()]
                self._over.release()

        def start() -> None:
            threading.Thread(target=run, daemon=True).start()
            self._over.acquire()

        self.plan(seconds, start)

    def sleep(self, seconds: float) -> None:
        """Sleep in simulated time; a thread that is none of the model's really does."""
        gate = self._gates.get(threading.get_ident())
        if gate is None:
            self._sleep(min(seconds, 0.01))
            return
        self.plan(max(0, seconds), lambda: self._resume(gate))
        self._hand_over(gate)

    def wait(self, waiting: deque[Any]) -> None:
        """Wait until `wake` takes this thread out of `waiting`."""
        gate = self._gates[threading.get_ident()]
        waiting.append(gate)
        self._hand_over(gate)

    def wake(self, waiting: deque[Any]) -> None:
        """Let those who wait go on."""
        while waiting:
            self.plan(0, partial(self._resume, waiting.popleft()))

    def _hand_over(self, gate: threading.Semaphore) -> None:
        self._over.release()
        gate.acquire()

    def _resume(self, gate: threading.Semaphore) -> None:
        gate.release()
        self._over.acquire()

    def run(self, until: Callable[[], bool]) -> None:
        """Let everything happen until something is so. Raises RuntimeError if it never is."""
        while not until():
            if not self._events:
                raise RuntimeError("nothing is left to happen")
            self.at, _, what = heapq.heappop(self._events)
            what()
            if self._failed:
                raise self._failed[0]


class Slots:
    """As threading.BoundedSemaphore."""

    def __init__(self, clock: Clock, free: int) -> None:
        self._clock, self._free = clock, free
        self._waiting: deque[Any] = deque()

    def __enter__(self) -> None:
        while not self._free:
            self._clock.wait(self._waiting)
        self._free -= 1

    def __exit__(self, *_: object) -> None:
        self._free += 1
        self._clock.wake(self._waiting)


class Changed:
    """As threading.Condition: nobody else runs between two waits."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: deque[Any] = deque()

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def wait_for(self, reached: Callable[[], bool]) -> None:
        """Wait until something is so."""
        while not reached():
            self._clock.wait(self._waiting)

    def notify_all(self) -> None:
        """Let those who wait look again."""
        self._clock.wake(self._waiting)


class Pool:
    """As ThreadPoolExecutor, with `most` threads."""

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self._slots, self._done = Slots(clock, most), Changed(clock)
        self._running = 0

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    def submit(self, what: Callable[..., Any], *given: object) -> Any:
        """Do something in a thread; its result is of the answer."""
        found: list[Any] = []

        def work() -> None:
            with self._slots:
                found.append(what(*given))
            self._running -= 1
            self._done.notify_all()

        def result() -> Any:
            self._done.wait_for(lambda: bool(found))
            return found[0]

        self._running += 1
        self._clock.begin(work)
        return SimpleNamespace(result=result)

    def map(self, what: Callable[..., Any], given: Iterable[Any]) -> Iterator[Any]:
        """Do the same with each."""
        futures = [self.submit(what, one) for one in given]
        return iter([one.result() for one in futures])

    def shutdown(self) -> None:
        """Wait for all threads."""
        self._done.wait_for(lambda: not self._running)


@dataclass(eq=False)
class Queue:
    """A queue with its event source: `most` invocations at once. Times are simulated."""

    clock: Clock
    invoke: Callable[[list[Any]], None]
    most: int
    lateness: random.Random = field(
        default_factory=lambda: random.Random(7)  # noqa: S311 - the same in every run
    )
    visible: dict[str, deque[str]] = field(default_factory=dict)  # by message group
    in_flight: Counter[str] = field(default_factory=Counter)
    busy: int = 0
    warm: int = 0
    _ids: Iterator[int] = field(default_factory=itertools.count)

    def send(self, body: str, group: str, delay: float) -> None:
        """Take a message, to be seen after `delay` seconds."""

        def appear() -> None:
            self.visible.setdefault(group, deque()).append(body)
            self._poll()

        self.clock.plan(delay + self.lateness.uniform(0, LATE) if delay else 0, appear)

    def _poll(self) -> None:
        while self.visible and self.busy < self.most:
            records: list[Any] = []
            while self.visible and len(records) < BATCH:
                group = min(self.visible, key=lambda one: self.in_flight[one])
                body = self.visible[group].popleft()
                if not self.visible[group]:
                    del self.visible[group]
                self.in_flight[group] += 1
                records.append(
                    {
                        "messageId": str(next(self._ids)),
                        "body": body,
                        "attributes": {"MessageGroupId": group},
                    }
                )
            cold = self.busy == self.warm
            self.warm += cold
            self.busy += 1
            self.clock.begin(partial(self._work, records), START + (COLD_START if cold else 0))

    def _work(self, records: list[Any]) -> None:
        self.invoke(records)
        self.busy -= 1
        for one in records:
            self.in_flight[one["attributes"]["MessageGroupId"]] -= 1
        self._poll()


class ModelAws(Aws):
    """AWS whose queues call their functions."""

    def __init__(self, take: Callable[[str, str, str, float], None]) -> None:
        super().__init__()
        self._take = take

    def _SendMessageBatch(self, asked: Any) -> Any:  # noqa: N802 - AWS's operation
        name = asked["QueueUrl"].rpartition("/")[2]
        for one in asked["Entries"]:
            group, delay = one["MessageGroupId"], one.get("DelaySeconds", 0)
            self._take(name, one["MessageBody"], group, delay)
        return {"Successful": [{"Id": one["Id"]} for one in asked["Entries"]], "Failed": []}

    def _SendMessage(self, asked: Any) -> Any:  # noqa: N802 - AWS's operation
        self._take(asked["QueueUrl"].rpartition("/")[2], asked["MessageBody"], "", 0)
        return {"MessageId": "1", "MD5OfMessageBody": "0" * 32}


class Model:
    """The gateway in that model, with a campaign and codes for one vendor."""

    def __init__(self, vendor: str, rows: int) -> None:
        self.vendor, self.rows = vendor, rows
        self.number = vendor_number(vendor, rows)
        self.clock = Clock()
        self.aws = ModelAws(lambda *message: self._take(*message))
        self.wire = Wire(self._answer)
        self.queues: dict[str, Queue] = {}
        self.accepted: dict[str, float] = {}  # of the codes, by batch
        self.called: dict[str, float] = {}
        self.sent = 0

    def _take(self, name: str, body: str, group: str, delay: float) -> None:
        self.queues[name].send(body, group, delay)

    def _answer(self, asked: Asked) -> Said:
        return self.aws.answer(asked)

    def run(self) -> list[float]:
        """Return the seconds that each code waited, sorted. Raises RuntimeError if one is lost."""
        with ExitStack() as opened:
            opened.enter_context(patch.object(campaign_file, "line", self._line))
            opened.enter_context(uploaded(self.rows))
            self._prepare(opened)
            codes = 0

            def ask() -> None:
                nonlocal codes
                codes += 1
                self.clock.begin(self._code)
                if self.sent < self.rows:
                    self.clock.plan(EVERY, ask)

            self.clock.begin(lambda: self._campaign(CAMPAIGN))
            self.clock.plan(CODES_FROM, ask)
            self._every_minute()
            self.clock.run(lambda: self.sent >= self.rows and len(self.called) == codes)
        return sorted(self.called[one] - at for one, at in self.accepted.items())

    def _line(self, nth: int) -> bytes:
        return f'{vendor_number(self.vendor, nth)},"Ani",Hello {{name}}.,r-{nth:07d}\r\n'.encode()

    def _prepare(self, opened: ExitStack) -> None:
        from sms_gateway.campaigns.items import campaign_item
        from sms_gateway.config import cached_setting
        from sms_gateway.config.vendor_accounts import accounts
        from sms_gateway.core import timestamps
        from sms_gateway.dispatch import circuit_breaker, vendor_session, worker

        clock = self.clock
        self.aws.accounts[self.vendor] |= {"rate": RATE}
        self.aws.clear()
        route = {"routes": [{"prefix": "+", "vendors": [self.vendor]}]}
        self.aws.put([setting("SETTINGS", "routes", json.dumps(route))])
        now = int(clock.at)
        file = f"campaigns/{TENANT}/file.csv"
        size = campaign_file.File(self.rows).size
        item = campaign_item(CAMPAIGN, TENANT, file, "1", size, now + 90, now + 10**7)
        key = {"tenant": TENANT, "scopes": "messages:send", "label": ""}
        sender = {name: {"S": value} for name, value in key.items()}
        self.aws.put(
            [item, {"pk": {"S": "KEYS"}, "sk": {"S": "0" * 64}, **sender, "created": {"N": "1"}}]
        )
        cached_setting.reset_all()
        accounts()
        circuit_breaker._store()
        stands = time.monotonic()
        changes: list[tuple[Any, str, Any]] = [
            (cached_setting, "time", SimpleNamespace(monotonic=lambda: stands)),
            (time, "time", clock.time),
            (time, "sleep", clock.sleep),
            (timestamps, "datetime", SimulatedDatetime),
            (worker, "ThreadPoolExecutor", lambda most: Pool(clock, most)),
            (vendor_session, "ThreadPoolExecutor", lambda most: Pool(clock, most)),
            (vendor_session, "BoundedSemaphore", lambda free: Slots(clock, free)),
            (vendor_session, "Condition", lambda: Changed(clock)),
            (vendor_session, "wait", lambda futures: [one.result() for one in futures]),
        ]
        for place, name, value in changes:
            opened.enter_context(patch.object(place, name, value))
        slow = partial(self._slow, self.wire.answer)
        opened.enter_context(patch.object(self.wire, "answer", slow))
        opened.enter_context(redirect_stdout(StringIO()))
        for variable, url in ENVIRONMENT.items():
            if variable.startswith("QUEUE_"):
                self.queues[url.rpartition("/")[2]] = Queue(clock, self._dispatch, WORKERS)
        campaigns = ENVIRONMENT["CAMPAIGN_QUEUE"].rpartition("/")[2]
        self.queues[campaigns] = Queue(
            clock, lambda records: self._campaign(*(one["body"] for one in records)), 2
        )

    def _slow(self, answer: Callable[[bytes], bytes], request: bytes) -> bytes:
        service = "dynamodb" if b"DynamoDB_20120810" in request else "amazonsqs"
        self.clock.sleep(ASSUMED["ms"][service] / 1000)
        return answer(request)

    def _campaign(self, *identifiers: str) -> None:
        from sms_gateway.campaigns import worker

        for one in identifiers:
            worker.handle_record(one, 45)

    def _code(self) -> None:
        from sms_gateway.messages.send import send

        body = {"to": self.number, "text": "Your code is 123456.", "category": "otp"}
        batch = send(TENANT, json.dumps(body).encode(), datetime.fromtimestamp(self.clock.at, UTC))
        self.accepted[batch["batch_id"]] = self.clock.at

    def _dispatch(self, records: list[Any]) -> None:
        from sms_gateway.dispatch import worker

        cpu = Slots(self.clock, 1)  # an environment's

        def call(request: Any, _timeout: float) -> Any:
            return self._vendor(request, cpu)

        if worker.handle_records(records, TIMEOUT, call)["batchItemFailures"]:
            raise RuntimeError("a record failed")

    def _vendor(self, request: Any, cpu: Slots) -> Any:
        from sms_gateway.vendors.types import VendorResponse

        with cpu:
            self.clock.sleep(CALL_CPU)
        at = self.clock.at
        path, _, search = request.url.removeprefix(self.aws.base).partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Asked(request.method, path, search, headers, request.body)
        said = self.aws.vendors.answer(asked)
        messages = self.aws.vendors.state._submissions[-1].messages
        if messages[0].number == self.number[1:]:
            self.called[self._newest()] = at
        else:
            self.sent += len(messages)
        self.clock.sleep(ASSUMED["ms"]["vendor"] / 1000)
        with cpu:
            self.clock.sleep(MESSAGE_CPU * len(messages))
        return VendorResponse(said.status, said.body, said.content_type)

    def _newest(self) -> str:
        return min(self.accepted.keys() - self.called.keys())  # they leave in order

    def _every_minute(self) -> None:
        from concurrent.futures import ThreadPoolExecutor

        from sms_gateway.config.vendor_accounts import accounts
        from sms_gateway.scheduler import tick, tick_run
        from sms_gateway.vendors.types import VendorResponse

        def no_news(_request: object, _timeout: float) -> VendorResponse:
            return VendorResponse(200, b"{}")

        now = datetime.fromtimestamp(self.clock.at, UTC)
        with ThreadPoolExecutor(tick.THREADS) as pool:
            run = tick_run.TickRun(accounts().adapters, pool, now, float("inf"), send=no_news)
            tick.check_all_due(run)
        self.clock.plan(60, self._every_minute)


def main() -> Family:
    """Measure in the model and on the local stack. Raises RuntimeError where a code is lost."""
    rows: dict[str, dict[str, float]] = {}
    with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:  # kept connections are a model's
        for (vendor, count), waits in zip(ROWS.items(), pool.imap(modelled, ROWS), strict=True):
            rows[f"model, {TITLES[vendor]}, {count:,} rows"] = summary(waits)
    rows[f"local stack, RajaSMS, {express_local.ROWS:,} rows"] = summary(express_local.waits())
    table = "seconds from a code's acceptance to its call"
    return Family("express", "Codes beside a campaign", {table: rows}, (table, "p50", "p99"), [HOW])


def modelled(vendor: str) -> list[float]:
    """Return what codes wait in a model, in a process that has no other."""
    os.environ |= ENVIRONMENT | {"DISPATCH_WORKERS": str(WORKERS)}
    os.environ["AWS_ENDPOINT_URL"] = "http://aws.example.com"
    return Model(vendor, ROWS[vendor]).run()


def summary(waits: Sequence[float]) -> dict[str, float]:
    """Return the figures of sorted waits."""
    cuts = quantiles(waits, n=100, method="inclusive")
    return {"p50": cuts[49], "p99": cuts[98], "most": waits[-1], "codes": len(waits)}


HOW = f"""\
A campaign at an account with a `rate` of {RATE} a second, and a code of the same tenant every
{EVERY:.0f} seconds in the model of AWS ([express.py](express.py) says what it assumes), every
{express_local.EVERY:.0f} on the local stack. Of 100,000 rows at RajaSMS the model
says p50 1.29, p99 2.27, most 2.29 of 200 codes. Before codes had a queue of their own and
turns were short: 12.6, 19.5 and 19.5 there, 2.90, 3.97 and 3.97 for 15,000 rows at Dinisoft, 13.5,
21.1 and 21.1 on the local stack, where a thousand rows were one turn of 20 s."""

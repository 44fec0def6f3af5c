"""A message's whole life through the functions' own code: accept, dispatch, receipt, status read.

The functions run in this process, warm; AWS is the emulator, the vendors answer from memory. Each
life is run for its counts and again for its time, since counting takes time.
"""

import json
import os
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import current_thread
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bench.counting import TEMPLATE, Meter, Tally
from sms_gateway.config import api_keys, vendor_accounts
from sms_gateway.core.status import Status
from sms_gateway.dispatch import worker
from sms_gateway.events.stream_reader import handle_records
from sms_gateway.messages.queue import SubmissionTask
from sms_gateway.receipts import apply
from sms_gateway.receipts.apply import ReceiptUpdate
from sms_gateway.receipts.callback_tokens import make_token
from sms_gateway.scheduler import tick as scheduler_tick
from sms_gateway.scheduler import tick_run
from sms_gateway.storage.models import ItemKey, message_id
from sms_gateway.vendors.types import DeliveryReport, Request, VendorResponse
from testing.numbers import number
from testing.processes import function
from testing.settings import CALLBACK_KEY
from testing.vendor_answers import SUBMIT, TAKES, arrived

ROOT = Path(__file__).parent.parent
EVENTS: dict[str, Any] = {
    path.stem: json.loads(path.read_text()) for path in (ROOT / "events").glob("*.json")
}
SINGLES = 10  # single messages of one measurement; they share the clock's tick
TEXT = "Your order 4711 has left our house and will be with you tomorrow between nine and noon."
LATER = 200  # seconds until the tick that asks for receipts
LEASES = 2  # write units of a tick that finds anything due, however much: taken and given back
MEMORY: dict[str, int] = {  # MB, by function
    Path(one["Properties"]["CodeUri"]).name: one["Properties"].get(
        "MemorySize", TEMPLATE["Globals"]["Function"]["MemorySize"]
    )
    for one in TEMPLATE["Resources"].values()
    if one["Type"] == "AWS::Serverless::Function"
}


@dataclass
class Step:
    """One step of all messages together: what AWS was asked for, how often each function ran,
    requests through API Gateway, and SQS's by the event source."""

    tally: Tally = field(default_factory=Tally)
    runs: Counter[str] = field(default_factory=Counter)
    api_requests: int = 0
    source_requests: int = 0
    told: int = 0  # receipts that came by a call


class Vendors:
    """The four vendors: take everything, and tell that it was delivered."""

    def __init__(self, waits: "Waits") -> None:
        self._waits = waits
        self._jobs: dict[str, list[str]] = {}

    def __call__(self, request: Request, timeout: float) -> VendorResponse:
        """A vendor's answer."""
        self._waits.note("vendor")
        path, _, query = request.url.partition("?")
        for vendor, ending in SUBMIT.items():
            if path.endswith(ending):
                if vendor == "jst":
                    return _reply({"job_id": self._job(f"{query} {request.body.decode()}")})
                taken = TAKES[vendor]
                return _reply(taken(request) if callable(taken) else taken)
        if path.endswith("get-dlr-report"):
            row = {"status": "DELIVRD", "time": "2026-03-01 15:40:05"}
            job = re.search(r"(?<!\d)90\d{6}(?!\d)", f"{query} {request.body.decode()}")
            of = self._jobs[job[0]] if job else []
            return _reply({"report": [{"mobile": one, **row} for one in of]})
        if path.endswith("/getstatus"):
            asked = parse_qs(urlsplit(request.url).query)["messageid"][0]
            row = {"Status": "0", "Text": "DELIVRD", "Message_ID": asked}
            return _reply({**row, "Delivery Time": "1793525447000"})
        return _reply(arrived(request))

    def _job(self, sent: str) -> str:
        job = f"90{len(self._jobs):06d}"
        self._jobs[job] = re.findall(r"(?<!\d)(?:91)?(1\d{9})(?!\d)", sent)
        return job


def _reply(said: Any) -> VendorResponse:
    return VendorResponse(200, json.dumps(said).encode())


class Lives:
    """Runs lives, and measures each step of them. Where no meter counts, `times` has of each run
    its step and function, the milliseconds that it computes with its share of a CPU, and those that
    it waits."""

    def __init__(self, meter: Meter | None, assumed: dict[str, Any], sqs: Any) -> None:
        self._meter = meter
        self._assumed = assumed
        self._sqs = sqs  # a client that nobody listens to
        self.waits = Waits(assumed)
        self.vendors = Vendors(self.waits)
        self.steps: dict[str, Step] = defaultdict(Step)
        self.times: list[tuple[str, str, float, float]] = []
        self._key = ""
        self._handlers = {
            name: function(name).handler for name in ("authorize", "send", "status", "callback")
        }
        self._context = SimpleNamespace(get_remaining_time_in_millis=lambda: 29_000)

    @contextmanager
    def fresh(self) -> Iterator[dict[str, Step]]:
        """The steps of what is run within."""
        self.steps = defaultdict(Step)
        yield self.steps

    def _run(self, step: str, name: str, work: Callable[[], Any]) -> Any:
        found = self.steps[step]
        if self._meter:
            with self._meter.step() as tally:
                answer = work()
            found.tally += tally
            found.runs[name] += 1
            return answer
        self.waits.taken()
        began = time.process_time()
        answer = work()
        cpu = 1000 * (time.process_time() - began)
        share = min(1.0, MEMORY[name] / self._assumed["full_cpu_mb"])
        self.times.append((step, name, cpu / share, self.waits.taken()))
        return answer

    def authorize(self) -> None:
        """API Gateway asks what a key may."""
        self._key = (
            self._key or api_keys.create_key("acme", ["messages:send"], "", datetime.now(UTC))[0]
        )
        event = EVENTS["authorize"] | {"authorizationToken": f"Bearer {self._key}"}
        self._run("authorize", "authorize", lambda: self._handlers["authorize"](event, None))

    def _api(self, step: str, name: str, event: dict[str, Any]) -> Any:
        self.steps[step].api_requests += 1
        answer = self._run(step, name, lambda: self._handlers[name](event, self._context))
        if answer["statusCode"] >= 300:
            raise RuntimeError(f"{name} answered {answer['statusCode']}: {answer['body']}")
        return json.loads(answer["body"])

    def accept(self, vendor: str, count: int, key: str | None) -> Any:
        """Sends to `count` numbers of a vendor; the answer."""
        to: Any = [number(vendor, nth) for nth in range(count)]
        body = {"to": to if count > 1 else to[0], "text": TEXT, "category": "promotional"}
        headers = {**EVENTS["send"]["headers"], **({"Idempotency-Key": key} if key else {})}
        event = EVENTS["send"] | {"body": json.dumps(body), "headers": headers}
        return self._api("accept", "send", event)

    def dispatch(self, vendor: str, at_once: int) -> list[SubmissionTask]:
        """Works on all that is queued, `at_once` messages an invocation; what it was."""
        url = os.environ[f"QUEUE_{vendor.upper()}"]
        records = []
        while found := self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for one in found:
                records.append({"messageId": one["MessageId"], "body": one["Body"]})
                self._sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
        for start in range(0, len(records), at_once):
            part = records[start : start + at_once]
            self.steps["dispatch"].source_requests += 2  # one receives them, one deletes them
            work = partial(worker.handle_records, part, 120, self.vendors)
            answer = self._run("dispatch", "dispatch", work)
            if answer["batchItemFailures"]:
                raise RuntimeError(f"{vendor}'s dispatch failed")
        return [SubmissionTask.parse(one["body"]) for one in records]

    def callbacks(self, vendor: str, tasks: list[SubmissionTask], most: int) -> None:
        """The vendor's call for each message. After `most` of them the rest is settled without a
        call, and not counted: one call costs what the next does."""
        every = [(task, offset) for task in tasks for offset in range(task.messages)]
        for task, offset in every[:most]:
            self._call(vendor, task, offset)
        self.steps["callback"].told += len(every[:most])
        now = datetime.now(UTC)
        words = [
            ReceiptUpdate(
                ItemKey(task.key.batch, f"M#{task.key.position + offset:03d}"),
                Status.DELIVERED,
                DeliveryReport(Status.DELIVERED),
            )
            for task, offset in every[most:]
        ]
        apply.apply_updates(words, vendor, 1, "callback", now)

    def _call(self, vendor: str, task: SubmissionTask, offset: int) -> None:
        address = make_token(vendor, task.key, CALLBACK_KEY.encode())
        path = f"/callbacks/{vendor}/{address}"
        event: dict[str, Any] = {"version": "2.0", "rawPath": path, "isBase64Encoded": False}
        event["headers"] = {"content-type": "application/json"}
        if vendor == "server2sms":
            event["requestContext"] = {"http": {"method": "GET"}}
            identifier = message_id(task.key.batch, task.key.position + offset)
            event["queryStringParameters"] = {"DST": "0", "RSN": "000", "ID": identifier}
        else:
            event["requestContext"] = {"http": {"method": "POST"}}
            to = number(vendor, task.key.position + offset)[1:]
            row = {"sendingid": 1_000_000 + int(to[-6:]), "number": to, "deliverystatus": "3"}
            event["body"] = json.dumps({"status_respon": [row]})
        answer = self._run(
            "callback", "callback", lambda: self._handlers["callback"](event, self._context)
        )
        if answer["statusCode"] != 200:
            raise RuntimeError(f"the callback was answered {answer}")

    def tick(self, after: int = LATER) -> int:
        """The clock's tick, `after` seconds from now; how many submissions it looked at."""

        def work() -> int:
            with ThreadPoolExecutor(scheduler_tick.THREADS) as pool:
                now = datetime.now(UTC) + timedelta(seconds=after)
                adapters = vendor_accounts.accounts().adapters
                return scheduler_tick.process_all_due(
                    tick_run.TickRun(adapters, pool, now, time.time() + 60, send=self.vendors)
                )

        return int(self._run("tick", "scheduler", work))

    def tick_now(self) -> int:
        """A tick with nothing due."""
        return self.tick(0)

    def read(self, identifier: str, *, batch: bool) -> str:
        """GET of a message or a batch; its status, or a batch's one status."""
        path = f"/{'batches' if batch else 'messages'}/{identifier}"
        event = EVENTS["status"] | {"path": path, "resource": path}
        answer = self._api("status", "status", event)
        return "+".join(answer["counts"]) if batch else str(answer["status"])

    def publish(self, record: dict[str, Any], put: Any) -> None:
        """A change of the table is told to the bus by `put`."""
        done = self._run("publish", "publish_events", lambda: handle_records([record], 120, put))
        if done["batchItemFailures"]:
            raise RuntimeError("a change was not published")

    def live(
        self,
        vendor: str,
        size: int,
        *,
        keyed: bool,
        called: bool,
        most: int,
        times: int = SINGLES,
    ) -> int:
        """A batch of `size`, or `times` single messages, from accept to final; how many messages.
        `called`: the vendor tells each receipt by a call, of which `most` are made; else the
        clock asks. Raises RuntimeError for one that does not arrive."""
        times = times if size == 1 else 1
        answers = [
            self.accept(vendor, size, f"{time.time_ns()}" if keyed else None) for _ in range(times)
        ]
        tasks = self.dispatch(vendor, 1 if size == 1 else 10)
        if called:
            self.callbacks(vendor, tasks, most)
        self.tick()
        for answer in answers:
            whole = size > 1
            name = answer["batch_id"] if whole else answer["messages"][0]["id"]
            status = self.read(name, batch=whole)
            if status != "delivered":
                raise RuntimeError(f"{vendor}: {name} is {status}")
        return times * size


class Waits:
    """How long a function waits for AWS and for vendors, by what each call takes from there: the
    main thread's calls one after the other, and of each pool of threads its longest. No time passes
    here, so that a busy machine waits no longer than an idle one."""

    def __init__(self, assumed: dict[str, Any]) -> None:
        self._assumed = assumed
        self._by_thread: Counter[str] = Counter()

    def note(self, what: str) -> None:
        """A call of this thread, to dynamodb, sqs or a vendor."""
        self._by_thread[current_thread().name] += self._assumed[f"{what}_ms"]

    def taken(self) -> float:
        """Milliseconds since the last time."""
        pools: dict[str, float] = defaultdict(float)
        for name, milliseconds in self._by_thread.items():
            pool = name.rpartition("_")[0] or name
            pools[pool] = max(pools[pool], milliseconds)
        self._by_thread.clear()
        return sum(pools.values())

    @contextmanager
    def of(self, client: Any) -> Iterator[None]:
        """Notes the client's calls within."""
        service = client.meta.service_model.service_name

        def begins(**_: Any) -> None:
            self.note(service)

        client.meta.events.register("provide-client-params", begins)
        try:
            yield
        finally:
            client.meta.events.unregister("provide-client-params", begins)

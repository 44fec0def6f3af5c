"""CPU time a message: each function's handler, warm, with AWS and the vendors answered from memory
at the edge where urllib3 would write to a socket."""

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import util
from itertools import repeat
from linecache import getline
from pathlib import Path
from statistics import median
from types import FrameType, SimpleNamespace
from typing import Any
from unittest.mock import patch

from bench.aws import CALLBACK_KEY, ENVIRONMENT, Memory
from bench.calm import ENOUGH, Samples
from bench.report import Result, Row
from bench.wire import Wire

ROOT = Path(__file__).parent.parent
MANY = 1000
SEVERAL = 100
WARM = 2  # runs of each case that do not count
SPELL, MOST_IN_A_SPELL = 30, 15  # ms of runs one after the other, and how many
LOOKS = 120  # of a profile
MOST_RUNS = 400  # of a case, for its profile
BARE = "an UpdateItem alone, to compare with"
FIRST = {  # numbers that can't be anybody's
    "jst": 911000000001,
    "dinisoft": 8801000000001,
    "rajasms": 628000000001,
    "server2sms": 447700900001,
}
ONE_DISPATCH = 3  # ms, at most
TEXT = "Your table is booked for tonight at eight. Reply to this message to change it."
CONTEXT = SimpleNamespace(
    function_name="bench",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:bench",
    aws_request_id="1",
    get_remaining_time_in_millis=lambda: 110_000,
)
Handler = Callable[[dict[str, Any], Any], Any]


def main() -> Result:
    """Measures."""
    os.environ |= ENVIRONMENT | {
        "AWS_ENDPOINT_URL": "http://aws.example.com",
        "POWERTOOLS_LOG_LEVEL": "INFO",  # as deployed
    }
    bench = Bench(Memory("http://vendors.example.com"))
    cases = [_bare(bench), *_accepts(bench), *_dispatches(bench), *_others(bench)]
    with _quiet():
        for case in cases:
            for _ in range(WARM):
                bench.time(case)
        samples = Samples()
        found = samples.all({case.label: partial(bench.warm, case) for case in cases})
        profiles = [bench.profile(case) for case in cases if case.profiled]
    rows = [Row(one.label, median(found[one.label]), "ms", one.target) for one in cases]
    bare, *others = rows
    ratios = "\n".join(f"| {row.label} | {row.value / bare.value:.3f} |" for row in others)
    compared = f"| a message, in bare UpdateItem calls | |\n|---|--:|\n{ratios}"
    return Result("cpu", "CPU time", rows, "ms", [_note(samples), compared, *profiles])


@contextmanager
def _quiet() -> Iterator[None]:
    """Logs and metrics are made and written, as on Lambda, but not shown."""
    shown = sys.stdout
    with Path(os.devnull).open("w") as nowhere:
        sys.stdout = nowhere
        try:
            yield
        finally:
            sys.stdout = shown


@dataclass(frozen=True, slots=True)
class Case:
    """What is timed: `work` on what `prepare` made, which is so many messages."""

    label: str
    work: Callable[[Any], object]
    prepare: Callable[[], Any]
    messages: int = 1
    target: float | None = None
    profiled: bool = True


class Bench:
    """The functions' handlers over one memory."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.wire = Wire(memory)
        self._handlers: dict[str, Handler] = {}
        memory.answers = {
            "-sms": {"job_id": 4711},
            "/sendtext": {"Status": "0", "Text": "ACCEPTD", "Message_ID": "9000001"},
            "SendTextSMS": {"StatusCode": "1", "StatusInfo": "OK"},
            "send_json.php": _rajasms_takes,
            "DeliveryNotifications": _server2sms_delivered,
        }

    def handle(self, name: str, event: dict[str, Any]) -> Any:
        """Invokes a function."""
        if name not in self._handlers:
            path = ROOT / "functions" / name / "app.py"
            spec = util.spec_from_file_location(f"bench_{name}", path)
            assert spec is not None and spec.loader is not None  # noqa: S101, PT018 - for the type checker
            module = util.module_from_spec(spec)
            spec.loader.exec_module(module)
            self._handlers[name] = module.handler
        return self._handlers[name](event, CONTEXT)

    def send(self, body: dict[str, Any], key: str | None = None) -> list[str]:
        """Accepts a send through the function; the messages' ids."""
        answer = self.handle("send", api("POST", "/messages", json.dumps(body), key))
        if answer["statusCode"] != 202:
            raise RuntimeError(f"not accepted: {answer['body'][:300]}")
        return [one["id"] for one in json.loads(answer["body"])["messages"]]

    def submit(self, tasks: Sequence[str]) -> None:
        """Dispatches queued tasks in one invocation for each ten, as the event source does."""
        for start in range(0, len(tasks), 10):
            records = [
                {"messageId": str(n), "body": task, "attributes": {"MessageGroupId": "acme"}}
                for n, task in enumerate(tasks[start : start + 10])
            ]
            if self.handle("dispatch", {"Records": records})["batchItemFailures"]:
                raise RuntimeError("not dispatched")

    def empty(self) -> None:
        """Forgets what is stored and queued."""
        self.memory.partitions.clear()
        self.memory.queued.clear()

    def time(self, case: Case) -> float:
        """The CPU time a message of one run, in ms."""
        self.empty()
        given = case.prepare()
        answering, started = self.wire.spent, time.process_time()
        case.work(given)
        spent = time.process_time() - started - (self.wire.spent - answering)
        return 1000 * spent / case.messages

    def warm(self, case: Case) -> float:
        """The CPU time a message, in ms, of a function that has just done the same: the middle of
        some runs one after the other."""
        taken: list[float] = []
        while sum(taken) * case.messages < SPELL and len(taken) < MOST_IN_A_SPELL:
            taken.append(self.time(case))
        return median(taken)

    def profile(self, case: Case) -> str:
        """The five dearest lines of ours, each with what it calls."""
        lines: Counter[str] = Counter()
        with _looked_at(lines) as looked:
            for _ in range(MOST_RUNS):
                self.empty()
                given = case.prepare()
                looked.on = True
                case.work(given)
                looked.on = False
                if lines.total() >= LOOKS:
                    break
        total = max(1, lines.total())
        shown = [f"    {count / total:4.0%}  {line}" for line, count in lines.most_common(5)]
        return "\n".join([f"Dearest lines, {case.label}:", "", *shown])


@contextmanager
def _looked_at(lines: Counter[str]) -> Iterator[SimpleNamespace]:
    """Counts which line of ours is at work, each few ms of CPU time, by a signal, while `on` of
    what it yields is true. Python gives signals to the main thread alone, so that pools of threads
    do their work there meanwhile. The clock runs through from one run to the next, or it would
    always strike the end of a short one."""
    looked = SimpleNamespace(on=False)

    def look(_signal: int, frame: FrameType | None) -> None:
        if looked.on and frame is not None and (line := _ours(frame)):
            lines[line] += 1

    def submit(_pool: object, work: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*args, **named))
        except Exception as error:  # whoever asks for the result gets it
            done.set_exception(error)
        return done

    before = signal.signal(signal.SIGPROF, look)
    with patch.object(ThreadPoolExecutor, "submit", submit):
        signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
        try:
            yield looked
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)


def _ours(innermost: FrameType) -> str | None:
    frame: FrameType | None = innermost
    while frame is not None:
        name = frame.f_code.co_filename
        if "/bench/" in name and name != __file__:
            return None  # answers
        if "/sms_gateway/" in name or "/functions/" in name:
            source = getline(name, frame.f_lineno).strip()
            return f"{Path(name).name}:{frame.f_lineno} {source[:70]}"
        frame = frame.f_back
    return None


def api(method: str, path: str, body: str | None = None, key: str | None = None) -> dict[str, Any]:
    """An API Gateway event for a caller with every scope."""
    event: dict[str, Any] = json.loads((ROOT / "events" / "send.json").read_text())
    headers = event["headers"] | ({"Idempotency-Key": key} if key else {})
    return event | {
        "httpMethod": method,
        "path": path,
        "resource": path,
        "body": body,
        "headers": headers,
        "requestContext": {
            **event["requestContext"],
            "authorizer": {"tenant": "acme", "scopes": "messages:send messages:read"},
        },
    }


def numbers(vendor: str, count: int) -> list[str]:
    """Numbers that a vendor carries."""
    return [f"+{FIRST[vendor] + nth}" for nth in range(count)]


def _one(vendor: str) -> dict[str, Any]:
    return {"to": numbers(vendor, 1)[0], "text": TEXT}


def _many(vendor: str, count: int = MANY) -> dict[str, Any]:
    return {"to": numbers(vendor, count), "text": TEXT}


def _bare(bench: Bench) -> Case:
    """What one call of the table takes, over the same wire: figures beside it say how many calls'
    worth they are, which holds from machine to machine."""
    from sms_gateway.storage import dynamodb

    def update(_given: object) -> None:
        dynamodb.client().update_item(
            TableName=dynamodb.table_name(),
            Key={"pk": {"S": "01JB2QK8W3Z5Y7X9V1T4R6P8N0"}, "sk": {"S": "M#000"}},
            UpdateExpression="SET changed = :changed",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeValues={":changed": {"N": "1"}},
            ReturnValues="ALL_NEW",
        )

    return Case(BARE, update, lambda: None, profiled=False)


def _accepts(bench: Bench) -> Iterator[Case]:
    plain = api("POST", "/messages", json.dumps(_one("dinisoft")))
    keyed = api("POST", "/messages", json.dumps(_one("dinisoft")), "order-1")
    own = [{"to": to, "text": f"{TEXT} {to}"} for to in numbers("rajasms", MANY)]

    def accept(event: dict[str, Any]) -> None:
        if bench.handle("send", event)["statusCode"] != 202:
            raise RuntimeError("not accepted")

    yield Case("accept, 1", accept, lambda: plain, target=6)
    yield Case("accept, 1 with an Idempotency-Key", accept, lambda: keyed, target=6, profiled=False)
    for label, body in (
        ("accept, 1,000, one text", _many("rajasms")),
        ("accept, 1,000, each its own text", {"messages": own}),
    ):
        events = repeat(api("POST", "/messages", json.dumps(body)))
        yield Case(label, accept, events.__next__, MANY, 0.25, profiled="one" in label)


def _dispatches(bench: Bench) -> Iterator[Case]:
    def accepted(body: dict[str, Any]) -> Callable[[], list[str]]:
        def prepare() -> list[str]:
            bench.send(body)
            return list(bench.memory.queued)

        return prepare

    single = accepted(_one("dinisoft"))
    yield Case("dispatch, Dinisoft, 1", bench.submit, single, target=ONE_DISPATCH)
    for vendor, label in (
        ("rajasms", "RajaSMS"),
        ("jst", "JST"),
        ("server2sms", "server2sms"),
        ("dinisoft", "Dinisoft"),
    ):
        yield Case(
            f"dispatch, {label}, 1,000",
            bench.submit,
            accepted(_many(vendor)),
            MANY,
            # Dinisoft takes one recipient a call, so that each message is a call over HTTP.
            ONE_DISPATCH if vendor == "dinisoft" else 0.25,
        )


def _others(bench: Bench) -> Iterator[Case]:
    from sms_gateway.receipts.callback_tokens import make_token
    from sms_gateway.storage.models import ItemKey, split_id

    def submitted(vendor: str, count: int) -> list[str]:
        ids = bench.send(_many(vendor, count) if count > 1 else _one(vendor))
        bench.submit(list(bench.memory.queued))
        return ids

    def reported(count: int) -> Callable[[], dict[str, Any]]:
        def prepare() -> dict[str, Any]:
            ids = submitted("rajasms", count)
            found = split_id(ids[0])
            assert found is not None  # noqa: S101 - for the type checker
            subject = ItemKey(found.batch, f"{'S' if count > 1 else 'M'}#000")
            rows = [
                {"sendingid": _sendingid(number[1:]), "number": number[1:], "deliverystatus": "3"}
                for number in numbers("rajasms", count)
            ]
            return api("POST", "/callbacks", json.dumps({"status_respon": rows})) | {
                "pathParameters": {
                    "vendor": "rajasms",
                    "token": make_token("rajasms", subject, CALLBACK_KEY.encode()),
                }
            }

        return prepare

    def hear(event: dict[str, Any]) -> None:
        if bench.handle("callback", event)["statusCode"] != 200:
            raise RuntimeError("callback not taken")
        _delivered(bench)

    yield Case("callback, 1 report", hear, reported(1), target=4)
    yield Case("callback, 100 reports, each", hear, reported(SEVERAL), SEVERAL, 4)

    def tick(_given: object) -> None:
        bench.handle("scheduler", {})
        _delivered(bench)

    def due(count: int) -> Callable[[], None]:
        def prepare() -> None:
            submitted("server2sms", count)
            for items in bench.memory.partitions.values():
                for item in items.values():
                    if "due" in item:
                        item["due"] = {"N": str(int(time.time()) - 1)}

        return prepare

    yield Case("poll, 1 reference, with the whole tick", tick, due(1))
    yield Case("poll, 100 references, each", tick, due(SEVERAL), SEVERAL)

    def read(identifier: str) -> None:
        answer = bench.handle("status", api("GET", f"/messages/{identifier}"))
        if answer["statusCode"] != 200:
            raise RuntimeError("not found")

    alone, among = (lambda: submitted("rajasms", 1)[0]), (lambda: submitted("rajasms", SEVERAL)[50])
    yield Case("status read, batch of one", read, alone)
    yield Case("status read, one of 100", read, among, profiled=False)


def _delivered(bench: Bench) -> None:
    """Raises RuntimeError unless every message stored is delivered, whatever was measured."""
    for items in bench.memory.partitions.values():
        for sort, item in items.items():
            if sort.startswith("M#") and item.get("status", {}).get("S") != "delivered":
                raise RuntimeError("a report did not reach its message")


def _sendingid(number: str) -> int:
    return 1_000_000 + int(number[-6:])


def _rajasms_takes(_path: str, body: bytes) -> Any:
    packets = [
        {
            "packet": {
                "number": one["number"],
                "sendingid": _sendingid(one["number"]),
                "sendingstatus": 10,
                "sendingstatustext": "success",
                "price": 320,
            }
        }
        for one in json.loads(body)["datapacket"]
    ]
    respon = {"globalstatus": 10, "globalstatustext": "Success", "datapacket": packets}
    return {"sending_respon": [respon]}


def _server2sms_delivered(_path: str, body: bytes) -> Any:
    references = json.loads(body)["TransactionReferenceNumbers"].split(";")
    rows = [{"TransactionReferenceNumber": one, "DeliveryStatus": "0"} for one in references]
    return {"StatusCode": "1", "DeliveryNotifications": rows}


def _note(samples: Samples) -> str:
    return (
        "CPU time of the whole process, all threads, for one invocation of a function's own "
        f"handler divided by its messages, at the machine's full speed: the median of {ENOUGH} "
        f"samples, the calmer half of those taken after {WARM} runs that warm up. A sample is the "
        f"middle of up to {MOST_IN_A_SPELL} runs one after the other, multiplied by what part of "
        "its full speed the machine had, by a fixed piece of work right before and after it; "
        f"{samples.speed:.0%} in the middle. Counted: our code, Powertools, botocore "
        "with its signatures, urllib3 down to the bytes of each request and answer, logs, metrics. "
        "Not counted: the kernel's sockets, TLS, and the memory that answers for AWS and the "
        "vendors, whose own CPU time is taken off.\n\n"
        "Dinisoft takes one recipient a call: its 1,000 are 1,000 calls over HTTP, each of them a "
        f"Dinisoft dispatch, and held to that target ({ONE_DISPATCH} ms). The 0.25 ms are for "
        "vendors that take many at once.\n\n"
        "The dearest lines are found by looking each few ms of CPU time which line of ours is at "
        "work, in the main thread, which does the work of the pools meanwhile; a line stands with "
        "all that it calls."
    )

"""CPU time a message: each function's handler, warm, with AWS and the vendors answered from memory
at the edge where urllib3 would write to a socket."""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import util
from itertools import repeat
from linecache import getline
from math import ceil
from pathlib import Path
from statistics import median
from threading import Event, Thread
from types import FrameType, SimpleNamespace
from typing import Any

from bench.aws import CALLBACK_KEY, ENVIRONMENT, Memory
from bench.report import Result, Row
from bench.wire import Wire

ROOT = Path(__file__).parent.parent
MANY = 1000
SEVERAL = 100
ROUNDS = 3  # over all cases: what else the machine does for a while hits few of them in each
SAMPLES = 400  # of a profile
FIRST = {  # numbers that can't be anybody's
    "jst": 911000000001,
    "dinisoft": 8801000000001,
    "rajasms": 628000000001,
    "server2sms": 447700900001,
}
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
    best: dict[str, Row] = {}
    with _quiet():
        for _ in range(ROUNDS):
            for row in (*_accepts(bench), *_dispatches(bench), *_others(bench)):
                best[row.label] = min(row, best.get(row.label, row), key=lambda one: one.value)
        for label, how in bench.profiled.items():
            bench.profile(label, *how)
    return Result("cpu", "CPU time", [*best.values()], "ms", [NOTE, *bench.profiles])


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


class Bench:
    """The functions' handlers over one memory."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.wire = Wire(memory)
        self.profiles: list[str] = []
        self.profiled: dict[str, tuple[Callable[[Any], object], Callable[[], Any]]] = {}
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

    def row(
        self,
        label: str,
        work: Callable[[Any], object],
        prepare: Callable[[], Any],
        repeats: int,
        *,
        messages: int = 1,
        target: float | None = None,
        profile: bool = False,
    ) -> Row:
        """The median CPU time a message of `work` in this round, in ms, which is given what
        `prepare` made."""
        print(f"  {label}", file=sys.stderr, flush=True)
        times = []
        for number in range(ceil(repeats / ROUNDS) + 2):
            self.empty()
            given = prepare()
            answering, started = self.wire.spent, time.process_time()
            work(given)
            spent = time.process_time() - started - (self.wire.spent - answering)
            if number > 1:  # the first ones warm up
                times.append(spent * 1000)
        if profile:
            self.profiled[label] = work, prepare
        return Row(label, median(times) / messages, "ms", target)

    def profile(
        self, label: str, work: Callable[[Any], object], prepare: Callable[[], Any]
    ) -> None:
        """Notes the five dearest lines of ours, each with what it calls."""
        lines: Counter[str] = Counter()
        for _ in range(100):
            self.empty()
            given = prepare()
            with _sampled(lines):
                work(given)
            if lines.total() >= SAMPLES:
                break
        total = max(1, lines.total())
        shown = [f"    {count / total:4.0%}  {line}" for line, count in lines.most_common(5)]
        self.profiles.append("\n".join([f"Dearest lines, {label}:", "", *shown]))


@contextmanager
def _sampled(lines: Counter[str]) -> Iterator[None]:
    """Counts, some thousand times a second, which line of ours each thread that works is in."""
    over = Event()
    switching = sys.getswitchinterval()
    sys.setswitchinterval(0.0001)  # or the sampler would only see lines that let others run

    def sample() -> None:
        while not over.wait(0.0002):
            for frame in list(sys._current_frames().values()):
                if line := _ours(frame):
                    lines[line] += 1

    sampler = Thread(target=sample)
    sampler.start()
    try:
        yield
    finally:
        over.set()
        sampler.join()
        sys.setswitchinterval(switching)


def _ours(innermost: FrameType) -> str | None:
    if innermost.f_code.co_filename.endswith(("/threading.py", "/bench/wire.py", "/bench/aws.py")):
        return None  # waits, or answers
    frame: FrameType | None = innermost
    while frame is not None:
        name = frame.f_code.co_filename
        if "/bench/" in name and name != __file__:
            return None
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


def _accepts(bench: Bench) -> Iterator[Row]:
    plain = api("POST", "/messages", json.dumps(_one("dinisoft")))
    keyed = api("POST", "/messages", json.dumps(_one("dinisoft")), "order-1")
    own = [{"to": to, "text": f"{TEXT} {to}"} for to in numbers("rajasms", MANY)]

    def accept(event: dict[str, Any]) -> None:
        if bench.handle("send", event)["statusCode"] != 202:
            raise RuntimeError("not accepted")

    yield bench.row("accept, 1", accept, lambda: plain, 60, target=6, profile=True)
    yield bench.row("accept, 1 with an Idempotency-Key", accept, lambda: keyed, 60, target=6)
    for label, body in (
        ("accept, 1,000, one text", _many("rajasms")),
        ("accept, 1,000, each its own text", {"messages": own}),
    ):
        events = repeat(api("POST", "/messages", json.dumps(body)))
        yield bench.row(
            label, accept, events.__next__, 7, messages=MANY, target=0.25, profile="one" in label
        )


def _dispatches(bench: Bench) -> Iterator[Row]:
    def accepted(body: dict[str, Any]) -> Callable[[], list[str]]:
        def prepare() -> list[str]:
            bench.send(body)
            return list(bench.memory.queued)

        return prepare

    single = accepted(_one("dinisoft"))
    yield bench.row("dispatch, Dinisoft, 1", bench.submit, single, 60, target=3, profile=True)
    for vendor, label in (
        ("rajasms", "RajaSMS"),
        ("jst", "JST"),
        ("server2sms", "server2sms"),
        ("dinisoft", "Dinisoft"),
    ):
        yield bench.row(
            f"dispatch, {label}, 1,000",
            bench.submit,
            accepted(_many(vendor)),
            5,
            messages=MANY,
            # Dinisoft takes one recipient a call, so that each message is a call over HTTP.
            target=3 if vendor == "dinisoft" else 0.25,
            profile=vendor == "rajasms",
        )


def _others(bench: Bench) -> Iterator[Row]:
    from sms_gateway.records import Key, split_id
    from sms_gateway.tokens import token

    def submitted(vendor: str, count: int) -> list[str]:
        ids = bench.send(_many(vendor, count) if count > 1 else _one(vendor))
        bench.submit(list(bench.memory.queued))
        return ids

    def reported(count: int) -> Callable[[], dict[str, Any]]:
        def prepare() -> dict[str, Any]:
            ids = submitted("rajasms", count)
            found = split_id(ids[0])
            assert found is not None  # noqa: S101 - for the type checker
            subject = Key(found.batch, f"{'S' if count > 1 else 'M'}#000")
            rows = [
                {"sendingid": _sendingid(number[1:]), "number": number[1:], "deliverystatus": "3"}
                for number in numbers("rajasms", count)
            ]
            return api("POST", "/callbacks", json.dumps({"status_respon": rows})) | {
                "pathParameters": {
                    "vendor": "rajasms",
                    "token": token("rajasms", subject, CALLBACK_KEY.encode()),
                }
            }

        return prepare

    def hear(event: dict[str, Any]) -> None:
        if bench.handle("callback", event)["statusCode"] != 200:
            raise RuntimeError("callback not taken")
        _delivered(bench)

    yield bench.row("callback, 1 report", hear, reported(1), 60, target=4, profile=True)
    yield bench.row(
        "callback, 100 reports, each", hear, reported(SEVERAL), 7, messages=SEVERAL, target=4
    )

    def tick(_given: object) -> None:
        bench.handle("poll", {})
        _delivered(bench)

    def due(count: int) -> Callable[[], None]:
        def prepare() -> None:
            submitted("server2sms", count)
            for items in bench.memory.partitions.values():
                for item in items.values():
                    if "due" in item:
                        item["due"] = {"N": str(int(time.time()) - 1)}

        return prepare

    yield bench.row("poll, 1 reference, with the whole tick", tick, due(1), 40)
    yield bench.row(
        "poll, 100 references, each", tick, due(SEVERAL), 7, messages=SEVERAL, profile=True
    )

    def read(identifier: str) -> None:
        answer = bench.handle("status", api("GET", f"/messages/{identifier}"))
        if answer["statusCode"] != 200:
            raise RuntimeError("not found")

    alone, among = (lambda: submitted("rajasms", 1)[0]), (lambda: submitted("rajasms", SEVERAL)[50])
    yield bench.row("status read, batch of one", read, alone, 60)
    yield bench.row("status read, one of 100", read, among, 40)


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


NOTE = (
    "CPU time of the whole process, all threads, for one invocation of a function's own handler "
    "divided by its messages: the least of three rounds' medians, each of 2 to 20 after two that "
    "warm up, since whatever else the machine does only adds to it. Counted: our code, "
    "Powertools, botocore with its signatures, urllib3 down to the bytes of each request and "
    "answer, logs and metrics. Not counted: the kernel's sockets, TLS, and "
    "the memory that answers for AWS and the "
    "vendors, whose own CPU time is taken off."
)

"""Drive the functions' own handlers in this process, over testing/aws.py."""

import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from local.simulators.callbacks import Callback
from local.simulators.registry import vendor_number
from sms_gateway.core.observability import logger
from sms_gateway.vendors.registry import VENDORS
from testing.aws import ENVIRONMENT, Aws
from testing.counting import Meter
from testing.function_url import url_event
from testing.paths import ROOT
from testing.processes import function
from testing.server import Wire

loaded = cache(function)
EVENTS: dict[str, Any] = {
    path.stem: json.loads(path.read_text()) for path in (ROOT / "events").glob("*.json")
}
SCHEDULER = "scheduler"  # the function that runs once a minute
TITLES = {"jst": "JST", "dinisoft": "Dinisoft", "server2sms": "server2sms", "rajasms": "RajaSMS"}
TEXT = "Your order 4711 has left our house and will be with you tomorrow between nine and noon."
CONTEXT = SimpleNamespace(
    function_name="bench",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:bench",
    aws_request_id="1",
    get_remaining_time_in_millis=lambda: 110_000,
)


@dataclass(frozen=True, slots=True)
class Run:
    """One invocation: CPU seconds, and by thread and service how often something was asked."""

    function: str
    cpu: float
    asked: Mapping[tuple[str, str], int]


class Gateway:
    """All functions, AWS and the vendors. `runs` has every invocation since it was cleared."""

    def __init__(self, **environment: str) -> None:
        base = {"AWS_ENDPOINT_URL": "http://aws.example.com", "POWERTOOLS_LOG_LEVEL": "INFO"}
        os.environ |= ENVIRONMENT | base | environment
        self.aws = Aws()
        self.wire = Wire(self.aws.answer)
        self.runs: list[Run] = []
        self.aws.clear()

    def meter(self) -> Meter:
        """Return what counts the calls of the functions' clients, without a share in their time."""
        return Meter(self.aws.peek, ask=True, aside=self.wire.aside)

    def handle(self, name: str, event: Any) -> Any:
        """Invoke a function. Raises RuntimeError when it fails."""
        handler = loaded(name).handler
        self.wire.asked.clear()
        began = self.wire.cpu()
        answer = handler(event, CONTEXT)
        cpu = self.wire.cpu() - began
        self.runs.append(Run(name, cpu, Counter(self.wire.asked)))
        if int(answer.get("statusCode", 200)) >= 300 or answer.get("batchItemFailures"):
            raise RuntimeError(f"{name} failed: {str(answer)[:300]}")
        return answer

    def send(self, body: str, key: str | None = None) -> Any:
        """Accept a send; the answer."""
        event = api("POST", "/messages", body, {"Idempotency-Key": key} if key else {})
        return json.loads(self.handle("send", event)["body"])

    def dispatch(self, at_once: int = 10) -> None:
        """Hand everything queued to its vendor, `at_once` records an invocation.

        Raises RuntimeError when something stays queued.
        """
        for queue in VENDORS:
            while records := self.aws.receive(queue, at_once):
                self.handle("dispatch", {"Records": records})
        if any(self.aws.queues.values()):
            raise RuntimeError("not dispatched")

    def callbacks(self, vendor: str, each: int = 1) -> list[dict[str, Any]]:
        """Return the vendor's calls once all arrived, `each` messages a call where it can."""
        self.aws.vendors.deliver()
        sent = self.aws.vendors.sent()
        groups = [sent[start : start + each] for start in range(0, len(sent), each)]
        notices = self.aws.vendors.vendors[vendor].notices
        # RajaSMS tells of the first message alone, and then of up to a hundred a call.
        return [called(notices([group[0], *group])[-1]) for group in groups]

    def settle(self, vendor: str, *, by_calls: bool) -> int:
        """Let every message arrive, and learn of it by a call for each or from the scheduler.

        Return how many submissions the scheduler checked.
        """
        self.aws.vendors.deliver()
        for event in self.callbacks(vendor) if by_calls else ():
            self.handle("callback", event)
        self.make_due()
        return int(self.handle(SCHEDULER, EVENTS[SCHEDULER])["checked"])

    def make_due(self) -> None:
        """Everything that waits for its time is due now."""
        now = {"N": str(int(time.time()) - 1)}
        waiting = [
            item | {"due": now}
            for items in self.aws.items().values()
            for item in items.values()
            if "due" in item
        ]
        self.aws.put(waiting)

    def read(self, path: str) -> Any:
        """Read a message or a batch."""
        return json.loads(self.handle("status", api("GET", path))["body"])

    def all_delivered(self) -> None:
        """Raise RuntimeError unless every message stored is delivered."""
        for items in self.aws.items().values():
            for sort, item in items.items():
                if sort.startswith("M#") and item.get("status", {}).get("S") != "delivered":
                    raise RuntimeError("a report did not reach its message")


@contextmanager
def quiet() -> Iterator[None]:
    """Let logs and metrics be made and written, as on Lambda, but not be shown."""
    handler: Any = logger.registered_handler
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        before = handler.setStream(nowhere)
        try:
            yield
        finally:
            handler.setStream(before)


def api(
    method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return API Gateway's event for a caller with every scope."""
    event: dict[str, Any] = EVENTS["send"]
    authorizer = {"tenant": "acme", "scopes": "messages:send messages:read"}
    return event | {
        "httpMethod": method,
        "path": path,
        "resource": path,
        "body": body,
        "headers": event["headers"] | (headers or {}),
        "requestContext": event["requestContext"] | {"authorizer": authorizer},
    }


def called(callback: Callback) -> dict[str, Any]:
    """Return a vendor's call as a function URL hands it over."""
    parts = urlsplit(callback.url)
    query = dict(parse_qsl(parts.query))
    return url_event(callback.method, parts.path.removeprefix("/v1"), query, callback.body or None)


def numbers(vendor: str, count: int) -> list[str]:
    """Numbers that a vendor carries."""
    return [vendor_number(vendor, nth) for nth in range(count)]


def body(to: Sequence[str]) -> str:
    """Return a send of one text."""
    return json.dumps({"to": to if len(to) > 1 else to[0], "text": TEXT, "category": "promotional"})


def own_texts(to: Iterable[str]) -> str:
    """Return a send of a text for each."""
    return json.dumps({"messages": [{"to": one, "text": f"{TEXT} {one}"} for one in to]})

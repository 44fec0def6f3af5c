"""Who is told: a customer's server, which takes webhooks, verifies each with the library and
misbehaves on demand, and a listener on the bus."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from local.stack import LocalStack
from testing.deployed import PATIENCE, Api


@dataclass
class Receiver:
    """What came, by path; `answers[path]` is the status that it answers, `pauses[path]` how long
    it takes; a path's secret makes it verify, and answer 401 where that fails. A mute path answers
    no challenge."""

    url: str
    secrets: dict[str, str] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)
    pauses: dict[str, float] = field(default_factory=dict)
    mute: set[str] = field(default_factory=set)
    got: list[tuple[str, float, dict[str, str], Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    begun: Counter[str] = field(default_factory=Counter)

    def at(self, path: str) -> list[dict[str, Any]]:
        """The events that were verified and taken at a path."""
        return [event for where, _, _, event in self.got if where == path]

    def kinds_of(self, path: str, message: str) -> list[str]:
        """What a path was told of one message, in the order of the events' own numbers."""
        found = {
            event["id"]: event
            for event in self.at(path)
            if event["data"].get("message_id") == message
        }
        return [one["type"] for one in sorted(found.values(), key=lambda one: one["sequence"])]

    def take(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """One webhook; the status and the body to answer."""
        self.begun[path] += 1
        time.sleep(self.pauses.get(path, 0))
        status = self.answers.get(path, 204)
        if status >= 300:
            return status, b""
        try:
            event = Webhook(self.secrets[path]).verify(body, headers)
        except WebhookVerificationError as error:
            self.refused.append(str(error))
            return 401, b""
        self.got.append((path, time.monotonic(), headers, event))
        challenge = event["data"].get("challenge")
        if challenge is None or path in self.mute:
            return status, b""
        return 200, json.dumps({"challenge": challenge}).encode()


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = made.take(self.path, dict(self.headers.items()), body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 256

    server = Server(("127.0.0.1", 0), Handler)
    made = Receiver(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


def hook(customer: Api, receiver: Receiver, path: str, **fields: Any) -> dict[str, Any]:
    """Makes a webhook at a path of the receiver, which then verifies what comes and has answered
    the challenge; what it was told before begins anew."""
    answer = customer("POST", "/webhooks", {"url": receiver.url + path, **fields})
    assert answer.status == 201, answer.body
    made: dict[str, Any] = answer.body
    assert made["state"] == "pending"
    receiver.secrets[path] = made["secret"]
    tested = customer("POST", f"/webhooks/{made['id']}/test")
    assert (tested.status, tested.body.get("proven")) == (200, True), tested.body
    receiver.got = [one for one in receiver.got if one[0] != path]
    receiver.begun.pop(path, None)
    return made


def listening(stack: LocalStack) -> Callable[[], list[dict[str, Any]]]:
    """Gives what has come to the bus since."""
    events, sqs = stack.client("events"), stack.client("sqs")
    url = sqs.create_queue(QueueName="seen")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    name = stack.facts["bus"]
    pattern = json.dumps({"source": ["sms-gateway"]})
    events.put_rule(Name="all", EventBusName=name, EventPattern=pattern)
    events.put_targets(
        Rule="all", EventBusName=name, Targets=[{"Id": "seen", "Arn": arn["QueueArn"]}]
    )
    seen: list[dict[str, Any]] = []

    def read() -> list[dict[str, Any]]:
        while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for one in found:
                seen.append(json.loads(one["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
        return seen

    return read


def until(reached: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Waits until something is so, and returns it."""
    end = time.monotonic() + seconds
    while not (found := reached()):
        assert time.monotonic() < end, "not reached"
        time.sleep(0.2)
    return found

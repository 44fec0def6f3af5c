"""AWS and the vendors of the throughput benchmark, each a process of its own.

They are testing/aws.py over HTTP, each answer after a wait. Below `/_/` stand the benchmark's own
methods, called by bench.worker.ask.
"""

import time
from collections import Counter
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

import msgspec

from testing.aws import Aws, Vendors
from testing.server import Asked, Said, serving

TABLE_WAIT, QUEUE_WAIT, VENDOR_WAIT = 0.005, 0.01, 0.05  # seconds
SPAN = 4.0  # seconds over which the rate of calls is taken


class SlowAws(Aws):
    """AWS, and what an event source does with its queues."""

    def __init__(self) -> None:
        super().__init__()
        self.given: dict[str, tuple[str, str]] = {}  # queue and body, by the message's id
        self.updated: Counter[str] = Counter()  # times that each item was

    def wait(self, asked: Asked) -> float:
        """Return the seconds that a call takes; updates are counted."""
        service, _, name = asked.target.partition(".")
        if name == "UpdateItem":
            key = msgspec.json.decode(asked.body)["Key"]
            self.updated[f"{key['pk']['S']}/{key['sk']['S']}"] += 1
        return {"DynamoDB_20120810": TABLE_WAIT, "AmazonSQS": QUEUE_WAIT}.get(service, 0)

    def forget(self, accounts: dict[str, Any]) -> None:
        """Empty the table and the queues; the vendors' accounts are these."""
        self.clear()
        self.given.clear()
        self.updated.clear()
        self.accounts |= accounts

    def copy(self, batch: str, to: str, queue: str) -> None:
        """Copy a batch's items and queue messages under another id."""
        copied = list(self.items()[batch].values())
        self.put({**item, "pk": {"S": to}} for item in copied)
        waiting = self.queues[queue]
        waiting += [(due, body.replace(batch, to)) for due, body in waiting if batch in body]

    def take(self, queue: str, most: int) -> dict[str, Any]:
        """Return the next records as Lambda's poller does, and how many others there are."""
        left = len(self.queues[queue]) + sum(one == queue for one, _ in self.given.values())
        records = self.receive(queue, most)
        self.given |= {one["messageId"]: (queue, one["body"]) for one in records}
        return {"Records": records, "left": left - len(records)}

    def done(self, messages: Sequence[str]) -> None:
        """Take messages out of their queue."""
        for one in messages:
            del self.given[one]

    def again(self) -> None:
        """Queue again what a dead worker held."""
        for queue, body in self.given.values():
            self.queues[queue].append((0.0, body))
        self.given.clear()

    def got(self, vendor: str) -> dict[str, Any]:
        """Return how many messages of submissions have each status, and how often items changed."""
        found = Counter[str]()
        for items in self.items().values():
            for item in items.values():
                if item.get("vendor", {}).get("S", "").startswith(vendor):
                    found[item["status"]["S"]] += int(item["count"]["N"])
        return {"statuses": found, "updated": self.updated}


class SlowVendors(Vendors):
    """The vendors, and what they took since they were told to forget."""

    def __init__(self) -> None:
        super().__init__()
        self.connections = 0
        self.cpu = time.process_time()

    def wait(self, asked: Asked) -> float:
        """Return the seconds that a call takes; connections are counted."""
        self.connections += asked.nth == 1
        return VENDOR_WAIT

    def forget(self) -> None:
        """Forget all calls."""
        self.state.clear()
        self.connections = 0
        self.mark()

    def mark(self) -> None:
        """Begin to count CPU time."""
        self.cpu = time.process_time()

    def got(self) -> dict[str, Any]:
        """Return what was taken since `forget`, and the CPU time since `mark`."""
        calls = self.state._submissions
        numbers = Counter(message.number for message in self.sent())
        return {
            "messages": numbers.total(),
            "numbers": len(numbers),
            "twice": numbers.total() - len(numbers),
            "even": len(set(numbers.values())) == 1,
            "first": calls[0].at if calls else 0.0,
            "last": calls[-1].at if calls else 0.0,
            "connections": self.connections,
            "cpu": time.process_time() - self.cpu,
        }

    def busiest(self) -> float:
        """Return the most messages a second in any SPAN that begins with a call."""
        calls = [(one.at, len(one.messages)) for one in self.state._submissions]
        spans = (sum(n for at, n in calls if 0 <= at - start < SPAN) for start, _ in calls)
        return max(spans, default=0) / SPAN


def serve(pipe: Connection, name: str) -> None:
    """Serve `aws` or `vendors` until the pipe is shut; its other end is sent the address."""
    server = SlowAws() if name == "aws" else SlowVendors()

    def answer(asked: Asked) -> Said:
        if asked.path.startswith("/_/"):
            method = getattr(server, asked.path.removeprefix("/_/"))
            return Said(msgspec.json.encode(method(**msgspec.json.decode(asked.body))))
        return server.answer(asked)._replace(wait=server.wait(asked))

    with serving(answer) as address:
        pipe.send(address)
        pipe.poll(None)

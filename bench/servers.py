"""AWS and the vendors of the throughput benchmark, each a process of its own.

They are testing/aws.py over HTTP, each answer after a wait. Paths that begin with `/_` are the
benchmark's.

python -m bench.servers aws|vendors
"""

import asyncio
import sys
import time
from collections import Counter, deque
from typing import Any

import msgspec

from testing.aws import ENVIRONMENT, LATER, Aws, Vendors
from testing.server import Asked, Said, serve

TABLE_WAIT, QUEUE_WAIT, VENDOR_WAIT = 0.005, 0.01, 0.05  # seconds
SPAN = 4.0  # seconds over which the rate of calls is taken
NAME = ENVIRONMENT["TABLE_NAME"]


class SlowAws(Aws):
    """AWS, and what an event source does with its queues."""

    def __init__(self) -> None:
        super().__init__()
        self.given: dict[str, tuple[str, str]] = {}  # queue and body, by the message's id
        self.updated: Counter[str] = Counter()  # times that each item was

    def answer(self, asked: Asked) -> Said:
        """AWS's answer to a request, or the benchmark's."""
        if asked.path.startswith("/_"):
            return Said(msgspec.json.encode(self.control(asked)))
        service, _, name = asked.target.partition(".")
        if name == "UpdateItem":
            key = msgspec.json.decode(asked.body)["Key"]
            self.updated[f"{key['pk']['S']}/{key['sk']['S']}"] += 1
        wait = {"DynamoDB_20120810": TABLE_WAIT, "AmazonSQS": QUEUE_WAIT}.get(service, 0)
        return super().answer(asked)._replace(wait=wait)

    def control(self, asked: Asked) -> Any:
        """Return the benchmark's own routes."""
        match asked.path, asked.fields:
            case "/_forget", _:
                self.clear()
                self.given.clear()
                self.updated.clear()
                self.accounts |= msgspec.json.decode(asked.body)
            case "/_copy", {"batch": batch, "to": other, "queue": queue}:
                copied = list(self.items()[batch].values())
                self.put({**item, "pk": {"S": other}} for item in copied)
                waiting = self.queues[queue]
                waiting += [
                    (due, body.replace(batch, other)) for due, body in waiting if batch in body
                ]
            case "/_receive", {"queue": queue, "most": most}:
                left = len(self.queues[queue]) + sum(one == queue for one, _ in self.given.values())
                records = self.receive(queue, int(most))
                self.given |= {one["messageId"]: (queue, one["body"]) for one in records}
                return {"Records": records, "left": left - len(records)}
            case "/_done", _:
                for identifier in msgspec.json.decode(asked.body):
                    del self.given[identifier]
            case "/_again", _:  # what a dead worker held comes again
                for queue, body in self.given.values():
                    self.queues[queue].append((0.0, body))
                self.given.clear()
            case "/_told", {"vendor": vendor}:
                return {"statuses": self.statuses(vendor), "updated": self.updated}
            case _:
                raise ValueError(f"no such route: {asked.path}")
        return {}

    def statuses(self, vendor: str) -> Counter[str]:
        """How many messages of submissions have each status."""
        found = Counter[str]()
        for items in self.items().values():
            for item in items.values():
                if item.get("vendor", {}).get("S", "").startswith(vendor):
                    found[item["status"]["S"]] += int(item["count"]["N"])
        return found


class SlowVendors(Vendors):
    """The vendors, and what they took since they were told to forget."""

    def __init__(self) -> None:
        super().__init__()
        self.connections = 0
        self.cpu = time.process_time()

    def answer(self, asked: Asked) -> Said:
        """Return a vendor's answer to a request, or the benchmark's."""
        if asked.path == "/_never":
            return Said(b"", wait=LATER)
        if asked.path.startswith("/_"):
            return Said(msgspec.json.encode(self.control(asked)))
        self.connections += asked.nth == 1
        return super().answer(asked)._replace(wait=VENDOR_WAIT)

    def control(self, asked: Asked) -> Any:
        """`/_told`: what was taken since `/_forget`, and the CPU time since `/_mark`."""
        if asked.path == "/_forget":
            self.state.clear()
            self.connections = 0
        if asked.path in ("/_forget", "/_mark"):
            self.cpu = time.process_time()
            return {}
        calls = self.state._submissions
        numbers = Counter(message.number for message in self.sent())
        return {
            "messages": numbers.total(),
            "numbers": len(numbers),
            "twice": numbers.total() - len(numbers),
            "even": len(set(numbers.values())) == 1,
            "first": calls[0].at if calls else 0.0,
            "last": calls[-1].at if calls else 0.0,
            "busiest": self.busiest(),
            "connections": self.connections,
            "cpu": time.process_time() - self.cpu,
        }

    def busiest(self) -> float:
        """Return the most messages a second in any SPAN that begins with a call."""
        most, inside = 0, 0
        span: deque[tuple[float, int]] = deque()
        for one in self.state._submissions:
            span.append((one.at, len(one.messages)))
            inside += len(one.messages)
            while one.at - span[0][0] >= SPAN:
                inside -= span.popleft()[1]
            most = max(most, inside)
        return most / SPAN


if __name__ == "__main__":
    server = SlowAws() if sys.argv[1] == "aws" else SlowVendors()
    asyncio.run(serve(server.answer))

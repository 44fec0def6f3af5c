"""The four vendors for the throughput benchmark: the simulators' own answers, each after a wait.

python -m bench.throughput.vendor <seconds>. Paths that begin with `/_` are the benchmark's.
"""

import asyncio
import sys
import time
from collections import Counter, deque
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from bench.throughput.serving import Asked, Said, serve
from local.simulators.dinisoft import Dinisoft
from local.simulators.jst import Jst
from local.simulators.rajasms import RajaSms
from local.simulators.server2sms import Server2Sms
from local.simulators.state import State
from local.simulators.vendor import Request, Vendor

SPAN = 4.0  # seconds over which the rate of calls is taken
LATER = 86_400.0  # seconds until an outcome: none falls due while the benchmark runs
FORM = b"application/x-www-form-urlencoded"


class Vendors:
    """The four vendors behind one address, with a ledger of what each one took."""

    def __init__(self, wait: float) -> None:
        self.state = State(LATER, "http://127.0.0.1", 0)
        kinds: tuple[type[Vendor], ...] = (Jst, Dinisoft, Server2Sms, RajaSms)
        self.vendors = {kind.name: kind(self.state) for kind in kinds}
        self.wait = wait
        self.connections = 0
        self.cpu = time.process_time()

    def answer(self, asked: Asked) -> Said:
        """The vendor's answer to a request."""
        if asked.path == "/_never":
            return Said(b"", LATER)
        if asked.path.startswith("/_"):
            return Said(msgspec.json.encode(self.control(asked)))
        self.connections += asked.nth == 1
        _, name, rest = asked.path.split("/", 2)
        fields = asked.fields
        if asked.headers.get(b"content-type", b"").startswith(FORM):
            fields.update(parse_qsl(asked.body.decode(), keep_blank_values=True))
        answer = self.vendors[name].answer(Request(asked.method, rest, fields, asked.body))
        return Said(answer.body, self.wait, answer.status, answer.content_type or "text/plain")

    def control(self, asked: Asked) -> dict[str, Any]:
        """`/_told`: what was taken since `/_forget`, and this process's CPU time since `/_mark`."""
        if asked.path == "/_forget":
            self.state.clear()
            self.connections = 0
        if asked.path in ("/_forget", "/_mark"):
            self.cpu = time.process_time()
            return {}
        taken = self.state._submissions
        numbers = Counter(message.number for one in taken for message in one.messages)
        return {
            "calls": len(taken),
            "messages": numbers.total(),
            "numbers": len(numbers),
            "twice": numbers.total() - len(numbers),
            "most": max(numbers.values(), default=0),
            "least": min(numbers.values(), default=0),
            "first": taken[0].at if taken else 0.0,
            "last": taken[-1].at if taken else 0.0,
            "busiest": self._busiest(),
            "connections": self.connections,
            "cpu": time.process_time() - self.cpu,
        }

    def _busiest(self) -> float:
        """The most messages a second in any SPAN that begins with a call."""
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
    vendors = Vendors(float(sys.argv[1]))
    asyncio.run(serve(vendors.answer))

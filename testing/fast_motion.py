"""A vendor's queue, its workers and the scheduler in fast motion, event after event."""

import heapq
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import partial
from typing import Any

import pytest

from sms_gateway.core import timestamps
from testing import gateway as driver
from testing.gateway import Gateway
from testing.lineage import Lineage, of_template
from testing.queues import drained

TICK_SECONDS = 60


class SimulatedDatetime(datetime):
    """A datetime whose present is `time.time()`'s, which FastMotion sets."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "SimulatedDatetime":
        """Return the simulated present."""
        return cls.fromtimestamp(time.time(), tz)


@dataclass
class FastMotion:
    """What happens to a vendor's submissions, at simulated seconds since the beginning.

    `rounds` counts how often each submission is handed to a worker, `lineage` how long its chain
    grows until the scheduler, and no other worker, enqueues it; `left` says when whose call was
    made, `came` in which order they were first handed to a worker. SQS delivers up to `late`
    seconds after a delay is over.
    """

    gateway: Gateway
    vendor: str
    monkeypatch: pytest.MonkeyPatch
    late: float = 1.5
    seed: int = 7
    at: float = 0.0
    rounds: Counter[str] = field(default_factory=Counter)
    lineage: Lineage = field(default_factory=lambda: of_template(with_property=False))
    left: list[tuple[float, str]] = field(default_factory=list)
    came: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._begun = time.time()
        self._thread, self._real_sleep = threading.get_ident(), time.sleep
        self._random = random.Random(self.seed)  # noqa: S311 - no secret
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self.monkeypatch.setattr(time, "time", lambda: self._begun + self.at)
        self.monkeypatch.setattr(time, "sleep", self._sleep)
        # However slow the machine is: nothing may see the real time beside the simulated one.
        self.monkeypatch.setattr(timestamps, "datetime", SimulatedDatetime)
        self.monkeypatch.setattr(driver, "datetime", SimulatedDatetime)

    def plan(self, when: float, what: Callable[[], object]) -> None:
        """Do something at a time, and deliver what it enqueues."""

        def event() -> None:
            what()
            self._deliver("SendFunction")

        heapq.heappush(self._events, (when, next(self._order), event))

    def run(self, until: float) -> None:
        """Run to a time; the scheduler once a minute."""
        for minute in range(int(self.at // TICK_SECONDS) + 1, int(until // TICK_SECONDS) + 1):
            self.plan(minute * TICK_SECONDS, self._tick)
        while self._events and self._events[0][0] <= until:
            when, _, event = heapq.heappop(self._events)
            self.at = when
            event()
        self.at = until

    def _sleep(self, seconds: float) -> None:
        # The emulator's module has a thread that sleeps for a minute and looks, for ever.
        if threading.get_ident() != self._thread:
            self._real_sleep(seconds)
        else:
            self.at += seconds

    def _tick(self) -> None:
        drained(self.vendor)
        self.gateway.tick(0)
        self._deliver("SchedulerFunction")

    def _deliver(self, function: str) -> None:
        for one in drained(self.vendor):
            delay = max(0, one.delayed_until - one.sent_timestamp) / 1000  # 0 if not delayed
            name = one.body.split(" ")[1]
            record = {"messageId": one.id, "body": one.body, "attributes": {}}
            when = self.at + delay + self._random.uniform(0, self.late)
            self._events.append((when, next(self._order), partial(self._work, record, name)))
            self.lineage.sent(function, one.body)
        heapq.heapify(self._events)

    def _work(self, record: dict[str, Any], name: str) -> None:
        if name not in self.rounds:
            self.came.append(name)
        self.rounds[name] += 1
        before = len(self.gateway.wire.sent)
        assert self.gateway.work([record]) == []
        self.left += [(self.at, name)] * (len(self.gateway.wire.sent) - before)
        self._deliver("DispatchFunction")

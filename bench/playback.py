"""Ticks of the clock, recorded with all that DynamoDB answered, and played back to be timed.

What a tick computes hangs on the answers alone. Played back, there is no socket, no waiting and no
other process: a tick takes the same CPU time again and again, to a few per cent.
"""

import gc
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from unittest.mock import patch

from bench.calm import Samples
from bench.wire import Wire
from sms_gateway.aws import clients
from sms_gateway.scheduler import tick, tick_run
from sms_gateway.storage import dynamodb
from sms_gateway.storage.models import ItemKey
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.types import Request, VendorResponse

A_LAP = 50  # calls
LONG = time.time() + 86_400  # when a tick must be over


def no_news(request: Request, timeout: float) -> VendorResponse:
    """The vendor's answer."""
    return VendorResponse(200, b'{"StatusCode": "1", "DeliveryNotifications": null}')


@dataclass(frozen=True, slots=True)
class Recording:
    """A tick: of which table, when it was, and DynamoDB's answers, one after the other."""

    table: str
    now: datetime
    answers: Sequence[bytes]


@dataclass
class Timed:
    """CPU seconds at full speed of a tick's first look, at so many submissions, and of all else up
    to there."""

    rest: float = 0.0
    look: float = 0.0
    looked: int = 0


def record(adapters: Mapping[str, Adapter], now: datetime) -> Recording:
    """Runs a tick up to the end of its first look. Raises RuntimeError when DynamoDB refuses
    something: it could not be played back."""
    answers: list[bytes] = []

    def hear(response_dict: dict[str, Any], **_: Any) -> None:
        if response_dict["status_code"] != 200:
            raise RuntimeError(f"DynamoDB answered {response_dict['status_code']}")
        answers.append(response_dict["body"])

    events = dynamodb.client().meta.events
    events.register("response-received.dynamodb", hear)
    try:
        with _one_look(lambda look: look()):
            _tick(adapters, now)
    finally:
        events.unregister("response-received.dynamodb", hear)
    return Recording(dynamodb.table_name(), now, answers)


class Player:
    """Plays ticks back. From its making on this process reaches nothing over HTTP any more."""

    def __init__(self, adapters: Mapping[str, Adapter], samples: Samples) -> None:
        self._adapters, self._samples = adapters, samples
        clients.reset()
        self._wire = Wire(_Answers(()))

    def play(self, recording: Recording) -> Timed:
        """Times one. Raises RuntimeError when it asks for less or more than was recorded."""
        found, answers = Timed(), _Answers(recording.answers)
        self._wire.memory = answers
        self._wire.times.clear()
        os.environ["TABLE_NAME"] = recording.table

        def timed(look: Any) -> None:
            found.rest = watch.taken()
            found.looked = look()
            found.look = watch.taken()

        events = dynamodb.client().meta.events
        gc.collect()
        gc.disable()  # collected between ticks, or it strikes one of them by chance
        watch = _Watch(self._samples, self._wire)
        events.register("before-call.dynamodb", watch.called)
        try:
            with _one_look(timed):
                _tick(self._adapters, recording.now)
            found.rest += watch.taken()
        finally:
            events.unregister("before-call.dynamodb", watch.called)
            gc.enable()
        if answers.left:
            raise RuntimeError(f"{answers.left} answers were not asked for")
        return found


def _tick(adapters: Mapping[str, Adapter], now: datetime) -> None:
    """In one thread: several would wait for each other, and ask in another order each time."""
    with ThreadPoolExecutor(1) as pool, patch.object(dynamodb, "WRITERS", 1):
        tick.process_all_due(tick_run.TickRun(adapters, pool, now, LONG, send=no_news))


@contextmanager
def _one_look(around: Any) -> Iterator[None]:
    """Ticks end with their first look, which `around` makes; it answers how many were looked at."""
    look_at = tick.process_due

    def once(run: tick_run.TickRun, keys: Sequence[ItemKey]) -> None:
        def look() -> int:
            look_at(run, keys)
            return run.processed

        around(look)
        run.until = 0  # the rest is still due

    with patch.object(tick, "look_at", once):
        yield


class _Answers:
    """Stands for AWS: says what it said, whatever is asked."""

    def __init__(self, answers: Sequence[bytes]) -> None:
        self._answers, self.left = iter(answers), len(answers)

    def answer(self, target: str, path: str, body: bytes) -> bytes:
        """The next answer."""
        self.left -= 1
        said = next(self._answers, None)
        if said is None:
            raise RuntimeError("more is asked for than was recorded")
        return said


class _Watch:
    """Adds up CPU time, without what answering took, in short laps, each as it would be at the
    machine's full speed: a phase in which that is slower is as short as a lap."""

    def __init__(self, samples: Samples, wire: Wire) -> None:
        self._samples, self._wire, self._before = samples, wire, samples.look()
        self._total, self._calls = 0.0, 0
        self._began = self._now()

    def _now(self) -> float:
        return time.process_time() - self._wire.spent

    def taken(self) -> float:
        """CPU seconds since the last time."""
        self._lap()
        total, self._total = self._total, 0.0
        return total

    def called(self, **_: Any) -> None:
        """Before a call of the table: some of them make a lap."""
        self._calls += 1
        if self._calls % A_LAP == 0:
            self._lap()

    def _lap(self) -> None:
        cpu, after = self._now() - self._began, self._samples.look()
        self._total += cpu * self._samples.full((self._before + after) / 2)
        self._before, self._began = after, self._now()

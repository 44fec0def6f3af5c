"""CPU times of a machine that runs at its full speed, or none.

A shared host has phases, of seconds or minutes, in which everything takes half as long again or
twice: another guest's work on the same core is enough, and CPU time shows it as our own. Therefore
a fixed piece of work, the reference, is timed right before and right after every sample, and a
sample counts only if both were about as fast as the reference ever was in this process. What the
sample itself took has no say in that.
"""

import hmac
import json
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from heapq import nsmallest
from typing import Any

WINDOW = 1.1  # times the fastest that the reference may take beside a sample that counts
ENOUGH = 7  # samples that count
LEARNED = 100  # references that are run before anything is measured
FREAKS = 2  # of the fastest references are not believed
LIMIT = 90.0  # seconds
LONGEST = 2.0  # seconds that a sample waits for a calm moment
PAUSE = 0.02  # seconds

_BODY = {"messages": [{"to": f"+44770090{n:04d}", "text": "Your order", "n": n} for n in range(40)]}


class NotCalmError(Exception):
    """Too few samples were taken at full speed before the time was over."""


def reference() -> float:
    """CPU seconds of the reference: some milliseconds of JSON, HMAC and dictionaries."""
    began = time.thread_time()
    for nth in range(70):
        written = json.dumps(_BODY)
        digest = hmac.digest(b"0" * 32, written.encode(), "sha256").hex()
        found: dict[str, Any] = {one["to"]: one for one in json.loads(written)["messages"]}
        found[digest] = nth
    return time.thread_time() - began


@dataclass(frozen=True, slots=True)
class Sample:
    """A measured value, and the slower of the references before and after it."""

    value: float
    beside: float


class Samples:
    """Samples by what they are of. `limit` is how many seconds the taking may last; when it is over
    everything is begun anew once, since a machine that was fast for a moment may be slow, and
    steady, for the next minutes."""

    def __init__(self, limit: float = LIMIT, beside: Callable[[], float] = reference) -> None:
        self._limit, self._beside = limit, beside
        self._renewed = False
        self._begin()

    def _begin(self) -> None:
        self._end = time.monotonic() + self._limit
        self._fastest: list[float] = []
        self._taken: dict[Hashable, list[Sample]] = {}
        for _ in range(LEARNED):
            self.look()

    def look(self) -> float:
        """The reference's time just now, in seconds."""
        found = self._beside()
        self._fastest = nsmallest(FREAKS + 1, [*self._fastest, found])
        return found

    def take(self, what: Hashable, work: Callable[[], float]) -> None:
        """Adds the value that `work` answers."""
        before = self.wait()
        value = work()
        self.add(what, value, before, self.look())

    def wait(self) -> float:
        """The reference's time at the next calm moment, or when none came for a while."""
        until = min(time.monotonic() + LONGEST, self._end)
        while not self.calm(found := self.look()) and time.monotonic() < until:
            time.sleep(PAUSE)
        return found

    def add(self, what: Hashable, value: float, before: float, after: float) -> None:
        """Adds a value that was measured between two looks."""
        self._taken.setdefault(what, []).append(Sample(value, max(before, after)))

    def calm(self, beside: float) -> bool:
        """Whether a reference of so many seconds is one of the machine at full speed."""
        return beside <= WINDOW * self._fastest[-1]

    def kept(self, what: Hashable) -> list[float]:
        """The values that count, as far as one can tell until now."""
        return [one.value for one in self._taken.get(what, ()) if self.calm(one.beside)]

    def has(self, what: Hashable, count: int = ENOUGH) -> bool:
        """Whether so many count. Raises NotCalmError when they do not and the time is over."""
        kept = len(self.kept(what))
        if kept < count and time.monotonic() > self._end:
            if not self._renewed:
                self._renewed = True
                self._begin()
                return False
            raise NotCalmError(
                f"the machine was not calm: of {len(self._taken.get(what, ()))} samples of "
                f"{what} {kept} count, and {count} are needed; the reference took "
                f"{1000 * self._fastest[-1]:.2f} ms at its fastest"
            )
        return kept >= count

    def of(self, cases: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
        """Takes samples of all cases in turn until enough of each count; those that do. Raises
        NotCalmError."""
        while wanting := [what for what in cases if not self.has(what)]:
            for what in wanting:
                self.take(what, cases[what])
        return {what: self.kept(what) for what in cases}

    @property
    def share(self) -> float:
        """The part of all samples that counts."""
        every = [one for taken in self._taken.values() for one in taken]
        return sum(self.calm(one.beside) for one in every) / max(1, len(every))

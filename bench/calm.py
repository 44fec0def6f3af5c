"""CPU times as they are while the machine runs at its full speed.

A shared host has phases, of moments or minutes, in which everything takes half as long again or
twice: another guest's work on the same core is enough, and CPU time shows it as our own. Therefore
a fixed piece of work, the reference, is timed right before and right after every sample. Of the
samples the calmer half counts, by what the reference took, and each is made shorter by as much as
the reference took longer than at its fastest. What a sample itself took has no say in that.
"""

import hmac
import json
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from heapq import nsmallest
from statistics import median
from typing import Any

ENOUGH = 7  # samples that count
LEARNED = 100  # references that are run before anything is measured
FREAKS = 2  # of the fastest references are not believed

_BODY = {"messages": [{"to": f"+44770090{n:04d}", "text": "Your order", "n": n} for n in range(40)]}


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
    """A CPU time, what was spent waiting besides, and what the references before and after it took
    in the middle."""

    cpu: float
    waited: float
    beside: float


class Samples:
    """Samples by what they are of."""

    def __init__(self, beside: Callable[[], float] = reference) -> None:
        self._beside = beside
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
        """Adds the CPU time that `work` answers."""
        before = self.look()
        cpu = work()
        self.add(what, cpu, before, self.look())

    def add(
        self, what: Hashable, cpu: float, before: float, after: float, waited: float = 0
    ) -> None:
        """Adds a CPU time that was measured between two looks; `waited` is in its unit."""
        self._taken.setdefault(what, []).append(Sample(cpu, waited, (before + after) / 2))

    def has(self, what: Hashable) -> bool:
        """Whether ENOUGH count."""
        return len(self._taken.get(what, ())) >= 2 * ENOUGH

    def of(self, what: Hashable) -> list[float]:
        """The samples that count, as at full speed, with what was waited."""
        taken = sorted(self._taken[what], key=lambda one: one.beside)
        calmer = taken[: (len(taken) + 1) // 2]
        return [one.waited + one.cpu * self.full(one.beside) for one in calmer]

    def full(self, beside: float) -> float:
        """By what a CPU time beside such a reference is multiplied to be one of full speed."""
        return min(1.0, self._fastest[-1] / beside)

    def all(self, cases: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
        """Takes samples of all cases in turn until enough of each count; those that do."""
        while wanting := [what for what in cases if not self.has(what)]:
            for what in wanting:
                self.take(what, cases[what])
        return {what: self.of(what) for what in cases}

    @property
    def speed(self) -> float:
        """The machine's speed in the middle of all samples, as a part of its full one."""
        every = [self.full(one.beside) for taken in self._taken.values() for one in taken]
        return median(every)

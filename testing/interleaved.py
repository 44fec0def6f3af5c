"""Threads whose calls of DynamoDB come in an order that a seed chooses."""

import random
import threading
from collections.abc import Callable, Sequence
from typing import Any

from sms_gateway.storage import dynamodb


class Turns:
    """Each thread waits before a call until all others wait too, and one is chosen."""

    def __init__(self, seed: int, count: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - an order, no secret
        self._alive, self._waiting = count, set[int]()
        self._chosen: int | None = None
        self._changed = threading.Condition()
        self._own = threading.local()

    def begin(self, nth: int) -> None:
        """Name the calling thread."""
        self._own.nth = nth

    def wait(self, **_: Any) -> None:
        """Wait for the turn, as a hook on a call."""
        with self._changed:
            self._waiting.add(self._own.nth)
            self._choose()
            self._changed.wait_for(lambda: self._chosen == self._own.nth)
            self._waiting.remove(self._own.nth)
            self._chosen = None

    def end(self) -> None:
        """Call no more."""
        with self._changed:
            self._alive -= 1
            self._choose()

    def _choose(self) -> None:
        if self._chosen is None and self._waiting and len(self._waiting) == self._alive:
            self._chosen = self._random.choice(sorted(self._waiting))
            self._changed.notify_all()


def interleaved[T](seed: int, works: Sequence[Callable[[], T]]) -> list[T]:
    """Do all at once, a thread each; return what each returns."""
    turns, found = Turns(seed, len(works)), dict[int, T]()

    def run(nth: int) -> None:
        turns.begin(nth)
        try:
            found[nth] = works[nth]()
        finally:
            turns.end()

    threads = [threading.Thread(target=run, args=(nth,)) for nth in range(len(works))]
    events = dynamodb.client().meta.events
    events.register_first("before-call.dynamodb", turns.wait)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        events.unregister("before-call.dynamodb", turns.wait)
    return [found[nth] for nth in range(len(works))]

"""Faults on command: which call of which vendor fails, how often, and how."""

import random
import threading
from dataclasses import dataclass

NOT_ACCEPTED = ("refuse", "refuse-temporary", "error", "hang", "reset", "rate-limit")
GARBLED = ("garbage", "html", "empty", "truncated", "wrong-type", "unknown-code")
LOST = ("error-after-accept", "accept-then-hang", "accept-then-reset", "slow")
CALLBACK = ("duplicate-callbacks", "drop-callbacks", "late-callbacks", "reversed-callbacks")
FAULTS = frozenset((*NOT_ACCEPTED, *GARBLED, *LOST, *CALLBACK))

DEFAULT_SECONDS = {"slow": 5.0, "late-callbacks": 5.0}  # a hang lasts until the caller leaves


@dataclass(slots=True)
class Fault:
    """One fault in force: `count` is how often it still strikes, None for no end."""

    id: int
    vendor: str
    fault: str
    operation: str
    count: int | None = None
    probability: float = 1.0
    seconds: float | None = None
    fired: int = 0

    def view(self) -> dict[str, object]:
        """Return the fault as the control routes show it."""
        return {
            "id": self.id,
            "vendor": self.vendor,
            "fault": self.fault,
            "operation": self.operation,
            "count": self.count,
            "probability": self.probability,
            "seconds": self.seconds,
            "fired": self.fired,
        }


class Faults:
    """The faults in force. With a seed and calls in one order the draws are repeatable."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._random = random.Random()  # noqa: S311 - chance for tests, not for secrets
        self._last = 0

    def add(
        self,
        vendor: str,
        fault: str,
        operation: str = "submit",
        count: int | None = None,
        probability: float = 1.0,
        seconds: float | None = None,
    ) -> Fault:
        """Put a fault in force, after those already there."""
        if seconds is None:
            seconds = DEFAULT_SECONDS.get(fault)
        if fault in CALLBACK:
            operation = "callback"
        with self._lock:
            self._last += 1
            entry = Fault(self._last, vendor, fault, operation, count, probability, seconds)
            self._faults.append(entry)
        return entry

    def draw(self, vendor: str, operation: str, *only: str) -> Fault | None:
        """Return the first fault that strikes this call (one of `only`, if any are named)."""
        if not self._faults:
            return None
        with self._lock:
            for fault in self._faults:
                if fault.vendor != vendor or fault.operation != operation:
                    continue
                if only and fault.fault not in only:
                    continue
                if fault.probability < 1 and self._random.random() >= fault.probability:
                    continue
                fault.fired += 1
                if fault.count is not None:
                    fault.count -= 1
                    if fault.count <= 0:
                        self._faults.remove(fault)
                return fault
        return None

    def listed(self) -> list[dict[str, object]]:
        """Return the faults in force, oldest first."""
        with self._lock:
            return [fault.view() for fault in self._faults]

    def clear(self) -> None:
        """End every fault."""
        with self._lock:
            self._faults.clear()

    def seed(self, seed: int) -> None:
        """Restart the chances from `seed`."""
        with self._lock:
            self._random.seed(seed)

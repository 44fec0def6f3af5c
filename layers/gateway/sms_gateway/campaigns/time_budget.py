"""A campaign worker's time, and its position in the file."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from sms_gateway.campaigns.csv_reader import Record

CHUNK_SECONDS = 15.0  # seconds that a chunk may take at most


@dataclass(slots=True)
class TimeBudget:
    """One worker's time until `deadline` (epoch seconds); `stream` is read up to `position`."""

    deadline: float
    stream: Iterator[Record] = field(default_factory=lambda: iter(()))
    position: int = -1

    def has_time_for(self, seconds: float) -> bool:
        """Whether something that takes so long can still be finished."""
        return time.time() + seconds < self.deadline

"""How long a campaign worker may go on, and where it is in the file."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from sms_gateway.campaigns.csv_reader import (
    Record,
)

CHUNK_SECONDS = 15.0  # seconds that a chunk may take at the worst


@dataclass(slots=True)
class TimeBudget:
    """One worker's time: `until` is epoch seconds. `stream` is the file, read up to `at`."""

    until: float
    stream: Iterator[Record] = field(default_factory=lambda: iter(()))
    at: int = -1

    def has_time_for(self, seconds: float) -> bool:
        """Whether something that takes so long can still be finished."""
        return time.time() + seconds < self.until

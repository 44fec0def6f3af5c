"""A record of the table's stream, and what is read beside it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.storage import message_repository
from sms_gateway.storage.models import Batch

Record = Mapping[str, Any]


@dataclass(slots=True)
class ReadContext:
    """What is read beside the stream, once an invocation and not after `until` (monotonic seconds).

    With `full` numbers are not masked and texts are included; `operator` includes the events of no
    tenant.
    """

    full: bool
    operator: bool
    until: float
    batches: dict[str, Batch | None] = field(default_factory=dict)
    checked: set[str] = field(default_factory=set)

    def batch(self, identifier: str) -> Batch | None:
        """Return a batch's shared content; it never changes."""
        if identifier not in self.batches:
            self.check_time()
            self.batches[identifier] = message_repository.find_batch(identifier)
        return self.batches[identifier]

    def check_time(self) -> None:
        """Raise ServiceUnavailableError when no time is left for a read."""
        if time.monotonic() > self.until:
            raise ServiceUnavailableError("There is no time left to read.")


def changed_at(change: Record) -> int:
    """Return when a change was made, in epoch milliseconds."""
    return int(float(change["ApproximateCreationDateTime"]) * 1000)

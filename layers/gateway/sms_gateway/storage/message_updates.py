"""Updates of messages and submissions: their timelines, and conditions on their status."""

from collections.abc import Sequence
from typing import Any, Self

from sms_gateway.core.status import Status
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.items import read_submission, steps
from sms_gateway.storage.models import Entry, Key, Submission

LONGEST_LOG = 40  # steps of a timeline


class MessageUpdate(ItemUpdate):
    """An update of a submission's or a message's item."""

    def __init__(self, key: Key) -> None:
        super().__init__(key)
        self._notes: list[Entry] = []
        self._folded: tuple[Entry, ...] = ()

    def fold(self, log: Sequence[Entry]) -> Self:
        """Rewrites a timeline that has grown long without its middle, for what is noted next: a
        vendor that is down for days must not make every write dearer."""
        if len(log) > LONGEST_LOG:
            # Calls are counted from numbered steps, so a call is not parted from its outcome.
            start, end = 4, len(log) - 8
            while start > 1 and log[start - 1].status == Status.SUBMITTING:
                start -= 1
            while end > start and not log[end].attempt:
                end -= 1
            self._folded = (*log[:start], *log[end:])
        return self

    def note(self, *entries: Entry) -> Self:
        """Adds to the timeline."""
        self._notes += entries
        return self

    def _write_notes(self) -> None:
        if not self._notes:
            return
        log, notes = self._name("log"), self._notes
        if self._folded:
            self._sets.append(f"{log} = {self._value(steps([*self._folded, *notes]))}")
        else:
            empty, more = self._value({"L": []}), self._value(steps(notes))
            self._sets.append(f"{log} = list_append(if_not_exists({log}, {empty}), {more})")
        self._notes, self._folded = [], ()

    def when_open(self, *, or_unknown: bool) -> Self:
        """Only if the item has no status of its own, or an open one."""
        values = [Status.SCHEDULED, Status.ACCEPTED, Status.SUBMITTING, Status.SUBMITTED]
        if or_unknown:
            values.append(Status.UNKNOWN)
        written = ", ".join(self._value({"S": value}) for value in values)
        status = self._name("status")
        self._when.append(f"(attribute_not_exists({status}) OR {status} IN ({written}))")
        return self

    def when_bare(self) -> Self:
        """Only if the item has no status of its own."""
        return self.when_missing("status")

    def request(self) -> Any:
        """The parameters of UpdateItem, but for the table."""
        self._write_notes()
        return super().request()

    def move(self) -> Submission | None:
        """Writes; the submission as it now is, or None when a condition does not hold."""
        item = self.apply()
        return read_submission(item) if item else None

"""Updates of messages and submissions: their timelines, and conditions on their status."""

from collections.abc import Sequence
from typing import Any, Self

from sms_gateway.core.status import Status
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.items import read_submission, timeline_attribute
from sms_gateway.storage.models import ItemKey, Submission, TimelineEntry

MAX_TIMELINE = 40  # steps of a timeline


class MessageUpdate(ItemUpdate):
    """An update of a submission's or a message's item."""

    def __init__(self, key: ItemKey) -> None:
        super().__init__(key)
        self._appended: list[TimelineEntry] = []
        self._truncated: tuple[TimelineEntry, ...] = ()

    def truncate_timeline(self, log: Sequence[TimelineEntry]) -> Self:
        """Rewrites a timeline that has grown long without its middle, for what is noted next: a
        vendor that is down for days must not make every write dearer."""
        if len(log) > MAX_TIMELINE:
            # Calls are counted from numbered steps, so a call is not parted from its outcome.
            start, end = 4, len(log) - 8
            while start > 1 and log[start - 1].status == Status.SUBMITTING:
                start -= 1
            while end > start and not log[end].attempt:
                end -= 1
            self._truncated = (*log[:start], *log[end:])
        return self

    def append_timeline(self, *entries: TimelineEntry) -> Self:
        """Adds to the timeline."""
        self._appended += entries
        return self

    def _write_timeline(self) -> None:
        if not self._appended:
            return
        log, notes = self._name("log"), self._appended
        if self._truncated:
            self._sets.append(
                f"{log} = {self._value(timeline_attribute([*self._truncated, *notes]))}"
            )
        else:
            empty, more = self._value({"L": []}), self._value(timeline_attribute(notes))
            self._sets.append(f"{log} = list_append(if_not_exists({log}, {empty}), {more})")
        self._appended, self._truncated = [], ()

    def if_open(self, *, or_unknown: bool) -> Self:
        """Only if the item has no status of its own, or an open one."""
        values = [Status.SCHEDULED, Status.ACCEPTED, Status.SUBMITTING, Status.SUBMITTED]
        if or_unknown:
            values.append(Status.UNKNOWN)
        written = ", ".join(self._value({"S": value}) for value in values)
        status = self._name("status")
        self._conditions.append(f"(attribute_not_exists({status}) OR {status} IN ({written}))")
        return self

    def if_no_own_status(self) -> Self:
        """Only if the item has no status of its own."""
        return self.if_missing("status")

    def request(self) -> Any:
        """The parameters of UpdateItem, but for the table."""
        self._write_timeline()
        return super().request()

    def apply_to_submission(self) -> Submission | None:
        """Writes; the submission as it now is, or None when a condition does not hold."""
        item = self.apply()
        return read_submission(item) if item else None

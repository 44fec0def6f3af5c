"""Updates of messages and submissions: timelines, and conditions on the status."""

from collections.abc import Sequence
from typing import Any, Self

from sms_gateway.core.status import Status
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.items import read_submission, timeline_attribute
from sms_gateway.storage.models import ItemKey, Submission, TimelineEntry
from sms_gateway.storage.update_expression import Value

MAX_TIMELINE = 40  # steps


class MessageUpdate(ItemUpdate):
    """An update of a submission's or a message's item."""

    def __init__(self, key: ItemKey) -> None:
        super().__init__(key)
        self._appended: list[TimelineEntry] = []
        self._truncated: tuple[TimelineEntry, ...] = ()

    def set(self, attribute: str, value: Value) -> Self:
        """Set an attribute; a final status also forgets the text of an `otp`, which has left.

        Here, and not where messages end: none of these writes can miss it.
        """
        if attribute == "status" and Status(str(value)).final:
            self.remove("sealed", "seed")
        return super().set(attribute, value)

    def truncate_timeline(self, timeline: Sequence[TimelineEntry]) -> Self:
        """Drop the middle of a timeline that has grown long.

        Else a vendor that is down for days makes every write dearer.
        """
        if len(timeline) > MAX_TIMELINE:
            # Attempts are counted from numbered steps: keep a call and its outcome together.
            start, end = 4, len(timeline) - 8
            while start > 1 and timeline[start - 1].status == Status.SUBMITTING:
                start -= 1
            while end > start and not timeline[end].attempt:
                end -= 1
            self._truncated = (*timeline[:start], *timeline[end:])
        return self

    def append_timeline(self, *entries: TimelineEntry) -> Self:
        """Append to the timeline."""
        self._appended += entries
        return self

    def _write_timeline(self) -> None:
        if not self._appended:
            return
        timeline, entries = self._name("timeline"), self._appended
        if self._truncated:
            self._sets.append(
                f"{timeline} = {self._value(timeline_attribute([*self._truncated, *entries]))}"
            )
        else:
            empty, appended = self._value({"L": []}), self._value(timeline_attribute(entries))
            self._sets.append(
                f"{timeline} = list_append(if_not_exists({timeline}, {empty}), {appended})"
            )
        self._appended, self._truncated = [], ()

    def if_open(self, *, or_unknown: bool) -> Self:
        """Require no own status, or an open one."""
        values = [Status.SCHEDULED, Status.ACCEPTED, Status.SUBMITTING, Status.SUBMITTED]
        if or_unknown:
            values.append(Status.UNKNOWN)
        written = ", ".join(self._value({"S": value}) for value in values)
        status = self._name("status")
        self._conditions.append(f"(attribute_not_exists({status}) OR {status} IN ({written}))")
        return self

    def if_no_own_status(self) -> Self:
        """Require no own status."""
        return self.if_missing("status")

    def request(self) -> Any:
        """Return the parameters of UpdateItem, except the table."""
        self._write_timeline()
        return super().request()

    def apply_to_submission(self) -> Submission | None:
        """Write; return the new submission, or None when a condition does not hold."""
        item = self.apply()
        return read_submission(item) if item else None

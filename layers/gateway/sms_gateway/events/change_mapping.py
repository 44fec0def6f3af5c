"""Which events a change of the table means."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from sms_gateway.campaigns import model as campaign
from sms_gateway.core.event import Event, EventType
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.status import Status
from sms_gateway.core.ulids import is_ulid
from sms_gateway.dispatch.circuit_states import CIRCUITS
from sms_gateway.events.builders import (
    batch_event,
    campaign_event,
    message_event,
    verification_event,
)
from sms_gateway.storage import cache, message_repository
from sms_gateway.storage.items import Item, read_message, read_submission
from sms_gateway.storage.message_state import status_of
from sms_gateway.storage.models import Batch, ItemKey, Message, Submission, TimelineEntry

PROBE_SIZE = 10  # messages looked at before a whole batch is
Record = Mapping[str, Any]


class UnreadableChangeError(Exception):
    """A record that would mean no more to anybody later; its text may be shown."""


@dataclass(slots=True)
class ReadContext:
    """What is read besides the stream, once for each delivery and not after `until` (monotonic
    seconds). With `full` numbers are not masked and texts are told; `operator` is who wants events
    that concern no tenant."""

    full: bool
    operator: bool
    until: float
    batches: dict[str, Batch | None] = field(default_factory=dict)
    checked: set[str] = field(default_factory=set)

    def batch(self, identifier: str) -> Batch | None:
        """What a batch's messages share; it never changes."""
        if identifier not in self.batches:
            self.check_time()
            self.batches[identifier] = message_repository.find_batch(identifier)
        return self.batches[identifier]

    def check_time(self) -> None:
        """Raises Unavailable when there is no time for another access of the table."""
        if time.monotonic() > self.until:
            raise ServiceUnavailableError("There is no time left to read.")


def events_of(record: Record, reader: ReadContext) -> Iterator[Event]:
    """The events that one write means. Raises Unavailable when what is needed besides can't be
    read, NotUnderstoodError or whatever else when it can't be understood."""
    change = record["dynamodb"]
    new: Item | None = change.get("NewImage")
    old: Item = change.get("OldImage") or {}
    if new is None:
        return
    partition, sort = new["pk"]["S"], new["sk"]["S"]
    if partition == CIRCUITS:
        if reader.operator:
            yield from _circuit_events(change, old, new)
    elif partition.startswith("BALANCE#"):
        if reader.operator:
            yield from _balance_events(change, old, new)
    elif not is_ulid(partition):
        return
    elif sort == "B":
        yield from _accepted_events(partition, reader)
    elif sort == "V":
        yield from _verification_events(old, new, reader)
    elif sort == "C":
        yield from _campaign_events(change, old, new)
    elif "day" in new and not old:
        sub = read_submission(new)
        yield _message_event(_own_message(sub), sub.status, reader)
    elif "status" in new and new["status"] != old.get("status"):
        yield from _status_change(change, old, new, reader)


def _own_message(sub: Submission) -> tuple[Batch, Message, Sequence[TimelineEntry]]:
    owner, (message,) = message_repository.load_messages(sub)
    return owner, message, sub.timeline


def _accepted_events(identifier: str, reader: ReadContext) -> Iterator[Event]:
    reader.check_time()
    found = message_repository.whole_batch(identifier)
    if found is None:
        return
    owner, every = found
    for message, sub in every:
        first = sub.timeline[0]
        status = Status(first.status)
        yield message_event(owner, message.id, message.content, status, first, full=reader.full)


def _verification_events(old: Item, new: Item, reader: ReadContext) -> Iterator[Event]:
    """A verification whose code was given; `approved` is when (epoch seconds)."""
    if "approved" not in new or "approved" in old:
        return
    told = msgspec.json.decode(new["data"]["S"])
    yield verification_event(
        new["pk"]["S"],
        new["owner"]["S"],
        told["to"],
        told.get("reference"),
        int(new["approved"]["N"]) * 1000,
        full=reader.full,
    )


def _campaign_events(change: Record, old: Item, new: Item) -> Iterator[Event]:
    """A campaign all of whose messages are final. Nothing is told of one whose results a later file
    of the same name took over while they were open, or whose folder is no tenant's."""
    if "final" not in new or "final" in old:
        return
    from sms_gateway.config.api_keys import TENANT  # few changes are a campaign's end

    one = campaign.read_campaign(new)
    if one.tally is None or not TENANT.fullmatch(one.tenant):
        return
    # Of those that are gone already nobody can say more.
    counts = {status: n for status, n in one.tally.counts.items() if status != "gone"}
    if all(Status(status).final for status in counts):
        yield campaign_event(one, counts, _changed_at(change))


def _status_change(change: Record, old: Item, new: Item, reader: ReadContext) -> Iterator[Event]:
    """A status that changed: of one message, or of all of a submission's that have none."""
    status = Status(new["status"]["S"])
    before = Status(old["status"]["S"]) if "status" in old else None
    if not status.final and status is not Status.SUBMITTED:
        return
    key = ItemKey(new["pk"]["S"], new["sk"]["S"])
    if key.sort.startswith("S#"):
        sub = read_submission(new)
        reader.check_time()
        try:
            owner, messages = message_repository.load_messages(sub)
        except LookupError:
            return  # never accepted, so nobody was told of it
        entry = _entry_of(sub.timeline, status, sub.changed)
        for one in messages:
            if _applies_to(one, sub, status, entry):
                yield message_event(owner, one.id, one.content, status, entry, full=reader.full)
    elif "tenant" in new:
        alone = _own_message(read_submission(new))
        owner = alone[0]
        yield _message_event(alone, status, reader)
    else:
        shared = reader.batch(key.batch)
        if shared is None:
            return
        owner, message = shared, read_message(new, shared.shared)
        yield _message_event((owner, message, message.timeline), status, reader)
    if status.final and not (before and before.final):
        yield from _batch_completed(owner, key, status, _changed_at(change), reader)


def _message_event(
    found: tuple[Batch, Message, Sequence[TimelineEntry]], status: Status, reader: ReadContext
) -> Event:
    owner, message, steps = found
    entry = _entry_of(steps, status, 0)
    return message_event(owner, message.id, message.content, status, entry, full=reader.full)


def _entry_of(steps: Sequence[TimelineEntry], status: Status, changed: int) -> TimelineEntry:
    """The step that led to a status."""
    found = next((entry for entry in reversed(steps) if entry.status == status), None)
    return found or TimelineEntry(steps[-1].at if steps else changed * 1000, status, "clock")


def _applies_to(one: Message, sub: Submission, status: Status, entry: TimelineEntry) -> bool:
    """Whether a submission's change was this message's: it had no status of its own then, and in
    a mixed answer its own part of it was acceptance."""
    if status is Status.SUBMITTED:
        offset = one.key.position - sub.key.position
        return sub.result is None or sub.result.verdict(offset) == "A"
    return one.status is None or (bool(one.timeline) and one.timeline[0].at > entry.at)


def _batch_completed(
    owner: Batch, moved: ItemKey, status: Status, at: int, reader: ReadContext
) -> Iterator[Event]:
    """Whether this made a batch complete. Of a batch of several at most a few messages are read
    while one of them is open: those behind this one, since vendors report in order, then the
    first ones; the whole batch is read when none of those is. Several changes may find it complete:
    they tell the same, as of the last of its messages' ends."""
    if owner.count == 1:
        yield batch_event(owner, {status: 1}, at)
        return
    if owner.id in reader.checked:
        return
    for first, limit in ((min(moved.position + 1, 999), PROBE_SIZE), (0, PROBE_SIZE), (0, 1000)):
        reader.check_time()
        if message_repository.has_open_message(owner.id, first, limit):
            reader.checked.add(owner.id)
            return
    reader.check_time()
    found = message_repository.whole_batch(owner.id)
    if found is None:
        return
    counts: Counter[str] = Counter()
    ends = []
    for message, sub in found[1]:
        its = status_of(message, sub)
        counts[its] += 1
        ends.append(
            _entry_of(
                sub.timeline if message.status is None else message.timeline, its, sub.changed
            ).at
        )
        late = sub.status is Status.UNKNOWN and not sub.is_single
        if late and message.key == moved:
            return  # a late receipt: the submission's own end completed the batch, or will
    if all(Status(one).final for one in counts):
        reader.checked.add(owner.id)
        yield batch_event(owner, counts, max(ends))


def _circuit_events(change: Record, old: Item, new: Item) -> Iterator[Event]:
    """A circuit that opened or closed; a try that failed in between opens nothing new."""
    before = old.get("state", {}).get("S", "CLOSED")
    after = new["state"]["S"]
    kind = None
    if after == "OPEN" and before == "CLOSED":
        kind = EventType.OPENED
    elif after == "CLOSED" and before != "CLOSED":
        kind = EventType.CLOSED
    if kind is None:
        return
    vendor = new["sk"]["S"]
    data = {"vendor": vendor, "state": after.lower()}
    yield Event(
        f"circuit-{vendor}-{change['SequenceNumber']}", kind, _changed_at(change), None, data
    )


def _balance_events(change: Record, old: Item, new: Item) -> Iterator[Event]:
    """A balance that fell below what the vendor's account calls low. Raises NotUnderstoodError
    without usable accounts: messages' events don't wait until somebody has mended them."""
    from sms_gateway.config.vendor_accounts import (
        accounts,  # with all vendors, for what comes once an hour
    )

    vendor = new["pk"]["S"].removeprefix("BALANCE#")
    try:
        adapter = accounts().adapters.get(vendor)
    except ServiceUnavailableError:
        raise UnreadableChangeError("the accounts secret is not usable: mend it first") from None
    if adapter is None or adapter.balance_low is None:
        return
    low = Decimal(str(adapter.balance_low))
    known = _amounts(old)
    for product, row in _amounts(new).items():
        before = known.get(product)
        amount = Decimal(row["amount"])
        if amount < low and (before is None or Decimal(before["amount"]) >= low):
            data = {
                "vendor": vendor,
                "product": product,
                "amount": row["amount"],
                "unit": row["unit"],
                "threshold": f"{low:f}",
                "checked_at": row["checked_at"],
            }
            identifier = f"balance-{vendor}-{product or 'all'}-{change['SequenceNumber']}"
            yield Event(identifier, EventType.LOW, _changed_at(change), None, data)


def _amounts(item: Item) -> dict[str | None, dict[str, Any]]:
    rows = cache.read_cached(item)[1] if item else []
    return {row["product"]: row for row in rows if row["amount"] is not None}


def _changed_at(change: Record) -> int:
    return int(float(change["ApproximateCreationDateTime"]) * 1000)

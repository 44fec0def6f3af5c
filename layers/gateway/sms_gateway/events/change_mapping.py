"""Map a change of the table to its events."""

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from sms_gateway.campaigns import items as campaign
from sms_gateway.core.event import Event, EventType
from sms_gateway.core.status import Status
from sms_gateway.core.ulids import is_ulid
from sms_gateway.dispatch.circuit_states import CIRCUITS
from sms_gateway.events.balance_events import balance_events
from sms_gateway.events.builders import (
    batch_event,
    braked_event,
    campaign_event,
    message_event,
    verification_event,
    webhook_disabled_event,
)
from sms_gateway.events.guard_events import guard_events
from sms_gateway.events.quota_events import quota_events
from sms_gateway.events.read_context import ReadContext, Record, changed_at
from sms_gateway.storage import message_repository
from sms_gateway.storage.balances import PREFIX
from sms_gateway.storage.code_counts import PREFIX as COUNTS
from sms_gateway.storage.items import Item, read_message, read_submission
from sms_gateway.storage.message_state import status_of
from sms_gateway.storage.models import Batch, ItemKey, Message, Submission, TimelineEntry
from sms_gateway.storage.quotas import PREFIX as QUOTAS

PROBE_SIZE = 10  # messages read before a whole batch is


def events_of(record: Record, context: ReadContext) -> Iterator[Event]:
    """Yield the events of one write.

    Raises ServiceUnavailableError when a read fails, whatever parsing raises when the change can't
    be read.
    """
    change = record["dynamodb"]
    new: Item | None = change.get("NewImage")
    old: Item = change.get("OldImage") or {}
    if new is None or (not old and "restored" in new):  # told before it was restored
        return
    partition = new["pk"]["S"]
    if is_ulid(partition):
        yield from _tenant_events(change, old, new, context)
    elif partition.startswith("HOOKS#"):
        yield from _webhook_events(partition.removeprefix("HOOKS#"), old, new)
    elif partition.startswith(COUNTS):
        yield from guard_events(old, new, changed_at(change))
    elif partition.startswith(QUOTAS):
        yield from quota_events(old, new)
    elif partition == CIRCUITS and context.operator:
        yield from _circuit_events(change, old, new)
    elif partition.startswith(PREFIX) and new["sk"]["S"] == "CACHE" and context.operator:
        yield from balance_events(old, new)


def _tenant_events(change: Record, old: Item, new: Item, context: ReadContext) -> Iterator[Event]:
    sort = new["sk"]["S"]
    if sort == "B":
        yield from _accepted_events(new["pk"]["S"], context)
    elif sort == "V":
        yield from _verification_events(old, new, context)
    elif sort == "C":
        yield from _campaign_events(change, old, new)
    elif "day" in new and not old and not Status(new["status"]["S"]).final:
        sub = read_submission(new)
        yield _message_event(_single_message(sub), sub.status, context)
    elif "status" in new and new["status"] != old.get("status"):
        yield from _status_change(change, old, new, context)


def _single_message(sub: Submission) -> tuple[Batch, Message, Sequence[TimelineEntry]]:
    batch, (message,) = message_repository.load_messages(sub)
    return batch, message, sub.timeline


def _accepted_events(identifier: str, context: ReadContext) -> Iterator[Event]:
    context.check_time()
    stored = message_repository.whole_batch(identifier)
    if stored is None:
        return
    batch, members = stored
    for message, sub in members:
        first = sub.timeline[0]
        status = Status(first.status)
        yield message_event(batch, message.id, message.content, status, first, full=context.full)


def _verification_events(old: Item, new: Item, context: ReadContext) -> Iterator[Event]:
    """Yield the event of an approved verification; `approved` is epoch seconds."""
    if "approved" not in new or "approved" in old:
        return
    details = msgspec.json.decode(new["data"]["S"])
    yield verification_event(
        new["pk"]["S"],
        new["owner"]["S"],
        details["to"],
        details.get("reference"),
        int(new["approved"]["N"]) * 1000,
        full=context.full,
        test="test" in new,
    )


def _webhook_events(tenant: str, old: Item, new: Item) -> Iterator[Event]:
    """Yield the event of a webhook that was disabled; `disabled_at` is epoch seconds."""
    if "disabled_at" in new and old.get("disabled_at") != new["disabled_at"]:
        at = int(new["disabled_at"]["N"])
        yield webhook_disabled_event(new["sk"]["S"], tenant, new["disabled"]["S"], at)


def _campaign_events(change: Record, old: Item, new: Item) -> Iterator[Event]:
    """Yield the event of a campaign that its brake paused, or whose messages are all final.

    None for a check, for one whose open results a later file of the same name took over, or whose
    folder is no tenant's.
    """
    if "braked" in new and new["braked"] != old.get("braked") and "problem" in new:
        yield braked_event(campaign.read_campaign(new), changed_at(change))
    if "final" not in new or "final" in old:
        return
    from sms_gateway.config.api_keys import TENANT  # saves start-up time: few campaigns end

    ended = campaign.read_campaign(new)
    if ended.only_checks or ended.tally is None or not TENANT.fullmatch(ended.tenant):
        return
    # Messages that are gone already get no more receipts.
    counts = {status: n for status, n in ended.tally.counts.items() if status != "gone"}
    if all(Status(status).final for status in counts):
        yield campaign_event(ended, counts, changed_at(change))


def _status_change(change: Record, old: Item, new: Item, context: ReadContext) -> Iterator[Event]:
    """Yield the events of a changed status: of one message, or of a whole submission."""
    status = Status(new["status"]["S"])
    before = Status(old["status"]["S"]) if "status" in old else None
    if not status.final and status is not Status.SUBMITTED:
        return
    key = ItemKey(new["pk"]["S"], new["sk"]["S"])
    if key.sort.startswith("S#"):
        sub = read_submission(new)
        context.check_time()
        try:
            batch, messages = message_repository.load_messages(sub)
        except LookupError:
            return  # never accepted
        entry = _entry_of(sub.timeline, status, sub.changed)
        for message in messages:
            if _applies_to(message, sub, status, entry):
                yield message_event(
                    batch, message.id, message.content, status, entry, full=context.full
                )
    elif "tenant" in new:
        single = _single_message(read_submission(new))
        batch = single[0]
        yield _message_event(single, status, context)
    else:
        shared = context.batch(key.batch)
        if shared is None:
            return
        batch, message = shared, read_message(new, shared.shared)
        yield _message_event((batch, message, message.timeline), status, context)
    if status.final and not (before and before.final):
        yield from _batch_completed(batch, key, status, changed_at(change), context)


def _message_event(
    stored: tuple[Batch, Message, Sequence[TimelineEntry]], status: Status, context: ReadContext
) -> Event:
    batch, message, timeline = stored
    entry = _entry_of(timeline, status, 0)
    return message_event(batch, message.id, message.content, status, entry, full=context.full)


def _entry_of(timeline: Sequence[TimelineEntry], status: Status, changed: int) -> TimelineEntry:
    """Return the step that led to a status."""
    entry = next((entry for entry in reversed(timeline) if entry.status == status), None)
    return entry or TimelineEntry(timeline[-1].at if timeline else changed * 1000, status, "clock")


def _applies_to(message: Message, sub: Submission, status: Status, entry: TimelineEntry) -> bool:
    """Return whether a submission's change was this message's too.

    It had no status of its own then, and in a mixed result it was accepted.
    """
    if status is Status.SUBMITTED:
        offset = message.key.position - sub.key.position
        return sub.result is None or sub.result.verdict(offset) == "A"
    return message.status is None or (bool(message.timeline) and message.timeline[0].at > entry.at)


def _batch_completed(
    batch: Batch, changed_key: ItemKey, status: Status, at: int, context: ReadContext
) -> Iterator[Event]:
    """Yield the event of a batch that this change completed.

    A few messages are read while one of them is open: those behind this one, since vendors report
    in order, then the first ones; the whole batch only when none of those is. Several changes may
    find it complete: they yield the same event, as of the last message's end.
    """
    if batch.count == 1:
        yield batch_event(batch, {status: 1}, at)
        return
    if batch.id in context.checked:
        return
    for first, limit in (
        (min(changed_key.position + 1, 999), PROBE_SIZE),
        (0, PROBE_SIZE),
        (0, 1000),
    ):
        context.check_time()
        if message_repository.has_open_message(batch.id, first, limit):
            context.checked.add(batch.id)
            return
    context.check_time()
    stored = message_repository.whole_batch(batch.id)
    if stored is None:
        return
    counts: Counter[str] = Counter()
    end_times = []
    for message, sub in stored[1]:
        member_status = status_of(message, sub)
        counts[member_status] += 1
        end_times.append(
            _entry_of(
                sub.timeline if message.status is None else message.timeline,
                member_status,
                sub.changed,
            ).at
        )
        submission_unknown = sub.status is Status.UNKNOWN and not sub.is_single
        if submission_unknown and message.key == changed_key:
            return  # a late receipt: the submission's own end completes the batch
    if all(Status(member).final for member in counts):
        context.checked.add(batch.id)
        yield batch_event(batch, counts, max(end_times))


def _circuit_events(change: Record, old: Item, new: Item) -> Iterator[Event]:
    """Yield the event of a circuit that opened or closed; a failed test call is none."""
    before = old.get("state", {}).get("S", "CLOSED")
    after = new["state"]["S"]
    event_type = None
    if after == "OPEN" and before == "CLOSED":
        event_type = EventType.OPENED
    elif after == "CLOSED" and before != "CLOSED":
        event_type = EventType.CLOSED
    if event_type is None:
        return
    vendor = new["sk"]["S"]
    data = {"vendor": vendor, "state": after.lower()}
    yield Event(
        f"circuit-{vendor}-{change['SequenceNumber']}", event_type, changed_at(change), None, data
    )

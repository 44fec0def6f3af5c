"""Turns changes of the table into events, and hands them to the bus or to webhooks.

One record of the table's stream is one write. A submission's status is its messages' status until
they have their own, so that one record may mean as many events as it has messages: they are read
only then. What could not be handed over comes again with its record and all that stand behind it:
every event is told at least once, under an id that follows from what it tells. A record that
nobody can understand is buried, and what stands behind it goes on.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import PurePath
from typing import Any

import msgspec

from sms_gateway.aws import sqs
from sms_gateway.campaigns import model as campaign
from sms_gateway.core.event import Event, Kind
from sms_gateway.core.observability import count, log
from sms_gateway.core.problems import Unavailable
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import from_ms, rfc3339
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
from sms_gateway.storage.models import Batch, Entry, Key, Message, Submission

READ = 80  # seconds before the end after which no more is read for events
HAND_OVER = 40  # and after which no call is begun: the table's slowest takes 35, SQS's 21
MOST = 5000  # events made before they are handed over; a record may bring 1,000
TOGETHER = 80  # events handed over before anybody looks what was refused
PROBE = 10  # messages looked at before a whole batch is

Record = Mapping[str, Any]
# Hands over events and begins no call after a time in monotonic seconds; the ids of those refused.
Send = Callable[[Sequence[Event], float], set[str]]


class NothingPublishedError(Exception):
    """Not one record of a delivery is done with: all of it comes again, in two parts."""


class NotUnderstoodError(Exception):
    """A record that would mean no more to anybody later; its text may be shown."""


@dataclass(slots=True)
class Reader:
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
            self.in_time()
            self.batches[identifier] = message_repository.batch(identifier)
        return self.batches[identifier]

    def in_time(self) -> None:
        """Raises Unavailable when there is no time for another access of the table."""
        if time.monotonic() > self.until:
            raise Unavailable("There is no time left to read.")


def publish(
    records: Sequence[Record],
    remaining: float,
    send: Send,
    *,
    operator: bool = True,
    tell_buried: bool = False,
) -> dict[str, Any]:
    """Publishes one delivery of the stream within `remaining` seconds, in its order, up to the
    first record whose events could not be handed over: it is the one answered as failed, for the
    stream goes on from there. With `tell_buried` the answer has what was buried too. Raises
    NothingPublishedError when the first one failed."""
    end = time.monotonic() + remaining
    made = _made(records, Reader(os.environ["EVENT_DETAIL"] == "full", operator, end - READ))
    done = _handed_over(made, send, end - HAND_OVER)
    buried: list[str] = []
    for number, fault in enumerate(made[:done]):
        if isinstance(fault, str):
            if time.monotonic() > end - HAND_OVER or not _bury(records[number], fault):
                done = number
                break
            buried.append(_number(records[number]))
    if records and not done:
        raise NothingPublishedError(f"{len(records)} records")
    failed = [_number(record) for record in records[done : done + 1]]
    answer: dict[str, Any] = {"batchItemFailures": [{"itemIdentifier": one} for one in failed]}
    return answer | {"buried": buried} if tell_buried else answer


def _made(records: Sequence[Record], reader: Reader) -> list[list[Event] | str]:
    """The events of each record, or why nobody can understand it; up to the first that can't be
    made into events now."""
    made: list[list[Event] | str] = []
    events = 0
    for record in records:
        if made and (time.monotonic() > reader.until or events >= MOST):
            break
        try:
            one = list(events_of(record, reader))
        except Unavailable as error:
            log.error("not published", extra={"event_id": record.get("eventID"), "why": str(error)})
            break
        except NotUnderstoodError as error:
            made.append(str(error))
        except Exception as error:
            made.append(_where(error))
        else:
            made.append(one)
            events += len(one)
    return made


def _handed_over(made: Sequence[list[Event] | str], send: Send, until: float) -> int:
    """Hands over events in the order of their records; the first record that has one refused, or
    their number. What stands behind a refusal is not told, since it comes again with it."""
    every = [
        (n, one) for n, events in enumerate(made) if isinstance(events, list) for one in events
    ]
    taken = 0
    done = len(made)
    for start in range(0, len(every), TOGETHER):
        some = every[start : start + TOGETHER]
        if time.monotonic() > until:
            done = some[0][0]
            break
        refused = send([one for _, one in some], until)
        taken += sum(one.id not in refused for _, one in some)
        if refused:
            done = min(number for number, one in some if one.id in refused)
            break
    count("EventsPublished", taken)
    return done


def _bury(record: Record, fault: str) -> bool:
    """Puts a record's place in the stream into the dead-letter queue, as Lambda does with those
    that it gives up; whether it is there. Nothing of the record goes with it but its batch."""
    change = record.get("dynamodb", {})
    keys = change.get("Keys") or change.get("NewImage") or {}
    partition = keys.get("pk", {}).get("S", "")
    said = {"event_id": record.get("eventID"), "sequence_number": _number(record), "fault": fault}
    log.error("not understood", extra=said)
    count("PublishFailed")
    try:
        letter = {
            "function": os.environ["AWS_LAMBDA_FUNCTION_NAME"],
            "batch": partition if is_ulid(partition) else None,
            "DDBStreamBatchInfo": {
                "streamArn": record["eventSourceARN"],
                "startSequenceNumber": _number(record),
                "endSequenceNumber": _number(record),
                "approximateArrivalOfFirstRecord": rfc3339(from_ms(_when(change))),
                "batchSize": 1,
            },
        }
        body = msgspec.json.encode(letter).decode()
        sqs.bury(os.environ["STREAM_DEAD_LETTERS"], body, {"reason": fault})
    except Exception as error:
        log.error("not buried", extra={**said, "error": type(error).__name__})
        return False
    return True


def _where(error: Exception) -> str:
    """An error's kind and place, without its text, which may repeat what was read."""
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    file, line = (place.tb_frame.f_code.co_filename, place.tb_lineno) if place else ("?", 0)
    return f"{type(error).__name__} at {PurePath(file).name}:{line}"


def _number(record: Record) -> str:
    return str(record["dynamodb"]["SequenceNumber"])


def events_of(record: Record, reader: Reader) -> Iterator[Event]:
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
            yield from _circuit(change, old, new)
    elif partition.startswith("BALANCE#"):
        if reader.operator:
            yield from _balances(change, old, new)
    elif not is_ulid(partition):
        return
    elif sort == "B":
        yield from _accepted_batch(partition, reader)
    elif sort == "V":
        yield from _approved(old, new, reader)
    elif sort == "C":
        yield from _campaign(change, old, new)
    elif "day" in new and not old:
        sub = read_submission(new)
        yield _told(_alone(sub), sub.status, reader)
    elif "status" in new and new["status"] != old.get("status"):
        yield from _moved(change, old, new, reader)


def _alone(sub: Submission) -> tuple[Batch, Message, Sequence[Entry]]:
    owner, (message,) = message_repository.members(sub)
    return owner, message, sub.log


def _accepted_batch(identifier: str, reader: Reader) -> Iterator[Event]:
    reader.in_time()
    found = message_repository.whole_batch(identifier)
    if found is None:
        return
    owner, every = found
    for message, sub in every:
        first = sub.log[0]
        status = Status(first.status)
        yield message_event(owner, message.id, message.content, status, first, full=reader.full)


def _approved(old: Item, new: Item, reader: Reader) -> Iterator[Event]:
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


def _campaign(change: Record, old: Item, new: Item) -> Iterator[Event]:
    """A campaign all of whose messages are final. Nothing is told of one whose results a later file
    of the same name took over while they were open, or whose folder is no tenant's."""
    if "final" not in new or "final" in old:
        return
    from sms_gateway.config.api_keys import TENANT  # few changes are a campaign's end

    one = campaign.read(new)
    if one.tally is None or not TENANT.fullmatch(one.tenant):
        return
    # Of those that are gone already nobody can say more.
    counts = {status: n for status, n in one.tally.counts.items() if status != "gone"}
    if all(Status(status).final for status in counts):
        yield campaign_event(one, counts, _when(change))


def _moved(change: Record, old: Item, new: Item, reader: Reader) -> Iterator[Event]:
    """A status that changed: of one message, or of all of a submission's that have none."""
    status = Status(new["status"]["S"])
    before = Status(old["status"]["S"]) if "status" in old else None
    if not status.final and status is not Status.SUBMITTED:
        return
    key = Key(new["pk"]["S"], new["sk"]["S"])
    if key.sort.startswith("S#"):
        sub = read_submission(new)
        reader.in_time()
        try:
            owner, messages = message_repository.members(sub)
        except LookupError:
            return  # never accepted, so nobody was told of it
        entry = _step(sub.log, status, sub.changed)
        for one in messages:
            if _concerned(one, sub, status, entry):
                yield message_event(owner, one.id, one.content, status, entry, full=reader.full)
    elif "tenant" in new:
        alone = _alone(read_submission(new))
        owner = alone[0]
        yield _told(alone, status, reader)
    else:
        shared = reader.batch(key.batch)
        if shared is None:
            return
        owner, message = shared, read_message(new, shared.shared)
        yield _told((owner, message, message.log), status, reader)
    if status.final and not (before and before.final):
        yield from _completed(owner, key, status, _when(change), reader)


def _told(found: tuple[Batch, Message, Sequence[Entry]], status: Status, reader: Reader) -> Event:
    owner, message, steps = found
    entry = _step(steps, status, 0)
    return message_event(owner, message.id, message.content, status, entry, full=reader.full)


def _step(steps: Sequence[Entry], status: Status, changed: int) -> Entry:
    """The step that led to a status."""
    found = next((entry for entry in reversed(steps) if entry.status == status), None)
    return found or Entry(steps[-1].at if steps else changed * 1000, status, "clock")


def _concerned(one: Message, sub: Submission, status: Status, entry: Entry) -> bool:
    """Whether a submission's change was this message's: it had no status of its own then, and in
    a mixed answer its own part of it was acceptance."""
    if status is Status.SUBMITTED:
        offset = one.key.position - sub.key.position
        return sub.result is None or sub.result.verdict(offset) == "A"
    return one.status is None or (bool(one.log) and one.log[0].at > entry.at)


def _completed(
    owner: Batch, moved: Key, status: Status, at: int, reader: Reader
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
    for first, limit in ((min(moved.position + 1, 999), PROBE), (0, PROBE), (0, 1000)):
        reader.in_time()
        if message_repository.open_message(owner.id, first, limit):
            reader.checked.add(owner.id)
            return
    reader.in_time()
    found = message_repository.whole_batch(owner.id)
    if found is None:
        return
    counts: Counter[str] = Counter()
    ends = []
    for message, sub in found[1]:
        its = status_of(message, sub)
        counts[its] += 1
        ends.append(_step(sub.log if message.status is None else message.log, its, sub.changed).at)
        late = sub.status is Status.UNKNOWN and not sub.own_item
        if late and message.key == moved:
            return  # a late receipt: the submission's own end completed the batch, or will
    if all(Status(one).final for one in counts):
        reader.checked.add(owner.id)
        yield batch_event(owner, counts, max(ends))


def _circuit(change: Record, old: Item, new: Item) -> Iterator[Event]:
    """A circuit that opened or closed; a try that failed in between opens nothing new."""
    before = old.get("state", {}).get("S", "CLOSED")
    after = new["state"]["S"]
    kind = None
    if after == "OPEN" and before == "CLOSED":
        kind = Kind.OPENED
    elif after == "CLOSED" and before != "CLOSED":
        kind = Kind.CLOSED
    if kind is None:
        return
    vendor = new["sk"]["S"]
    data = {"vendor": vendor, "state": after.lower()}
    yield Event(f"circuit-{vendor}-{change['SequenceNumber']}", kind, _when(change), None, data)


def _balances(change: Record, old: Item, new: Item) -> Iterator[Event]:
    """A balance that fell below what the vendor's account calls low. Raises NotUnderstoodError
    without usable accounts: messages' events don't wait until somebody has mended them."""
    from sms_gateway.config.vendor_accounts import (
        accounts,  # with all vendors, for what comes once an hour
    )

    vendor = new["pk"]["S"].removeprefix("BALANCE#")
    try:
        adapter = accounts().adapters.get(vendor)
    except Unavailable:
        raise NotUnderstoodError("the accounts secret is not usable: mend it first") from None
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
            yield Event(identifier, Kind.LOW, _when(change), None, data)


def _amounts(item: Item) -> dict[str | None, dict[str, Any]]:
    rows = cache.read_kept(item)[1] if item else []
    return {row["product"]: row for row in rows if row["amount"] is not None}


def _when(change: Record) -> int:
    return int(float(change["ApproximateCreationDateTime"]) * 1000)

"""Turns changes of the table into events, and hands them to the bus or to webhooks.

One record of the table's stream is one write. A submission's status is its messages' status until
they have their own, so that one record may mean as many events as it has messages: they are read
only then. What could not be handed over comes again with its record and all that stand behind it:
every event is told at least once, under an id that follows from what it tells. A record that
nobody can understand is buried, and what stands behind it goes on.
"""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Any

import msgspec

from sms_gateway.aws import sqs
from sms_gateway.core.event import Event
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.timestamps import from_ms, rfc3339
from sms_gateway.core.ulids import is_ulid
from sms_gateway.events.change_mapping import (
    ReadContext,
    Record,
    UnreadableChangeError,
    _changed_at,
    events_of,
)

READ_RESERVE_SECONDS = 80  # seconds before the end after which no more is read for events
SEND_RESERVE_SECONDS = (
    40  # and after which no call is begun: the table's slowest takes 35, SQS's 21
)
MAX_EVENTS = 5000  # events made before they are handed over; a record may bring 1,000
EVENTS_PER_SEND = 80  # events handed over before anybody looks what was refused

# Hands over events and begins no call after a time in monotonic seconds; the ids of those refused.
Send = Callable[[Sequence[Event], float], set[str]]


class NothingPublishedError(Exception):
    """Not one record of a delivery is done with: all of it comes again, in two parts."""


def handle_records(
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
    made = _build_events(
        records,
        ReadContext(os.environ["EVENT_DETAIL"] == "full", operator, end - READ_RESERVE_SECONDS),
    )
    done = _send_events(made, send, end - SEND_RESERVE_SECONDS)
    buried: list[str] = []
    for number, fault in enumerate(made[:done]):
        if isinstance(fault, str):
            if time.monotonic() > end - SEND_RESERVE_SECONDS or not _dead_letter(
                records[number], fault
            ):
                done = number
                break
            buried.append(_sequence_number(records[number]))
    if records and not done:
        raise NothingPublishedError(f"{len(records)} records")
    failed = [_sequence_number(record) for record in records[done : done + 1]]
    answer: dict[str, Any] = {"batchItemFailures": [{"itemIdentifier": one} for one in failed]}
    return answer | {"buried": buried} if tell_buried else answer


def _build_events(records: Sequence[Record], reader: ReadContext) -> list[list[Event] | str]:
    """The events of each record, or why nobody can understand it; up to the first that can't be
    made into events now."""
    made: list[list[Event] | str] = []
    events = 0
    for record in records:
        if made and (time.monotonic() > reader.until or events >= MAX_EVENTS):
            break
        try:
            one = list(events_of(record, reader))
        except ServiceUnavailableError as error:
            logger.error(
                "not published", extra={"event_id": record.get("eventID"), "why": str(error)}
            )
            break
        except UnreadableChangeError as error:
            made.append(str(error))
        except Exception as error:
            made.append(_error_place(error))
        else:
            made.append(one)
            events += len(one)
    return made


def _send_events(made: Sequence[list[Event] | str], send: Send, until: float) -> int:
    """Hands over events in the order of their records; the first record that has one refused, or
    their number. What stands behind a refusal is not told, since it comes again with it."""
    every = [
        (n, one) for n, events in enumerate(made) if isinstance(events, list) for one in events
    ]
    taken = 0
    done = len(made)
    for start in range(0, len(every), EVENTS_PER_SEND):
        some = every[start : start + EVENTS_PER_SEND]
        if time.monotonic() > until:
            done = some[0][0]
            break
        refused = send([one for _, one in some], until)
        taken += sum(one.id not in refused for _, one in some)
        if refused:
            done = min(number for number, one in some if one.id in refused)
            break
    increment("EventsPublished", taken)
    return done


def _dead_letter(record: Record, fault: str) -> bool:
    """Puts a record's place in the stream into the dead-letter queue, as Lambda does with those
    that it gives up; whether it is there. Nothing of the record goes with it but its batch."""
    change = record.get("dynamodb", {})
    keys = change.get("Keys") or change.get("NewImage") or {}
    partition = keys.get("pk", {}).get("S", "")
    said = {
        "event_id": record.get("eventID"),
        "sequence_number": _sequence_number(record),
        "fault": fault,
    }
    logger.error("not understood", extra=said)
    increment("PublishFailed")
    try:
        letter = {
            "function": os.environ["AWS_LAMBDA_FUNCTION_NAME"],
            "batch": partition if is_ulid(partition) else None,
            "DDBStreamBatchInfo": {
                "streamArn": record["eventSourceARN"],
                "startSequenceNumber": _sequence_number(record),
                "endSequenceNumber": _sequence_number(record),
                "approximateArrivalOfFirstRecord": rfc3339(from_ms(_changed_at(change))),
                "batchSize": 1,
            },
        }
        body = msgspec.json.encode(letter).decode()
        sqs.send_to_dead_letter_queue(os.environ["STREAM_DEAD_LETTERS"], body, {"reason": fault})
    except Exception as error:
        logger.error("not buried", extra={**said, "error": type(error).__name__})
        return False
    return True


def _error_place(error: Exception) -> str:
    """An error's kind and place, without its text, which may repeat what was read."""
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    file, line = (place.tb_frame.f_code.co_filename, place.tb_lineno) if place else ("?", 0)
    return f"{type(error).__name__} at {PurePath(file).name}:{line}"


def _sequence_number(record: Record) -> str:
    return str(record["dynamodb"]["SequenceNumber"])

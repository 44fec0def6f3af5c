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
from sms_gateway.core.observability import count, log
from sms_gateway.core.problems import Unavailable
from sms_gateway.core.timestamps import from_ms, rfc3339
from sms_gateway.core.ulids import is_ulid
from sms_gateway.events.change_mapping import NotUnderstoodError, Reader, Record, _when, events_of

READ = 80  # seconds before the end after which no more is read for events
HAND_OVER = 40  # and after which no call is begun: the table's slowest takes 35, SQS's 21
MOST = 5000  # events made before they are handed over; a record may bring 1,000
TOGETHER = 80  # events handed over before anybody looks what was refused

# Hands over events and begins no call after a time in monotonic seconds; the ids of those refused.
Send = Callable[[Sequence[Event], float], set[str]]


class NothingPublishedError(Exception):
    """Not one record of a delivery is done with: all of it comes again, in two parts."""


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

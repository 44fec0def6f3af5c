"""Read the table's stream, and send its events to the bus or to webhooks.

A record is one write, and may bring an event for each message of a submission; the messages are
read only then. Events that could not be sent come again with their record and all behind it, so
each is sent at least once, under an id derived from its content. An unreadable record goes to the
dead-letter queue, and the stream goes on.
"""

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from sms_gateway.aws import sqs
from sms_gateway.core.error_places import describe
from sms_gateway.core.event import Event
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.timestamps import from_ms, rfc3339
from sms_gateway.core.ulids import is_ulid
from sms_gateway.events.change_mapping import events_of
from sms_gateway.events.read_context import ReadContext, Record, changed_at

READ_RESERVE_SECONDS = 80  # begin no read of the table later than this before the end
SEND_RESERVE_SECONDS = 40  # begin no call later than this: the table's slowest takes 35, SQS's 21
MAX_EVENTS = 5000  # built before they are sent; a record may bring 1,000
EVENTS_PER_SEND = 80  # sent before refusals are checked

# Send events, begin no call after a time in monotonic seconds; return the ids of those refused.
Send = Callable[[Sequence[Event], float], set[str]]


class NothingPublishedError(Exception):
    """The first record failed: the whole batch comes again, in two parts."""


def handle_records(
    records: Sequence[Record],
    remaining: float,
    send: Send,
    *,
    operator: bool = True,
    report_dead_letters: bool = False,
) -> dict[str, Any]:
    """Publish a batch of the stream, in order, within `remaining` seconds.

    Returns the first record whose events could not be sent as failed: the stream goes on there.
    With `report_dead_letters` the answer lists the dead-lettered records. Raises
    NothingPublishedError when the first record failed.
    """
    end = time.monotonic() + remaining
    built = _build_events(
        records,
        ReadContext(os.environ["EVENT_DETAIL"] == "full", operator, end - READ_RESERVE_SECONDS),
    )
    published = _send_events(built, send, end - SEND_RESERVE_SECONDS)
    dead_lettered: list[str] = []
    for number, result in enumerate(built[:published]):
        if isinstance(result, str):
            if time.monotonic() > end - SEND_RESERVE_SECONDS or not _dead_letter(
                records[number], result
            ):
                published = number
                break
            dead_lettered.append(_sequence_number(records[number]))
    if records and not published:
        raise NothingPublishedError(f"{len(records)} records")
    failed = [_sequence_number(record) for record in records[published : published + 1]]
    response = sqs.partial_batch_response(failed)
    return response | {"dead_lettered": dead_lettered} if report_dead_letters else response


def _build_events(records: Sequence[Record], context: ReadContext) -> list[list[Event] | str]:
    """Build the events of each record, or the reason why it is unreadable.

    Stops at the first record that can't be read now.
    """
    built: list[list[Event] | str] = []
    events = 0
    for record in records:
        if built and (time.monotonic() > context.until or events >= MAX_EVENTS):
            break
        try:
            record_events = list(events_of(record, context))
        except ServiceUnavailableError as error:
            logger.error(
                "change not published", extra={"event_id": record.get("eventID"), "why": str(error)}
            )
            break
        except Exception as error:
            built.append(describe(error))
        else:
            built.append(record_events)
            events += len(record_events)
    return built


def _send_events(built: Sequence[list[Event] | str], send: Send, until: float) -> int:
    """Send events in order; return the first record with one refused, or the number of records.

    Nothing behind a refusal is sent, since it comes again with it.
    """
    numbered = [
        (number, event)
        for number, events in enumerate(built)
        if isinstance(events, list)
        for event in events
    ]
    sent = 0
    published = len(built)
    for start in range(0, len(numbered), EVENTS_PER_SEND):
        page = numbered[start : start + EVENTS_PER_SEND]
        if time.monotonic() > until:
            published = page[0][0]
            break
        refused = send([event for _, event in page], until)
        sent += sum(event.id not in refused for _, event in page)
        if refused:
            published = min(number for number, event in page if event.id in refused)
            break
    increment("EventsPublished", sent)
    return published


def _dead_letter(record: Record, fault: str) -> bool:
    """Send a record's place in the stream to the dead-letter queue, in Lambda's format.

    Returns whether it is there. Of the record's content it holds only the batch.
    """
    change = record.get("dynamodb", {})
    keys = change.get("Keys") or change.get("NewImage") or {}
    partition = keys.get("pk", {}).get("S", "")
    details = {
        "event_id": record.get("eventID"),
        "sequence_number": _sequence_number(record),
        "fault": fault,
    }
    logger.error("change not understood", extra=details)
    increment("PublishFailed")
    try:
        letter = {
            "function": os.environ["AWS_LAMBDA_FUNCTION_NAME"],
            "batch": partition if is_ulid(partition) else None,
            "DDBStreamBatchInfo": {
                "streamArn": record["eventSourceARN"],
                "startSequenceNumber": _sequence_number(record),
                "endSequenceNumber": _sequence_number(record),
                "approximateArrivalOfFirstRecord": rfc3339(from_ms(changed_at(change))),
                "batchSize": 1,
            },
        }
        body = msgspec.json.encode(letter).decode()
        sqs.send_to_dead_letter_queue(os.environ["STREAM_DEAD_LETTERS"], body, {"reason": fault})
    except Exception as error:
        logger.error("dead letter not sent", extra={**details, "error": type(error).__name__})
        return False
    return True


def _sequence_number(record: Record) -> str:
    return str(record["dynamodb"]["SequenceNumber"])

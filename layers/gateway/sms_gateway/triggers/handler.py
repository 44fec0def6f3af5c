"""Handle triggered sends: accept them, or send them to the trigger's dead-letter queue.

A send that is refused for good becomes a dead letter with the reason among its attributes. A
retryable problem is raised, so that AWS delivers the trigger again.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from sms_gateway.aws import sqs
from sms_gateway.core.error_places import describe
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import GatewayError, InvalidRequestError
from sms_gateway.core.timestamps import utc_now
from sms_gateway.messages.send import send
from sms_gateway.triggers.request import TriggeredSend, encode_json, one_line, one_line_reason
from sms_gateway.triggers.settings import TriggerSources, sources
from sms_gateway.triggers.sqs import KEY, ONLY, SOURCE, own_key

Parse = Callable[[TriggerSources], TriggeredSend]
ParseRecord = Callable[[Mapping[str, Any], TriggerSources], TriggeredSend]

INDEXES = re.compile(r"[0-9]{1,3}(,[0-9]{1,3})*")
MAX_DETAIL_LENGTH = 150  # characters; a dead letter with a thousand recipients must fit into SQS


def handle(
    trigger: str,
    payload: str,
    parse: Parse,
    attributes: Mapping[str, str] | None = None,
    only: str = "",
) -> None:
    """Send what `parse` makes of a payload, or send the payload to the dead-letter queue.

    The dead letter has `attributes` beside the reason. With `only` (recipients' indexes, separated
    by commas) send to no others: these were refused when the others were sent. Raise a retryable
    GatewayError.
    """
    body_pointer = ""
    try:
        triggered = parse(sources())
        body_pointer = triggered.body_pointer
        answer = _send(triggered, only)
    except GatewayError as problem:
        if problem.to_dict()["retryable"]:
            increment("TriggerWaiting", trigger=trigger)
            raise
        _dead_letter(trigger, payload, problem, body_pointer, attributes or {})
        return
    logger.info(
        "trigger accepted",
        extra={
            "trigger": trigger,
            "key": triggered.log_key or triggered.key,
            "batch": answer["batch_id"],
        },
    )
    if answer["rejected"]:
        _dead_letter_rejected(trigger, payload, answer, attributes or {})


def _send(triggered: TriggeredSend, only: str) -> dict[str, Any]:
    source, body, key = triggered.source, triggered.body, triggered.key
    if not only:
        return send(source.tenant, body, utc_now(), key, source.defaults)
    if not INDEXES.fullmatch(only):
        raise InvalidRequestError("`only` must be indexes of recipients, with commas between them.")
    # The first send's key has an answer, in which these recipients were refused.
    key = f"only/{sha256(f'{only} {key}'.encode()).hexdigest()}"
    indexes = set(map(int, only.split(",")))
    return send(source.tenant, body, utc_now(), key, source.defaults, indexes)


def _dead_letter(
    trigger: str,
    payload: str,
    problem: GatewayError,
    body_pointer: str,
    attributes: Mapping[str, str],
) -> None:
    reason = {"problem": problem.slug, "reason": one_line_reason(problem)}
    if pointer := body_pointer + (problem.pointer or ""):
        reason["pointer"] = pointer
    labels = {"trigger": trigger, **reason}
    sqs.send_to_dead_letter_queue(os.environ["DEAD_LETTERS"], payload, {**labels, **attributes})
    logger.error("trigger refused", extra=labels)
    increment("TriggerRefused", trigger=trigger)


def _dead_letter_rejected(
    trigger: str, payload: str, answer: Mapping[str, Any], attributes: Mapping[str, str]
) -> None:
    """Send the recipients that were rejected while others were sent to the dead-letter queue.

    For the retryable ones that is the payload, to be redriven for them alone; for the others only
    their indexes and problems.
    """
    batch = answer["batch_id"]
    retryable: list[Mapping[str, Any]] = []
    final: list[Mapping[str, Any]] = []
    for rejected in answer["rejected"]:
        problem = rejected["problem"]
        (retryable if problem["retryable"] else final).append(rejected)
        logger.error(
            "trigger recipient rejected",
            extra={
                "trigger": trigger,
                "batch": batch,
                "index": rejected["index"],
                "problem": problem["type"],
                "reason": problem["detail"],
            },
        )
    increment("TriggerRecipientsRejected", len(answer["rejected"]), trigger=trigger)
    url = os.environ["DEAD_LETTERS"]
    if retryable:
        reason = one_line("Not sent yet, while others were.", retryable)
        labels = {"trigger": trigger, "problem": "recipients-left", "reason": reason}
        only = ",".join(str(rejected["index"]) for rejected in retryable)
        sqs.send_to_dead_letter_queue(url, payload, {**labels, **attributes, ONLY: only})
    if final:
        reason = one_line(f"Refused for good, while others were sent (batch {batch}).", final)
        labels = {"trigger": trigger, "problem": "recipients-refused", "reason": reason}
        sqs.send_to_dead_letter_queue(
            url, _rejection_notice(batch, final), {**labels, "refused": str(len(final))}
        )


def _rejection_notice(batch: str, rejected: Sequence[Mapping[str, Any]]) -> str:
    """List rejected recipients and their problems, without numbers and texts."""
    refused = [
        {
            "index": each["index"],
            "problem": each["problem"]["type"].removeprefix("/problems/"),
            "detail": each["problem"]["detail"][:MAX_DETAIL_LENGTH],
        }
        for each in rejected
    ]
    return msgspec.json.encode({"batch_id": batch, "refused": refused}).decode()


def handle_event(trigger: str, event: Mapping[str, Any], parse: Parse) -> None:
    """Handle one event of an asynchronous invocation.

    After an error Lambda invokes twice more, then sends the event to the dead-letter queue itself.
    """
    only = str(event.get(ONLY, ""))
    # Half a character stays the escape that it came as: UTF-8 has none.
    payload = encode_json(event).encode(errors="backslashreplace").decode()
    handle(trigger, payload, parse, only=only)


def handle_records(
    trigger: str, records: Sequence[Mapping[str, Any]], parse: ParseRecord
) -> dict[str, Any]:
    """Handle messages of a queue; the answer names those to be delivered again."""
    failed = []
    for record in records:
        try:
            attributes = _kept_attributes(record)
            only = attributes.get(ONLY, "")
            handle(trigger, record["body"], _record_parser(parse, record), attributes, only)
        except Exception as error:
            logger.error(
                "trigger failed",
                extra={
                    "trigger": trigger,
                    "queue_message": record["messageId"],
                    "error": describe(error),
                },
            )
            failed.append(record["messageId"])
    return sqs.partial_batch_response(failed)


def _record_parser(parse: ParseRecord, record: Mapping[str, Any]) -> Parse:
    return lambda known: parse(record, known)


def _kept_attributes(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the attributes that a redriven message must have again.

    The key is among them: a new message's id would be another key.
    """
    given = record.get("messageAttributes", {})
    found = {name: given.get(name, {}).get("stringValue") for name in (KEY, SOURCE, ONLY)}
    found[KEY] = found[KEY] or own_key(record["messageId"])
    return {name: str(value) for name, value in found.items() if value}

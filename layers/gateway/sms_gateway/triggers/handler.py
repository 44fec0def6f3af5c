"""Takes what sources bring: sends it, buries what never can be sent with the reason beside it, and
raises what may go better later, so that AWS brings it again."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from sms_gateway.aws import sqs
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import GatewayError, InvalidRequestError
from sms_gateway.core.timestamps import utc_now
from sms_gateway.messages.send import send
from sms_gateway.triggers.request import TriggeredSend, in_one_line, one_line_reason
from sms_gateway.triggers.settings import TriggerSources, sources
from sms_gateway.triggers.sqs import KEY, ONLY, SOURCE, own_key

Parse = Callable[[TriggerSources], TriggeredSend]

INDEXES = re.compile(r"[0-9]{1,3}(,[0-9]{1,3})*")
MAX_DETAIL_LENGTH = 150  # characters; a letter about a thousand recipients must fit into SQS


def handle(
    trigger: str,
    payload: str,
    parse: Parse,
    keep: Mapping[str, str] | None = None,
    only: str = "",
) -> None:
    """Sends what `understand` makes of something that came, or buries it: `letter`, as it came,
    with `keep` among its attributes. With `only` (indexes, with commas between them) it is no more
    than these recipients, which were left when the others were sent. Raises what may go better
    later."""
    place = ""
    try:
        ask = parse(sources())
        place = ask.place
        answer = _send(ask, only)
    except GatewayError as problem:
        if problem.to_dict()["retryable"]:
            increment("SourceWaits", way=trigger)
            raise
        words = _dead_letter_attributes(problem, place)
        sqs.send_to_dead_letter_queue(
            os.environ["DEAD_LETTERS"], payload, {"way": trigger, **words, **(keep or {})}
        )
        logger.error("source refused", extra={"way": trigger, **words})
        increment("SourceRefused", way=trigger)
        return
    batch = answer["batch_id"]
    logger.info(
        "source accepted", extra={"way": trigger, "key": ask.name or ask.key, "batch": batch}
    )
    if answer["rejected"]:
        _dead_letter_refused(trigger, payload, answer, keep or {})


def _send(ask: TriggeredSend, only: str) -> dict[str, Any]:
    tenant, key, defaults = ask.source.tenant, ask.key, ask.source.defaults
    if not only:
        return send(tenant, ask.body, utc_now(), key, defaults)
    if not INDEXES.fullmatch(only):
        raise InvalidRequestError("`only` must be indexes of recipients, with commas between them.")
    # The first send's key stands for its answer, in which these were refused.
    key = f"only/{sha256(f'{only} {key}'.encode()).hexdigest()}"
    return send(tenant, ask.body, utc_now(), key, defaults, set(map(int, only.split(","))))


def _dead_letter_refused(
    trigger: str, payload: str, answer: Mapping[str, Any], keep: Mapping[str, str]
) -> None:
    """Buries who was refused while others were sent: what came, to be brought again for those who
    can be sent to once something is mended; of the others only who they are, and why."""
    batch = answer["batch_id"]
    left: list[Mapping[str, Any]] = []
    lost: list[Mapping[str, Any]] = []
    for one in answer["rejected"]:
        problem = one["problem"]
        (left if problem["retryable"] else lost).append(one)
        logger.error(
            "recipient of a source refused",
            extra={
                "way": trigger,
                "batch": batch,
                "index": one["index"],
                "problem": problem["type"],
                "reason": problem["detail"],
            },
        )
    increment("SourceRecipientsRefused", len(answer["rejected"]), way=trigger)
    url = os.environ["DEAD_LETTERS"]
    if left:
        said = in_one_line("Not sent yet, while others were.", left)
        only = ",".join(str(one["index"]) for one in left)
        words = {"way": trigger, "problem": "recipients-left", "reason": said}
        sqs.send_to_dead_letter_queue(url, payload, {**words, **keep, ONLY: only})
    if lost:
        said = in_one_line(f"Refused for good, while others were sent (batch {batch}).", lost)
        words = {"way": trigger, "problem": "recipients-refused", "reason": said}
        sqs.send_to_dead_letter_queue(
            url, _log_rejected(batch, lost), {**words, "refused": str(len(lost))}
        )


def _log_rejected(batch: str, lost: Sequence[Mapping[str, Any]]) -> str:
    """Who was refused, and why, without their numbers and texts."""
    refused = [
        {
            "index": one["index"],
            "problem": one["problem"]["type"].removeprefix("/problems/"),
            "detail": one["problem"]["detail"][:MAX_DETAIL_LENGTH],
        }
        for one in lost
    ]
    return msgspec.json.encode({"batch_id": batch, "refused": refused}).decode()


def handle_event(trigger: str, event: Mapping[str, Any], parse: Parse) -> None:
    """Takes one event of an asynchronous invocation. What is raised makes Lambda try twice more,
    and then bury the event itself."""
    only = str(event.get(ONLY, ""))
    handle(trigger, msgspec.json.encode(event).decode(), parse, only=only)


def handle_records(
    trigger: str,
    records: Sequence[Mapping[str, Any]],
    parse: Callable[[Mapping[str, Any], TriggerSources], TriggeredSend],
) -> dict[str, Any]:
    """Takes messages of a queue; the answer names those that shall come again."""
    failed = []
    for record in records:
        try:
            keep = _stored_record(record)
            handle(trigger, record["body"], _parser_of(parse, record), keep, keep.get(ONLY, ""))
        except Exception as error:
            logger.error(
                "source failed",
                extra={
                    "way": trigger,
                    "queue_message": record["messageId"],
                    "error": _describe_error(error),
                },
            )
            failed.append(record["messageId"])
    return {"batchItemFailures": [{"itemIdentifier": one} for one in failed]}


def _parser_of(
    understand: Callable[[Mapping[str, Any], TriggerSources], TriggeredSend],
    record: Mapping[str, Any],
) -> Parse:
    return lambda known: understand(record, known)


def _stored_record(record: Mapping[str, Any]) -> dict[str, str]:
    """What a message must still have when it is put back: in particular the same key, which a
    new message's id would not be."""
    attributes = record.get("messageAttributes", {})
    given = {name: attributes.get(name, {}).get("stringValue") for name in (KEY, SOURCE, ONLY)}
    given[KEY] = given[KEY] or own_key(record["messageId"])
    return {name: str(value) for name, value in given.items() if value}


def _dead_letter_attributes(problem: GatewayError, place: str) -> dict[str, str]:
    """What a dead letter says of itself."""
    words = {"problem": problem.slug, "reason": one_line_reason(problem)}
    if pointer := place + (problem.pointer or ""):
        words["pointer"] = pointer
    return words


def _describe_error(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"

"""Takes what sources bring: sends it, buries what never can be sent with the reason beside it, and
raises what may go better later, so that AWS brings it again."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from sms_gateway.aws import sqs
from sms_gateway.core.observability import count, log
from sms_gateway.core.problems import GatewayError, Invalid
from sms_gateway.core.timestamps import utc_now
from sms_gateway.messages.send import send
from sms_gateway.triggers.settings import Ask, Sources, in_one_line, reason, sources
from sms_gateway.triggers.sqs import KEY, ONLY, SOURCE, own_key

Understand = Callable[[Sources], Ask]

INDEXES = re.compile(r"[0-9]{1,3}(,[0-9]{1,3})*")
LONGEST_DETAIL = 150  # characters; a letter about a thousand recipients must fit into SQS


def take(
    way: str,
    letter: str,
    understand: Understand,
    keep: Mapping[str, str] | None = None,
    only: str = "",
) -> None:
    """Sends what `understand` makes of something that came, or buries it: `letter`, as it came,
    with `keep` among its attributes. With `only` (indexes, with commas between them) it is no more
    than these recipients, which were left when the others were sent. Raises what may go better
    later."""
    place = ""
    try:
        ask = understand(sources())
        place = ask.place
        answer = _send(ask, only)
    except GatewayError as problem:
        if problem.document()["retryable"]:
            count("SourceWaits", way=way)
            raise
        words = _words(problem, place)
        sqs.bury(os.environ["DEAD_LETTERS"], letter, {"way": way, **words, **(keep or {})})
        log.error("source refused", extra={"way": way, **words})
        count("SourceRefused", way=way)
        return
    batch = answer["batch_id"]
    log.info("source accepted", extra={"way": way, "key": ask.name or ask.key, "batch": batch})
    if answer["rejected"]:
        _bury_refused(way, letter, answer, keep or {})


def _send(ask: Ask, only: str) -> dict[str, Any]:
    tenant, key, defaults = ask.source.tenant, ask.key, ask.source.defaults
    if not only:
        return send(tenant, ask.body, utc_now(), key, defaults)
    if not INDEXES.fullmatch(only):
        raise Invalid("`only` must be indexes of recipients, with commas between them.")
    # The first send's key stands for its answer, in which these were refused.
    key = f"only/{sha256(f'{only} {key}'.encode()).hexdigest()}"
    return send(tenant, ask.body, utc_now(), key, defaults, set(map(int, only.split(","))))


def _bury_refused(
    way: str, letter: str, answer: Mapping[str, Any], keep: Mapping[str, str]
) -> None:
    """Buries who was refused while others were sent: what came, to be brought again for those who
    can be sent to once something is mended; of the others only who they are, and why."""
    batch = answer["batch_id"]
    left: list[Mapping[str, Any]] = []
    lost: list[Mapping[str, Any]] = []
    for one in answer["rejected"]:
        problem = one["problem"]
        (left if problem["retryable"] else lost).append(one)
        log.error(
            "recipient of a source refused",
            extra={
                "way": way,
                "batch": batch,
                "index": one["index"],
                "problem": problem["type"],
                "reason": problem["detail"],
            },
        )
    count("SourceRecipientsRefused", len(answer["rejected"]), way=way)
    url = os.environ["DEAD_LETTERS"]
    if left:
        said = in_one_line("Not sent yet, while others were.", left)
        only = ",".join(str(one["index"]) for one in left)
        words = {"way": way, "problem": "recipients-left", "reason": said}
        sqs.bury(url, letter, {**words, **keep, ONLY: only})
    if lost:
        said = in_one_line(f"Refused for good, while others were sent (batch {batch}).", lost)
        words = {"way": way, "problem": "recipients-refused", "reason": said}
        sqs.bury(url, _notice(batch, lost), {**words, "refused": str(len(lost))})


def _notice(batch: str, lost: Sequence[Mapping[str, Any]]) -> str:
    """Who was refused, and why, without their numbers and texts."""
    refused = [
        {
            "index": one["index"],
            "problem": one["problem"]["type"].removeprefix("/problems/"),
            "detail": one["problem"]["detail"][:LONGEST_DETAIL],
        }
        for one in lost
    ]
    return msgspec.json.encode({"batch_id": batch, "refused": refused}).decode()


def take_event(way: str, event: Mapping[str, Any], understand: Understand) -> None:
    """Takes one event of an asynchronous invocation. What is raised makes Lambda try twice more,
    and then bury the event itself."""
    only = str(event.get(ONLY, ""))
    take(way, msgspec.json.encode(event).decode(), understand, only=only)


def take_records(
    way: str,
    records: Sequence[Mapping[str, Any]],
    understand: Callable[[Mapping[str, Any], Sources], Ask],
) -> dict[str, Any]:
    """Takes messages of a queue; the answer names those that shall come again."""
    failed = []
    for record in records:
        try:
            keep = _kept(record)
            take(way, record["body"], _bound(understand, record), keep, keep.get(ONLY, ""))
        except Exception as error:
            log.error(
                "source failed",
                extra={"way": way, "queue_message": record["messageId"], "error": _said(error)},
            )
            failed.append(record["messageId"])
    return {"batchItemFailures": [{"itemIdentifier": one} for one in failed]}


def _bound(
    understand: Callable[[Mapping[str, Any], Sources], Ask], record: Mapping[str, Any]
) -> Understand:
    return lambda known: understand(record, known)


def _kept(record: Mapping[str, Any]) -> dict[str, str]:
    """What a message must still have when it is put back: in particular the same key, which a
    new message's id would not be."""
    attributes = record.get("messageAttributes", {})
    given = {name: attributes.get(name, {}).get("stringValue") for name in (KEY, SOURCE, ONLY)}
    given[KEY] = given[KEY] or own_key(record["messageId"])
    return {name: str(value) for name, value in given.items() if value}


def _words(problem: GatewayError, place: str) -> dict[str, str]:
    """What a dead letter says of itself."""
    words = {"problem": problem.slug, "reason": reason(problem)}
    if pointer := place + (problem.pointer or ""):
        words["pointer"] = pointer
    return words


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"

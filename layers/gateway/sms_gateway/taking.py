"""Takes what sources bring: sends it, buries what never can be sent with the reason beside it, and
raises what may go better later, so that AWS brings it again."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from sms_gateway import queues
from sms_gateway.observe import count, log
from sms_gateway.problems import GatewayError
from sms_gateway.sending import send
from sms_gateway.settings import sources
from sms_gateway.sources import Ask, Sources, reason
from sms_gateway.sources.queue import KEY, SOURCE, own_key

Understand = Callable[[Sources], Ask]


def take(
    way: str, letter: str, understand: Understand, keep: Mapping[str, str] | None = None
) -> None:
    """Sends what `understand` makes of something that came, or buries it: `letter`, as it came,
    with `keep` among its attributes. Raises what may go better later."""
    place = ""
    try:
        ask = understand(sources())
        place = ask.place
        answer = send(ask.source.tenant, ask.body, datetime.now(UTC), ask.key, ask.source.defaults)
    except GatewayError as problem:
        if problem.document()["retryable"]:
            count("SourceWaits", way=way)
            raise
        words = _words(problem, place)
        queues.bury(os.environ["DEAD_LETTERS"], letter, {"way": way, **words, **(keep or {})})
        log.error("source refused", extra={"way": way, **words})
        count("SourceRefused", way=way)
        return
    log.info("source accepted", extra={"way": way, "key": ask.key, "batch": answer["batch_id"]})
    for one in answer["rejected"]:
        problem_of = one["problem"]
        log.error(
            "recipient of a source refused",
            extra={
                "way": way,
                "batch": answer["batch_id"],
                "index": one["index"],
                "problem": problem_of["type"],
                "reason": problem_of["detail"],
            },
        )
    if answer["rejected"]:
        count("SourceRecipientsRefused", len(answer["rejected"]), way=way)


def take_event(way: str, event: Mapping[str, Any], understand: Understand) -> None:
    """Takes one event of an asynchronous invocation. What is raised makes Lambda try twice more,
    and then bury the event itself."""
    take(way, msgspec.json.encode(event).decode(), understand)


def take_records(
    way: str,
    records: Sequence[Mapping[str, Any]],
    understand: Callable[[Mapping[str, Any], Sources], Ask],
) -> dict[str, Any]:
    """Takes messages of a queue; the answer names those that shall come again."""
    failed = []
    for record in records:
        try:
            take(way, record["body"], _bound(understand, record), _kept(record))
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
    given = {name: attributes.get(name, {}).get("stringValue") for name in (KEY, SOURCE)}
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

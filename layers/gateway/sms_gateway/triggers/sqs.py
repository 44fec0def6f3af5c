"""A message of the ingress queue: its body is a send's. The message attribute `source` names whose
it is ("default" without one), `idempotency_key` is what Idempotency-Key is over HTTP. `only` stands
beside it when redriving brings it for those recipients that are left."""

from collections.abc import Mapping
from typing import Any

from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.triggers.request import TriggeredSend, find_source
from sms_gateway.triggers.settings import TriggerSources

KEY, SOURCE, ONLY = "idempotency_key", "source", "only"
DEFAULT = "default"


def parse(record: Mapping[str, Any], sources: TriggerSources) -> TriggeredSend:
    """What a record of Lambda's event asks for. Without a key of its own the message's id is it.
    Raises Invalid that says what is wrong."""
    source = find_source("queue", attribute(record, SOURCE) or DEFAULT, sources.queue)
    own = own_key(record["messageId"])
    key = attribute(record, KEY) or own
    return TriggeredSend(source, str(record["body"]).encode(), key, name=own)


def own_key(message_id: str) -> str:
    """The key of a message that brought none."""
    return f"queue/{message_id}"


def attribute(record: Mapping[str, Any], name: str) -> str | None:
    """A message attribute's text; None without one. Raises Invalid for another kind."""
    given = record.get("messageAttributes", {}).get(name)
    if given is None:
        return None
    value = given.get("stringValue")
    if not isinstance(value, str):
        raise InvalidRequestError(f"The message attribute {name} must be a String.")
    return value

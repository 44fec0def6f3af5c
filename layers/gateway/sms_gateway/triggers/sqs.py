"""Parse a message of the ingress queue: its body is a send's.

The message attribute `source` names its source ("default" without one), `idempotency_key` is the
Idempotency-Key of HTTP. A message redriven for some of its recipients has their indexes in `only`.
"""

from collections.abc import Mapping
from typing import Any

from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.triggers.request import TriggeredSend, find_source
from sms_gateway.triggers.settings import TriggerSources

KEY, SOURCE, ONLY = "idempotency_key", "source", "only"
DEFAULT = "default"


def parse(record: Mapping[str, Any], sources: TriggerSources) -> TriggeredSend:
    """Parse a record of Lambda's event; without a key of its own the message's id is the key.

    Raise InvalidRequestError.
    """
    source = find_source("queue", attribute(record, SOURCE) or DEFAULT, sources.queue)
    own = own_key(record["messageId"])
    key = attribute(record, KEY) or own
    return TriggeredSend(source, str(record["body"]).encode(), key, log_key=own)


def own_key(message_id: str) -> str:
    """Make the key of a message that has none."""
    return f"queue/{message_id}"


def attribute(record: Mapping[str, Any], name: str) -> str | None:
    """Read a message attribute; None without one. Raise InvalidRequestError for another type."""
    given = record.get("messageAttributes", {}).get(name)
    if given is None:
        return None
    value = given.get("stringValue")
    if not isinstance(value, str):
        raise InvalidRequestError(f"The message attribute {name} must be a String.")
    return value

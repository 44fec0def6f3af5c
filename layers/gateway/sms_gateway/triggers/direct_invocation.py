"""Direct invocation of the send function: whoever IAM lets invoke it may send, without an API key.

    {"source": "orders", "idempotency_key": "order-7", "message": {"to": "…", "text": "…"}}

The answer is that of POST /messages. Errors have two names, those of the classes here, so that a
state machine can tell them apart.
"""

from datetime import datetime
from typing import Any

import msgspec

from sms_gateway.core.observability import increment
from sms_gateway.core.problems import GatewayError
from sms_gateway.http_api.json_body import decode_json
from sms_gateway.messages.send import send
from sms_gateway.triggers.request import encode_body, find_source, one_line_reason
from sms_gateway.triggers.settings import sources


class SendRefused(Exception):
    """It never will be sent as it is: nothing to try again."""


class TryAgain(Exception):
    """Not now; under the same key it is never sent twice."""


class Invocation(msgspec.Struct, forbid_unknown_fields=True):
    """What is asked for; without a key each invocation is a send of its own."""

    source: str
    message: msgspec.Raw
    idempotency_key: str | None = None


def handle_invocation(event: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Sends. Raises SendRefused or TryAgain that says what is wrong, and where."""
    place = ""
    try:
        asked = decode_json(encode_body(event), Invocation)
        source = find_source("direct", asked.source, sources().direct)
        place = "/message"
        body = bytes(asked.message)
        return send(source.tenant, body, now, asked.idempotency_key, source.defaults)
    except GatewayError as problem:
        increment("SourceRefused", way="direct")
        where = "" if problem.pointer is None else f" ({place}{problem.pointer})"
        kind = TryAgain if problem.to_dict()["retryable"] else SendRefused
        raise kind(f"{problem.slug}: {one_line_reason(problem)}{where}") from None

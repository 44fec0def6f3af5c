"""Send by direct invocation of a function of its own, which IAM allows instead of an API key.

    {"idempotency_key": "order-7", "message": {"to": "…", "text": "…"}}

The tenant is that of the setting `sources` under `direct`: Lambda does not say who invokes, so
nothing that the invoker says may choose one. The answer is that of POST /messages. Errors have two
names, those of the classes here, so that a state machine can tell them apart.
"""

from datetime import datetime
from typing import Any

import msgspec

from sms_gateway.core.observability import increment
from sms_gateway.core.problems import GatewayError, InvalidRequestError, InvocationError
from sms_gateway.http_api.json_body import decode_json
from sms_gateway.messages.send import send
from sms_gateway.triggers.request import encode_body, one_line_reason
from sms_gateway.triggers.settings import TriggerSource, sources


class SendRefused(InvocationError):  # noqa: N818 - state machines match this name
    """A send that is refused for good."""


class TryAgain(InvocationError):  # noqa: N818 - state machines match this name
    """A send that may succeed later; under the same key it is never sent twice."""


class Invocation(msgspec.Struct, forbid_unknown_fields=True):
    """The payload; without a key each invocation is a send of its own."""

    message: msgspec.Raw
    idempotency_key: str | None = None


def handle_invocation(event: Any, now: datetime) -> dict[str, Any]:
    """Send. Raise SendRefused or TryAgain that says what is wrong, and where."""
    body_pointer = ""
    try:
        asked = decode_json(encode_body(event), Invocation)
        source = _source()
        body_pointer = "/message"
        body = bytes(asked.message)
        return send(source.tenant, body, now, asked.idempotency_key, source.defaults)
    except GatewayError as problem:
        increment("TriggerRefused", trigger="direct")
        pointer = "" if problem.pointer is None else f"{body_pointer}{problem.pointer}"
        where = f" ({pointer})" if pointer else ""  # an empty one is the payload as a whole
        kind = TryAgain if problem.to_dict()["retryable"] else SendRefused
        raise kind(f"{problem.slug}: {one_line_reason(problem)}{where}") from None


def _source() -> TriggerSource:
    source = sources().direct
    if source is None:
        raise InvalidRequestError(
            "The setting `sources` has nothing under `direct`: say there for which tenant "
            "invocations send.",
            slug="unknown-source",
        )
    return source

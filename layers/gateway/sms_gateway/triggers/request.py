"""A triggered send, its source, and the wording of its problems."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from sms_gateway.core.problems import GatewayError, InvalidRequestError
from sms_gateway.core.value_object import ValueObject
from sms_gateway.triggers.settings import TriggerSource

MAX_REASON_LENGTH = 1000  # characters
TOO_LARGE = "9" * 310  # for every field, as what Lambda read as infinite was
_STRING_OR_INFINITE = re.compile(r'("(?:[^"\\]|\\.)*")|Infinity|NaN')


class TriggeredSend(ValueObject, frozen=True):
    """A send by a trigger: its body as POST /messages takes it, and its idempotency key.

    `body_pointer` is the JSON pointer of the body in the payload. `log_key` replaces a key that the
    sender chose in the logs, since that may hold a number.
    """

    source: TriggerSource
    body: bytes
    key: str
    body_pointer: str = ""
    log_key: str = ""


def find_source[T](trigger: str, name: str, sources: Mapping[str, T]) -> T:
    """Find a source by its name. Raise InvalidRequestError when the settings have none."""
    if name in sources:
        return sources[name]
    known = ", ".join(sorted(sources)) or "none"
    raise InvalidRequestError(
        f'The sources parameter has no "{name[:100]}" under "{trigger}"; it has: {known}. '
        "Add it, then redrive.",
        slug="unknown-source",
    )


def encode_json(value: Any) -> str:
    """Write what Lambda decoded as JSON again; a number beyond floats is one again, never null."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return _STRING_OR_INFINITE.sub(lambda found: found[1] or TOO_LARGE, text)


def encode_body(body: Any) -> bytes:
    """Encode a body as an HTTP client would. Raise InvalidRequestError for half a character."""
    try:
        return encode_json(body).encode()
    except UnicodeEncodeError:
        raise InvalidRequestError(
            "A text has half a surrogate pair: send whole characters."
        ) from None


def one_line_reason(problem: GatewayError) -> str:
    """Render a problem in one line, with each rejected recipient by its index."""
    return one_line(problem.detail, problem.to_dict().get("rejected", ()))


def one_line(detail: str, rejected: Iterable[Mapping[str, Any]]) -> str:
    """Join a detail and the recipients' problems, by index, into one line.

    Like each problem's detail, it holds no text and no number.
    """
    problems = [f"{each['index']}: {each['problem']['detail']}" for each in rejected]
    line = " ".join([detail, *problems])
    return "".join(char if char.isprintable() else " " for char in line)[:MAX_REASON_LENGTH]

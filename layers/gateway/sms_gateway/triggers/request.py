"""A send that comes by a trigger."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from sms_gateway.core.problems import GatewayError, InvalidRequestError
from sms_gateway.core.value_object import ValueObject
from sms_gateway.triggers.settings import TriggerSource

MAX_REASON_LENGTH = 1000  # characters


class TriggeredSend(ValueObject, frozen=True):
    """A send that a source asks for: its body as POST /messages takes it, and its key. `place` is
    where the body stands in what came, as a JSON pointer; `name` what the logs call it where its
    sender chose the key, which may hold a number."""

    source: TriggerSource
    body: bytes
    key: str
    place: str = ""
    name: str = ""


def find_source[T](trigger: str, name: str, sources: Mapping[str, T]) -> T:
    """The source of that name. Raises Invalid when the settings have none."""
    if name in sources:
        return sources[name]
    there = ", ".join(sorted(sources)) or "none"
    raise InvalidRequestError(
        f'The sources parameter has no "{name[:100]}" under "{trigger}"; it has: {there}. '
        "Add it, then redrive.",
        slug="unknown-source",
    )


def encode_body(body: Any) -> bytes:
    """A body as it would come by HTTP. Raises Invalid for what is no text."""
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:
        raise InvalidRequestError(
            "A text has half a surrogate pair: send whole characters."
        ) from None


def one_line_reason(problem: GatewayError) -> str:
    """What is wrong, in one line, with each refused recipient by its index."""
    return in_one_line(problem.detail, problem.to_dict().get("rejected", ()))


def in_one_line(detail: str, refused: Iterable[Mapping[str, Any]]) -> str:
    """What is wrong and, by their indexes, with which recipients. As no problem's detail has one,
    it holds no text and no number."""
    several = [f"{one['index']}: {one['problem']['detail']}" for one in refused]
    line = " ".join([detail, *several])
    return "".join(one if one.isprintable() else " " for one in line)[:MAX_REASON_LENGTH]

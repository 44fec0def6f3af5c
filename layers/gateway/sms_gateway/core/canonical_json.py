"""One form for all JSON bodies of one meaning (docs/adr/0046).

In the manner of RFC 8785, but whole numbers stay exact, and an option that is null is left out.
"""

import json
from codecs import BOM_UTF8


class RepeatedNameError(ValueError):
    """A name that stands twice in one object."""


def canonical(body: bytes) -> bytes:
    """Return the form of a body; of what is no JSON, or has a name twice, the body itself."""
    try:
        value = json.loads(
            body.removeprefix(BOM_UTF8).decode(),
            object_pairs_hook=unique_members,
            parse_float=_number,
        )
        return json.dumps(_given(value), sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return body


def unique_members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make an object for `json.loads`. Raises RepeatedNameError with the name."""
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        raise RepeatedNameError(next(name for name in names if names.count(name) > 1))
    return members


def _number(text: str) -> int | float:
    number = float(text)
    return int(number) if number.is_integer() else number


def _given(value: object) -> object:
    """Leave out the options that are null: of the body, and of each of its `messages`."""
    if not isinstance(value, dict):
        return value
    given = {name: member for name, member in value.items() if member is not None}
    messages = given.get("messages")
    if isinstance(messages, list):
        given["messages"] = [_given(message) for message in messages]
    return given

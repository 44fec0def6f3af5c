"""Read a description, and refuse what it can't mean: each refusal begins with a JSON Pointer."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from sms_gateway.vendors.declared import checks
from sms_gateway.vendors.declared.description import Description
from sms_gateway.vendors.declared.refusals import DescriptionError, escaped

MAX_BYTES = 100_000
MAX_DEPTH = 40
_UNKNOWN = re.compile("Object contains unknown field `(.*?)`")
_PLACE = re.compile(r" - at `(?:key in )?\$(?P<path>[^`]*)`$")

NODE_SCHEMA = {
    "description": "A JSON value with placeholders such as {to}, or a directive such as $choose.",
    "anyOf": [
        {"type": ["string", "number", "boolean", "null"]},
        {"type": "array", "items": {"$ref": "#/$defs/Node"}},
        {"type": "object", "additionalProperties": {"$ref": "#/$defs/Node"}},
    ],
}


def parse_description(written: bytes) -> Description:
    """Return a description that can work. Raises DescriptionError, which says where and why."""
    if len(written) > MAX_BYTES:
        raise DescriptionError("", f"is longer than {MAX_BYTES} bytes")
    try:
        document = msgspec.json.decode(written)
    except (ValueError, RecursionError) as error:
        raise DescriptionError("", f"is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise DescriptionError("", "must be a JSON object")
    if deep := _deep(document):
        raise DescriptionError(deep, f"is nested more than {MAX_DEPTH} deep")
    try:
        found = msgspec.convert(document, Description)
    except msgspec.ValidationError as error:
        raise _refusal(str(error)) from None
    checks.check(found)
    return found


def _deep(document: Any) -> str | None:
    """Return the first three steps to what is nested too deeply."""
    level: list[tuple[str, Any]] = [("", document)]
    for _ in range(MAX_DEPTH):
        level = [inner for pointer, value in level for inner in _inner(pointer, value)]
    return "/".join(level[0][0].split("/")[:4]) if level else None


def _inner(pointer: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield f"{pointer}/{escaped(key)}", one
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield f"{pointer}/{index}", one


def _refusal(said: str) -> DescriptionError:
    """Return msgspec's refusal with its place as a JSON Pointer."""
    place = _PLACE.search(said)
    path = place["path"] if place else ""
    steps = [name or index for name, index in re.findall(r"\.([^.\[]+)|\[(\d+)\]", path)]
    if unknown := _UNKNOWN.match(said):
        steps.append(escaped(unknown[1]))
    return DescriptionError("".join(f"/{one}" for one in steps), _PLACE.sub("", said))


@cache
def schema() -> dict[str, Any]:
    """Return the JSON Schema of descriptions, which docs/vendors/description.schema.json is."""
    made = msgspec.json.schema(Description)
    made["$defs"]["Node"] = NODE_SCHEMA
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}

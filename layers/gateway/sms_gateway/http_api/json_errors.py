"""Say what is wrong with JSON, and where; loaded when something is."""

import json
import re
from typing import Any

from msgspec import inspect

from sms_gateway.core.problems import MalformedBodyError

NOT_JSON = "The body must be one JSON object in UTF-8"


def malformed(body: bytes, error: Exception) -> MalformedBodyError:
    """Make the problem of a body that `msgspec` refused with `error`; it shows nothing of it."""
    place = _place(body, error)
    if place is None:
        return MalformedBodyError(f"{NOT_JSON}; this one nests too deep.")
    reason, line, column = place
    return MalformedBodyError(
        f"{NOT_JSON}: {reason} at line {line}, column {column}.", line=line, column=column
    )


def _place(body: bytes, error: Exception) -> tuple[str, int, int] | None:
    """Return what is wrong, and the line and the column (in characters), both from 1."""
    try:
        json.loads(body.decode())
    except json.JSONDecodeError as found:
        return found.msg.removesuffix(" at"), found.lineno, found.colno
    except UnicodeDecodeError as found:
        return ("no UTF-8", *_line_and_column(body[: found.start]))
    except RecursionError:
        return None
    except ValueError:
        pass  # a number of too many digits
    # Python's reader takes what JSON has not: NaN, half a character.
    place = re.search(r"\(byte (\d+)\)", str(error))
    return ("no JSON", *_line_and_column(body[: int(place[1])] if place else body))


def _line_and_column(before: bytes) -> tuple[int, int]:
    text = before.decode(errors="replace")
    return text.count("\n") + 1, len(text) - text.rfind("\n")


def what_is_at(kind: Any, pointer: str) -> str:
    """Say what a struct has at a place: "one of" an enumeration's words, or what a pattern means.

    A type with a pattern says that in its `description`. Empty where neither is.
    """
    nodes = _members(inspect.type_info(kind))
    for name in pointer.split("/")[1:]:
        nodes = [
            member
            for node in nodes
            if isinstance(node, inspect.StructType)
            for field in node.fields
            if field.encode_name == name
            for member in _members(field.type)
        ]
    words = [word for node in nodes for word in _words(node)]
    if words:
        return f"one of {', '.join(words)}"
    schemas = [node.extra_json_schema or {} for node in nodes if isinstance(node, inspect.Metadata)]
    return next((schema["description"] for schema in schemas if "description" in schema), "")


def _members(node: inspect.Type) -> list[inspect.Type]:
    return list(node.types) if isinstance(node, inspect.UnionType) else [node]


def _words(node: inspect.Type) -> list[str]:
    if isinstance(node, inspect.EnumType):
        return [str(one.value) for one in node.cls]
    return [str(one) for one in node.values] if isinstance(node, inspect.LiteralType) else []

"""Write a text that a pattern of a description finds: for vendors that answer in plain text."""

from collections.abc import Iterable
from re import _constants, _parser  # there is no public parser of patterns
from typing import Any

from sms_gateway.vendors.declared.description import Find, Source


def pattern_of(find: Find | None) -> str | None:
    """Return the first pattern over a whole answer at a place, if there is one."""
    for one in find if isinstance(find, list) else [find] if find is not None else []:
        if isinstance(one, Source) and one.at is None and one.pattern is not None:
            return one.pattern
    return None


def example(pattern: str, value: str = "") -> str:
    """Return a short text that a pattern finds, whose first group is `value` where one is given."""
    return _written(_parser.parse(pattern), value)


def _written(parsed: Iterable[tuple[Any, Any]], value: str) -> str:
    return "".join(_one(kind, what, value) for kind, what in parsed)


def _one(kind: Any, what: Any, value: str) -> str:
    match str(kind):
        case "LITERAL":
            return chr(what)
        case "IN":
            return _first_of(what)
        case "ANY" | "NOT_LITERAL":
            return "x"
        case "MAX_REPEAT" | "MIN_REPEAT":
            least, most, inner = what
            return _written(inner, value) * (least or min(1, int(most)))
        case "SUBPATTERN":
            group, _, _, inner = what
            return value if group == 1 and value else _written(inner, value)
        case "BRANCH":
            return _written(what[1][0], value)
    return ""  # a place, such as the beginning


def _first_of(items: Iterable[tuple[Any, Any]]) -> str:
    for kind, what in items:
        if kind is _constants.LITERAL:
            return chr(what)
        if kind is _constants.RANGE:
            return chr(what[0])
        if kind is _constants.CATEGORY:
            return {"CATEGORY_DIGIT": "0", "CATEGORY_SPACE": " "}.get(str(what), "x")
    return "x"

"""A request's trees: JSON values with placeholders and directives. Nothing in them is evaluated.

A text may hold `{name}` (`{{` and `}}` are braces); one that is a placeholder alone keeps the
value's type. An object with a `$` key is a directive:

  {"$choose": name, "cases": {value: tree}, "otherwise": tree}   by the text of a value
  {"$each": tree}                        a list, of each message of the call
  {"$join": text, "with": ","}           the same as one text
  {"$optional": tree}                    left out of its object when it is empty
  {"$value": text, "as": "integer" | "percent" | "utf16-hex"}
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote

DIRECTIVES: Mapping[str, frozenset[str]] = {
    "$choose": frozenset({"cases", "otherwise"}),
    "$each": frozenset(),
    "$join": frozenset({"with"}),
    "$optional": frozenset(),
    "$value": frozenset({"as"}),
}
CONVERSIONS: Mapping[str, Callable[[str], object]] = {
    "integer": lambda text: int(text) if re.fullmatch("-?[0-9]{1,18}", text) else text,
    "percent": lambda text: quote(text, safe=""),
    "utf16-hex": lambda text: text.encode("utf-16-be", "surrogatepass").hex().upper(),
}
_PIECE = re.compile(r"\{\{|\}\}|\{([a-z][a-z0-9_]*)\}|[{}]")
OMITTED = object()

Values = Callable[[str], object]
Escape = Callable[[str, str], str]  # a placeholder's name and its text


class BraceError(ValueError):
    """A brace that begins or ends no placeholder."""


@lru_cache(maxsize=1024)
def pieces(text: str) -> tuple[tuple[str, bool], ...]:
    """Return a text's parts, each with whether it is a placeholder's name. Raises BraceError."""
    found: list[tuple[str, bool]] = []
    position = 0
    for piece in _PIECE.finditer(text):
        found.append((text[position : piece.start()], False))
        if piece[0] in "{}":
            raise BraceError("a brace is written twice, or it is around the name of a placeholder")
        found.append((piece[1], True) if piece[1] else (piece[0][0], False))
        position = piece.end()
    found.append((text[position:], False))
    return tuple(part for part in found if part[0])


def plain(value: object) -> str:
    """Return a value as text: nothing for None, true and false in lower case."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def fill(text: str, values: Values, escape: Escape = lambda _, value: value) -> str:
    """Return a text with its placeholders filled in."""
    return "".join(
        escape(part, plain(values(part))) if named else part for part, named in pieces(text)
    )


def directive(node: object) -> str | None:
    """Return which directive an object is, if any."""
    if not isinstance(node, dict):
        return None
    return next((key for key in node if key.startswith("$")), None)


def chosen(node: Mapping[str, Any], values: Values) -> Any:
    """Return the tree that a `$choose` chooses."""
    cases: Mapping[str, Any] = node["cases"]
    return cases.get(plain(values(node["$choose"])), node["otherwise"])


def render(node: Any, values: Values, members: Sequence[Values]) -> Any:
    """Return the JSON value of a checked tree; OMITTED for an optional one that is empty."""
    if isinstance(node, str):
        alone = pieces(node)
        if len(alone) == 1 and alone[0][1]:
            value = values(alone[0][0])
            return value if isinstance(value, bool) else plain(value)
        return fill(node, values)
    if isinstance(node, list):
        return _there(render(one, values, members) for one in node)
    if not isinstance(node, dict):
        return node
    match directive(node):
        case "$choose":
            return render(chosen(node, values), values, members)
        case "$each":
            return _there(render(node["$each"], member, ()) for member in members)
        case "$join":
            parts = [fill(node["$join"], member) for member in members]
            between: str = node["with"]  # a vendor's id that holds it would be two
            return between.join(one for one in parts if not between or between not in one)
        case "$optional":
            inner = render(node["$optional"], values, members)
            return OMITTED if inner in ("", [], {}) else inner
        case "$value":
            return CONVERSIONS[node["as"]](fill(node["$value"], values))
    made = {key: render(one, values, members) for key, one in node.items()}
    return {key: value for key, value in made.items() if value is not OMITTED}


def _there(made: Iterable[Any]) -> list[Any]:
    return [one for one in made if one is not OMITTED]


def names(node: Any, *, repeated: bool | None = None) -> Iterator[str]:
    """Yield the names that a tree uses.

    `repeated` True: only for each message, within `$each` and `$join`; False: only outside of them.
    """
    if isinstance(node, str):
        if repeated is not True:
            yield from (part for part, named in pieces(node) if named)
    elif isinstance(node, list):
        for one in node:
            yield from names(one, repeated=repeated)
    elif isinstance(node, dict):
        kind = directive(node)
        if kind in ("$each", "$join"):
            yield from names(node[kind]) if repeated is not False else ()
        elif kind == "$choose":
            named = "{" + node["$choose"] + "}"
            yield from names([named, node["otherwise"], *node["cases"].values()], repeated=repeated)
        elif kind is not None:
            yield from names(node[kind], repeated=repeated)
        else:
            yield from names(list(node.values()), repeated=repeated)

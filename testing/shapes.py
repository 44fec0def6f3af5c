"""Compare what a page shows with what a command really printed.

Ids, times, keys and digits differ each time; all else is as it is shown. `…` stands for what the
page leaves out: members of an object, the rest of a list, lines of a text, the rest of a line.
"""

import json
import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

ELIDED = "…"
VARIABLE = re.compile(
    r"(?P<id>\b[0-9A-HJKMNP-TV-Z]{26}(?:\d{3})?\b)"
    r"|(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00))"
    r"|(?P<key>\b(?:sms_|whsec_)[\w+/=.-]+)"
    r"|(?P<code>\b[0-9A-Z]{4}(?:-[0-9A-Z]{4})+\b)"
    r"|(?P<hex>\b(?=[a-f]*\d)[0-9a-f]{12,64}\b)"
    r"|(?P<number>\d+)"
)


class ShapeError(Exception):
    """What was printed has another shape than what is shown."""


def compare(shown: str, printed: str, language: str) -> dict[str, str]:
    """Return what stands in the place of each value that the page shows.

    Raises ShapeError, which says where the two differ.
    """
    found: dict[str, str] = {}
    if language == "json":
        try:
            real = json.loads(printed)
        except ValueError:
            raise ShapeError(f"it printed no JSON: {printed[:500]!r}") from None
        found.update(_values(json.loads(_with_members(shown)), real, ""))
    else:
        found.update(_lines(shown, printed))
    return found


def _with_members(shown: str) -> str:
    """Make JSON of what is shown: each … becomes a member of its object, or of its list."""
    made: list[str] = []
    inside, quoted, escaped = [""], False, False
    for sign in shown:
        if quoted:
            quoted = escaped or sign != '"'
            escaped = sign == "\\" and not escaped
        elif sign == '"':
            quoted = True
        elif sign in "{[":
            inside.append(sign)
        elif sign in "}]":
            inside.pop()
        elif sign == ELIDED:
            _add_comma(made)
            made.append('"…": "…"' if inside[-1] == "{" else '"…"')
            continue
        made.append(sign)
    return re.sub(r'("…"(?:: "…")?)(\s*")', r"\1,\2", "".join(made))


def _add_comma(made: list[str]) -> None:
    before = "".join(made).rstrip()
    if before[-1] not in "{[,":
        made.append(", ")


def _values(shown: Any, real: Any, path: str) -> Iterator[tuple[str, str]]:
    where = path or "/"
    if type(shown) is not type(real):
        raise ShapeError(f"{where} is {json.dumps(real)}, and the page shows {json.dumps(shown)}")
    if isinstance(shown, dict):
        more, less = real.keys() - shown.keys(), shown.keys() - real.keys() - {ELIDED}
        if less or (more and ELIDED not in shown):
            raise ShapeError(f"{where} lacks {sorted(less)}, and the page lacks {sorted(more)}")
        for name in shown.keys() - {ELIDED}:
            yield from _values(shown[name], real[name], f"{path}/{name}")
    elif isinstance(shown, list):
        whole = ELIDED not in shown
        members = [one for one in shown if one != ELIDED]
        if len(real) < len(members) or (whole and len(real) != len(members)):
            raise ShapeError(f"{where} has {len(real)} members, and the page shows {len(members)}")
        for number, (one, other) in enumerate(zip(members, real, strict=False)):
            yield from _values(one, other, f"{path}/{number}")
    elif isinstance(shown, str):
        yield from _words(shown, real, where)
    elif isinstance(shown, bool) and shown is not real:
        raise ShapeError(f"{where} is {real}, and the page shows {shown}")


def _lines(shown: str, printed: str) -> Iterator[tuple[str, str]]:
    expected, real = shown.strip().splitlines(), printed.strip().splitlines()
    for number, (line, other) in enumerate(zip_longest(expected, real), 1):
        if line is not None and line.strip() == ELIDED:
            return
        if line is None or other is None:
            raise ShapeError(f"line {number} is {other!r}, and the page shows {line!r}")
        yield from _words(" ".join(line.split()), " ".join(other.split()), f"line {number}")


def _words(shown: str, real: str, where: str) -> Iterator[tuple[str, str]]:
    if shown.endswith(ELIDED):
        shown = shown.removesuffix(ELIDED)
        real = real[: len(shown) + 200]
        if not _kinds(real).startswith(_kinds(shown)):
            raise ShapeError(f"{where} is {real!r}, and the page shows {shown!r} …")
    elif _kinds(shown) != _kinds(real):
        raise ShapeError(f"{where} is {real!r}, and the page shows {shown!r}")
    for one, other in zip(VARIABLE.finditer(shown), VARIABLE.finditer(real), strict=False):
        yield one[0], other[0]


def _kinds(text: str) -> str:
    """Return a text with the kind of each id, time, key and number in its place."""
    return VARIABLE.sub(lambda found: f"<{found.lastgroup}>", text)

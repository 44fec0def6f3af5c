"""Write an answer that a description reads as wanted: what its rules look for, where they look."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode
from xml.etree.ElementTree import Element, tostring

from sms_gateway.vendors.declared.description import Find, Rows, Rule, Source
from sms_gateway.vendors.declared.documents import steps

TYPES = {
    "json": "application/json",
    "json-in-form": "application/x-www-form-urlencoded",
    "form": "application/x-www-form-urlencoded",
    "xml": "application/xml",
}


class UnplayableError(ValueError):
    """An answer that can't be made of the description; its text says which."""


def place_of(find: Find | None) -> str | None:
    """Return the first pointer of a place, if it has one; else the answer is a text."""
    for one in find if isinstance(find, list) else [find] if find is not None else []:
        if isinstance(one, str):
            return one
        if isinstance(one, Source) and one.at is not None and one.pattern is None:
            return one.at
    return None


def status_of(rule: Rule) -> int:
    """Return an HTTP status with which a rule holds."""
    return int(rule.http[0].replace("xx", "00")) if rule.http else 200


def said_by(rule: Rule, code: Find | None, text: Find | None) -> dict[str, str]:
    """Return what must stand where for a rule to hold, by pointer."""
    said = {}
    for where, words in ((code, rule.code), (text, rule.text)):
        place = place_of(where)
        if words and place is None:
            raise UnplayableError("a rule looks for words in a text that it reads by a pattern")
        if words and place is not None:
            said[place] = words[0]
    said |= {one.at: one.any_of[0] for one in rule.where}
    if rule.pattern is not None:
        raise UnplayableError("a rule has a pattern over the whole answer")
    return said


def document(holder: str, said: Mapping[str, Any]) -> Any:
    """Return a document with values at pointers below `holder`."""
    made: Any = {}
    for pointer, value in said.items():
        path = [*steps(holder), *steps(pointer)]
        made = _put(made, path, value)
    return made


def _put(node: Any, path: Sequence[str], value: Any) -> Any:
    if not path:
        return value
    first, *rest = path
    if first.isdecimal() and (node == {} or isinstance(node, list)):
        items = list(node) if isinstance(node, list) else []
        items += [{}] * (int(first) + 1 - len(items))
        items[int(first)] = _put(items[int(first)], rest, value)
        return items
    if not isinstance(node, dict):
        node = {}
    return node | {first: _put(node.get(first, {}), rest, value)}


def with_rows(whole: Any, rows: Rows, each: Iterable[Mapping[str, Any]]) -> Any:
    """Return a document with a list of rows where a description looks for them first."""
    items = [document(rows.root[0], one) for one in each]
    return _put(whole, steps(rows.at[0]), items)


def written(format_name: str, value: Any) -> tuple[bytes, str]:
    """Return a document's bytes in a format, and their content type."""
    match format_name:
        case "json":
            body = json.dumps(value)
        case "json-in-form":
            body = urlencode({"data": json.dumps(value)})
        case "form":
            body = urlencode(value)
        case _:
            body = _xml(value if isinstance(value, dict) and value else {"empty": ""})
    return body.encode(), TYPES[format_name]


def _xml(value: Any) -> str:
    ((root, inner), *others) = value.items()
    if others or isinstance(inner, list):
        raise UnplayableError("an answer in XML has one root")
    return tostring(_element(root, inner), encoding="unicode")


def _element(name: str, value: Any) -> Element:
    made = Element(name)
    if not isinstance(value, dict):
        made.text = str(value)
        return made
    for key, inner in value.items():
        if key == "#text":
            made.text = str(inner)
        elif key[0] == "@":
            made.set(key[1:], str(inner))
        else:
            several = inner if isinstance(inner, list) else [inner]
            made.extend(_element(key, one) for one in several)
    return made

"""Read a request by a description's trees: what stands where a placeholder was.

Bodies are read by the standard library, and not by what the adapter writes them with, so that a
value that was not escaped does not arrive as it was sent.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

from msgspec import UNSET

from sms_gateway.vendors.declared.description import RequestPart
from sms_gateway.vendors.declared.trees import directive, pieces, plain

Fields = dict[str, str]


class MismatchError(Exception):
    """A request that the description does not make."""


class CredentialsError(Exception):
    """A request with a secret that is not the account's."""


@dataclass(slots=True)
class Call:
    """A request as it came: `path` as it was written, `headers` with names in lower case."""

    method: str
    path: str
    search: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Found:
    """What a request says once, and of each message."""

    once: Fields = field(default_factory=dict)
    members: list[Fields] = field(default_factory=list)

    def messages(self) -> list[Fields]:
        """Return what is said of each message."""
        return [self.once | one for one in self.members] or [self.once]


class Reader:
    """Reads the requests of an account; `kinds` are those of its settings."""

    def __init__(self, account: Mapping[str, Any], kinds: Mapping[str, str]) -> None:
        self.account, self.kinds = account, kinds

    def read(self, part: RequestPart, call: Call) -> Found:
        """Return what a call says. Raises MismatchError for one that is not of this part."""
        if call.method != part.method:
            raise MismatchError("another method")
        found = Found()
        self._url(part.url, call.path, found)
        self._fields(part.query, _fields(call.search), found)
        if part.form is not UNSET:
            self._fields(part.form, _fields(call.body.decode("utf-8", "replace")), found)
        elif part.json is not UNSET:
            self._match(part.json, _json(call.body), found, found.once)
        elif part.xml is not UNSET:
            self._match(part.xml, _xml(call.body), found, found.once)
        return found

    def _url(self, node: Any, path: str, found: Found) -> None:
        if directive(node):
            for value, one in [*node["cases"].items(), ("", node["otherwise"])]:
                try:
                    self._url(one, path, found)
                except MismatchError:
                    continue
                found.once[node["$choose"]] = value
                return
            raise MismatchError("another address")
        pattern, names = "", []
        for part, named in pieces(node):
            kind = "url" if part == "base_url" else self.kinds.get(part, "text")
            if not named:
                pattern += re.escape(part)
            elif kind == "url":
                pattern += re.escape(urlsplit(self.account[part]).path.rstrip("/"))
            elif kind == "path":
                pattern += re.escape(self.account[part])
            else:
                pattern += "([^/]+)"
                names.append(part)
        matched = re.fullmatch(pattern, path)
        if matched is None:
            raise MismatchError("another address")
        for name, text in zip(names, matched.groups(), strict=True):
            self._bind(name, unquote(text), found.once)

    def _fields(self, tree: Mapping[str, Any], given: dict[str, list[str]], found: Found) -> None:
        if set(given) - set(tree):
            raise MismatchError("a field that nobody described")
        for name, node in tree.items():
            values = given.get(name, [])
            if directive(node) == "$each":
                self._match(node, values, found, found.once)
            elif len(values) == 1:
                self._match(node, values[0], found, found.once)
            elif values or directive(node) != "$optional":
                raise MismatchError(f"{name} comes {len(values)} times")

    def _match(self, node: Any, value: Any, found: Found, into: Fields) -> None:
        kind = directive(node)
        if kind is not None:
            self._directive(kind, node, value, found, into)
        elif isinstance(node, list):
            if not isinstance(value, list) or len(value) != len(node):
                raise MismatchError("another list")
            for one, item in zip(node, value, strict=True):
                self._match(one, item, found, into)
        elif isinstance(node, dict):
            self._object(node, value, found, into)
        elif isinstance(value, dict | list) or (isinstance(node, str) and value is None):
            raise MismatchError("no text")
        elif isinstance(node, str):
            self._text(node, plain(value), into)
        elif plain(node) != plain(value):
            raise MismatchError("another value")

    def _object(self, node: Mapping[str, Any], value: Any, found: Found, into: Fields) -> None:
        if not isinstance(value, dict) or set(value) - set(node):
            raise MismatchError("another object")
        for key, one in node.items():
            if key in value:
                self._match(one, value[key], found, into)
            elif directive(one) != "$optional":
                raise MismatchError(f"no {key}")

    def _directive(
        self, kind: str, node: Mapping[str, Any], value: Any, found: Found, into: Fields
    ) -> None:
        match kind:
            case "$choose":
                self._choice(node, value, found, into)
            case "$each":
                items = value if isinstance(value, list) else [value]
                self._members(found, len(items))
                for item, member in zip(items, found.members, strict=True):
                    self._match(node["$each"], item, found, member)
            case "$join":
                items = plain(value).split(node["with"]) if node["with"] else [plain(value)]
                self._members(found, len(items))
                for item, member in zip(items, found.members, strict=True):
                    self._text(node["$join"], item, member)
            case "$optional":
                self._match(node["$optional"], value, found, into)
            case "$value":
                text = plain(value)
                if node["as"] == "percent":
                    text = unquote(text, errors="strict")
                elif node["as"] == "utf16-hex":
                    text = bytes.fromhex(text).decode("utf-16-be", "surrogatepass")
                self._text(node["$value"], text, into)

    def _choice(self, node: Mapping[str, Any], value: Any, found: Found, into: Fields) -> None:
        for said, one in node["cases"].items():
            attempt = dict(into)
            try:
                self._match(one, value, found, attempt)
            except MismatchError:
                continue
            into |= {node["$choose"]: said} | attempt
            return
        self._match(node["otherwise"], value, found, into)

    def _members(self, found: Found, count: int) -> None:
        if not found.members:
            found.members = [{} for _ in range(count)]
        elif len(found.members) != count:
            raise MismatchError("lists of different lengths")

    def _text(self, written: str, text: str, into: Fields) -> None:
        parts = pieces(written)
        pattern = "".join("(.*?)" if named else re.escape(part) for part, named in parts)
        matched = re.fullmatch(pattern, text, re.DOTALL)
        if matched is None:
            raise MismatchError("another text")
        names = [part for part, named in parts if named]
        for name, value in zip(names, matched.groups(), strict=True):
            self._bind(name, value, into)

    def _bind(self, name: str, text: str, into: Fields) -> None:
        if name in self.account and name != "sender":
            own = self.account[name]
            allowed = own.values() if isinstance(own, dict) else [own]
            if text not in map(plain, allowed):
                secret = self.kinds.get(name) == "secret"
                raise (CredentialsError if secret else MismatchError)(f"another {name}")
        into[name] = text


def _fields(written: str) -> dict[str, list[str]]:
    return parse_qs(written, keep_blank_values=True) if written else {}


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise MismatchError("no JSON") from None


def _xml(body: bytes) -> Any:
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - from this machine only
    except ElementTree.ParseError:
        raise MismatchError("no XML") from None
    return {root.tag: _element(root)}


def _element(element: ElementTree.Element) -> Any:
    """Return an element as a description writes it, with every character of its text."""
    found: dict[str, Any] = {f"@{name}": value for name, value in element.items()}
    for child in element:
        value = _element(child)
        if child.tag in found:
            before = found[child.tag]
            found[child.tag] = [*(before if isinstance(before, list) else [before]), value]
        else:
            found[child.tag] = value
    if not found:
        return element.text or ""
    return found | ({"#text": element.text} if element.text else {})

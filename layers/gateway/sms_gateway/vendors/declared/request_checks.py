"""Check a description's requests: placeholders that exist, directives in their places."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from sms_gateway.vendors.declared.description import Description, RequestPart
from sms_gateway.vendors.declared.message_values import MESSAGE, NUMBERS, RECEIPT
from sms_gateway.vendors.declared.refusals import (
    check_header,
    check_own,
    check_pattern,
    escaped,
    refuse,
)
from sms_gateway.vendors.declared.requests import used
from sms_gateway.vendors.declared.trees import CONVERSIONS, DIRECTIVES, BraceError, pieces

XML_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9._-]*")
JOINED = NUMBERS | {"reference", "vendor_id"}  # what no separator can stand in


def check_requests(description: Description) -> None:
    """Raise DescriptionError for a request that can't be made."""
    kinds = {one.name: one.kind for one in description.settings}
    own, balance, poll = set(kinds), description.balance, description.poll
    request = description.send.request
    _check_request("/send/request", description, request, own | MESSAGE, each=True)
    if balance is not None:
        if balance.per is not None and kinds.get(balance.per) != "by_category":
            refuse("/balance/per", "is no setting by category")
        known = {name for name, kind in kinds.items() if kind != "by_category"}
        known |= {balance.per} if balance.per else set()
        _check_request("/balance/request", description, balance.request, known, each=False)
    if poll is not None:
        many = poll.answer.rows is not None
        _check_request("/poll/request", description, poll.request, own | RECEIPT, each=many)
        if not set(used(poll.request)) & RECEIPT:
            refuse("/poll/request", "must say vendor_id, reference or to of what it asks for")
    _check_send(description, request)
    _check_callback(description, kinds)


def _check_callback(description: Description, kinds: Mapping[str, str]) -> None:
    callback = description.callback
    if callback is None:
        return
    if isinstance(callback.account, str) and kinds.get(callback.account) != "switch":
        refuse("/callback/account", "is no setting of kind switch")
    for index, one in enumerate(callback.secrets):
        if kinds.get(one.setting) != "secret":
            refuse(f"/callback/secrets/{index}/setting", "is no setting of kind secret")


def _check_send(description: Description, request: RequestPart) -> None:
    send, place = description.send, "/send/request"
    each, once = set(used(request, repeated=True)), set(used(request, repeated=False))
    for needed, words in ((NUMBERS, "to"), ({"text"}, "text")):
        if not needed & (each | once):
            refuse(place, f"never says {{{words}}}")
    if each and not NUMBERS & each:
        refuse(place, "$each and $join must say {to}")
    if each and NUMBERS & once:
        refuse(place, "says {to} outside of $each and $join, where there are many")
    if ("send_at" in each | once) != (send.schedule is not None):
        refuse("/send/schedule", "and {send_at} go together")
    if send.sender_pattern is not None and "sender" not in each | once:
        refuse("/send/sender_pattern", "the request never says {sender}")
    check_pattern("/send/sender_pattern", send.sender_pattern)
    numbers = description.numbers
    if (numbers.trunk_prefix is None) < (numbers.country_code is None):
        refuse("/numbers/trunk_prefix", "needs country_code")
    national = "to_national" in each | once | (
        set(used(description.poll.request)) if description.poll else set()
    )
    own = f"+{numbers.country_code}"
    if national and (
        numbers.country_code is None
        or not numbers.only
        or not all(one.startswith(own) for one in numbers.only)
    ):
        refuse("/numbers", "{to_national} needs country_code, and only with such numbers")


def _check_request(
    place: str, description: Description, part: RequestPart, known: set[str], *, each: bool
) -> None:
    bodies = [name for name in ("form", "json", "xml") if getattr(part, name) is not UNSET]
    if len(bodies) > 1:
        refuse(f"{place}/{bodies[1]}", "there is another body already")
    if bodies and part.method == "GET":
        refuse(f"{place}/{bodies[0]}", "a GET has no body")
    for name in ("headers", "query", "form", "xml"):
        fields = getattr(part, name)
        if fields is not UNSET and (not isinstance(fields, dict) or _is_directive(fields)):
            refuse(f"{place}/{name}", "must be an object of names and values")
    _check_url(f"{place}/url", description, part.url, known)
    _check_headers(place, description, part)
    for name in ("query", "form"):
        for key, value in (getattr(part, name) or {}).items():
            pointer = f"{place}/{name}/{escaped(key)}"
            Tree(known, each=each, flat=True).check(pointer, value)
    _check_body(place, part, known, each=each)


def _check_body(place: str, part: RequestPart, known: set[str], *, each: bool) -> None:
    if part.json is not UNSET:
        if isinstance(part.json, dict) and "$optional" in part.json:
            refuse(f"{place}/json/$optional", "is not within an object")
        Tree(known, each=each).check(f"{place}/json", part.json)
    if part.xml is not UNSET:
        if len(part.xml) != 1:
            refuse(f"{place}/xml", "must have one root")
        Tree(known, each=each, xml=True).check(f"{place}/xml", part.xml)


def _check_headers(place: str, description: Description, part: RequestPart) -> None:
    for name, value in part.headers.items():
        pointer = f"{place}/headers/{escaped(name)}"
        check_header(pointer, name)
        if not isinstance(value, str) or not value.isascii() or not value.isprintable():
            refuse(pointer, "must be a text in printable ASCII")
        check_own(pointer, value, description)


def _is_directive(fields: dict[str, Any]) -> bool:
    return any(key.startswith("$") for key in fields)


def _check_url(pointer: str, description: Description, node: Any, known: set[str]) -> None:
    if isinstance(node, dict) and "$choose" in node:
        Tree(known, each=False).check(pointer, node)
        for key, one in node["cases"].items():
            _check_url(f"{pointer}/cases/{escaped(key)}", description, one, known)
        _check_url(f"{pointer}/otherwise", description, node["otherwise"], known)
        return
    if not isinstance(node, str):
        refuse(pointer, "must be a text, or $choose one")
    Tree(known, each=False).check(pointer, node)
    addresses = {one.name for one in description.settings if one.kind == "url"} | {"base_url"}
    first, named = pieces(node)[0] if node else ("", False)
    if not named or first not in addresses:
        refuse(pointer, "must begin with {base_url} or a setting of kind url")
    rest = "".join(part for part, is_name in pieces(node)[1:] if not is_name)
    if not rest.isascii() or not rest.isprintable() or set(rest) & set(" ?#"):
        refuse(pointer, "is a path in ASCII, without spaces; a query stands in query")
    if any(is_name and part in addresses for part, is_name in pieces(node)[1:]):
        refuse(pointer, "has a second address")
    if len(pieces(node)) > 1 and not _goes_on(pieces(node)[1], description):
        refuse(pointer, "goes on after the address with a slash, or a setting of kind path")


def _goes_on(piece: tuple[str, bool], description: Description) -> bool:
    part, named = piece
    if not named:
        return part.startswith("/")
    return any(one.name == part and one.kind == "path" for one in description.settings)


class Tree:
    """The check of one tree: what its placeholders may be, and which directives stand where."""

    def __init__(
        self, known: set[str], *, each: bool, flat: bool = False, xml: bool = False
    ) -> None:
        self.known, self.each, self.flat, self.xml = known | {"base_url"}, each, flat, xml

    def check(self, pointer: str, node: Any) -> None:
        """Raise DescriptionError for what can't be rendered."""
        if isinstance(node, str):
            self._check_text(pointer, node)
        elif isinstance(node, list):
            for index, one in enumerate(node):
                if isinstance(one, list) and (self.flat or self.xml):
                    refuse(f"{pointer}/{index}", "is a list within a list, which JSON alone has")
                self.check(f"{pointer}/{index}", one)
        elif isinstance(node, dict):
            if _is_directive(node):
                self._check_directive(pointer, node)
            else:
                self._check_object(pointer, node)
        elif self.xml and isinstance(node, float):
            refuse(pointer, "is a number: write it as text")

    def _check_object(self, pointer: str, node: dict[str, Any]) -> None:
        if self.flat:
            refuse(pointer, "is a value of a form or a query, which is no object")
        for key, one in node.items():
            place = f"{pointer}/{escaped(key)}"
            if self.xml:
                plain = key == "#text" or XML_NAME.fullmatch(key.removeprefix("@"))
                if not plain:
                    refuse(place, "is no name of an element or @attribute, nor #text")
                if key[0] in "@#" and not isinstance(one, str | int | bool | None):
                    refuse(place, "must be a text")
            self.check(place, one)

    def _check_text(self, pointer: str, node: str) -> None:
        if self.xml and not all(one.isprintable() or one in "\t\n\r" for one in node):
            refuse(pointer, "has a character that XML can't carry")
        try:
            found = pieces(node)
        except BraceError as error:
            refuse(pointer, str(error))
        for name, named in found:
            if named and name not in self.known:
                refuse(pointer, f"there is nothing called {name} here")

    def _check_directive(self, pointer: str, node: dict[str, Any]) -> None:
        kind = next(key for key in node if key.startswith("$"))
        if kind not in DIRECTIVES:
            refuse(f"{pointer}/{escaped(kind)}", f"there are {', '.join(sorted(DIRECTIVES))}")
        wanted = {kind, *DIRECTIVES[kind]}
        for key in sorted(set(node) ^ wanted):
            refuse(f"{pointer}/{escaped(key)}", f"{kind} has {', '.join(sorted(wanted))}")
        place = f"{pointer}/{kind}"
        if kind in ("$each", "$join") and not self.each:
            refuse(place, "there is only one message here")
        inner = Tree(self.known, each=False, flat=self.flat, xml=self.xml)
        if kind == "$choose":
            self._check_choice(pointer, node)
        elif kind == "$join":
            if not isinstance(node["$join"], str) or not isinstance(node["with"], str):
                refuse(place, "joins a text with a text")
            inner.check(place, node["$join"])
            if {name for name, named in pieces(node["$join"]) if named} - JOINED:
                refuse(place, f"joins only {', '.join(sorted(JOINED))}, which hold no separator")
        elif kind == "$value":
            if not isinstance(node["$value"], str) or node["as"] not in list(CONVERSIONS):
                refuse(pointer, f"$value is a text, as one of {', '.join(CONVERSIONS)}")
            self.check(place, node["$value"])
        else:
            (inner if kind == "$each" else self).check(place, node[kind])

    def _check_choice(self, pointer: str, node: dict[str, Any]) -> None:
        if not isinstance(node["$choose"], str) or node["$choose"] not in self.known:
            refuse(f"{pointer}/$choose", "there is nothing of that name here")
        if not isinstance(node["cases"], dict) or not node["cases"]:
            refuse(f"{pointer}/cases", "must be an object of values and what they choose")
        for key, one in node["cases"].items():
            self.check(f"{pointer}/cases/{escaped(key)}", one)
        self.check(f"{pointer}/otherwise", node["otherwise"])

"""Requests to a vendor, of a description's trees. The content type's serialiser escapes values."""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from msgspec import UNSET

from sms_gateway.vendors.declared.description import (
    Basic,
    Bearer,
    Description,
    Header,
    Hmac,
    RequestPart,
    Setting,
)
from sms_gateway.vendors.declared.trees import (
    Values,
    chosen,
    directive,
    fill,
    names,
    pieces,
    plain,
    render,
)
from sms_gateway.vendors.types import Request

FORM, JSON, XML = "application/x-www-form-urlencoded", "application/json", "application/xml"

Auth = Basic | Bearer | Header | Hmac


def used(part: RequestPart, *, repeated: bool | None = None) -> Iterator[str]:
    """Yield the placeholders of a request; see `trees.names`."""
    for node in (part.url, part.headers, part.query, part.form, part.json, part.xml):
        if node is not UNSET:
            yield from names(node, repeated=repeated)


def in_headers(description: Description) -> set[str]:
    """Return the settings that stand in headers as they are."""
    auth = description.auth
    texts = [auth.token] if isinstance(auth, Bearer) else []
    texts += [auth.value] if isinstance(auth, Header) else []
    for part in (description.send, description.balance, description.poll):
        texts += part.request.headers.values() if part else []
    return {name for text in texts for name, named in pieces(text) if named}


def build(
    part: RequestPart,
    auth: Auth | None,
    kinds: Mapping[str, Setting],
    values: Values,
    members: Sequence[Values] = (),
) -> Request:
    """Return the request of a description, signed."""
    url = _url(part.url, kinds, values)
    if query := _pairs(render(part.query, values, members)):
        url += f"?{urlencode(query, quote_via=quote)}"
    content_type, body = _body(part, values, members)
    headers = {"Content-Type": content_type} if content_type else {}
    headers |= {name: plain(one) for name, one in render(part.headers, values, members).items()}
    headers |= credentials(auth, values, part.method, url, body)
    return Request(part.method, url, headers, body, public_only=True)


def _url(node: Any, kinds: Mapping[str, Setting], values: Values) -> str:
    while directive(node):
        node = chosen(node, values)

    def escaped(name: str, value: str) -> str:
        kind = kinds[name].kind if name in kinds else "url" if name == "base_url" else "text"
        if kind == "url":
            return value.rstrip("/") if node != f"{{{name}}}" else value
        return quote(value, safe="/" if kind == "path" else "")

    return fill(node, values, escaped)


def _body(part: RequestPart, values: Values, members: Sequence[Values]) -> tuple[str, bytes]:
    if part.form is not UNSET:
        pairs = _pairs(render(part.form, values, members))
        return FORM, urlencode(pairs, quote_via=quote).encode()
    if part.json is not UNSET:
        return JSON, msgspec.json.encode(render(part.json, values, members))
    if part.xml is not UNSET:
        declared = '<?xml version="1.0" encoding="UTF-8"?>'
        return XML, (declared + _xml(render(part.xml, values, members))).encode()
    return "", b""


def _pairs(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return a form's fields; a list is a field that comes several times."""
    return [
        (name, plain(one))
        for name, value in fields.items()
        for one in (value if isinstance(value, list) else [value])
    ]


def _xml(elements: Mapping[str, Any]) -> str:
    return "".join(
        _element(name, one)
        for name, value in elements.items()
        for one in (value if isinstance(value, list) else [value])
    )


def _element(name: str, value: Any) -> str:
    if not isinstance(value, dict):
        return f"<{name}>{_escape(plain(value))}</{name}>"
    attributes = "".join(
        f' {key[1:]}="{_escape(plain(one))}"' for key, one in value.items() if key[0] == "@"
    )
    children = {key: one for key, one in value.items() if key[0] not in "@#"}
    text = _escape(plain(value.get("#text")))
    return f"<{name}{attributes}>{text}{_xml(children)}</{name}>"


def _escape(text: str) -> str:
    """Escape also line breaks and tabs, which a reader of XML would change."""
    escaped = escape(text, quote=True)
    for one in "\r\n\t":
        escaped = escaped.replace(one, f"&#{ord(one)};")
    return escaped


def credentials(
    auth: Auth | None, values: Values, method: str, url: str, body: bytes
) -> Mapping[str, str]:
    """Return the headers by which a request shows whose it is."""
    match auth:
        case Basic():
            pair = f"{fill(auth.user, values)}:{fill(auth.password, values)}"
            return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
        case Bearer():
            return {"Authorization": f"Bearer {fill(auth.token, values)}"}
        case Header():
            return {auth.name: fill(auth.value, values)}
        case Hmac():
            return {auth.header: auth.prefix + _sign(auth, values, method, url, body)}
    return {}


def _sign(auth: Hmac, values: Values, method: str, url: str, body: bytes) -> str:
    address = urlsplit(url)
    parts: dict[str, bytes] = {
        "{method}": method.encode(),
        "{path}": address.path.encode(),
        "{query}": address.query.encode(),
        "{body}": body,
    }
    signed = auth.join.encode().join(_signed(auth.parts, parts, values))
    made = hmac.new(fill(auth.key, values).encode(), signed, getattr(hashlib, auth.algorithm))
    return made.hexdigest() if auth.encode == "hex" else b64encode(made.digest()).decode()


def _signed(names: Iterable[str], parts: Mapping[str, bytes], values: Values) -> Iterable[bytes]:
    return [parts[name] if name in parts else fill(name, values).encode() for name in names]

"""Answers as one shape: JSON, XML and forms become objects, lists and texts. Nothing here raises.

An XML element is its text, or an object of its attributes (`@name`), its children by name, and its
`#text`; children of one name are a list.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from sms_gateway.vendors.declared.description import Find, Source
from sms_gateway.vendors.parsing import as_text, decode_json, only_object

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_DEPTH = 50  # of XML elements

Object = dict[str, object]


def read(formats: Sequence[str], body: bytes) -> object:
    """Return the document of a body in the first format that fits; None where none does."""
    for name in formats:
        found = READERS[name](body)
        if isinstance(found, dict | list):
            return found
    return None


def _form(body: bytes) -> object:
    return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True)) or None


def _json_in_form(body: bytes) -> object:
    fields = parse_qsl(body.decode(errors="replace"))
    values = (decode_json(value.encode(errors="replace")) for _, value in fields)
    return next((value for value in values if isinstance(value, dict | list)), None)


def _xml(body: bytes) -> object:
    from defusedxml import DefusedXmlException  # few vendors answer in XML: saves start-up time
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        root = fromstring(body, forbid_dtd=True)
        return {_local(root.tag): _element(root, MAX_DEPTH)}
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return None


def _element(element: "Element", depth: int) -> object:
    if depth == 0:
        raise ValueError("elements are nested too deeply")
    found: dict[str, Any] = {f"@{_local(name)}": value for name, value in element.items()}
    for child in element:
        name, value = _local(child.tag), _element(child, depth - 1)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    text = (element.text or "").strip()
    return found | ({"#text": text} if text else {}) if found else text


def _local(name: str) -> str:
    return name.rpartition("}")[2]


READERS: Mapping[str, Callable[[bytes], object]] = {
    "json": decode_json,
    "xml": _xml,
    "form": _form,
    "json-in-form": _json_in_form,
}


@lru_cache(maxsize=4096)
def fold(name: str) -> str:
    """Return a name by its letters and digits in lower case, behind the mark of XML, if any."""
    mark = name[:1] if name.startswith(("@", "#")) else ""
    return mark + "".join(one for one in name.casefold() if one.isalnum())


@lru_cache(maxsize=1024)
def steps(pointer: str) -> tuple[str, ...]:
    """Return the names of a JSON Pointer."""
    return tuple(one.replace("~1", "/").replace("~0", "~") for one in pointer.split("/")[1:])


def look(document: object, pointer: str) -> object:
    """Return what stands at a pointer; None where nothing does."""
    for step in steps(pointer):
        if isinstance(document, list) and step.isdecimal() and step.isascii():
            document = document[int(step)] if len(step) < 6 and int(step) < len(document) else None
            continue
        holder = only_object(document)
        if not isinstance(holder, dict):
            return None
        folded = {fold(str(key)): value for key, value in holder.items()}
        document = folded.get(fold(step))
    return document


def has(holder: Object, name: str) -> bool:
    """Return whether an object has a member of that pointer, be it null."""
    above, _, last = name.rpartition("/")
    outer = only_object(look(holder, above))
    return isinstance(outer, dict) and fold(steps(f"/{last}")[0]) in map(fold, map(str, outer))


def root_of(document: object, pointers: Sequence[str]) -> Object:
    """Return the first object that stands at one of the pointers; an empty one for none."""
    found = (only_object(look(document, pointer)) for pointer in pointers)
    return next((one for one in found if isinstance(one, dict)), {})


def rows_of(document: object, pointers: Sequence[str], root: Sequence[str]) -> list[Object]:
    """Return the objects of the first list, or only object, that stands at one of the pointers.

    An empty one stands for what is none, so that positions keep their meaning.
    """
    found = (look(document, pointer) for pointer in pointers)
    rows = next((one for one in found if isinstance(one, dict | list)), [])
    return [root_of(row, root) for row in (rows if isinstance(rows, list) else [rows])]


def find(where: Find | None, holder: object, body: str) -> str | None:
    """Return the first text or number that is found, as text; None for none."""
    for one in where if isinstance(where, list) else [where] if where is not None else []:
        source = one if isinstance(one, Source) else Source(at=one)
        value = body if source.at is None else as_text(look(holder, source.at))
        if value is not None and source.pattern is not None:
            value = extract(source.pattern, value)
        found = as_text(value)
        if found is not None and found.casefold() not in map(str.casefold, source.none):
            return found
    return None


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Any:
    """Return a pattern as RE2 reads it, whose time grows with the text and no faster.

    Raises ValueError.
    """
    import re2  # few descriptions have patterns: saves start-up time

    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        raise ValueError(said.decode() if isinstance(said, bytes) else str(said)) from None


def extract(pattern: str, text: str) -> str | None:
    """Return a pattern's first group in a text, or all that it matches; None for no match."""
    found = compiled(pattern).search(text.encode(errors="replace").decode())  # half a character
    if found is None:
        return None
    matched: str | None = found.group(1 if found.re.groups else 0)
    return matched

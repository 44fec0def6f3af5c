"""Parse what vendors write, whose types and key spelling drift. Nothing here raises."""

import re
from codecs import BOM_UTF8
from decimal import Decimal

import msgspec

Record = dict[str, object]


def decode_json(body: bytes) -> object:
    """Return the value of a JSON body; None for anything that is not JSON."""
    try:
        value: object = msgspec.json.decode(body.removeprefix(BOM_UTF8))
    except (ValueError, RecursionError):  # msgspec's and Unicode's errors are ValueErrors
        return None
    return value


def only_object(value: object) -> object:
    """Return the object of a list with one, or the value itself."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def normalize_keys(value: object) -> Record:
    """Return the members of a JSON object by the letters of their keys, in lower case.

    Empty for anything else.
    """
    if not isinstance(value, dict):
        return {}
    return {re.sub("[^a-z]", "", str(key).lower()): item for key, item in value.items()}


def decode_object(body: bytes) -> Record:
    """Return the members of a body's JSON object, which may stand alone in a list; else nothing."""
    return normalize_keys(only_object(decode_json(body)))


def normalize_rows(value: object) -> list[Record]:
    """Return the objects of a list, or of the only one.

    An empty one stands for each item that is none, so that positions keep their meaning.
    """
    return [normalize_keys(item) for item in (value if isinstance(value, list) else [value])]


def as_text(value: object) -> str | None:
    """Return a code, an id or a text, written as a string or as a number, cut at 200 characters.

    None for anything else and for an empty one.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value).strip()[:200] or None


def as_decimal(value: object) -> Decimal | None:
    """Return a plain decimal number, written as a string or as a number; None for anything else."""
    written = as_text(value) or ""
    plain = re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", written)
    return Decimal(written) if plain else None

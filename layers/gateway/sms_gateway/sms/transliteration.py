"""Transliterate a text to the GSM 7-bit alphabet by look-alikes.

Python's Unicode Character Database supplies them: canonical decompositions remove accents from
Latin letters, the compatibility ones in `_SAME_MEANING` expand ligatures, ellipses and full-width
forms, categories and names identify spaces, dashes and quotation marks. A look-alike keeps the
meaning: there is none for a struck-out "=", for a raised 2, or for another script.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from sms_gateway.sms.encoding import encoding_of

# Compatibility decompositions (UAX #44, 5.7.3) that keep the meaning. With <super>, <sub>,
# <fraction>, <circle> or <square> it changes: 10² would become 102.
_SAME_MEANING: Final = frozenset({"<compat>", "<font>", "<narrow>", "<noBreak>", "<wide>"})

# Look-alikes that the database lacks. The Greek capitals are those that TS 23.038 leaves out, since
# they look like Latin ones.
_ROWS: Final = (
    ("`\u00b4\u02ca\u02cb\u02b9\u02bb\u02bc\u02bd\u2032\u2035", "'"),  # accents, primes
    ("\u02ba\u02ee", '"'),  # the same doubled
    ("\t", " "), ("\x0b\x85", "\n"),
    ("\u2212\u2043", "-"),  # minus, hyphen bullet
    ("\u2022\u2023\u2217", "*"),  # bullets, asterisk operator
    ("\u00b7\u2219", "."), ("\u2044\u2215", "/"), ("\u00a6", "|"), ("\u00d7", "x"),
    ("\u02c6", "^"), ("\u02dc\u223c", "~"),
    ("\u00a9", "(C)"), ("\u00ae", "(R)"), ("\u2122", "TM"), ("\u00aa", "a"), ("\u00ba", "o"),
    ("\u0131", "i"), ("\u0237", "j"),  # without their dots
    ("\u0152", "OE"), ("\u0153", "oe"), ("\u1e9e", "SS"),  # ligatures, capital sharp s
    ("\u00d0", "D"), ("\u00f0", "d"), ("\u00de", "TH"), ("\u00fe", "th"),  # eth, thorn
    ("\u014a", "N"), ("\u014b", "n"), ("\u018f", "E"), ("\u0259", "e"), ("\u0138", "k"),
    *zip(
        "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7",
        "ABEZHIKMNOPTYX",
        strict=True,
    ),
)  # fmt: skip
_LOOK_ALIKES: Final = {character: same for characters, same in _ROWS for character in characters}

# Joiners, direction marks, soft hyphens, variation selectors. Not the direction overrides: without
# one, digits would read in the other order.
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u200b-\u200f\u202a-\u202c\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff]"
)
_LATIN: Final = re.compile("LATIN (SMALL|CAPITAL) LETTER ([A-Z])( WITH .+)?")
_OVERLAY: Final = 1  # canonical combining class of strokes through a character


def to_gsm7(text: str) -> tuple[str, list[str]]:
    """Transliterate `text`; return it with its distinct characters that have no look-alike.

    Those stay in the text and are in order of appearance. A text in the GSM alphabet is unchanged.
    """
    if encoding_of(text) == "gsm7":
        return text, []
    output: list[str] = []
    missing: dict[str, None] = {}
    base = ""
    for character in unicodedata.normalize("NFC", text):
        if encoding_of(character) == "gsm7":
            base, replacement = character, character
        elif _is_accent(character) and _takes_accents(base):
            replacement = ""
        else:
            base, look_alike = character, _look_alike(character)
            if look_alike is None:
                missing[character] = None
            replacement = character if look_alike is None else look_alike
        output.append(replacement)
    return "".join(output), list(missing)


def describe_character(character: str) -> str:
    """Describe a character as `U+201C LEFT DOUBLE QUOTATION MARK`, or by its number alone."""
    return f"{code_point(character)} {unicodedata.name(character, '')}".rstrip()


def code_point(character: str) -> str:
    """Return a character's code point, such as `U+201C`."""
    return f"U+{ord(character):04X}"


def name_of(character: str) -> str | None:
    """Return a character's Unicode name; None for controls and the like."""
    return unicodedata.name(character, None)


@lru_cache(maxsize=2048)
def _look_alike(character: str) -> str | None:
    """Find the look-alike of one character outside the GSM alphabet; None without one."""
    if (same := _LOOK_ALIKES.get(character)) is not None:
        return same
    if _INVISIBLE.fullmatch(character):
        return ""
    category, name = unicodedata.category(character), unicodedata.name(character, "")
    if category in ("Zs", "Zl", "Zp"):
        return " " if category == "Zs" else "\n"
    if category == "Pd":
        return "-"
    if "QUOTATION MARK" in name and category in ("Pi", "Pf", "Ps", "Pe"):
        return '"' if "DOUBLE" in name else "'"
    if latin := _LATIN.fullmatch(name):
        # Includes letters that do not decompose, such as l with stroke.
        accented = _without_accents(character)
        letter = latin[2] if latin[1] == "CAPITAL" else latin[2].lower()
        return letter if accented is None else accented
    return _without_accents(character)


def _without_accents(character: str) -> str | None:
    """Decompose a character and remove accents; None when the rest is not in the alphabet."""
    parts = list(_parts(character))
    if not parts:
        return None
    base, output = "", ""
    for part in parts:
        if _is_accent(part) and _takes_accents(base):
            continue
        same = part if encoding_of(part) == "gsm7" else _look_alike(part)
        if same is None:
            return None
        base = part
        output += same
    return output


def _parts(character: str) -> Iterator[str]:
    """Yield the characters of a one-step decomposition that keeps the meaning."""
    kind, *codes = unicodedata.decomposition(character).split() or [""]
    if kind.startswith("<"):
        if kind not in _SAME_MEANING:
            return
    elif kind:
        codes = [kind, *codes]
    yield from (chr(int(code, 16)) for code in codes)


def _is_accent(character: str) -> bool:
    return unicodedata.combining(character) > _OVERLAY


def _takes_accents(base: str) -> bool:
    name = unicodedata.name(base, "") if base else ""
    return name.startswith(("LATIN ", "GREEK CAPITAL LETTER "))

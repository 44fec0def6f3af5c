"""Writes a text in the GSM 7-bit alphabet where look-alikes allow it.

Built on the Unicode Character Database that comes with Python: canonical decompositions take
accents off Latin letters, the compatibility ones of `_SAME_MEANING` unfold ligatures, ellipses and
full-width forms, categories and names tell spaces, dashes and quotation marks. What changes the
meaning has no look-alike: a struck-out "=" is not "=", nor a raised 2 a 2, nor any other script a
Latin one.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from sms_gateway.sms.encoding import encoding_of

# Kinds of compatibility decomposition (UAX #44, 5.7.3) that leave the meaning as it is; not among
# them are <super>, <sub>, <fraction>, <circle> and <square>: 10² would become 102.
_SAME_MEANING: Final = frozenset({"<compat>", "<font>", "<narrow>", "<noBreak>", "<wide>"})

# What the database does not say, by code point: each row's characters and what stands for them. The
# Greek capitals are those that TS 23.038 leaves out because they look like Latin ones.
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

# Characters that show nothing: joiners, marks of direction, soft hyphens, variation selectors. An
# override of direction is not among them: without it digits would stand the other way round.
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u200b-\u200f\u202a-\u202c\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff]"
)
_LATIN: Final = re.compile("LATIN (SMALL|CAPITAL) LETTER ([A-Z])( WITH .+)?")
_OVERLAY: Final = 1  # canonical combining class of what strikes a character out


def to_gsm7(text: str) -> tuple[str, list[str]]:
    """`text` in the GSM alphabet, and the distinct characters without a look-alike, which it then
    still holds, in order of appearance. A text of that alphabet is returned as it is."""
    if encoding_of(text) == "gsm7":
        return text, []
    written: list[str] = []
    without: dict[str, None] = {}
    base = ""
    for character in unicodedata.normalize("NFC", text):
        if encoding_of(character) == "gsm7":
            base, same = character, character
        elif _is_accent(character) and _takes_accents(base):
            same = ""
        else:
            base, found = character, _look_alike(character)
            if found is None:
                without[character] = None
            same = character if found is None else found
        written.append(same)
    return "".join(written), list(without)


def describe_character(character: str) -> str:
    """A character as `U+201C LEFT DOUBLE QUOTATION MARK`; a nameless one by its number alone."""
    return f"{code_point(character)} {unicodedata.name(character, '')}".rstrip()


def code_point(character: str) -> str:
    """A character's number, such as `U+201C`."""
    return f"U+{ord(character):04X}"


def name_of(character: str) -> str | None:
    """A character's name in the Unicode Character Database; None for controls and the like."""
    return unicodedata.name(character, None)


@lru_cache(maxsize=2048)
def _look_alike(character: str) -> str | None:
    """What stands for one character that is not in the GSM alphabet; None for nothing."""
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
        # Also of letters that do not decompose, such as the l with a stroke.
        accented = _without_accents(character)
        letter = latin[2] if latin[1] == "CAPITAL" else latin[2].lower()
        return letter if accented is None else accented
    return _without_accents(character)


def _without_accents(character: str) -> str | None:
    """A character by its decomposition, without accents; None where it has none that can do."""
    parts = list(_parts(character))
    if not parts:
        return None
    base, written = "", ""
    for part in parts:
        if _is_accent(part) and _takes_accents(base):
            continue
        same = part if encoding_of(part) == "gsm7" else _look_alike(part)
        if same is None:
            return None
        base = part
        written += same
    return written


def _parts(character: str) -> Iterator[str]:
    """The characters of a one-step decomposition that keeps the meaning."""
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

"""Text encoding: GSM 7-bit or UCS-2, and segments.

Sources: 3GPP TS 23.038 6.2.1 (default alphabet, extension table) and TS 23.040 9.2.3.24 (six
octets of header in each part of a longer text). Lengths are septets (gsm7) or UTF-16 units (ucs2).
"""

import re
from bisect import bisect_left
from typing import Final
from unicodedata import category

from sms_gateway.vendors.types import Encoding

# Without the escape (0x1B), which is no character of its own.
_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION: Final = "\f^{}\\[~]|€"

_GSM7: Final = frozenset(_BASIC + _EXTENSION)
_DOUBLE: Final = frozenset(_EXTENSION)  # of two septets

# Characters that show nothing and that `isspace` and the category Cf leave out: Unicode's
# Default_Ignorable_Code_Point (DerivedCoreProperties.txt), and the blank of Braille.
_INVISIBLE: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2065\u2800\u3164\uffa0")
_INVISIBLE_RANGES: Final = (
    ("\u180b", "\u180f"),
    ("\ufe00", "\ufe0f"),
    ("\ufff0", "\ufff8"),
    ("\U000e0000", "\U000e0fff"),
)

_LIMITS: Final[dict[Encoding, tuple[int, int]]] = {"gsm7": (160, 153), "ucs2": (70, 67)}

# Without line feed, carriage return, tab and form feed (the extension table's page break). No
# vendor's manual documents the other control characters.
CONTROL: Final = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")


def is_blank(text: str) -> bool:
    """Whether no character of a text shows anything."""
    return all(_shows_nothing(character) for character in text)


def encoding_of(text: str) -> Encoding:
    """Return `gsm7` if the alphabet or its extension table has every character, else `ucs2`."""
    return "gsm7" if _GSM7.issuperset(text) else "ucs2"


def not_gsm7(text: str) -> list[str]:
    """Find the distinct characters that force UCS-2, in order of appearance."""
    return [character for character in dict.fromkeys(text) if character not in _GSM7]


def segments(text: str, encoding: Encoding | None = None) -> int:
    """Count the segments of `text`, at least 1.

    `gsm7` presumes that `not_gsm7(text)` is empty; None means `encoding_of(text)`.
    """
    return len(_ends(text, encoding or encoding_of(text)))


def split(text: str, encoding: Encoding | None = None) -> list[str]:
    """Split `text` into its segments; `encoding` as in `segments`.

    An extension character's two septets and a surrogate pair stay together.
    """
    ends = _ends(text, encoding or encoding_of(text))
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def length(text: str, encoding: Encoding) -> int:
    """Return the length in septets (gsm7) or UTF-16 units (ucs2), without headers."""
    return len(text) + len(_doubles(text, encoding))


def _ends(text: str, encoding: Encoding) -> list[int]:
    """Find where each segment ends, as indexes into `text`."""
    single, part = _LIMITS[encoding]
    # The unit at which each two-unit character begins; a lone surrogate is one unit.
    doubles = [at + nth for nth, at in enumerate(_doubles(text, encoding))]
    units = len(text) + len(doubles)
    if units <= single:
        return [len(text)]
    ends = []
    cut = part
    while cut < units:
        before = bisect_left(doubles, cut)
        if before and doubles[before - 1] == cut - 1:
            cut -= 1
            before -= 1
        ends.append(cut - before)
        cut += part
    ends.append(len(text))
    return ends


def _doubles(text: str, encoding: Encoding) -> list[int]:
    """Find the characters of two units."""
    if encoding == "ucs2":
        return [at for at, character in enumerate(text) if character > "\uffff"]
    if _DOUBLE.isdisjoint(text):
        return []
    return [at for at, character in enumerate(text) if character in _DOUBLE]


def _shows_nothing(character: str) -> bool:
    return (
        character.isspace()
        or category(character) == "Cf"
        or character in _INVISIBLE
        or any(first <= character <= last for first, last in _INVISIBLE_RANGES)
    )

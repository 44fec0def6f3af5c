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

# Characters that show nothing and that `isspace` and the category Cf leave out: Unicode's
# Default_Ignorable_Code_Point (DerivedCoreProperties.txt), and the blank of Braille.
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff]"
)

_LIMITS: Final[dict[Encoding, tuple[int, int]]] = {"gsm7": (160, 153), "ucs2": (70, 67)}
_FOREIGN: Final = re.compile(f"[^{re.escape(_BASIC + _EXTENSION)}]")
_DOUBLE: Final[dict[Encoding, re.Pattern[str]]] = {
    "gsm7": re.compile(f"[{re.escape(_EXTENSION)}]"),
    "ucs2": re.compile("[\U00010000-\U0010ffff]"),
}

# Without line feed, carriage return, tab and form feed (the extension table's page break). No
# vendor's manual documents the other control characters.
CONTROL: Final = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")


def is_blank(text: str) -> bool:
    """Whether no character of a text shows anything."""
    return all(
        character.isspace() or category(character) == "Cf" or _INVISIBLE.match(character)
        for character in text
    )


def encoding_of(text: str) -> Encoding:
    """Return `gsm7` if the alphabet or its extension table has every character, else `ucs2`."""
    return "ucs2" if _FOREIGN.search(text) else "gsm7"


def not_gsm7(text: str) -> list[str]:
    """Find the distinct characters that force UCS-2, in order of appearance."""
    return _FOREIGN.findall("".join(dict.fromkeys(text)))


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
    return len(text) + len(_DOUBLE[encoding].findall(text))


def _ends(text: str, encoding: Encoding) -> list[int]:
    """Find where each segment ends, as indexes into `text`."""
    single, part = _LIMITS[encoding]
    # The unit at which each two-unit character begins; a lone surrogate is one unit.
    doubles = [match.start() + nth for nth, match in enumerate(_DOUBLE[encoding].finditer(text))]
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

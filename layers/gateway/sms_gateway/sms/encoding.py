"""How a text travels: the GSM 7-bit alphabet or UCS-2, and in how many segments.

Source: 3GPP TS 23.038 6.2.1 (default alphabet and extension table), TS 23.040 9.2.3.24 (the six
octets of header in each part of a longer text). Sizes are septets (gsm7) or UTF-16 units (ucs2).
"""

import re
from bisect import bisect_left
from typing import Final

from sms_gateway.vendors.types import Encoding

# The escape of the default table (0x1B) is missing on purpose: alone it stands for no character.
_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION: Final = "\f^{}\\[~]|€"

_LIMITS: Final[dict[Encoding, tuple[int, int]]] = {"gsm7": (160, 153), "ucs2": (70, 67)}
_FOREIGN: Final = re.compile(f"[^{re.escape(_BASIC + _EXTENSION)}]")
_DOUBLE: Final[dict[Encoding, re.Pattern[str]]] = {
    "gsm7": re.compile(f"[{re.escape(_EXTENSION)}]"),
    "ucs2": re.compile("[\U00010000-\U0010ffff]"),
}

# A line feed, a carriage return, a tab and a form feed (the page break of the extension table) lay
# a text out; no vendor's manual knows what any other control character would do.
CONTROL: Final = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")


def encoding_of(text: str) -> Encoding:
    """`gsm7` if every character is in the GSM alphabet or its extension table, else `ucs2`."""
    return "ucs2" if _FOREIGN.search(text) else "gsm7"


def not_gsm7(text: str) -> list[str]:
    """The distinct characters that force UCS-2, in order of appearance."""
    return _FOREIGN.findall("".join(dict.fromkeys(text)))


def segments(text: str, encoding: Encoding | None = None) -> int:
    """How many segments `text` takes, at least 1. `gsm7` presumes that `not_gsm7(text)` is empty;
    None takes `encoding_of(text)`."""
    return len(_ends(text, encoding or encoding_of(text)))


def split(text: str, encoding: Encoding | None = None) -> list[str]:
    """The segments' texts, which joined are `text`; `encoding` as in `segments`. Neither an
    extension character's two septets nor a surrogate pair is cut in two."""
    ends = _ends(text, encoding or encoding_of(text))
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def length(text: str, encoding: Encoding) -> int:
    """A text's length in septets (gsm7) or UTF-16 units (ucs2), without headers."""
    return len(text) + len(_DOUBLE[encoding].findall(text))


def _ends(text: str, encoding: Encoding) -> list[int]:
    """Where each segment ends, as indexes into `text`."""
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

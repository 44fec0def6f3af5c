"""Look for what must not be shown, in any spelling."""

import base64
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, unquote

MIN_ENCODED = 8  # characters of base64 that are no coincidence


def found_in(words: str, hidden: Iterable[str]) -> set[str]:
    """Return those of `hidden` that stand in `words`.

    Plain, in upper or lower case, percent-encoded, escaped as in JSON, or within base64.
    """
    read = unquote(words)
    lowered = {words.lower(), read.lower(), read.lower().replace("+", " ")}
    return {
        one
        for one in hidden
        if any(spelling.lower() in text for spelling in _plain(one) for text in lowered)
        or any(code in text for code in _base64(one) for text in (words, read))
    }


def _plain(hidden: str) -> Iterable[str]:
    return {hidden, quote(hidden, safe=""), quote_plus(hidden), ascii(hidden)[1:-1]}


def _base64(hidden: str) -> Iterable[str]:
    """Yield what base64 makes of it wherever it stands within what is encoded."""
    for shift in range(3):
        code = base64.b64encode(b"\0" * shift + hidden.encode()).decode()
        whole = code[(0, 2, 3)[shift] : len(code) - (0, 3, 2)[(shift + len(hidden.encode())) % 3]]
        whole = whole.rstrip("=")
        if len(whole) >= MIN_ENCODED:
            yield whole

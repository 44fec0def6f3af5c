"""Redact what a vendor's words repeat of ours, before anything is stored, logged or shown.

That is: each secret setting of the account, the number, the text and the code, in any spelling.
Words are compared by their letters and digits alone, whatever their case, their script, what stands
between them, and however they are escaped.
"""

import re
from collections.abc import Iterable, Iterator
from copy import replace
from dataclasses import fields
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from unicodedata import decimal, normalize
from urllib.parse import unquote

from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.secret_marks import Marks, SecretMark
from sms_gateway.vendors.types import CodeCheck, DeliveryReport, SubmitCall, SubmitOutcome

MAX_LENGTH = 300  # of a response that is kept
MIN_SECRET, WHOLE_WORD = 3, 8  # characters: shorter ones are no secret, or only as a whole word
MAX_CODE, MAX_WORDS = 8, 190  # characters: longer words may have been cut, as by `as_text`
MAX_OWN_DIGITS = 4  # of a vendor's code: no vendor's table has longer ones, one-time codes are
MIN_NUMBER, MIN_TEXT = 7, 12  # characters of a number or a text that show it

_LONG_NUMBERS = re.compile(r"\d{5,}")
_CODES = re.compile(r"\d{4,}")  # in a text
_CALLBACK_TOKEN = re.compile(r"/callbacks(?:/|%2F)\w+(?:/|%2F)([\w.~-]+)", re.IGNORECASE)
_ESCAPED = re.compile(
    r"(?:%(?:25)*[89a-f][0-9a-f])+|%(?:25)*[0-7][0-9a-f]|(?:\\ud[89ab][0-9a-f]{2})?\\u[0-9a-f]{4}|\\[nrtbf\"/\\]"
    r"|&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,8});",
    re.IGNORECASE,
)

Mark = tuple[int, int, str]  # where something is redacted, and its label
Folded = tuple[str, list[tuple[int, int]]]  # and where each of its characters begins and ends


class Redaction:
    """What must not be kept of a vendor's words.

    `numbers` and `texts` were sent; `codes` are one-time codes and other secrets of one call. With
    `code_sent` an `otp` was, whose text may be gone: each number of four digits or more is a code.
    Without an adapter no account's secrets are known. `marks` stand for the secrets of an adapter
    that has none.
    """

    def __init__(
        self,
        adapter: Adapter | None,
        *,
        numbers: Iterable[str] = (),
        texts: Iterable[str] = (),
        codes: Iterable[str] = (),
        code_sent: bool = False,
        marks: Marks = MappingProxyType({}),
    ) -> None:
        secrets: list[str | SecretMark] = [*(secrets_of(adapter) if adapter else ())]
        secrets += marks.values()
        self._secrets = [("[secret]", secret) for secret in secrets]
        texts = list(dict.fromkeys(texts))
        self._secrets += [("[code]", code) for code in codes]
        self._code_sent = code_sent
        self._known: dict[str, str] = {}  # most words of a call are the same
        self._digits = [("[digits]", code) for text in texts for code in _CODES.findall(text)]
        self._sent = [("[text]", text, MIN_TEXT) for text in texts]
        self._sent += [("[number]", number, MIN_NUMBER) for number in numbers]

    @classmethod
    def of_call(cls, adapter: Adapter, call: SubmitCall) -> "Redaction":
        """Return what a submission's response must not show."""
        codes = [member.one_time_code.code for member in call.members if member.one_time_code]
        request = call.request.url + call.request.body.decode(errors="replace")
        return cls(
            adapter,
            numbers=[member.to for member in call.members],
            texts=[member.text for member in call.members],
            codes=[*filter(None, codes), *_CALLBACK_TOKEN.findall(request)],
        )

    def words(self, words: str | None) -> str | None:
        """Return a vendor's words, with a label for whatever is redacted."""
        if not words:
            return words
        if words not in self._known:
            self._known[words] = self._redact(words)
        return self._known[words]

    def _redact(self, words: str) -> str:
        folded = _fold(words)
        marks = _marks(folded, (*self._secrets, *self._digits))
        for label, sent, least in self._sent if len(folded[0]) >= MIN_SECRET else ():
            marks += _common(folded, label, _folded(sent), least)
        redacted = _replace(words, marks)
        return _CODES.sub("[digits]", redacted) if self._code_sent else redacted

    def code(self, code: str | None) -> str | None:
        """Return a vendor's code; one of few digits is its own, whatever digits the text had."""
        if not code or len(code) > MAX_CODE:
            return self.words(code)
        digits = [one for one in self._digits if len(one[1]) > MAX_OWN_DIGITS]
        redacted = _replace(code, _marks(_fold(code), (*self._secrets, *digits)))
        return _LONG_NUMBERS.sub("[digits]", redacted) if self._code_sent else redacted

    def raw(self, body: bytes) -> str:
        """Return the beginning of a response that can't be read, also without long numbers."""
        text = self.words(body[: MAX_LENGTH * 8].decode("utf-8", "replace")) or ""
        return _LONG_NUMBERS.sub("[digits]", text)[:MAX_LENGTH]

    def deep(self, value: Any) -> Any:
        """Return a JSON value with each of its texts redacted."""
        if isinstance(value, str):
            return self.words(value)
        if isinstance(value, list):
            return [self.deep(item) for item in value]
        if isinstance(value, dict):
            return {str(self.words(str(key))): self.deep(item) for key, item in value.items()}
        return value

    def outcome(self, outcome: SubmitOutcome) -> SubmitOutcome:
        """Redact an outcome; an id that repeats a secret is none."""
        repeats = _marks(_fold(outcome.vendor_id or ""), self._secrets)
        code, text = self.code(outcome.code), self.words(outcome.text)
        if not repeats and (code, text) == (outcome.code, outcome.text):
            return outcome
        vendor_id = None if repeats else outcome.vendor_id
        return replace(outcome, vendor_id=vendor_id, code=code, text=text)

    def report(self, report: DeliveryReport) -> DeliveryReport:
        """Redact a delivery report."""
        return replace(report, code=self.code(report.code), text=self.words(report.text))

    def check(self, check: CodeCheck) -> CodeCheck:
        """Redact the answer to a check of a code."""
        return replace(check, code=self.code(check.code), text=self.words(check.text))


def secrets_of(adapter: Adapter) -> list[str]:
    """Return an account's secret settings, which its `repr` hides, and what is made of them."""
    values = (getattr(adapter, field.name) for field in fields(adapter) if not field.repr)
    return [*(value for value in values if isinstance(value, str)), *adapter.derived_secrets]


@lru_cache(maxsize=256)
def _folded(words: str) -> str:
    return _fold(words)[0]


def _fold(words: str) -> Folded:
    """Return the letters and digits of words in lower case, and where each of them stood."""
    folded: list[str] = []
    places: list[tuple[int, int]] = []
    for character, place in _characters(words):
        if character.isascii():
            plain = character.lower()
        else:
            plain = normalize("NFKC", character).casefold()
        for one in plain:
            if one.isalnum():
                folded.append(one if one.isascii() else str(decimal(one, one)))
                places.append(place)
    return "".join(folded), places


def _characters(words: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield each character with the place of what stands for it."""
    position = 0
    for escaped in _ESCAPED.finditer(words):
        for index in range(position, escaped.start()):
            yield words[index], (index, index + 1)
        for character in _unescape(escaped[0]):
            yield character, escaped.span()
        position = escaped.end()
    for index in range(position, len(words)):
        yield words[index], (index, index + 1)


def _unescape(escaped: str) -> str:
    if escaped.startswith("%"):
        return unquote(re.sub("%(?:25)+", "%", escaped), errors="replace")
    if escaped.startswith(("\\u", "\\U")):
        units = (int(unit, 16).to_bytes(2, "big") for unit in re.findall("[0-9a-fA-F]{4}", escaped))
        return b"".join(units).decode("utf-16-be", "replace")
    if escaped.startswith("\\"):
        return ""  # a line break, a quote, a slash
    from html import unescape  # few vendors answer in HTML: saves start-up time

    return unescape(escaped)


def mark_of(secret: str, key: bytes) -> SecretMark:
    """Return the mark of a secret setting, for those that may not know the secret."""
    return SecretMark.of(secret, _folded(secret), key)


def _marks(folded: Folded, secrets: Iterable[tuple[str, str | SecretMark]]) -> list[Mark]:
    return [
        mark
        for label, secret in secrets
        for mark in (
            _recognise(folded, label, secret)
            if isinstance(secret, SecretMark)
            else _find(folded, label, _folded(secret))
        )
    ]


def _recognise(folded: Folded, label: str, mark: SecretMark) -> Iterator[Mark]:
    """Yield where a marked secret stands, and the end of words that may have been cut in one."""
    letters, places = folded
    if mark.length < MIN_SECRET:
        return
    for start in mark.find(letters):
        yield from _whole(folded, label, start, start + mark.length)
    if places and places[-1][1] >= MAX_WORDS:
        yield places[-min(mark.length - 1, len(places))][0], places[-1][1], label


def _find(folded: Folded, label: str, secret: str) -> Iterator[Mark]:
    """Yield where a secret stands; a short one only where no letter or digit is joined to it."""
    letters, places = folded
    if len(secret) < MIN_SECRET:
        return
    start = letters.find(secret)
    while start >= 0:
        yield from _whole(folded, label, start, start + len(secret))
        start = letters.find(secret, start + 1)
    # Words that were cut may end in the beginning of a secret.
    if places and places[-1][1] >= MAX_WORDS:
        for size in range(min(len(secret), len(letters)) - 1, MIN_SECRET - 1, -1):
            if letters.endswith(secret[:size]):
                yield places[-size][0], places[-1][1], label
                return


def _whole(folded: Folded, label: str, start: int, end: int) -> Iterator[Mark]:
    """Yield a secret's place, that of a short one only as a whole word."""
    if end - start >= WHOLE_WORD or not (_joined(folded, start) or _joined(folded, end)):
        yield folded[1][start][0], folded[1][end - 1][1], label


def _joined(folded: Folded, place: int) -> bool:
    """Whether a character goes on from the one before it, as a word or as a number."""
    letters, places = folded
    if not 0 < place < len(letters) or places[place - 1][1] != places[place][0]:
        return False
    return letters[place - 1].isdigit() == letters[place].isdigit()


def _common(folded: Folded, label: str, sent: str, least: int) -> list[Mark]:
    """Return what words and what was sent have in common, from `least` characters on."""
    letters, places = folded
    if len(sent) <= least:
        return [*_find(folded, label, sent)]
    return [
        (places[start][0], places[start + least - 1][1], label)
        for start in range(len(letters) - least + 1)
        if letters[start : start + least] in sent
    ]


def _replace(words: str, marks: Iterable[Mark]) -> str:
    kept, position = [], 0
    for start, end, label in sorted(marks):
        if start >= position:
            kept += [words[position:start], label]
        position = max(position, end)
    return "".join([*kept, words[position:]])

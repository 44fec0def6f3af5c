"""Read what people write for a number: groups of digits, and whether it names its country.

Nothing is known here of any country's numbering plan.
"""

import re
from typing import Final
from unicodedata import category, decimal

from sms_gateway.core.value_object import ValueObject

MAX_LENGTH: Final = 40  # characters, as written
INVALID: Final = "invalid-number"

_NOT_A_FORM: Final = (
    "A number is written with digits, a leading +, spaces, dashes, dots and brackets:"
    " no letters and no extension."
)
_BRACKETS: Final = re.compile(r"\(([^()]*)\)")
_MAX_BEFORE_BRACKET, _MIN_AFTER_BRACKET = 5, 4  # digits: brackets hold a country or an area
_FORM: Final = re.compile(r"(\+?) ?([0-9][0-9 .-]*)")
# Day, month and year, or the year first; and a number as a spreadsheet shows one.
_DATE: Final = re.compile(r"[0-9]{1,2}\D+[0-9]{1,2}\D+([0-9]{2}){1,2}|[0-9]{4}(\D+[0-9]{1,2}){2}")
_DECIMAL: Final = re.compile(r"\+?[0-9]+\.[0-9]{1,3}")
_SAME: Final = {"[": "(", "]": ")", "\u2212": "-"} | {
    chr(ord(mark) + 0xFEE0): mark
    for mark in "+-.()"  # the full-width marks
}


class NumberError(ValueError):
    """A number that is not usable. `slug` names the problem; `detail` never holds the number."""

    def __init__(self, slug: str, detail: str) -> None:
        super().__init__(detail)
        self.slug = slug
        self.detail = detail


class WrittenNumber(ValueObject, frozen=True):
    """A number as written: `prefix` is `+`, `00` or nothing, `groups` the ASCII digits behind.

    `trunk_zero` says that one group is `(0)`: the zero that is not dialled from abroad.
    """

    hidden = frozenset({"groups"})

    prefix: str
    groups: tuple[str, ...]
    trunk_zero: bool

    @property
    def digits(self) -> str:
        """All digits behind the prefix."""
        return "".join(self.groups)


def parse_form(raw: str) -> WrittenNumber:
    """Parse a written number. Raises NumberError for what is none, such as a date or a decimal."""
    if len(raw) > MAX_LENGTH:
        raise NumberError(INVALID, f"A number has at most {MAX_LENGTH} characters.")
    plain = "".join(map(_plain, raw)).strip()
    form = _FORM.fullmatch(_open_brackets(plain))
    if form is None:
        has_digits = any(character.isdigit() for character in plain)
        only_marks = not plain.strip("+-.() ")
        detail = "The number has no digits." if only_marks and not has_digits else _NOT_A_FORM
        raise NumberError(INVALID, detail)
    prefix, groups = form[1], tuple(re.findall("[0-9]+", form[2]))
    if not prefix and _DATE.fullmatch(form[2].rstrip(" .-")):
        raise NumberError(INVALID, "This is a date, not a number.")
    if _DECIMAL.fullmatch(plain):
        raise NumberError(
            INVALID, "The number has a decimal point: format the spreadsheet's column as text."
        )
    if not prefix and groups[0].startswith("00"):
        prefix, groups = "00", tuple(filter(None, (groups[0][2:], *groups[1:])))
    if not groups:
        raise NumberError(INVALID, "The number has no digits.")
    return WrittenNumber(prefix, groups, "(0)" in plain.replace(" ", ""))


def _plain(character: str) -> str:
    """Return the ASCII digit, mark or space that a character stands for, or the character."""
    if character in _SAME:
        return _SAME[character]
    kind = category(character)
    if kind == "Nd":
        return str(decimal(character))
    if kind == "Pd":
        return "-"
    return " " if kind == "Cf" or character.isspace() else character


def _open_brackets(plain: str) -> str:
    """Replace brackets around a country or area code by spaces.

    Others stay, and make it no number: what stands in brackets behind a number is no part of it.
    """
    for found in reversed([*_BRACKETS.finditer(plain)]):
        before, after = plain[: found.start()], plain[found.end() :]
        if _digits(before) <= _MAX_BEFORE_BRACKET and _digits(after) >= _MIN_AFTER_BRACKET:
            plain = f"{before} {found[1]} {after}"
    return plain.strip()


def _digits(text: str) -> int:
    return sum(character.isdigit() for character in text)

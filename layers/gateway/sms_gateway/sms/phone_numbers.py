"""Telephone numbers: whatever people write becomes E.164, or an error that says what to change.

The numbering plans are those of the `phonenumbers` module. An international form need only be
possible there, since plans change faster than their copies; a national form must be valid.

`phonenumbers` is imported when a number has to be read: it takes a tenth of a start, and most
numbers are written as they should be. To see that takes a short form of its plans alone, which
tools/numbering_plans.py derives.
"""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

# Spaces, dashes, dots and brackets; the invisible marks are what phones add to a copied number.
_PUNCTUATION: Final = str.maketrans(
    "",
    "",
    " \u00a0\u2007\u2009\u202f-\u2010\u2011\u2012\u2013\u2014\u2212.()[]"
    "\u200b\u200e\u200f\u202a\u202c\u202d\u2060\u2066\u2068\u2069",
)
PLANS: Final = Path(__file__).with_name("numbering_plans.json")
_MAX_DIGITS: Final = 15  # ITU-T E.164, country code included; some plans allow more

_INVALID: Final = "invalid-number"
_AMBIGUOUS: Final = "ambiguous-number"
_TOO_SHORT: Final = "The number has too few digits for its country."
_TOO_LONG: Final = "The number has too many digits for its country."
_UNUSED_LENGTH: Final = "The number has a length that its country does not use."
_NO_AREA_CODE: Final = "The number lacks its area code."
_UNKNOWN_COUNTRY: Final = "The number begins with no known country code."


class _Plan(msgspec.Struct, array_like=True, frozen=True):
    """What of a country's plan says that a number needs no reading: the lengths that one without
    its country code may have, and a pattern of what it begins with at home only."""

    lengths: frozenset[int]
    prefix: str


_PLANS: Final = msgspec.json.decode(PLANS.read_bytes(), type=dict[str, _Plan])


class NumberError(ValueError):
    """A number that can't be used. `slug` names the problem; `detail` never holds the number."""

    def __init__(self, slug: str, detail: str) -> None:
        super().__init__(detail)
        self.slug = slug
        self.detail = detail


def to_e164(raw: str, regions: Sequence[str] = ()) -> str:
    """`raw` as `+` and digits.

    What begins with neither + nor 00 is a national form, and must have exactly one meaning in
    `regions` (ISO 3166 alpha-2). Raises NumberError.
    """
    written = raw.translate(_PUNCTUATION)
    if written.startswith("00"):
        written = f"+{written[2:]}"
    digits = written.removeprefix("+")
    if not digits:
        raise NumberError(_INVALID, "The number has no digits.")
    if not (digits.isascii() and digits.isdigit()):
        raise NumberError(
            _INVALID,
            "A number is written with digits, a leading +, spaces, dashes, dots and brackets:"
            " no letters and no extension.",
        )
    return _national(digits, regions) if written == digits else _international(written)


def mask(e164: str) -> str:
    """Return a number for logs: its country code and its last two digits, such as `+880…01`."""
    return f"{_country_code(e164)}…{e164[-2:]}"


def _country_code(number: str) -> str:
    return next((number[:end] for end in (2, 3, 4) if number[:end] in _PLANS), "")


@cache
def _domestic(code: str) -> re.Pattern[str]:
    """Return what a number begins with at home only.

    A zero may be a part of it or not: that is for `phonenumbers` to say.
    """
    return re.compile(f"0|{_PLANS[code].prefix or '0'}")


def _is_canonical(written: str) -> bool:
    """Whether `phonenumbers` would leave an international form as it is.

    Most numbers are written like that, and reading one takes seven times as long as seeing it.
    """
    code = _country_code(written)
    if not code or len(written) > 1 + _MAX_DIGITS:
        return False
    national = written[len(code) :]
    return len(national) in _PLANS[code].lengths and not _domestic(code).match(national)


def _international(written: str) -> str:
    if _is_canonical(written):
        return written
    import phonenumbers
    from phonenumbers import NumberParseException, ValidationResult

    try:
        number = phonenumbers.parse(written)
    except NumberParseException as error:
        unparsed = {
            NumberParseException.TOO_LONG: _TOO_LONG,
            NumberParseException.INVALID_COUNTRY_CODE: _UNKNOWN_COUNTRY,
        }
        # Its message and its input stay here: a detail must not hold the number.
        raise NumberError(_INVALID, unparsed.get(error.error_type, _TOO_SHORT)) from None
    reason = phonenumbers.is_possible_number_with_reason(number)
    if reason != ValidationResult.IS_POSSIBLE:
        impossible = {
            ValidationResult.TOO_LONG: _TOO_LONG,
            ValidationResult.INVALID_LENGTH: _UNUSED_LENGTH,
            ValidationResult.IS_POSSIBLE_LOCAL_ONLY: _NO_AREA_CODE,
            ValidationResult.INVALID_COUNTRY_CODE: _UNKNOWN_COUNTRY,
        }
        raise NumberError(_INVALID, impossible.get(reason, _TOO_SHORT))
    formatted = _format(number)
    if len(formatted) > 1 + _MAX_DIGITS:
        raise NumberError(_INVALID, _TOO_LONG)
    return formatted


def _national(digits: str, regions: Sequence[str]) -> str:
    import phonenumbers

    readings: dict[str, list[str]] = {}
    for region in regions:
        try:
            number = phonenumbers.parse(digits, region)
        except phonenumbers.NumberParseException:
            continue
        # A region's own international prefix (010, 011) could lead abroad: only + and 00 may.
        at_home = number.country_code == phonenumbers.country_code_for_region(region)
        if at_home and phonenumbers.is_valid_number(number):
            readings.setdefault(_format(number), []).append(region)
    if len(readings) == 1:
        return next(iter(readings))
    names = [region for found in readings.values() for region in found]
    if names:
        raise NumberError(
            _AMBIGUOUS,
            f"The number is valid in each of {', '.join(names)}: write it with + and the country"
            " code.",
        )
    where = f"not a valid number of {', '.join(regions)}" if regions else "in no international form"
    raise NumberError(_INVALID, f"The number is {where}: write it with + and the country code.")


def _format(number: "PhoneNumber") -> str:
    import phonenumbers

    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

"""Phone numbers: convert what people write to E.164.

The numbering plans are the `phonenumbers` package's. An international number need only be possible
there, since plans change faster than their copies; a national number must be valid.

Importing `phonenumbers` takes a tenth of a start, and most numbers are canonical: they are checked
with a summary of its plans (tools/numbering_plans.py), and only the others import it.
"""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

# Spaces, dashes, dots and brackets, and the invisible marks that phones add to a copied number.
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
    """A country's possible lengths without country code, and a pattern of national prefixes."""

    lengths: frozenset[int]
    prefix: str


_PLANS: Final = msgspec.json.decode(PLANS.read_bytes(), type=dict[str, _Plan])


class NumberError(ValueError):
    """A number that is not usable. `slug` names the problem; `detail` never holds the number."""

    def __init__(self, slug: str, detail: str) -> None:
        super().__init__(detail)
        self.slug = slug
        self.detail = detail


def to_e164(raw: str, regions: Sequence[str] = ()) -> str:
    """Convert a number to `+` and digits. Raises NumberError.

    A number without + or 00 is national, and must be valid for exactly one number in `regions` (ISO
    3166 alpha-2).
    """
    number = raw.translate(_PUNCTUATION)
    if number.startswith("00"):
        number = f"+{number[2:]}"
    digits = number.removeprefix("+")
    if not digits:
        raise NumberError(_INVALID, "The number has no digits.")
    if not (digits.isascii() and digits.isdigit()):
        raise NumberError(
            _INVALID,
            "A number is written with digits, a leading +, spaces, dashes, dots and brackets:"
            " no letters and no extension.",
        )
    return _national(digits, regions) if number == digits else _international(number)


def mask(e164: str) -> str:
    """Mask a number for logs: country code and last two digits, such as `+880…01`."""
    return f"{_country_code(e164)}…{e164[-2:]}"


def _country_code(number: str) -> str:
    return next((number[:end] for end in (2, 3, 4) if number[:end] in _PLANS), "")


@cache
def _national_prefix(code: str) -> re.Pattern[str]:
    # A leading zero may belong to the number: phonenumbers decides.
    return re.compile(f"0|{_PLANS[code].prefix or '0'}")


def _is_canonical(number: str) -> bool:
    """Whether `phonenumbers` would return an international number unchanged.

    Most numbers are canonical, and parsing one takes seven times as long as this check.
    """
    code = _country_code(number)
    if not code or len(number) > 1 + _MAX_DIGITS:
        return False
    national = number[len(code) :]
    return len(national) in _PLANS[code].lengths and not _national_prefix(code).match(national)


def _international(number: str) -> str:
    if _is_canonical(number):
        return number
    import phonenumbers
    from phonenumbers import NumberParseException, ValidationResult

    try:
        parsed = phonenumbers.parse(number)
    except NumberParseException as error:
        unparsed = {
            NumberParseException.TOO_LONG: _TOO_LONG,
            NumberParseException.INVALID_COUNTRY_CODE: _UNKNOWN_COUNTRY,
        }
        # Drop the error: it holds the number.
        raise NumberError(_INVALID, unparsed.get(error.error_type, _TOO_SHORT)) from None
    reason = phonenumbers.is_possible_number_with_reason(parsed)
    if reason != ValidationResult.IS_POSSIBLE:
        impossible = {
            ValidationResult.TOO_LONG: _TOO_LONG,
            ValidationResult.INVALID_LENGTH: _UNUSED_LENGTH,
            ValidationResult.IS_POSSIBLE_LOCAL_ONLY: _NO_AREA_CODE,
            ValidationResult.INVALID_COUNTRY_CODE: _UNKNOWN_COUNTRY,
        }
        raise NumberError(_INVALID, impossible.get(reason, _TOO_SHORT))
    formatted = _format(parsed)
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
        # phonenumbers also reads a region's own international prefix (010, 011): reject it.
        in_region = number.country_code == phonenumbers.country_code_for_region(region)
        if in_region and phonenumbers.is_valid_number(number):
            readings.setdefault(_format(number), []).append(region)
    if len(readings) == 1:
        return next(iter(readings))
    names = [region for matches in readings.values() for region in matches]
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

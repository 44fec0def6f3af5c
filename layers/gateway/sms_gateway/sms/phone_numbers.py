"""Phone numbers: convert what people write to E.164, and never guess a country.

The numbering plans are the `phonenumbers` package's. A number with + or 00 need only be possible
there, since plans change faster than their copies. Another one is read only with a region, and only
if it has exactly one reading that can receive SMS: docs/guides/send.md has the table.

Importing `phonenumbers` takes a tenth of a start, and most numbers are canonical: they are checked
with a summary of its plans (tools/numbering_plans.py), and only the others import it.
"""

import re
from collections.abc import Callable
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec

from sms_gateway.core.value_object import ValueObject
from sms_gateway.sms.number_forms import INVALID, NumberError, WrittenNumber, parse_form

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

__all__ = ["NumberError", "ReadNumber", "Region", "is_region", "mask", "read_number", "to_e164"]

PLANS: Final = Path(__file__).with_name("numbering_plans.json")
_MAX_DIGITS: Final = 15  # ITU-T E.164, country code included; some plans allow more

_AMBIGUOUS: Final = "ambiguous-number"
_TOO_SHORT: Final = "The number has too few digits for its country."
_TOO_LONG: Final = "The number has too many digits for its country."
_UNUSED_LENGTH: Final = "The number has a length that its country does not use."
_NO_AREA_CODE: Final = "The number lacks its area code."
_UNKNOWN_COUNTRY: Final = "The number begins with no known country code."
_CURE: Final = "write it with + and the country code"

Region = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Z]{2}\Z", description="a country's two letters, such as BD")
]
Form = Literal["international", "national", "without_plus"]


class _Plan(msgspec.Struct, array_like=True, frozen=True):
    """A country code's possible lengths behind it, its national prefixes (a pattern), its regions.

    Regions are ISO 3166 alpha-2; codes that are no country's have none.
    """

    lengths: frozenset[int]
    prefix: str
    regions: tuple[str, ...]


_PLANS: Final = msgspec.json.decode(PLANS.read_bytes(), type=dict[str, _Plan])


class ReadNumber(ValueObject, frozen=True):
    """A number as E.164, and the form in which it was written."""

    hidden = frozenset({"e164"})

    e164: str
    form: Form


def read_number(raw: str, region: str | None = None) -> ReadNumber:
    """Read a number. Raises NumberError.

    Without + or 00 it must have exactly one reading that can receive SMS: as a national number of
    `region` (ISO 3166 alpha-2), or with its country code. Other countries' readings count, and are
    never taken.
    """
    if _is_canonical(raw):
        return ReadNumber(raw, "international")
    written = parse_form(raw)
    if written.prefix:
        return ReadNumber(_international(written, region), "international")
    return _national(written, region)


def to_e164(raw: str, region: str | None = None) -> str:
    """Convert a number to `+` and digits, as `read_number` does. Raises NumberError."""
    return read_number(raw, region).e164


def is_region(region: str) -> bool:
    """Whether a region (ISO 3166 alpha-2) has a numbering plan."""
    return region in _country_codes()


def country_of(e164: str) -> str:
    """Return an E.164 number's country (ISO 3166 alpha-2); its code, such as `+883`, if none."""
    code = _country_code(e164)
    regions = _PLANS[code].regions
    if len(regions) < 2:
        return regions[0] if regions else code
    import phonenumbers  # +1 and a few others are many countries'

    return phonenumbers.region_code_for_number(phonenumbers.parse(e164)) or regions[0]


def mask(e164: str) -> str:
    """Mask a number for logs: country code and last two digits, such as `+880…01`."""
    return f"{_country_code(e164)}…{e164[-2:]}"


def _country_code(number: str) -> str:
    return next((number[:end] for end in (2, 3, 4) if number[:end] in _PLANS), "")


@cache
def _country_codes() -> dict[str, str]:
    return {region: code for code, plan in _PLANS.items() for region in plan.regions}


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
    if not (national.isascii() and national.isdigit()):
        return False
    return len(national) in _PLANS[code].lengths and not _national_prefix(code).match(national)


def _international(written: WrittenNumber, region: str | None) -> str:
    number = f"+{written.digits}"
    dialled_abroad = written.prefix == "00" and region is not None
    if len(written.groups) == 1 and not dialled_abroad and _is_canonical(number):
        return number
    found = _possible(number)
    formatted = _format(found)
    if written.trunk_zero and f"+{written.digits}" == formatted:
        raise NumberError(
            INVALID, "This country's numbers take no (0): leave it out, or its brackets."
        )
    again = _parse(formatted)
    if again is None or _format(again) != formatted:
        # Else one handset had several numbers, each with limits and counts of its own.
        raise NumberError(INVALID, "More than one prefix stands behind the country code: none may.")
    _refuse_tail(written, found, lambda head: _parse(f"+{head}"))
    if dialled_abroad:
        # Where people dial another international prefix, such as 001, 00 may be its beginning.
        dialled = _receiving(_parse(f"00{written.digits}", region))
        if dialled not in (None, formatted):
            raise NumberError(_AMBIGUOUS, f"The number has more than one meaning: {_CURE}.")
    return formatted


def _possible(number: str) -> "PhoneNumber":
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
        raise NumberError(INVALID, unparsed.get(error.error_type, _TOO_SHORT)) from None
    reason = phonenumbers.is_possible_number_with_reason(parsed)
    if reason != ValidationResult.IS_POSSIBLE:
        impossible = {
            ValidationResult.TOO_LONG: _TOO_LONG,
            ValidationResult.INVALID_LENGTH: _UNUSED_LENGTH,
            ValidationResult.IS_POSSIBLE_LOCAL_ONLY: _NO_AREA_CODE,
            ValidationResult.INVALID_COUNTRY_CODE: _UNKNOWN_COUNTRY,
        }
        raise NumberError(INVALID, impossible.get(reason, _TOO_SHORT))
    if len(_format(parsed)) > 1 + _MAX_DIGITS:
        raise NumberError(INVALID, _TOO_LONG)
    return parsed


def _national(written: WrittenNumber, region: str | None) -> ReadNumber:
    code = _country_codes().get(region or "")
    if region is None or code is None:
        raise NumberError(
            INVALID, f"The number does not say its country: {_CURE}, or give a region."
        )
    digits = written.digits
    national, abroad = _parse(f"{code}{digits}"), _parse(f"+{digits}")
    own, without_plus = _receiving(national), _receiving(abroad)
    readings = {own, without_plus, _receiving(_parse(digits, region))} - {None}
    if own and _lacks_prefix(digits, national, region) and _may_receive(abroad):
        readings.add(f"+{digits}")
    if len(readings) > 1:
        raise NumberError(_AMBIGUOUS, f"The number has more than one meaning: {_CURE}.")
    number = own or without_plus
    if number is None or _country_code(number) != code:
        raise NumberError(
            INVALID, f"The number is none of {region} that can receive an SMS: {_CURE}."
        )

    def read(head: str) -> "PhoneNumber | None":
        alone = _parse(f"{code}{head}")
        return alone if _receiving(alone) else _parse(f"+{head}")

    _refuse_tail(written, national if own else abroad, read)
    return ReadNumber(number, "national" if own else "without_plus")


def _lacks_prefix(digits: str, number: "PhoneNumber | None", region: str) -> bool:
    """Whether a national number lacks the prefix (0, mostly) that its country always writes.

    Then a spreadsheet may have eaten the prefix, or a plus.
    """
    import phonenumbers

    if number is None or digits != phonenumbers.national_significant_number(number):
        return False
    plan: Any = phonenumbers.PhoneMetadata.metadata_for_region(region)
    return any(
        plan.national_prefix in (one.national_prefix_formatting_rule or "")
        and not one.national_prefix_optional_when_formatting
        for one in plan.number_format
        if plan.national_prefix
        and re.match((one.leading_digits_pattern or [""])[-1], digits)
        and re.fullmatch(one.pattern, digits)
    )


def _refuse_tail(
    written: WrittenNumber,
    whole: "PhoneNumber | None",
    read: Callable[[str], "PhoneNumber | None"],
) -> None:
    """Raise NumberError where digits behind a number's end would be joined to it.

    That may be an extension, a count, or a second number. `read` reads the first groups alone.
    """
    groups = written.groups
    heads = [*accumulate(groups)][:-1]
    joined = bool(heads) and (
        len(groups[-1]) == 1
        or (len(groups[-1]) == 2 < len(groups[-2]) and not _is_valid(whole))
        or any(_is_valid(read(head)) for head in heads)
    )
    if joined:
        raise NumberError(
            INVALID, f"Digits stand behind the number's end: {_CURE}, and nothing behind it."
        )


def _parse(number: str, region: str | None = None) -> "PhoneNumber | None":
    import phonenumbers

    try:
        return phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None


def _is_valid(number: "PhoneNumber | None") -> bool:
    import phonenumbers

    return number is not None and phonenumbers.is_valid_number(number)


def _may_receive(number: "PhoneNumber | None") -> bool:
    """Whether a number can receive SMS, or is none that its plan knows but has a length of it."""
    import phonenumbers

    if number is None or not phonenumbers.is_possible_number(number):
        return False
    return not _is_valid(number) or _receiving(number) is not None


def _receiving(number: "PhoneNumber | None") -> str | None:
    """Return a number that can receive SMS as E.164."""
    import phonenumbers
    from phonenumbers import PhoneNumberType

    if number is None:
        return None
    kinds = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
    return _format(number) if phonenumbers.number_type(number) in kinds else None


def _format(number: "PhoneNumber") -> str:
    import phonenumbers

    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

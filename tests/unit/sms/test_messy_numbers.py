"""Random valid mobiles of 30 countries in messy forms: none reaches another number.

`python -m pytest -s` prints the share of refusals by form, as docs/guides/send.md tells it.
"""

import random
import re
from collections.abc import Callable
from typing import Any

import phonenumbers
import pytest
from phonenumbers import PhoneNumber, PhoneNumberFormat, PhoneNumberType

from sms_gateway.sms.phone_numbers import NumberError, to_e164

VENDORS_COUNTRIES = ("BD", "IN", "ID", "CH")
# fmt: off
COUNTRIES = (
    *VENDORS_COUNTRIES,
    "AE", "AR", "AT", "AU", "BR", "CN", "DE", "EG", "ES", "FR", "GB", "IT", "JP", "KE", "KR", "LK",
    "MX", "MY", "NG", "NP", "PH", "PK", "PL", "RU", "SE", "SG", "TH", "TR", "UA", "US", "VN", "ZA",
)
# fmt: on
NUMBERS = 20  # of each country in each form
MOBILE = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)

Form = Callable[[PhoneNumber], str]


def e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def spaced(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)


def national(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)


def without_prefix(number: PhoneNumber) -> str:
    return phonenumbers.national_significant_number(number)


def digits(written: str) -> str:
    return re.sub(r"\D", "", written)


def script(written: str, zero: int) -> str:
    return re.sub("[0-9]", lambda found: chr(zero + int(found[0])), written)


# Forms that name the country, and those that need a region.
INTERNATIONAL: dict[str, Form] = {
    "+ and digits": e164,
    "+ with spaces": spaced,
    "+ with dashes": lambda number: spaced(number).replace(" ", "-"),
    "+ with no-break spaces": lambda number: spaced(number).replace(" ", "\u00a0"),
    "+ in full width": lambda number: script(spaced(number), 0xFF10).replace("+", "\uff0b"),
    "+ between bidi marks": lambda number: f"\u202a{e164(number)}\u202c\n",
    "+ and (0)": lambda number: f"+{number.country_code} (0){without_prefix(number)}",
    "00 and digits": lambda number: "00" + digits(e164(number)),
    "00 with spaces": lambda number: "00 " + spaced(number)[1:],
}
NATIONAL: dict[str, Form] = {
    "national": national,
    "national, digits only": lambda number: digits(national(number)),
    "national, with dots": lambda number: re.sub(r"\D+", ".", national(number)).strip("."),
    "national, Bangla digits": lambda number: script(national(number), 0x09E6),
    "without the plus": lambda number: digits(e164(number)),
    "without the plus, with spaces": lambda number: spaced(number)[1:],
    "without the 0": without_prefix,
}
REFUSED: dict[str, Form] = {
    "a decimal: …0.0": lambda number: digits(e164(number)) + ".0",
    "+ and …-2": lambda number: spaced(number) + "-2",
    "+ and … 12": lambda number: e164(number) + " 12",
    "+ and …-456": lambda number: spaced(number) + "-456",
    "national and … (2)": lambda number: national(number) + " (2)",
    "national and … ext. 2": lambda number: national(number) + " ext. 2",
    "national and …-12": lambda number: national(number) + "-12",
}
FORMS = INTERNATIONAL | NATIONAL | REFUSED


@pytest.fixture
def seeded(request: pytest.FixtureRequest) -> random.Random:
    """Numbers are random, and the same in each run: a failure is one for everybody."""
    return random.Random(request.node.name)  # noqa: S311 - no secret


def mobile(region: str, seeded: random.Random) -> PhoneNumber:
    """A random mobile number that its plan calls valid."""
    plan: Any = phonenumbers.PhoneMetadata.metadata_for_region(region)
    example = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
    assert example is not None
    lengths = plan.mobile.possible_length or plan.general_desc.possible_length
    while True:
        length = seeded.choice(lengths)
        kept = without_prefix(example)[: seeded.randint(1, 3)]
        tail = "".join(seeded.choices("0123456789", k=length - len(kept)))
        try:
            number = phonenumbers.parse(f"+{example.country_code}{kept}{tail}")
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.number_type(number) in MOBILE:
            return number


def refusals(
    form: Form, seeded: random.Random, with_region: bool, countries: tuple[str, ...] = COUNTRIES
) -> float:
    """The share that is refused. Fail for a number that is read as another one."""
    refused = 0
    for region in countries:
        for _ in range(NUMBERS):
            number = mobile(region, seeded)
            written = form(number)
            try:
                read = to_e164(written, region if with_region else None)
            except NumberError:
                refused += 1
                continue
            assert read == e164(number), f"{written!r} in {region}"
    return refused / (len(countries) * NUMBERS)


@pytest.mark.parametrize("name", FORMS)
def test_no_form_of_a_number_reaches_another_number(name: str, seeded: random.Random) -> None:
    without, given = (refusals(FORMS[name], seeded, with_region) for with_region in (False, True))
    print(f"\n{name:32} {without:7.1%} without a region, {given:7.1%} with the right one")
    assert (without == 1) == (name not in INTERNATIONAL)
    assert (given == 1) == (name in REFUSED)


@pytest.mark.parametrize("name", [name for name in NATIONAL if name != "without the 0"])
def test_national_forms_of_the_vendors_countries_are_read(name: str, seeded: random.Random) -> None:
    assert refusals(NATIONAL[name], seeded, True, VENDORS_COUNTRIES) == 0


def test_the_ten_digits_of_an_indian_mobile_are_read_unless_they_are_also_anothers(
    seeded: random.Random,
) -> None:
    assert refusals(without_prefix, seeded, True, ("IN", "BD", "CH")) < 0.05

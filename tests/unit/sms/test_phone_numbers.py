"""Numbers become E.164 or an error that says why, and never show in what is said about them."""

import re
from unittest.mock import patch

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sms_gateway.sms import phone_numbers
from sms_gateway.sms.phone_numbers import NumberError, mask, to_e164
from tools import numbering_plans

MOBILE = phonenumbers.PhoneNumberType.MOBILE
SAFE = ("+8801000000001", "+911000000001", "+628000000001", "+447700900001")


def example_number(region: str) -> tuple[str, str]:
    """The plan's own example of a mobile number: as people write it at home, and as E.164."""
    number = phonenumbers.example_number_for_type(region, MOBILE)
    assert number is not None
    formats = phonenumbers.PhoneNumberFormat
    return (
        phonenumbers.format_number(number, formats.NATIONAL),
        phonenumbers.format_number(number, formats.E164),
    )


@pytest.mark.parametrize("number", SAFE)
def test_e164_stays_as_it_is(number: str) -> None:
    assert to_e164(number) == number
    assert to_e164(number, ["BD", "IN"]) == number


@pytest.mark.parametrize(
    "raw",
    [
        "+44 7700 900001",
        "+44-7700-900001",
        "+44.7700.900001",
        "+44 (7700) 900001",
        "+44 (0)7700 900001",
        "[+44] 7700 900001",
        " +447700900001 ",
        "00447700900001",
        "00 44 7700 900001",
        "+44\u00a07700\u2011900001",
        "\u202a+44 7700 900001\u202c",
    ],
)
def test_an_international_form_may_hold_spaces_dashes_dots_and_brackets(raw: str) -> None:
    assert to_e164(raw) == "+447700900001"


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("", "no digits"),
        ("+", "no digits"),
        ("00", "no digits"),
        (" - ", "no digits"),
        ("+44 7700 900001 x12", "no extension"),
        ("+44 7700 900001 ext. 12", "no extension"),
        ("+447700900001;ext=12", "no extension"),
        ("+447700900001#12", "no extension"),
        ("+447700900001,12", "no extension"),
        ("+1-800-FLOWERS", "no letters"),
        ("tel:+447700900001", "no letters"),
        ("++447700900001", "no letters"),
        ("00+447700900001", "no letters"),
        ("44+7700900001", "no letters"),
        ("+44\uff17700900001", "no letters"),  # a fullwidth digit
        ("+447700900001\n", "no letters"),
        ("+9991000000001", "no known country code"),
        ("+0447700900001", "no known country code"),
        ("+00447700900001", "no known country code"),
        ("+8", "too few"),
        ("+8801", "too few"),
        ("+91100", "too few"),
        ("+91100000000100000", "too many"),
        ("+" + "4" * 30, "too many"),
        ("+4911111111111111", "too many"),  # 16 digits, possible in Germany but not in E.164
        ("+1 555 0100", "area code"),
        ("+65000000001", "length"),
    ],
)
def test_a_number_that_cannot_be_is_refused_with_the_reason(raw: str, why: str) -> None:
    with pytest.raises(NumberError, match=why) as caught:
        to_e164(raw, ["BD"])
    assert caught.value.slug == "invalid-number"


@pytest.mark.parametrize("region", ["BD", "IN", "ID", "GB", "CH", "US", "IT"])
def test_a_national_form_is_read_in_the_one_region_that_makes_it_valid(region: str) -> None:
    national, international = example_number(region)
    assert to_e164(national, [region]) == international


def test_digits_with_the_country_code_are_a_reading_of_their_own_region() -> None:
    _, international = example_number("BD")
    assert to_e164(international.removeprefix("+"), ["BD", "IN"]) == international


def test_a_region_that_makes_it_invalid_does_not_count() -> None:
    national, international = example_number("CH")
    assert to_e164(national, ["BD", "CH", "IN", "ID"]) == international


def test_a_national_form_valid_in_two_regions_is_ambiguous_and_the_error_names_them() -> None:
    national, _ = example_number("BD")
    with pytest.raises(NumberError, match=r"in each of BD, IN: .* with \+") as caught:
        to_e164(national, ["BD", "IN", "ID"])
    assert caught.value.slug == "ambiguous-number"


def test_two_regions_of_one_numbering_plan_are_not_ambiguous() -> None:
    national, international = example_number("US")
    assert to_e164(national, ["US", "CA"]) == international


def test_a_region_s_own_international_prefix_does_not_lead_abroad() -> None:
    _, international = example_number("GB")
    with pytest.raises(NumberError, match="not a valid number of US"):
        to_e164("011" + international.removeprefix("+"), ["US"])


@pytest.mark.parametrize("raw", ["8801000000001", "447700900001", "07700 900001"])
@pytest.mark.parametrize("regions", [[], ["BD"], ["GB", "CH"], ["ZZ"]])
def test_digits_without_a_plus_that_no_region_makes_valid_are_refused(
    raw: str, regions: list[str]
) -> None:
    with pytest.raises(NumberError, match=r"write it with \+ and the country code") as caught:
        to_e164(raw, regions)
    assert caught.value.slug == "invalid-number"
    assert all(region in caught.value.detail for region in regions)


def test_a_mask_shows_the_country_code_and_two_digits() -> None:
    assert [mask(number) for number in SAFE] == ["+880…01", "+91…01", "+62…01", "+44…01"]
    assert mask("+12015550123") == "+1…23"


@given(st.text(max_size=300) | st.from_regex(r"\+?[0-9 ()x-]{0,40}", fullmatch=True))
def test_any_text_gives_e164_or_an_error_that_does_not_hold_it(raw: str) -> None:
    try:
        assert re.fullmatch(r"\+[1-9][0-9]{3,14}", to_e164(raw, ["BD", "IN", "ID"]))
    except NumberError as caught:
        error = caught
    else:
        return
    assert not re.search(r"\d{3}", error.detail)
    assert str(error) == error.detail
    assert error.__suppress_context__ or error.__context__ is None


@given(
    st.sampled_from(("+88010000", "+91100000", "+62800000", "+4477009000", "+39055", "+5491100"))
)
def test_what_was_accepted_is_accepted_again_unchanged(prefix: str) -> None:
    for tail in range(0, 100_000, 7919):
        try:
            number = to_e164(f"{prefix}{tail:05}")
        except NumberError:
            continue
        assert to_e164(number) == number
        assert to_e164("00" + number.removeprefix("+")) == number


def read(raw: str) -> str:
    """What a number comes to, or why it is none."""
    try:
        return to_e164(raw)
    except NumberError as error:
        return error.detail


@given(
    st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)),
    st.text("0123456789", min_size=1, max_size=16),
)
@settings(max_examples=2000)
def test_a_plain_number_is_what_reading_it_gives(code: int, national: str) -> None:
    number = f"+{code}{national}"
    with patch.object(phone_numbers, "_is_canonical", lambda _: False):
        slowly = read(number)
    assert read(number) == slowly


@pytest.mark.parametrize("kind", phonenumbers.PhoneNumberType.values())
def test_the_plans_own_examples_are_what_reading_them_gives(kind: int) -> None:
    for region in phonenumbers.SUPPORTED_REGIONS:
        example = phonenumbers.example_number_for_type(region, kind)
        if example is not None:
            number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
            with patch.object(phone_numbers, "_is_canonical", lambda _: False):
                slowly = read(number)
            assert read(number) == slowly


@pytest.mark.parametrize("number", SAFE)
def test_a_number_as_it_should_be_written_is_not_read(number: str) -> None:
    with patch.object(phonenumbers, "parse", side_effect=AssertionError):
        assert to_e164(number) == number


def test_the_plans_known_here_are_those_of_phonenumbers() -> None:
    """Else: python -m tools.numbering_plans"""
    assert phone_numbers.PLANS.read_text() == numbering_plans.render()

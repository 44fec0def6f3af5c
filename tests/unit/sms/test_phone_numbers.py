"""Numbers become E.164 or an error that says why, and never show in what is said about them."""

import re
from unittest.mock import patch

import phonenumbers
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sms_gateway.sms import phone_numbers
from sms_gateway.sms.phone_numbers import (
    NumberError,
    ReadNumber,
    is_region,
    mask,
    read_number,
    to_e164,
)
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


@settings(max_examples=300)
@given(
    st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)),
    st.sampled_from(["", "0", "00", "0 0", "(0)0", "8", "1"]),
    st.text("0123456789", min_size=4, max_size=12),
    st.sampled_from([None, "BD", "ID", "DE", "US"]),
)
@example(62, "00", "8000000001", None)
def test_what_was_read_is_read_the_same_again(
    code: int, prefix: str, digits: str, region: str | None
) -> None:
    """So a handset has one number: by it codes are counted, and recipients allowed."""
    try:
        found = to_e164(f"+{code}{prefix}{digits}", region)
    except NumberError:
        return
    assert to_e164(found) == found


@pytest.mark.parametrize("number", SAFE)
def test_e164_stays_as_it_is(number: str) -> None:
    assert to_e164(number) == number
    assert to_e164(number, "BD") == number


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
        ("+44\u00b2700900001", "no letters"),  # a superscript is no decimal digit
        ("+44770090000\u0661 \u0661/2", "no letters"),
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
        to_e164(raw, "BD")
    assert caught.value.slug == "invalid-number"


@pytest.mark.parametrize("region", ["BD", "IN", "ID", "GB", "CH", "US", "IT", "FR", "AU", "NG"])
def test_a_national_form_is_read_in_the_region_that_is_given(region: str) -> None:
    national, international = example_number(region)
    assert read_number(national, region) == ReadNumber(international, "national")


@pytest.mark.parametrize("region", ["BD", "IN", "ID", "GB", "CH"])
def test_digits_with_the_country_code_are_read_in_their_own_region(region: str) -> None:
    _, international = example_number(region)
    read = read_number(international.removeprefix("+"), region)
    assert read == ReadNumber(international, "without_plus")


@pytest.mark.parametrize(
    ("raw", "region", "e164"),
    [
        ("41790000001", "CH", "+41790000001"),
        ("62811000000", "ID", "+62811000000"),  # its national reading is a landline
        ("01712345678", "BD", "+8801712345678"),  # a landline in India
        ("8801700000001", "BD", "+8801700000001"),
        ("1712345678", "BD", "+8801712345678"),
        ("88 01712-345678", "BD", "+8801712345678"),
        ("98765 43210", "IN", "+919876543210"),
        ("0812-3456-78", "ID", "+62812345678"),
        ("0 (812) 3456-7890", "ID", "+6281234567890"),
        ("06.12.34.56.78", "FR", "+33612345678"),
        (
            "\u09e6\u09e7\u09ed\u09e7\u09e8-\u09e9\u09ea\u09eb\u09ec\u09ed\u09ee",
            "BD",
            "+8801712345678",
        ),
        ("2025550143", "US", "+12025550143"),
    ],
)
def test_a_form_with_one_reading_that_receives_sms_is_read(
    raw: str, region: str, e164: str
) -> None:
    assert to_e164(raw, region) == e164


@pytest.mark.parametrize(
    "raw",
    ["07911123456", "2025550143", "0612345678", "41790000001", "8801700000001", "07700 900001"],
)
def test_without_a_region_no_country_is_guessed(raw: str) -> None:
    with pytest.raises(
        NumberError, match=r"write it with \+ and the country code, or give a region"
    ):
        to_e164(raw)


@pytest.mark.parametrize(
    ("raw", "region"),
    [
        ("81900000001", "ID"),  # +62 819…, or Japan's +81 90…
        ("6598852544", "IN"),  # +91 6598…, or Singapore's +65 9885…
        ("005787615939831", "KR"),  # Korea dials 005, so 00 may be its beginning
    ],
)
def test_a_form_with_two_meanings_is_ambiguous(raw: str, region: str) -> None:
    with pytest.raises(NumberError, match=r"more than one meaning: write it with \+") as caught:
        to_e164(raw, region)
    assert caught.value.slug == "ambiguous-number"


@pytest.mark.parametrize(
    ("raw", "region"),
    [
        ("41790000001", "ID"),  # Swiss, whatever else is in the file
        ("447911123456", "BD"),
        ("011447911123456", "US"),  # with the region's own international prefix
        ("77118626", "ID"),  # a landline
        ("07911123456", "ZZ"),
    ],
)
def test_another_countrys_reading_is_never_taken(raw: str, region: str) -> None:
    with pytest.raises(NumberError, match=r"write it with \+") as caught:
        to_e164(raw, region)
    assert caught.value.slug == "invalid-number"


@pytest.mark.parametrize(
    "behind",
    [".0", ".00", " (2)", "(02)", " ext 2", " x2", "-2", "-12", " 2", ",2", "/2", ";2", " 456"],
)
@pytest.mark.parametrize("number", ["628120000000", "+628120000000", "+62 812-0000-0000"])
def test_digits_behind_a_numbers_end_are_never_joined_to_it(number: str, behind: str) -> None:
    with pytest.raises(NumberError) as caught:
        to_e164(number + behind, "ID")
    assert caught.value.slug == "invalid-number"


@pytest.mark.parametrize("raw", ["28.10.2013", "2013-10-28", "28 10 2013", "1-2-13", "376325.10"])
@pytest.mark.parametrize("region", ["BD", "IN", "ID", "DK", "SG"])
def test_dates_and_decimals_are_no_numbers(raw: str, region: str) -> None:
    with pytest.raises(NumberError, match=r"date|decimal"):
        to_e164(raw, region)


@pytest.mark.parametrize(
    "raw",
    [
        "+8801700000001\n",
        "\ufeff+8801700000001",
        "\u200b+8801700000001\u202b",
        "\u3000+880\u3000170\u00a00000001\t",
        "\uff0b\uff18\uff18\uff10\uff08\uff11\uff17\uff10\uff09\uff10\uff10\uff10\uff10\uff10\uff10\uff11",
        "+\u09ee\u09ee\u09e6\u09e7\u09ed\u09e6\u09e6\u09e6\u09e6\u09e6\u09e6\u09e6\u09e7",
        "\u2067+880\u00ad17\u2014000\u2011000\u221201\u2069",
        "+88 01700-000001",
    ],
)
def test_white_space_format_characters_and_digits_of_any_script_are_read(raw: str) -> None:
    assert to_e164(raw) == "+8801700000001"


def test_a_zero_in_brackets_is_no_digit_of_the_number() -> None:
    assert to_e164("+44 (0) 7911 123456") == "+447911123456"
    with pytest.raises(NumberError, match=r"no \(0\)"):
        to_e164("+39 (0)312 345 6789")


@pytest.mark.parametrize("region", ["BD", "GB", "US", "CA", "KZ", "GG"])
def test_regions_are_those_of_the_plans(region: str) -> None:
    assert is_region(region)
    assert not is_region(region.lower())
    assert not is_region("ZZ")
    assert not is_region("UK")


def test_a_mask_shows_the_country_code_and_two_digits() -> None:
    assert [mask(number) for number in SAFE] == ["+880…01", "+91…01", "+62…01", "+44…01"]
    assert mask("+12015550123") == "+1…23"


@given(st.text(max_size=300) | st.from_regex(r"\+?[0-9 ()x-]{0,40}", fullmatch=True))
def test_any_text_gives_e164_or_an_error_that_does_not_hold_it(raw: str) -> None:
    try:
        assert re.fullmatch(r"\+[1-9][0-9]{3,14}", to_e164(raw, "ID"))
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

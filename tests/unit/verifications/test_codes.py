"""Codes: their form, their fairness, what hides them, and what a body may ask for."""

import json
import string
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms_gateway.core.problems import InvalidRequestError, MalformedBodyError, TooLargeError
from sms_gateway.sms.encoding import encoding_of, segments
from sms_gateway.storage.models import CodeSpec, MessageContent
from sms_gateway.vendors.types import (
    OneTimeCode,
)
from sms_gateway.verifications.codes import (
    ALPHABETS,
    body_digest,
    code_digest,
    derive_code,
    digests_equal,
    drawn_length,
    normalize_input,
    number_digest,
    render_code,
    sample_code,
    unknown_mask_characters,
    with_code,
)
from sms_gateway.verifications.model import Details, Verification, VerificationState
from sms_gateway.verifications.request import parse_check, parse_verification

ID = "01J8Z3K4M5N6P7Q8R9S0T1V2W3"
SECRET = b"0123456789abcdef0123456789abcdef"
BODY = {"to": "+8801000000001", "text": "Your code is {code}"}
MASKS = st.text(alphabet="#AN-", min_size=1, max_size=20).filter(
    lambda mask: 4 <= drawn_length(mask) <= 10
)


def recipe(mask: str, nonce: str = "n", *, case_sensitive: bool = False) -> CodeSpec:
    return CodeSpec(mask=mask, ttl=300, nonce=nonce, case_sensitive=case_sensitive)


def code(mask: str, nonce: str = "n", *, case_sensitive: bool = False) -> str:
    return derive_code(recipe(mask, nonce, case_sensitive=case_sensitive), ID, SECRET)


@given(MASKS, st.text(), st.booleans())
def test_a_code_has_the_form_of_its_mask(mask: str, nonce: str, case_sensitive: bool) -> None:
    made = code(mask, nonce, case_sensitive=case_sensitive)
    assert len(made) == len(mask)
    for symbol, character in zip(mask, made, strict=True):
        allowed = ALPHABETS.get(symbol, symbol)
        assert character in (allowed + allowed.lower() if case_sensitive else allowed)


@given(MASKS, st.text(), st.booleans())
def test_a_code_is_the_same_after_a_crash_and_fits_what_is_typed(
    mask: str, nonce: str, case_sensitive: bool
) -> None:
    made = code(mask, nonce, case_sensitive=case_sensitive)
    assert made == code(mask, nonce, case_sensitive=case_sensitive)
    assert normalize_input(made, mask, case_sensitive) == made
    assert normalize_input(made.replace("-", " "), mask, case_sensitive) == made
    if not case_sensitive:
        assert normalize_input(made.lower(), mask, case_sensitive) == made


@pytest.mark.parametrize(
    ("symbol", "case_sensitive", "alphabet"),
    [
        ("#", False, string.digits),
        ("A", False, string.ascii_uppercase),
        ("N", False, string.ascii_uppercase + string.digits),
        ("#", True, string.digits),
        ("A", True, string.ascii_letters),
        ("N", True, string.ascii_letters + string.digits),
    ],
)
def test_each_character_is_uniform(symbol: str, case_sensitive: bool, alphabet: str) -> None:
    """Chi-squared at every place of the code; the bound is far beyond chance, and far below what
    a byte modulo the alphabet would give: 62 letters from 256 bytes err by a fifth."""
    rounds, mask = 4000, symbol * 10
    places: list[Counter[str]] = [Counter() for _ in mask]
    for number in range(rounds):
        for place, character in enumerate(code(mask, str(number), case_sensitive=case_sensitive)):
            places[place][character] += 1
    freedom = len(alphabet) - 1
    for found in places:
        assert set(found) <= set(alphabet)
        expected = rounds / len(alphabet)
        chi = sum((found[letter] - expected) ** 2 / expected for letter in alphabet)
        assert chi < freedom + 5 * (2 * freedom) ** 0.5


def test_the_places_of_a_code_do_not_follow_each_other() -> None:
    pairs = Counter(code("####", str(number))[1:3] for number in range(20_000))
    assert len(pairs) == 100
    chi = sum((count - 200) ** 2 / 200 for count in pairs.values())
    assert chi < 99 + 5 * (2 * 99) ** 0.5


def test_nonce_id_and_secret_each_make_another_code() -> None:
    one = code("N" * 10)
    others = [
        code("N" * 10, "other"),
        derive_code(recipe("N" * 10), ID[:-1] + "4", SECRET),
        derive_code(recipe("N" * 10), ID, SECRET[::-1]),
    ]
    assert len({one, *others}) == 4


@given(st.text(max_size=30), st.sampled_from(["####", "###-###", "AAAA", "N#A N#A"]))
def test_what_is_typed_is_either_no_code_or_of_the_masks_form(written: str, mask: str) -> None:
    made = normalize_input(written, mask, False)
    if made is not None:
        assert len(made) == len(mask)
        assert normalize_input(made, mask, False) == made


@pytest.mark.parametrize(
    "written",
    [
        "557853\n",
        "557\u00a0853",
        "557\u2013853",
        "557\u2011853",
        "557 \u2212 853",
        "\u09eb\u09eb\u09ed\u09ee\u09eb\u09e9",
        "\u0665\u0665\u0667\u0668\u0665\u0663",
        "\uff15\uff15\uff17\uff18\uff15\uff13",
        "\u2068557853\u2069",
        "\ufeff5 5 7 8 5 3\u200b",
        "557853.",
        "\u201c557853\u201d",
        "557-853\u3002",
        "\t557853 \u06d4",
    ],
)
def test_a_code_is_read_as_people_type_and_copy_it(written: str) -> None:
    assert normalize_input(written, "######", False) == "557853"
    assert normalize_input(written, "###-###", True) == "557-853"


def test_full_width_letters_are_letters() -> None:
    assert normalize_input("\uff21b\uff43\uff24", "AAAA", False) == "ABCD"
    assert normalize_input("\uff21b\uff43\uff24", "AAAA", True) == "AbcD"


@pytest.mark.parametrize(
    "written", ["", "123", "12345", "1²34", "12.4", "①234", "ABCD", "1/234", "+1234"]
)
def test_what_can_not_be_a_code_is_none(written: str) -> None:
    assert normalize_input(written, "####", False) is None


def test_digests_are_keyed_and_of_one_use_each() -> None:
    digests = {
        code_digest("1234", ID, SECRET),
        code_digest("1234", ID[:-1] + "4", SECRET),
        code_digest("1234", ID, SECRET[::-1]),
        number_digest(ID, "1234", SECRET),
        body_digest(b"1234", ID, SECRET),
    }
    assert len(digests) == 5
    assert all(len(one) == 64 for one in digests)
    assert digests_equal(code_digest("1234", ID, SECRET), code_digest("1234", ID, SECRET))
    assert not digests_equal(code_digest("1234", ID, SECRET), code_digest("1235", ID, SECRET))


def test_a_number_has_another_digest_for_another_tenant() -> None:
    assert number_digest("acme", BODY["to"], SECRET) != number_digest("other", BODY["to"], SECRET)


@given(MASKS, st.text(max_size=200), st.text(), st.booleans())
def test_segments_are_counted_as_the_code_takes_them(
    mask: str, around: str, nonce: str, case_sensitive: bool
) -> None:
    text = around + "{code}"
    counted = render_code(text, sample_code(mask))
    sent = render_code(text, code(mask, nonce, case_sensitive=case_sensitive))
    assert encoding_of(counted) == encoding_of(sent)
    assert segments(counted) == segments(sent)


def test_a_message_gets_its_code_only_where_it_is_sent() -> None:
    content = MessageContent(
        to="+8801000000001", text="Code {code}, {code}", code_spec=recipe("####")
    )
    before = content.outgoing(f"{ID}000")
    assert before.text == "Code {code}, {code}"
    after = with_code(before, content.code_spec, lambda: SECRET)
    assert after.one_time_code
    assert after.one_time_code.code == code("####")
    assert after.text == f"Code {after.one_time_code.code}, {after.one_time_code.code}"
    assert after.one_time_code.template == before.text
    assert after.one_time_code.code not in repr(after)


def test_a_message_whose_code_the_vendor_makes_stays_as_it_is() -> None:
    content = MessageContent(text="Code {code}", code_spec=CodeSpec(mask="####", ttl=300))
    before = content.outgoing(f"{ID}000")
    assert with_code(before, content.code_spec, lambda: SECRET) == before
    assert before.one_time_code == OneTimeCode("Code {code}", "####", 300)
    plain = MessageContent(text="{code}").outgoing(f"{ID}000")
    assert with_code(plain, None, lambda: SECRET) == plain


def verification(**changes: Any) -> Verification:
    details = Details(to="+8801000000001", mask="####", max_checks=2)
    made: dict[str, Any] = {"id": ID, "tenant": "acme", "details": details, "expires": 100}
    return Verification(**made | changes)


@pytest.mark.parametrize(
    ("one", "now", "state"),
    [
        (verification(), 99, VerificationState.PENDING),
        (verification(), 100, VerificationState.EXPIRED),
        (verification(checks=2), 99, VerificationState.EXHAUSTED),
        (verification(checks=2), 100, VerificationState.EXHAUSTED),
        (verification(checks=2, busy_until=99), 98, VerificationState.PENDING),
        (verification(checks=2, busy_until=99), 99, VerificationState.EXHAUSTED),
        (verification(checks=2, approved=True), 200, VerificationState.APPROVED),
    ],
)
def test_what_a_verification_has_come_to(
    one: Verification, now: int, state: VerificationState
) -> None:
    assert one.state(now) is state
    assert one.view(now)["status"] == state


def read(**fields: Any) -> Any:
    return parse_verification(json.dumps(BODY | fields).encode())


def test_a_body_of_two_fields_is_enough() -> None:
    wanted = read()
    assert (wanted.mask, wanted.ttl, wanted.max_checks) == ("######", 300, 5)
    assert not wanted.case_sensitive
    assert wanted.draft.text == "Your code is 000000"
    assert wanted.draft.options.category == "otp"
    assert wanted.draft.options.validity == 300


@pytest.mark.parametrize(
    ("fields", "mask"),
    [
        ({"length": 4}, "####"),
        ({"length": 10.0, "alphabet": "letters"}, "A" * 10),
        ({"alphabet": "alphanumeric"}, "NNNNNN"),
        ({"mask": "### ###"}, "### ###"),
        ({"mask": "A-NN-##"}, "A-NN-##"),
        ({"mask": None, "length": None, "alphabet": None}, "######"),
    ],
)
def test_length_and_alphabet_make_a_mask(fields: dict[str, Any], mask: str) -> None:
    assert read(**fields).mask == mask


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"text": "Your code"}, "code-missing", "/text"),
    ({"text": "Your code {Code} { code }"}, "code-missing", "/text"),
    ({"text": ""}, "code-missing", "/text"),
    ({"text": "{code} <VERIFICATIONCODE>"}, "reserved-placeholder", "/text"),
    ({"mask": "###X"}, "unknown-mask-character", "/mask"),
    ({"mask": "####é"}, "unknown-mask-character", "/mask"),
    ({"mask": "aaaa"}, "unknown-mask-character", "/mask"),
    ({"mask": ""}, "mask-length", "/mask"),
    ({"mask": "###"}, "mask-length", "/mask"),
    ({"mask": "#" * 11}, "mask-length", "/mask"),
    ({"mask": "####" + "-" * 17}, "mask-length", "/mask"),
    ({"mask": "#### "}, "mask-length", "/mask"),
    ({"mask": "####", "length": 4}, "mask-and-length", "/mask"),
    ({"mask": "####", "alphabet": "digits"}, "mask-and-length", "/mask"),
    ({"length": 3}, "length-out-of-range", "/length"),
    ({"length": 11}, "length-out-of-range", "/length"),
    ({"length": 1e300}, "length-out-of-range", "/length"),
    ({"ttl": 59}, "ttl-out-of-range", "/ttl"),
    ({"ttl": 86_401}, "ttl-out-of-range", "/ttl"),
    ({"max_checks": 0}, "max-checks-out-of-range", "/max_checks"),
    ({"max_checks": 11}, "max-checks-out-of-range", "/max_checks"),
    ({"length": 4.5}, "invalid-request", "/length"),
    ({"alphabet": "greek"}, "invalid-request", "/alphabet"),
    ({"case_sensitive": 1}, "invalid-request", "/case_sensitive"),
    ({"code": "1234"}, "invalid-request", ""),
    ({"reference": ""}, "invalid-request", "/reference"),
]


@pytest.mark.parametrize(("fields", "slug", "pointer"), BAD, ids=[str(one[0])[:40] for one in BAD])
def test_what_is_wrong_with_a_body_is_named(
    fields: dict[str, Any], slug: str, pointer: str
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        read(**fields)
    assert (refused.value.slug, refused.value.pointer) == (slug, pointer)


@given(st.text())
def test_a_mask_is_refused_exactly_for_its_strange_characters(mask: str) -> None:
    assert bool(unknown_mask_characters(mask)) == bool(set(mask) - set("#AN- "))


def test_a_body_that_is_none_is_refused() -> None:
    for body in (b"", b"{", b"\xff"):
        with pytest.raises(MalformedBodyError):
            parse_verification(body)
    with pytest.raises(InvalidRequestError):
        parse_verification(b"[]")
    with pytest.raises(TooLargeError):
        parse_verification(b" " * (1024 * 1024 + 1))


def test_a_check_is_one_code() -> None:
    assert parse_check(b'{"code": "12 34"}') == "12 34"
    for body in (b'{"code": ""}', b'{"code": 1234}', b"{}", b'{"code": "1", "a": 1}'):
        with pytest.raises(InvalidRequestError):
            parse_check(body)
    with pytest.raises(InvalidRequestError):
        parse_check(json.dumps({"code": "1" * 41}).encode())

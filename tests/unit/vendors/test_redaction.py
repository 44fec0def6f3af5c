"""What is kept of a vendor's words shows nobody's number, text, code or key, in no spelling."""

import json
import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms_gateway.vendors.redaction import MAX_LENGTH, Redaction, secrets_of
from sms_gateway.vendors.registry import VENDORS
from sms_gateway.vendors.types import (
    OneTimeCode,
    OutgoingMessage,
    Request,
    SubmitCall,
    SubmitOutcome,
    SubmitVerdict,
)
from testing.vendor_cases import CALLBACK_URL, adapter

NUMBER, TEXT = "+8801000000041", "Your parcel waits, code 4711 & more: don\u2019t forget"
SECRET = "Key/with+signs=and-more_9f8e"
TOKEN = OneTimeCode("Code {code}", "####", 300, code="8153")
JST = adapter("jst", password=SECRET)
CALL = SubmitCall(
    Request("GET", "https://x.example"),
    (OutgoingMessage("1", NUMBER, TEXT, one_time_code=TOKEN),),
)
REDACTION = Redaction.of_call(JST, CALL)


def spaced(words: str) -> str:
    return " ".join(words)


SPELLINGS: list[Callable[[str], str]] = [
    str,
    str.upper,
    str.lower,
    str.swapcase,
    lambda words: quote(words, safe=""),
    lambda words: quote(words, safe="").lower(),
    lambda words: quote(quote(words, safe=""), safe=""),
    lambda words: "".join(f"%{byte:02x}" for byte in words.encode()),
    lambda words: json.dumps(words),
    lambda words: "".join(f"\\u{ord(one):04X}" for one in words),
    lambda words: "".join(f"&#{ord(one)};" for one in words),
    lambda words: words.replace("&", "&amp;").replace("\u2019", "&rsquo;"),
    lambda words: re.sub(r"[\W_]", "", words),
    lambda words: re.sub(r"[\W_]+", "-", words),
    lambda words: words.replace(" ", "+"),
    spaced,
    lambda words: "".join(chr(ord(one) + 0xFEE0) if "!" <= one <= "~" else one for one in words),
]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(
    ("repeated", "label"),
    [(SECRET, "[secret]"), (NUMBER, "[number]"), (TEXT, "[text]"), ("8153", "[code]")],
)
def test_nothing_of_ours_is_left_in_any_spelling(
    spelling: Callable[[str], str], repeated: str, label: str
) -> None:
    said = f"refused: <{spelling(repeated)}> is bad"
    kept = REDACTION.words(said)
    assert kept is not None
    assert label in kept
    assert kept.startswith("refused: ")
    assert kept.endswith(" is bad")
    left = re.sub(r"\[\w+\]", "", kept)
    assert not re.search(r"[0-9a-f]{4}", left.removeprefix("refused").removesuffix("bad"))


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_secret_setting_of_an_account_is_known(vendor: str) -> None:
    account = adapter(vendor)
    secrets = secrets_of(account)
    assert secrets
    redaction = Redaction(account)
    for secret in secrets:
        assert secret not in (redaction.words(f"denied for {secret.upper()} or {secret}") or "")
        assert secret not in redaction.raw(f"<html>{quote(secret)} {secret}</html>".encode())


@pytest.mark.parametrize(
    "said",
    ["for number 01000000041", "1000000041", "880 1000 000 041", "(880) 1000-000041", "00000041"],
)
def test_a_number_is_known_by_its_end(said: str) -> None:
    assert "0041" not in (REDACTION.words(said) or "")


@pytest.mark.parametrize("said", ["Your parcel waits, co", "…code 4711 & more: don", "code=4711"])
def test_a_part_of_a_text_is_known(said: str) -> None:
    kept = REDACTION.words(said) or ""
    assert "parcel" not in kept
    assert "4711" not in kept


@pytest.mark.parametrize(
    "said",
    ["insufficient credit", "ACCEPTD", "code 5400", "Balance: 812", "job 12345", "4711 2", ""],
)
def test_a_vendors_own_words_are_kept(said: str) -> None:
    assert REDACTION.words(said) == said.replace("4711", "[digits]")


@pytest.mark.parametrize(
    ("sent", "said", "kept"),
    [
        ("Your code is 738201", "738201", "[digits]"),
        ("Your code is 738201", " 738-201", " [digits]"),
        ("Your code is 738201", "738202", "738202"),
        ("5400 points", "5400", "5400"),  # as a vendor's table has it
    ],
)
def test_a_code_is_the_vendors_own_unless_it_is_long_and_was_sent(
    sent: str, said: str, kept: str
) -> None:
    assert Redaction(JST, texts=[sent]).code(said) == kept


def test_a_long_number_as_a_code_is_none_where_the_text_is_gone() -> None:
    redaction = Redaction(JST, code_sent=True)
    assert [redaction.code(one) for one in ("738201", "5400", "E42")] == ["[digits]", "5400", "E42"]


def test_a_short_secret_is_one_only_as_a_word() -> None:
    redaction = Redaction(adapter("jst", username="test", password="pw"))
    assert redaction.words("the latest test of TEST failed") == (
        "the latest [secret] of [secret] failed"
    )


def test_an_outcome_is_redacted_and_an_id_that_is_a_secret_is_none() -> None:
    outcome = SubmitOutcome(
        SubmitVerdict.REFUSED, vendor_id=SECRET.upper(), code="4711", text=f"no: {NUMBER}"
    )
    assert REDACTION.outcome(outcome) == SubmitOutcome(
        SubmitVerdict.REFUSED, code="4711", text="no: +[number]"
    )
    assert REDACTION.outcome(SubmitOutcome(SubmitVerdict.ACCEPTED, vendor_id="job-7")) == (
        SubmitOutcome(SubmitVerdict.ACCEPTED, vendor_id="job-7")
    )


def test_a_callback_address_that_comes_back_shows_no_token() -> None:
    account = adapter("server2sms")
    (call,) = account.submit([OutgoingMessage("1" * 29, NUMBER, "Hi")], CALLBACK_URL + "secret9")
    kept = Redaction.of_call(account, call).raw(call.request.body)
    assert "tokensecret9" not in kept


@given(st.binary())
def test_no_long_run_of_digits_is_left(body: bytes) -> None:
    kept = REDACTION.raw(body)
    assert not re.search(r"\d{5}", kept)
    assert len(kept) <= MAX_LENGTH


@given(st.text(max_size=300))
def test_any_words_come_back_or_a_part_of_them(words: str) -> None:
    assert Redaction(JST).words(words) is not None


@pytest.mark.parametrize("size", range(4, len(SECRET)))
def test_a_secret_that_is_cut_is_known_by_its_beginning(size: int) -> None:
    said = "x" * (200 - size) + SECRET[:size]
    kept = REDACTION.words(said) or ""
    assert kept.rstrip("/+=-_") == "x" * (200 - size) + "[secret]"


def test_values_within_values_are_redacted() -> None:
    said = {"data": [{"Password": SECRET, "n": 7}], SECRET: None}
    assert Redaction(JST).deep(said) == {
        "data": [{"Password": "[secret]", "n": 7}],
        "[secret]": None,
    }

"""Marks of secrets: whoever has them recognises a secret, and does not learn it."""

import pytest

from sms_gateway.vendors.redaction import Redaction, mark_of, secrets_of
from sms_gateway.vendors.registry import VENDORS
from sms_gateway.vendors.secret_marks import SecretMark, are_ours
from testing.vendor_cases import adapter, marks

KEY = b"a key of marks, which no rotation changes"
SECRET = "Pass-word/1234"
SPELLINGS = (
    "{}",
    "login {} failed",
    "<p>{}</p>",
    "user={}&x=1",
    "\uff21{}",
    "two: {} and {}",
)


def test_a_mark_is_read_as_it_is_written_and_holds_no_secret() -> None:
    mark = mark_of(SECRET, KEY)
    assert SecretMark.parse(str(mark), KEY) == mark
    for shown in (str(mark), repr(mark)):
        assert SECRET not in shown
        assert KEY.decode() not in shown


@pytest.mark.parametrize("written", ["", "7", "7:zz:00", "x:00:00", "1:00:00:00"])
def test_what_is_no_mark_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="mark"):
        SecretMark.parse(written, KEY)


@pytest.mark.parametrize("other", ["", "pass-word/1234", "Password1234", SECRET + " ", SECRET[:-1]])
def test_only_the_very_secret_is_it(other: str) -> None:
    assert mark_of(SECRET, KEY).is_of(SECRET)
    assert not mark_of(SECRET, KEY).is_of(other)


def test_a_mark_of_another_key_is_another_mark() -> None:
    assert mark_of(SECRET, b"another key").whole != mark_of(SECRET, KEY).whole


def test_a_setting_without_a_mark_is_never_ours() -> None:
    known = {"api_key": mark_of(SECRET, KEY)}
    assert are_ours({}, known)
    assert are_ours({"api_key": SECRET}, known)
    assert not are_ours({"api_key": SECRET, "secret_key": "x"}, known)


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("vendor", VENDORS)
def test_marks_redact_what_the_secrets_themselves_do(vendor: str, spelling: str) -> None:
    whole = adapter(vendor)
    by_secret, by_mark = Redaction(whole), Redaction(None, marks=marks(whole))
    for secret in secrets_of(whole):
        for said in (secret, secret.upper(), "-".join(secret)):
            words = spelling.replace("{}", said)
            assert by_mark.words(words) == by_secret.words(words)
            assert by_mark.raw(words.encode()) == by_secret.raw(words.encode())


def test_an_end_that_may_have_been_cut_in_a_secret_is_left_out() -> None:
    words = "x" * 195 + SECRET[:5]
    redacted = Redaction(None, marks={"password": mark_of(SECRET, KEY)}).words(words)
    assert redacted
    assert "Pass" not in redacted
    assert redacted.startswith("x" * 180)

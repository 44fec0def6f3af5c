"""What the captured cases of Dinisoft can't say: settings, keys, and answers of any shape."""

import re
from copy import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms_gateway.vendors.adapter import UnsupportedMessageError
from sms_gateway.vendors.dinisoft.adapter import DELIVERY_CODES, DELIVERY_TEXTS, SUBMIT_CODES
from sms_gateway.vendors.secret_marks import are_ours
from sms_gateway.vendors.types import (
    CallbackRequest,
    OutgoingMessage,
    PendingReceipt,
    SubmitVerdict,
    VendorResponse,
)
from testing.vendor_cases import adapter, cases, marks
from testing.vendor_responses import replies

VENDOR = adapter("dinisoft")
MESSAGE = OutgoingMessage("01J8Z3K4M5N6P7Q8R9S0T1V2W3001", "+8801000000001", "Your code is 1234")
CALL = VENDOR.submit([MESSAGE], None)[0]
POLL = VENDOR.poll([PendingReceipt(MESSAGE.id, MESSAGE.to, "194234")])[0]
KEYS = ["Status", "Text", "Message_ID", "Delivery Time", "Balance", "apikey", "messageid", "text"]
BODIES = replies(KEYS, [*SUBMIT_CODES, *DELIVERY_CODES, "1586420396602"])


def test_every_row_of_the_code_tables_has_a_case() -> None:
    names = {case.name for case in cases("expected.json") if case.vendor == "dinisoft"}
    wanted = {f"submitted-status-{code}" for code in SUBMIT_CODES}
    wanted |= {f"reports-status-{code.replace('-', 'minus-')}" for code in DELIVERY_CODES}
    wanted |= {f"reports-text-{text.lower()}" for text in DELIVERY_TEXTS}
    assert not wanted - names


def test_a_submission_is_one_call_for_each_message() -> None:
    messages = [replace(MESSAGE, id=str(n)) for n in range(51)]
    packed = VENDOR.pack(messages)
    assert [len(part) for part in packed] == [50, 1]
    assert [call.members for call in VENDOR.submit(messages, None)] == [(one,) for one in messages]


@pytest.mark.parametrize("field", ["flash", "filter_dnd", "template_id"])
def test_what_the_vendor_cannot_express_is_refused_by_name(field: str) -> None:
    VENDOR.check(MESSAGE)
    asked: dict[str, Any] = {field: "1"}
    with pytest.raises(UnsupportedMessageError) as refused:
        VENDOR.check(replace(MESSAGE, **asked))
    assert (refused.value.slug, refused.value.field) == ("unsupported-field", field)


@pytest.mark.parametrize(
    "setting",
    [
        {"balance_url": "http://dinisoft.example.com/balance.jsp"},
        {"base_url": "http://dinisoft.example.com:7788"},
        {"base_url": "dinisoft.example.com"},
        {"base_url": "https://dinisoft.example.com:7790 "},
        {"base_url": "https://dinisoft.example.com:779O"},
        {"base_url": "https://dinisoft.example.com:99999"},
        {"base_url": "https://dinisoft.example.com:0"},
        {"base_url": "https://dinisoft..example.com"},
        {"base_url": f"https://{'a' * 64}.example.com"},
        {"base_url": "https://dinisoft\u200b.example.com"},
        {"base_url": "https://[dinisoft"},
        {"base_url": "https://user:hidden@dinisoft.example.com:7790"},
        {"api_key": ""},
        {"secret_key": ""},
        {"client": ""},
        {"client": None},
        {"sender": ""},
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(setting: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        adapter("dinisoft", **setting)


def test_plain_http_is_a_warning() -> None:
    assert not VENDOR.warnings
    plain = adapter("dinisoft", base_url="http://dinisoft.example.com:7788", allow_http=True)
    assert "http" in plain.warnings[0]


@given(st.text(), st.text())
def test_a_push_with_other_keys_is_dropped(api_key: str, secret_key: str) -> None:
    query = {"messageid": "194234", "text": "DELIVRD", "apikey": api_key, "secretkey": secret_key}
    ours = (api_key.strip(), secret_key.strip()) == ("test-api-key", "test-secret")
    request = CallbackRequest("GET", query, b"")
    assert are_ours(VENDOR.repeated_secrets(request), marks(VENDOR)) is ours
    assert VENDOR.callback(request)


@given(BODIES, st.sampled_from([200, 404, 500]))
def test_only_a_documented_refusal_in_the_answer_refuses(body: bytes, status: int) -> None:
    for outcome in VENDOR.submitted(VendorResponse(status, body), CALL):
        if outcome.verdict is not SubmitVerdict.UNKNOWN:
            assert outcome.code is not None
            assert outcome.code.encode() in body
            assert outcome.verdict is SUBMIT_CODES[outcome.code].verdict


@given(BODIES)
def test_only_a_state_under_status_0_is_news_of_a_message(body: bytes) -> None:
    for report in VENDOR.reports(VendorResponse(200, body), POLL):
        assert report.message_id == MESSAGE.id
        assert report.code
        assert report.read_once is (report.status is not None)
        if report.status:
            assert (report.code, report.status) == ("0", DELIVERY_TEXTS[_text(report.text)].status)


@given(BODIES, st.dictionaries(st.sampled_from(KEYS), st.text()))
def test_no_callback_is_too_odd(body: bytes, query: dict[str, str]) -> None:
    for report in VENDOR.callback(CallbackRequest("POST", query, body)):
        assert report.vendor_id


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_text_travels_whole(text: str) -> None:
    url = VENDOR.submit([replace(MESSAGE, text=text)], None)[0].request.url
    assert re.fullmatch(r"[!-~]+", url)
    assert "+" not in url


def _text(text: str | None) -> str:
    return (text or "").upper()

"""What the captured cases of JST can't say: grouping, limits, and answers of any shape."""

from copy import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms_gateway.vendors.adapter import UnsupportedMessageError
from sms_gateway.vendors.jst.responses import STATES
from sms_gateway.vendors.types import (
    OutgoingMessage,
    PendingReceipt,
    SubmitCall,
    SubmitVerdict,
    VendorResponse,
)
from testing.vendor_cases import adapter, cases
from testing.vendor_responses import replies

VENDOR = adapter("jst")
MESSAGE = OutgoingMessage("01J8Z3K4M5N6P7Q8R9S0T1V2W3001", "+911000000001", "Your code is 1234")
OTHER = replace(MESSAGE, id="01J8Z3K4M5N6P7Q8R9S0T1V2W3002", to="+911000000002", text="Hi Ani")
CALL = VENDOR.submit([MESSAGE, OTHER], None)[0]
POLL = VENDOR.poll([PendingReceipt(one.id, one.to, "48151") for one in (MESSAGE, OTHER)])[0]
KEYS = ["status", "error", "job_id", "message", "balance", "mobile", "dlr", "time", "911000000001"]
BODIES = replies(KEYS, ["48151", "0", "911000000001", "1000000002"])
TEXTS = st.text(st.sampled_from("jobid JOB:-_ 0123456789,;|^~\n\"'{[<ainvldsucerpt"))

LATER = datetime(2026, 12, 31, 18, 30, tzinfo=UTC)
MESSAGES = st.builds(
    replace,
    st.just(MESSAGE),
    to=st.sampled_from([f"+91100000000{n}" for n in range(1, 6)]),
    text=st.sampled_from(["Hi Ani", "Hi Budi", "Hi Citra", "a^b", "c~d"]),
    sender=st.sampled_from([None, "ACMESH", "ACMEIN"]),
    category=st.sampled_from(["otp", "transactional", "promotional"]),
    flash=st.booleans(),
    filter_dnd=st.booleans(),
    template_id=st.sampled_from([None, "1107100000000000001"]),
    send_at=st.sampled_from([None, LATER]),
)
ALIKE = st.builds(
    replace,
    st.just(MESSAGE),
    to=st.sampled_from([f"+91100000{n:04}" for n in range(1, 30)]),
    text=st.sampled_from(["Hi Ani", "Hi Budi", "Hi Citra", "a^b"]),
)


def operations(calls: list[SubmitCall]) -> list[tuple[str, int]]:
    return [(call.request.url.rpartition("/")[2], len(call.members)) for call in calls]


def numbered(count: int, text: str = "Sale ends tonight", first: int = 1) -> list[OutgoingMessage]:
    return [
        replace(MESSAGE, id=f"{text}{n}", to=f"+91100000{n:04}", text=text)
        for n in range(first, first + count)
    ]


def test_every_word_of_a_receipt_has_a_case() -> None:
    names = {case.name for case in cases("expected.json") if case.vendor == "jst"}
    assert not {f"reports-word-{word}" for word in STATES} - names


def test_equal_texts_go_by_bulk_sms() -> None:
    assert operations(VENDOR.submit(numbered(250), None)) == [
        ("bulk-sms", 100),
        ("bulk-sms", 100),
        ("bulk-sms", 50),
    ]


def test_different_texts_share_a_customized_sms() -> None:
    messages = numbered(60, "Hi Ani") + numbered(1, "Hi Budi", 61) + numbered(39, "Hi Citra", 62)
    assert operations(VENDOR.submit(messages, None)) == [("customized-sms", 100)]


def test_a_text_that_fills_a_call_by_itself_goes_by_bulk_sms() -> None:
    messages = numbered(100, "Hi Ani") + numbered(2, "Hi Budi", 101) + numbered(2, "Hi Citra", 103)
    assert operations(VENDOR.submit(messages, None)) == [("bulk-sms", 100), ("customized-sms", 4)]


def test_a_text_with_a_separator_never_goes_by_customized_sms() -> None:
    messages = [*numbered(2, "a^b"), *numbered(1, "c~d", 3), *numbered(1, "Hi Ani", 4)]
    assert operations(VENDOR.submit(messages, None)) == [
        ("bulk-sms", 2),
        ("bulk-sms", 1),
        ("bulk-sms", 1),
    ]


def test_one_number_is_never_twice_in_a_submission() -> None:
    again = replace(MESSAGE, id="again")
    assert VENDOR.pack([MESSAGE, OTHER, again]) == [[MESSAGE, OTHER], [again]]


def test_a_default_sender_that_is_named_makes_no_difference() -> None:
    named = replace(OTHER, sender="ACMESH", category="otp")
    assert VENDOR.pack([MESSAGE, named]) == [[MESSAGE, named]]


@given(st.lists(MESSAGES | ALIKE, max_size=60), st.integers(1, 7))
def test_packing_loses_no_message_and_makes_single_calls(
    kinds: list[OutgoingMessage], size: int
) -> None:
    vendor = adapter("jst", submission_size=size)
    messages = [replace(kind, id=str(position)) for position, kind in enumerate(kinds)]
    packed = vendor.pack(messages)
    assert sorted(one.id for part in packed for one in part) == sorted(one.id for one in messages)
    assert [call.members for call in vendor.submit(messages, None)] == [*map(tuple, packed)]
    for part in packed:
        assert 0 < len(part) <= size
        assert len({one.to for one in part}) == len(part)
        assert [int(one.id) for one in part] == sorted(int(one.id) for one in part)
        assert [call.members for call in vendor.submit(part, None)] == [tuple(part)]


@pytest.mark.parametrize("sender", ["ACME", "ACMESHOP", "ACME12", "", "+911000000001"])
def test_a_sender_is_a_header_of_six_letters(sender: str) -> None:
    VENDOR.check(replace(MESSAGE, sender="ACMEIN"))
    with pytest.raises(UnsupportedMessageError) as refused:
        VENDOR.check(replace(MESSAGE, sender=sender))
    assert (refused.value.slug, refused.value.field) == ("bad-sender", "from")


@pytest.mark.parametrize("number", ["+8801000000001", "+91100000000", "+9110000000011"])
def test_a_number_that_is_not_indian_is_refused(number: str) -> None:
    with pytest.raises(UnsupportedMessageError) as refused:
        VENDOR.check(replace(MESSAGE, to=number))
    assert (refused.value.slug, refused.value.field) == ("bad-number", "to")


@pytest.mark.parametrize(
    "setting",
    [
        {"sender": "ACME"},
        {"username": ""},
        {"password": ""},
        {"method": "PUT"},
        {"allow_http": False},
        {"submission_size": 0},
        {"balance_low": -0.01},
        {"balance_low": 1e24},
        {"balance_floor": 1e16},
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(setting: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        adapter("jst", **setting)


def test_an_account_warns_of_what_an_operator_should_know() -> None:
    assert [text.split(":")[0] for text in VENDOR.warnings] == ["Plain http", "No template_id"]
    assert "GET" in adapter("jst", method="GET").warnings[1]
    safe = {"base_url": "https://jst.example.com", "template_id": "1107100000000000001"}
    assert not adapter("jst", **safe).warnings


@given(st.binary() | TEXTS.map(str.encode) | BODIES, st.sampled_from([200, 404, 500]))
def test_only_a_refusal_in_the_answer_refuses(body: bytes, status: int) -> None:
    outcomes = VENDOR.submitted(VendorResponse(status, body), CALL)
    assert len(outcomes) == 2
    for outcome in outcomes:
        assert outcome.vendor_id is None or outcome.verdict is SubmitVerdict.ACCEPTED
        if outcome.verdict in (SubmitVerdict.REFUSED, SubmitVerdict.RETRY):
            words = (b"invalid", b"insufficient", b"unauthor", b'"error"', b'"status"')
            assert any(word in body.lower() for word in words)


@given(st.binary() | TEXTS.map(str.encode) | BODIES)
def test_reports_speak_of_the_asked_numbers_only(body: bytes) -> None:
    for report in VENDOR.reports(VendorResponse(200, body), POLL):
        assert report.message_id in {MESSAGE.id, OTHER.id}
        if not report.account_fault:
            number = MESSAGE.to if report.message_id == MESSAGE.id else OTHER.to
            assert number[-10:].encode() in body


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"error":' * 50_000])
def test_an_endlessly_nested_answer_is_no_news(body: bytes) -> None:
    assert {one.verdict for one in VENDOR.submitted(VendorResponse(200, body), CALL)} == {
        SubmitVerdict.UNKNOWN
    }
    assert not VENDOR.reports(VendorResponse(200, body), POLL)

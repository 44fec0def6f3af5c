"""What the captured cases of server2sms can't say: limits, grouping, and answers of any shape."""

import json
from copy import replace
from datetime import UTC, datetime
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms_gateway.vendors.adapter import CodeMaker, UnsupportedMessageError
from sms_gateway.vendors.server2sms.responses import DELIVERY_STATUSES, REASONS, STATUS_CODES
from sms_gateway.vendors.types import (
    CallbackRequest,
    CodeVerdict,
    Encoding,
    OneTimeCode,
    OutgoingMessage,
    PendingReceipt,
    SubmitVerdict,
    VendorResponse,
)
from testing.vendor_cases import adapter, cases
from testing.vendor_responses import replies

VENDOR = adapter("server2sms")
MESSAGE = OutgoingMessage("01J8Z3K4M5N6P7Q8R9S0T1V2W3001", "+447700900001", "Your code is 1234")
PENDING = PendingReceipt(MESSAGE.id, MESSAGE.to)
KEYS = [
    "StatusCode",
    "StatusInfo",
    "Credits",
    "DeliveryNotifications",
    "TransactionReferenceNumber",
    "DeliveryStatus",
    "NotificationDate",
    "Reasoncode",
]
BODIES = replies(KEYS, list(STATUS_CODES))


def numbered(count: int) -> list[OutgoingMessage]:
    return [
        replace(MESSAGE, id=f"{MESSAGE.id[:-3]}{n:03}", to=f"+447700900{n:03}")
        for n in range(count)
    ]


def notification_urls(callback_url: str) -> list[str]:
    body = json.loads(VENDOR.submit([MESSAGE], callback_url)[0].request.body)
    return [value for key, value in body.items() if key.startswith("URL")]


def test_every_row_of_the_code_tables_has_a_case() -> None:
    names = {case.name for case in cases("expected.json") if case.vendor == "server2sms"}
    wanted = {f"submitted-status-{int(code):02}" for code in STATUS_CODES}
    wanted |= {f"submitted-token-status-{int(code):02}" for code in STATUS_CODES}
    wanted |= {f"verified-status-{int(code):02}" for code in STATUS_CODES}
    wanted |= {f"reports-status-{code.replace('-', 'minus-')}" for code in DELIVERY_STATUSES}
    wanted |= {f"reports-reason-{code}" for code in REASONS}
    assert not wanted - names


@pytest.mark.parametrize("length", range(100, 201))
def test_notification_urls_stay_within_200_characters_and_keep_the_reference(length: int) -> None:
    callback_url = "https://api.example/".ljust(length, "x")
    for url in notification_urls(callback_url):
        assert len(url) <= 200
        assert url.startswith(f"{callback_url}?DST=<DST>&")
        assert url.endswith("&ID=<TRN>")


@pytest.mark.parametrize(
    ("length", "query"),
    [
        (151, "?DST=<DST>&RSN=<RSN>&DSCTSUTC=<DSCTSUTC>&ID=<TRN>"),
        (152, "?DST=<DST>&RSN=<RSN>&ID=<TRN>"),
        (171, "?DST=<DST>&RSN=<RSN>&ID=<TRN>"),
        (172, "?DST=<DST>&ID=<TRN>"),
        (181, "?DST=<DST>&ID=<TRN>"),
    ],
)
def test_a_longer_callback_url_costs_optional_tags_first(length: int, query: str) -> None:
    callback_url = "https://api.example/".ljust(length, "x")
    assert notification_urls(callback_url) == [callback_url + query] * 3


def test_without_room_for_status_and_reference_only_polling_remains() -> None:
    assert notification_urls("https://api.example/".ljust(182, "x")) == []


def test_a_submission_of_a_thousand_is_one_call() -> None:
    packed = VENDOR.pack(numbered(1000) + numbered(1))
    assert [len(part) for part in packed] == [1000, 1]
    assert [len(VENDOR.submit(part, None)) for part in packed] == [1, 1]


@pytest.mark.parametrize(
    "other",
    [
        replace(MESSAGE, text="Another"),
        replace(MESSAGE, sender="Other"),
        replace(MESSAGE, flash=True),
        replace(MESSAGE, encoding="ucs2"),
        replace(MESSAGE, send_at=datetime(2026, 7, 1, tzinfo=UTC)),
    ],
)
def test_messages_share_a_call_only_where_all_but_number_and_reference_agree(
    other: OutgoingMessage,
) -> None:
    assert VENDOR.pack([MESSAGE, other, MESSAGE]) == [[MESSAGE, MESSAGE], [other]]


def test_naming_the_default_sender_makes_no_difference() -> None:
    assert len(VENDOR.pack([MESSAGE, replace(MESSAGE, sender="ACME")])) == 1


@pytest.mark.parametrize(
    "sender", ["1", "447700900001", "+447700900001", "1" * 15, "Acme2", "A" * 11]
)
def test_numbers_and_short_names_are_senders(sender: str) -> None:
    VENDOR.check(replace(MESSAGE, sender=sender))


@pytest.mark.parametrize("sender", ["1" * 16, "A" * 12, "Ac me", "Grüezi", "+Acme", "+", "Acme\n"])
def test_nothing_else_is_a_sender(sender: str) -> None:
    with pytest.raises(UnsupportedMessageError) as refused:
        VENDOR.check(replace(MESSAGE, sender=sender))
    assert (refused.value.slug, refused.value.field) == ("bad-sender", "from")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("filter_dnd", replace(MESSAGE, filter_dnd=True)),
        ("template_id", replace(MESSAGE, template_id="1")),
    ],
)
def test_what_the_vendor_cannot_express_is_refused(name: str, message: OutgoingMessage) -> None:
    with pytest.raises(UnsupportedMessageError) as refused:
        VENDOR.check(message)
    assert refused.value.field == name


@pytest.mark.parametrize("setting", [{"sender": "much too long"}, {"poll_size": 0}, {"sender": ""}])
def test_settings_that_cannot_work_are_refused_by_name(setting: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        adapter("server2sms", **setting)


@given(BODIES)
def test_only_a_documented_refusal_in_the_answer_refuses(body: bytes) -> None:
    call = VENDOR.submit(numbered(2), None)[0]
    outcomes = VENDOR.submitted(VendorResponse(200, body), call)
    assert len(outcomes) == 2
    for outcome in outcomes:
        if outcome.verdict in (SubmitVerdict.REFUSED, SubmitVerdict.RETRY):
            assert outcome.code is not None
            assert outcome.code.encode() in body
            assert STATUS_CODES[outcome.code].verdict is outcome.verdict


@given(BODIES)
def test_a_code_is_right_only_where_the_vendor_says_so(body: bytes) -> None:
    assert isinstance(VENDOR, CodeMaker)
    checked = VENDOR.verified(VendorResponse(200, body))
    if checked.verdict is CodeVerdict.RIGHT:
        assert checked.code == "1"
    if checked.verdict in (CodeVerdict.WRONG, CodeVerdict.FAILED):
        assert checked.code in STATUS_CODES


def test_every_token_has_a_call_of_its_own() -> None:
    token = OneTimeCode("Code {code}", "####", 300)
    messages = [replace(one, one_time_code=token) for one in numbered(3)]
    assert [len(part) for part in VENDOR.pack(messages)] == [1, 1, 1]


@pytest.mark.parametrize(("ttl", "minutes"), [(60, "1"), (61, "2"), (300, "5"), (86_400, "1440")])
def test_the_vendors_validity_does_not_end_before_ours(ttl: int, minutes: str) -> None:
    message = replace(MESSAGE, one_time_code=OneTimeCode("{code}", "####", ttl))
    body = json.loads(VENDOR.submit([message], None)[0].request.body)
    assert body["TokenValidity"] == minutes


@given(BODIES)
def test_a_poll_speaks_only_of_what_was_asked(body: bytes) -> None:
    reports = VENDOR.reports(VendorResponse(200, body), VENDOR.poll([PENDING])[0])
    assert {report.message_id for report in reports} <= {MESSAGE.id}


@given(st.text() | st.datetimes().map(str) | st.from_regex(r"[0-9]{14}", fullmatch=True))
def test_no_date_is_too_odd(written: str) -> None:
    row = {"TransactionReferenceNumber": MESSAGE.id, "DeliveryStatus": "0"}
    rows = [row | {"NotificationDate": written}]
    body = json.dumps({"StatusCode": "1", "DeliveryNotifications": rows}).encode()
    (report,) = VENDOR.reports(VendorResponse(200, body), VENDOR.poll([PENDING])[0])
    assert report.at is None or report.at.tzinfo is UTC


@given(
    st.dictionaries(st.sampled_from(["DST", "RSN", "DSCTSUTC", "ID", "RCPNT"]), st.text()), BODIES
)
def test_no_callback_is_too_odd(query: dict[str, str], body: bytes) -> None:
    for report in VENDOR.callback(CallbackRequest("GET", query, body)):
        assert report.message_id or report.number


KINDS = [
    replace(MESSAGE, text=text, flash=flash, encoding=encoding)
    for text, flash, encoding in product(("a", "b"), (True, False), get_args(Encoding))
]


@given(st.lists(st.sampled_from(KINDS), max_size=40), st.integers(1, 5))
def test_packing_loses_and_duplicates_no_message(kinds: list[OutgoingMessage], size: int) -> None:
    messages = [replace(kind, id=str(position)) for position, kind in enumerate(kinds)]
    vendor = adapter("server2sms", submission_size=size)
    packed = vendor.pack(messages)
    assert sorted(one.id for part in packed for one in part) == sorted(one.id for one in messages)
    assert all(0 < len(part) <= size for part in packed)
    assert all(len(vendor.submit(part, None)) == 1 for part in packed)
    assert [c.members for c in vendor.submit(messages, None)] == [tuple(part) for part in packed]

"""What the captured cases of RajaSMS can't say: limits, grouping, and answers of any shape."""

from copy import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms_gateway.vendors.adapter import UnsupportedMessageError
from sms_gateway.vendors.rajasms.responses import (
    BALANCE_CODES,
    DELIVERY_CODES,
    GLOBAL_CODES,
    SENDING_CODES,
)
from sms_gateway.vendors.types import (
    CallbackRequest,
    Category,
    OutgoingMessage,
    SubmitVerdict,
    VendorResponse,
)
from testing.vendor_cases import adapter, cases
from testing.vendor_responses import replies

VENDOR = adapter("rajasms")
MESSAGE = OutgoingMessage("01J8Z3K4M5N6P7Q8R9S0T1V2W3001", "+628000000001", "Kode Anda 1234")
KEYS = [
    "sending_respon",
    "balance_respon",
    "status_respon",
    "globalstatus",
    "globalstatustext",
    "datapacket",
    "packet",
    "number",
    "sendingid",
    "sendingstatus",
    "price",
    "Balance",
    "Expired",
    "deliverystatus",
]
BODIES = replies(
    KEYS, [*GLOBAL_CODES, *SENDING_CODES, *BALANCE_CODES, *DELIVERY_CODES, "628000000001", "0"]
)


def numbered(count: int) -> list[OutgoingMessage]:
    return [replace(MESSAGE, id=str(n), to=f"+62800000{n:04}") for n in range(count)]


def test_every_row_of_the_code_tables_has_a_case() -> None:
    names = {case.name for case in cases("expected.json") if case.vendor == "rajasms"}
    wanted = {f"submitted-global-{code}" for code in GLOBAL_CODES}
    wanted |= {f"submitted-sending-{code}" for code in SENDING_CODES}
    wanted |= {f"credit-global-{code}" for code in BALANCE_CODES}
    wanted |= {f"callback-status-{int(code):02}" for code in DELIVERY_CODES}
    assert not wanted - names


def test_a_submission_of_a_thousand_numbers_is_one_call() -> None:
    packed = VENDOR.pack(numbered(1001))
    assert [len(part) for part in packed] == [1000, 1]
    assert [len(VENDOR.submit(part, None)) for part in packed] == [1, 1]


def test_a_sender_is_refused_since_the_product_decides_it() -> None:
    with pytest.raises(UnsupportedMessageError) as refused:
        VENDOR.check(replace(MESSAGE, sender="ACME"))
    assert (refused.value.slug, refused.value.field) == ("unsupported-field", "from")


def test_a_text_has_at_most_480_characters() -> None:
    VENDOR.check(replace(MESSAGE, text="a" * 480))
    with pytest.raises(UnsupportedMessageError) as refused:
        VENDOR.check(replace(MESSAGE, text="a" * 481))
    assert (refused.value.slug, refused.value.field) == ("text-too-long", "text")


def test_flash_is_refused() -> None:
    with pytest.raises(UnsupportedMessageError, match="flash"):
        VENDOR.check(replace(MESSAGE, flash=True))


@pytest.mark.parametrize(
    "setting",
    [
        {"products": {"otp": "otp"}},
        {"products": {"otp": "gold", "transactional": "masking", "promotional": "reguler"}},
        {"bulk_send_path": "sms/bulk.php"},
        {"bulk_balance_path": ""},
        {"submission_size": 1001},
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(setting: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        adapter("rajasms", **setting)


@given(BODIES)
def test_only_a_documented_refusal_in_the_answer_refuses(body: bytes) -> None:
    call = VENDOR.submit([MESSAGE, replace(MESSAGE, to="+628000000002")], None)[0]
    outcomes = VENDOR.submitted(VendorResponse(200, body), call)
    assert len(outcomes) == 2
    for outcome in outcomes:
        if outcome.verdict in (SubmitVerdict.REFUSED, SubmitVerdict.RETRY):
            assert outcome.code is not None
            assert outcome.code.encode() in body
            rows = GLOBAL_CODES.get(outcome.code), SENDING_CODES.get(outcome.code)
            assert outcome.verdict in {row.verdict for row in rows if row}


@given(BODIES, st.sampled_from([b"", b"status_respon=", b"a=b&data="]))
def test_no_callback_is_too_odd(body: bytes, before: bytes) -> None:
    for report in VENDOR.callback(CallbackRequest("POST", {}, before + body)):
        assert report.code
        assert report.vendor_id or report.number


MESSAGES = st.builds(
    lambda category, last: replace(MESSAGE, category=category, to=f"+62800000000{last}"),
    st.sampled_from(get_args(Category)),
    st.integers(1, 4),
)


@given(st.lists(MESSAGES, max_size=40), st.integers(1, 5))
def test_packing_loses_no_message_and_repeats_no_number(
    kinds: list[OutgoingMessage], size: int
) -> None:
    messages = [replace(kind, id=str(position)) for position, kind in enumerate(kinds)]
    vendor = adapter("rajasms", submission_size=size)
    packed = vendor.pack(messages)
    assert sorted(one.id for part in packed for one in part) == sorted(one.id for one in messages)
    assert all(0 < len(part) <= size for part in packed)
    assert all(len({one.to for one in part}) == len(part) for part in packed)
    assert all(len({one.category for one in part}) == 1 for part in packed)
    assert [c.members for c in vendor.submit(messages, None)] == [tuple(part) for part in packed]

"""What the captured cases of server2sms beside messages can't say: every code, and any shape."""

import json
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms_gateway.vendors.account_services import (
    Authorized,
    InterfaceInfo,
    OperationResult,
    raw_answer,
    service_of,
    vendors_with,
)
from sms_gateway.vendors.server2sms.account import (
    AUTHORIZED,
    CREATE_PROBLEMS,
    REDEEM_PROBLEMS,
    UNLOCK_CODE_PROBLEMS,
    UNLOCK_PROBLEMS,
    UNLOCKED,
    Server2smsAccount,
)
from sms_gateway.vendors.server2sms.adapter import Server2sms
from sms_gateway.vendors.server2sms.responses import STATUS_CODES
from sms_gateway.vendors.types import SubmitVerdict, VendorResponse
from testing.vendor_cases import adapter, cases
from testing.vendor_responses import replies

ADAPTER = adapter("server2sms")
assert isinstance(ADAPTER, Server2sms)
ACCOUNT = Server2smsAccount(ADAPTER)
CHANGES: dict[str, tuple[Callable[[VendorResponse], OperationResult], object]] = {
    "unlock_code_sent": (ACCOUNT.unlock_code_sent, UNLOCK_CODE_PROBLEMS),
    "unlocked": (ACCOUNT.unlocked, UNLOCK_PROBLEMS),
    "created": (ACCOUNT.created, CREATE_PROBLEMS),
    "redeemed": (ACCOUNT.redeemed, REDEEM_PROBLEMS),
}
KEYS = ["StatusCode", "StatusInfo", "vouchers", "VoucherCode", "Credits", "Remarks", "Code", "Text"]
BODIES = replies(KEYS, list(STATUS_CODES))


def coded(code: str) -> VendorResponse:
    return VendorResponse(200, json.dumps({"StatusCode": code, "StatusInfo": "said"}).encode())


@pytest.mark.parametrize("code", STATUS_CODES)
@pytest.mark.parametrize("name", CHANGES)
def test_every_code_of_the_document_says_whether_a_change_was_made(name: str, code: str) -> None:
    deed = CHANGES[name][0](coded(code))
    if name == "unlocked" and code in UNLOCKED:
        assert deed.outcome.verdict is SubmitVerdict.ACCEPTED
        return
    assert deed.outcome.verdict is STATUS_CODES[code].verdict
    assert (deed.outcome.code, deed.outcome.text) == (code, "said")


@pytest.mark.parametrize("code", STATUS_CODES)
def test_four_codes_speak_of_a_sender_and_no_other(code: str) -> None:
    wanted = {"31": "yes", "28": "yes", "30": "no", "29": "pending"}.get(code)
    assert ACCOUNT.sender(coded(code)).authorized == wanted


def test_every_row_of_the_tables_has_a_case() -> None:
    seen: dict[str, set[str]] = {}
    for case in cases("expected.json"):
        if case.vendor == "server2sms" and b"StatusCode" in case.body:
            try:
                answer = json.loads(case.body)
            except ValueError:
                continue
            if isinstance(answer, dict):
                code = str(answer.get("StatusCode"))
                seen.setdefault(case.spec["operation"], set()).add(code)
    assert set(AUTHORIZED) <= seen["sender"]
    assert seen["unlocked"] >= UNLOCKED
    for name, (_, table) in CHANGES.items():
        assert isinstance(table, dict)
        assert set(table) <= seen[name], name


def test_each_answer_to_a_question_about_a_sender_is_used() -> None:
    assert set(AUTHORIZED.values()) == set(Authorized)


@given(BODIES)
def test_only_a_documented_code_says_that_a_change_was_not_made(body: bytes) -> None:
    for understand, _ in CHANGES.values():
        outcome = understand(VendorResponse(200, body)).outcome
        if outcome.verdict is not SubmitVerdict.UNKNOWN:
            assert outcome.code in STATUS_CODES


@given(BODIES)
def test_no_list_of_vouchers_is_too_odd(body: bytes) -> None:
    listing = ACCOUNT.vouchers(VendorResponse(200, body))
    for one in listing.every:
        msgspec.json.encode([one.code, str(one.credits), one.remarks, one.data])
        one.mentions("x")
    assert "data=" not in repr(listing)


@given(BODIES, st.sampled_from([200, 500]), st.text(max_size=30))
def test_no_fact_is_too_odd(body: bytes, status: int, content_type: str) -> None:
    reply = VendorResponse(status, body, content_type)
    ACCOUNT.refusal(reply)
    found = raw_answer(reply)
    assert found.content_type.isprintable()
    msgspec.json.encode(found.data)
    for code, text in ACCOUNT.status_codes(found).items():
        assert code.isdecimal()
        assert text


@pytest.mark.parametrize(
    "originator", ["1", "+447700900001", "447700900001", "1" * 15, "Acme", "A" * 11]
)
def test_numbers_and_short_names_are_originators(originator: str) -> None:
    assert ACCOUNT.is_sender(originator)


@pytest.mark.parametrize("originator", ["", "+", "1" * 16, "A" * 12, "Ac me", "Grün", "A\n", "+A"])
def test_nothing_else_is_an_originator(originator: str) -> None:
    assert not ACCOUNT.is_sender(originator)


def test_a_vendor_without_a_part_has_none() -> None:
    assert vendors_with(InterfaceInfo) == ["server2sms"]
    assert service_of(adapter("jst"), InterfaceInfo) is None  # type: ignore[type-abstract]  # asked for by its interface


def test_no_code_shows_in_a_repr() -> None:
    reply = VendorResponse(200, b'{"StatusCode": "1", "vouchers": [{"Code": "AAAA-BBBB"}]}')
    listing = ACCOUNT.vouchers(reply)
    assert listing.every[0].code == "AAAA-BBBB"
    assert "AAAA" not in repr(listing) + repr(listing.every)
    assert "AAAA" not in repr(ACCOUNT.redeem("AAAA-BBBB")) + repr(ACCOUNT.unlock("1", "AAAA", None))
    assert "test-password" not in repr(ACCOUNT)


def test_calls_without_credentials_carry_none() -> None:
    for request in (ACCOUNT.ask_version(), ACCOUNT.ask_status_codes()):
        assert request.body == b"{}"

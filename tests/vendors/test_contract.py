"""Every captured answer means what its case says, and every vendor has the cases it must have."""

from contextlib import suppress
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms_gateway.vendors.account_services import InterfaceInfo, Senders, Vouchers, vendors_with
from sms_gateway.vendors.adapter import CodeMaker
from sms_gateway.vendors.registry import VENDORS
from sms_gateway.vendors.types import (
    BalanceRefusedError,
    CallbackRequest,
    PendingReceipt,
    VendorResponse,
)
from smsgw.captured_cases import UNREADABLE, missing
from testing import account_cases as account_contract
from testing import vendor_cases as contract
from testing.vendor_cases import CASES, Case, adapter, cases
from testing.vendor_responses import captured_replies

CHANGED = ("ok", "refused", "account", "busy", "unknown-code", *UNREADABLE)
ACCOUNT: dict[type, dict[str, tuple[str, ...]]] = {
    Senders: {
        "sender": ("yes", "no", "pending", "refused", "account", "unknown-code", *UNREADABLE),
        "unlock_code_sent": CHANGED,
        "unlocked": CHANGED,
    },
    Vouchers: {
        "created": CHANGED,
        "vouchers": ("ok", "none", "refused", *UNREADABLE),
        "redeemed": CHANGED,
    },
    InterfaceInfo: {"facts": ("json", "xml", "text", "refused", "garbage")},
}


@pytest.mark.parametrize("case", cases("expected.json"), ids=str)
def test_the_answer_means_what_the_case_says(case: Case) -> None:
    reader = account_contract if case.spec["operation"] in account_contract.PARTS else contract
    assert reader.understood(case) == case.spec["expect"]


@pytest.mark.parametrize("case", cases("request.json"), ids=str)
def test_the_request_is_what_the_vendor_documents(case: Case) -> None:
    reader = account_contract if case.spec["operation"] in account_contract.PARTS else contract
    assert reader.described(case) == case.spec["expect"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_vendor_has_the_same_cases(vendor: str) -> None:
    names = [case.name for case in cases("expected.json") if case.vendor == vendor]
    requests = [case.name for case in cases("request.json") if case.vendor == vendor]
    assert missing(names, requests, adapter(vendor).capabilities) == []


@pytest.mark.parametrize(("part", "operations"), ACCOUNT.items())
def test_every_vendor_with_a_part_has_the_same_cases_of_it(
    part: type, operations: dict[str, tuple[str, ...]]
) -> None:
    assert vendors_with(part)
    for vendor in vendors_with(part):
        have = {path.name.partition(".")[0] for path in (CASES / vendor).glob("*.expected.json")}
        for operation, names in operations.items():
            assert not {f"{operation}-{name}" for name in names} - have
        asked = {path.name.partition(".")[0] for path in (CASES / vendor).glob("*.request.json")}
        assert not {name for name, one in account_contract.PARTS.items() if one is part} - (
            set(operations) | asked
        )


@pytest.mark.parametrize("vendor", VENDORS)
def test_no_answer_of_any_shape_raises(vendor: str) -> None:
    account = adapter(vendor)
    first = next(
        case
        for case in cases("request.json")
        if case.vendor == vendor and case.spec["operation"] == "submit"
    )
    members = [contract.outgoing(member) for member in first.spec["members"]]
    call = account.submit(members, None)[0]

    @given(captured_replies(vendor), st.sampled_from([200, 404, 500]))
    def read(body: bytes, status: int) -> None:
        reply = VendorResponse(status, body)
        assert len(account.submitted(reply, call)) == len(call.members)
        for product in account.balance():
            with suppress(BalanceRefusedError):
                account.parse_balance(reply, product)
        if account.capabilities.receipts_poll:
            pending = [PendingReceipt(message.id, message.to, "194234") for message in members]
            account.reports(reply, account.poll(pending)[0])
        if account.capabilities.receipts_callback:
            account.callback(CallbackRequest("POST", {}, body))
        assert isinstance(account, CodeMaker) == account.capabilities.tokens
        if isinstance(account, CodeMaker):
            account.verified(reply)

    read()


@pytest.mark.parametrize("vendor", VENDORS)
def test_no_secret_shows_in_a_repr(vendor: str) -> None:
    account = adapter(vendor)
    shown = repr(account) + repr(account.balance())
    secrets = [getattr(account, field.name) for field in fields(account) if not field.repr]
    assert secrets
    assert [secret for secret in secrets if str(secret) in shown] == []

"""Every captured answer means what its case says, and every vendor has the cases it must have."""

import pytest

from sms_gateway.vendors.account_services import InterfaceInfo, Senders, Vouchers, vendors_with
from sms_gateway.vendors.registry import VENDORS
from testing import account_cases as account_contract
from testing import vendor_cases as contract
from testing.vendor_cases import CASES, Case, adapter, cases

UNREADABLE = ("empty", "html", "truncated", "wrong-type")
SUBMITTED = ("accepted", "refused", "account", "unknown-code", *UNREADABLE)
CREDIT = ("ok", "refused", *UNREADABLE)
REPORTS = ("delivered", "undelivered", "pending", "unknown-code", *UNREADABLE)
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
VERIFIED = ("right", "wrong", "refused", "account", "unknown-code", *UNREADABLE)
CALLBACK = ("delivered", "undelivered", "pending", "unknown-code", "empty", "garbage")


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
    can = adapter(vendor).capabilities
    needed = [f"submitted-{name}" for name in SUBMITTED] + [f"credit-{name}" for name in CREDIT]
    if can.receipts_poll:
        needed += [f"reports-{name}" for name in REPORTS]
    if can.receipts_callback:
        needed += [f"callback-{name}" for name in CALLBACK]
    if can.tokens:
        needed += [f"verified-{name}" for name in VERIFIED]
        assert list((CASES / vendor).glob("submit-token*.request.json"))
        assert list((CASES / vendor).glob("verify*.request.json"))
    have = {path.name.removesuffix(".expected.json") for path in (CASES / vendor).glob("*.json")}
    assert not set(needed) - have
    assert list((CASES / vendor).glob("submit*.request.json"))
    assert list((CASES / vendor).glob("balance*.request.json"))


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
def test_no_secret_shows_in_a_repr(vendor: str) -> None:
    one = adapter(vendor)
    shown = repr(one) + repr(one.balance())
    for name in ("password", "api_key", "secret_key", "username", "user_key", "client"):
        value = getattr(one, name, None)
        assert value is None or str(value) not in shown

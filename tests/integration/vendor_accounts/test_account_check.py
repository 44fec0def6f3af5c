"""`smsgw vendors check`: what an operator is told of a vendor, asked from inside the stack."""

import io
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from sms_gateway.config import vendor_accounts
from sms_gateway.vendor_accounts.account_check import check_account
from sms_gateway.vendor_accounts.overview import vendors_view
from sms_gateway.vendors.registry import VENDORS, adapter_class
from smsgw import vendor_check
from smsgw.errors import CommandError
from smsgw.stack import Stack
from smsgw.vendors import warn_of_difference
from testing.gateway import Gateway
from testing.processes import function
from testing.settings import ACCOUNTS, set_accounts, set_published
from testing.transport import SILENT, Wire

NOW = datetime.now(UTC)
TELLS = {"balance_json.php": {"balance_respon": [{"globalstatus": 10, "Balance": 880}]}}
REFUSED = {
    "balance_json.php": {
        "balance_respon": [
            {"globalstatus": 40, "globalstatustext": "Ip address 198.51.100.7 not register\x1b[2J"}
        ]
    }
}
OUTPUTS = {
    "BalanceFunctionName": "balance",
    "AccountsSecretName": "test/vendors",
    "KeysSecretName": "test/keys",
}
STACK = Stack("test", OUTPUTS, "us-east-1")
DEMANDING = {vendor for vendor in VENDORS if adapter_class(vendor).unregistered_address}


def answer(wire: Wire, vendor: str, after: int = 0) -> dict[str, Any]:
    found = vendor_accounts.accounts()
    return check_account({"check": vendor}, found, NOW + timedelta(seconds=after), wire)


@pytest.fixture
def check(
    gateway: Gateway,
    wire: Wire,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Any:
    """`check("rajasms")` runs the command; what it prints, and the error that it ends with."""

    def invoke(FunctionName: str, Payload: str) -> dict[str, Any]:
        assert FunctionName == "balance"
        event = json.loads(Payload)
        found = check_account(event, vendor_accounts.accounts(), NOW, wire)
        return {"Payload": io.BytesIO(msgspec.json.encode(found))}

    monkeypatch.setattr(
        vendor_check, "clients", SimpleNamespace(client=lambda _: SimpleNamespace(invoke=invoke))
    )

    def run(vendor: str) -> tuple[str, str]:
        try:
            vendor_check.check_vendor(STACK, vendor, ACCOUNTS)
        except CommandError as error:
            return capsys.readouterr().out, str(error)
        return capsys.readouterr().out, ""

    return run


def test_a_vendor_that_answers_has_an_amount_for_each_product(check: Any, wire: Wire) -> None:
    wire.answers |= TELLS
    said, error = check("rajasms")
    assert error == ""
    assert [line.split() for line in said.splitlines()] == [
        ["rajasms", product, "880", "IDR"] for product in ("otp", "masking", "reguler")
    ]


def test_an_address_that_is_not_registered_is_named_as_the_vendor_names_it(
    check: Any, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.answers |= REFUSED
    said, error = check("rajasms")
    assert 'address not registered: RajaSMS says "Ip address 198.51.100.7 not register' in said
    assert "(code 40)" in said
    assert "\x1b" not in said
    assert error.startswith("this gateway has no fixed address")
    monkeypatch.setenv("FIXED_EGRESS", "true")
    _, error = check("rajasms")
    assert error.startswith("let RajaSMS register the network's addresses")


def test_a_secret_that_was_changed_by_hand_is_told_with_the_answer(
    check: Any, wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    wire.answers |= TELLS
    assert check("rajasms")[1] == ""
    set_published({"rajasms": ACCOUNTS["rajasms"] | {"url_encode": True}})
    warn_of_difference(STACK)
    assert "smsgw vendors publish" in capsys.readouterr().err


def test_another_failure_is_told_in_the_vendors_words(check: Any, wire: Wire) -> None:
    wire.answers["balance_json.php"] = {"balance_respon": [{"globalstatus": 30}]}
    said, error = check("rajasms")
    assert 'RajaSMS says "ApiKey not register" (code 30)' in said
    assert "address not registered" not in said
    assert error


def test_a_vendor_that_is_silent_is_told(check: Any, wire: Wire) -> None:
    wire.answers["balance_json.php"] = SILENT
    said, error = check("rajasms")
    assert "RajaSMS did not answer." in said
    assert error


def test_a_vendor_without_an_account_is_told(check: Any) -> None:
    set_accounts({"rajasms": {"base_url": "ftp://x"}})
    assert check("jst")[1] == "jst is not configured: `smsgw vendors set jst account.json`"
    assert check("rajasms")[1].startswith("the account is refused: ")


def test_the_vendor_is_asked_at_most_once_a_minute(gateway: Gateway, wire: Wire) -> None:
    wire.answers |= REFUSED
    answer(wire, "rajasms")
    asked = len(wire.sent)
    answer(wire, "rajasms", 58)
    assert len(wire.sent) == asked
    wire.answers |= TELLS
    rows = answer(wire, "rajasms", 62)["balances"]
    assert {row["problem"] for row in rows} == {None}


@pytest.mark.parametrize(
    "event",
    [{}, {"check": 7}, {"check": "rajasms", "tenant": "acme"}, {"check": "rajasms", "body": "{}"}],
)
def test_the_door_takes_a_vendors_name_and_nothing_else(
    gateway: Gateway, wire: Wire, event: dict[str, Any]
) -> None:
    with pytest.raises(msgspec.ValidationError):
        check_account(event, vendor_accounts.accounts(), NOW, wire)
    assert wire.sent == []


def test_no_http_request_opens_the_door(gateway: Gateway) -> None:
    event: dict[str, Any] = {
        "httpMethod": "POST",
        "path": "/balances",
        "body": '{"check": "rajasms"}',
    }
    given = {**event, "requestContext": {}, "check": "rajasms"}
    answered = function("balance").handler(given, None)
    assert answered["statusCode"] == 404


def test_the_vendors_that_document_a_code_for_it_demand_a_registered_address() -> None:
    assert sorted(DEMANDING) == ["dinisoft", "rajasms"]


@pytest.mark.parametrize(("fixed", "warned"), [("false", DEMANDING), ("true", set())])
def test_vendors_warn_where_an_address_is_demanded_and_none_is_fixed(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, fixed: str, warned: set[str]
) -> None:
    monkeypatch.setenv("FIXED_EGRESS", fixed)
    shown = vendors_view(vendor_accounts.accounts(), NOW)
    assert {
        one["vendor"]
        for one in shown
        if any("docs/guides/egress.md" in warning for warning in one["warnings"])
    } == warned


def test_a_vendor_without_an_account_is_not_warned_of(gateway: Gateway) -> None:
    set_accounts({})
    assert all(one["warnings"] == [] for one in vendors_view(vendor_accounts.accounts(), NOW))

"""Balances: side by side, one vendor's failure its own, and asked once a minute."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sms_gateway.config import vendor_accounts
from sms_gateway.storage.balances import Row
from sms_gateway.vendor_accounts.balances import get_balances
from sms_gateway.vendor_accounts.overview import vendors_view
from sms_gateway.vendors.registry import VENDORS
from testing.gateway import Gateway
from testing.settings import ACCOUNTS, set_accounts
from testing.transport import SILENT, UNREACHABLE, Wire
from testing.vendor_answers import balances

OURS: dict[str, Any] = {
    "get-balance": {"message": "ok", "balance": "120.5"},
    "smsClientBalance.jsp": b"10.000000",
    "CheckCredits": {"StatusCode": "1", "Credits": "42.5"},
    "balance_json.php": {
        "balance_respon": [{"globalstatus": 10, "Balance": 880, "Expired": "2027-09-18"}]
    },
}
TELLS = OURS | {
    ending: answer for ending, answer in balances().items() if not ending.endswith(tuple(OURS))
}


def ask(wire: Wire, after: int = 0) -> list[Row]:
    now = datetime.now(UTC) + timedelta(seconds=after)
    return get_balances(vendor_accounts.accounts().adapters, now, wire)


def test_every_product_of_every_vendor_is_a_row(gateway: Gateway, wire: Wire) -> None:
    wire.answers |= TELLS
    rows = ask(wire)
    assert {(one["vendor"], one["product"], one["amount"]) for one in rows} >= {
        ("jst", "promotional", "120.5"),
        ("jst", "transactional", "120.5"),
        ("dinisoft", None, "10.000000"),
        ("server2sms", None, "42.5"),
        ("rajasms", "otp", "880"),
    }
    assert {one["problem"] for one in rows} == {None}


def test_vendors_are_asked_side_by_side(gateway: Gateway, wire: Wire) -> None:
    together = threading.Barrier(len(TELLS), timeout=5)
    first = threading.local()
    asked: set[str] = set()
    lock = threading.Lock()

    def wait(ending: str) -> Any:
        with lock:
            new = ending not in asked
            asked.add(ending)
        if new:
            together.wait()
        return TELLS[ending]

    wire.answers |= {ending: lambda _, e=ending: wait(e) for ending in TELLS}
    assert {one["problem"] for one in ask(wire)} == {None}
    assert first


@pytest.mark.parametrize("failure", [SILENT, UNREACHABLE, b"", b"<html>", {"StatusCode": "9"}])
def test_one_vendors_failure_is_its_rows_problem(
    gateway: Gateway, wire: Wire, failure: object
) -> None:
    wire.answers |= TELLS | {"CheckCredits": failure}
    rows = ask(wire)
    (failed,) = [one for one in rows if one["problem"]]
    assert (failed["vendor"], failed["amount"]) == ("server2sms", None)
    assert failed["problem"]["vendor"] == "server2sms"


def test_a_failure_shows_what_was_known_last(gateway: Gateway, wire: Wire) -> None:
    wire.answers |= TELLS
    ask(wire)
    wire.answers["CheckCredits"] = SILENT
    (failed,) = [one for one in ask(wire, 61) if one["problem"]]
    assert (failed["amount"], failed["unit"]) == ("42.5", "credits")
    wire.answers["CheckCredits"] = TELLS["CheckCredits"]
    assert {one["problem"] for one in ask(wire, 122)} == {None}


def test_nobody_is_asked_twice_within_a_minute(gateway: Gateway, wire: Wire) -> None:
    wire.answers |= TELLS | {"CheckCredits": SILENT}
    rows = ask(wire)
    calls = len(wire.sent)
    assert ask(wire, 58) == rows
    assert len(wire.sent) == calls
    ask(wire, 62)
    assert len(wire.sent) == 2 * calls


def test_without_vendors_there_is_no_row(gateway: Gateway, wire: Wire) -> None:
    set_accounts({})
    assert ask(wire) == []


def test_vendors_are_listed_with_their_state_and_without_their_secrets(gateway: Gateway) -> None:
    set_accounts({**ACCOUNTS, "rajasms": {"base_url": "ftp://x"}})
    shown = {
        one["vendor"]: one for one in vendors_view(vendor_accounts.accounts(), datetime.now(UTC))
    }
    assert [shown[vendor]["configured"] for vendor in ("jst", "rajasms")] == [True, False]
    assert any("Plain http" in warning for warning in shown["jst"]["warnings"])
    assert shown["rajasms"]["problem"]["type"] == "/problems/account-refused"
    assert "test-password" not in str(shown)


def test_the_vendors_show_what_they_told_last_and_are_not_asked(
    gateway: Gateway, wire: Wire
) -> None:
    def shown() -> dict[str, Any]:
        rows = vendors_view(vendor_accounts.accounts(), datetime.now(UTC))
        return {one["vendor"]: one["balances"] for one in rows}

    assert shown() == {vendor: [] for vendor in VENDORS}
    wire.answers |= TELLS
    told = ask(wire)
    calls = len(wire.sent)
    rows = shown()
    assert [row for vendor in VENDORS for row in rows[vendor]] == told
    assert all(row["checked_at"] for row in told)
    wire.answers["CheckCredits"] = SILENT
    ask(wire, 61)
    calls = len(wire.sent)
    (failed,) = shown()["server2sms"]
    assert (failed["amount"], failed["checked_at"]) == ("42.5", rows["server2sms"][0]["checked_at"])
    assert failed["problem"]["type"] == "/problems/balance-unavailable"
    assert len(wire.sent) == calls
    set_accounts({})
    assert shown() == {vendor: [] for vendor in VENDORS}


def test_only_one_vendor_has_tokens_senders_and_vouchers(gateway: Gateway) -> None:
    rows = vendors_view(vendor_accounts.accounts(), datetime.now(UTC))
    for name in ("tokens", "senders", "vouchers"):
        assert [one["vendor"] for one in rows if one["capabilities"][name]] == ["server2sms"]

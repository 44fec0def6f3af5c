"""What a dashboard adds up is logged, without names; without a dashboard nothing is."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sms_gateway.config import vendor_accounts
from sms_gateway.core.timestamps import utc_now
from sms_gateway.messages.cancel import cancel_message
from sms_gateway.messages.cancel_unsent import cancel_unsent_of
from sms_gateway.scheduler.tick import refresh_balances
from sms_gateway.scheduler.tick_run import TickRun
from sms_gateway.vendors.registry import VENDORS
from sms_gateway.vendors.types import Request, VendorResponse
from testing.callbacks import server2sms
from testing.gateway import Gateway
from testing.rights import acting_as
from testing.settings import ACCOUNTS, set_account, set_accounts
from testing.transport import Wire
from testing.vendor_answers import SUBMIT, rajasms_answer

FIELDS = {
    *("vendor", "status", "messages", "seconds", "price", "currency"),
    *("product", "amount", "unit"),
}
DAYS = 86_400
Lines = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Lines:
    """The lines of the log that say so, by their fields; with a dashboard."""
    monkeypatch.setenv("DASHBOARD", "true")
    caplog.set_level("INFO")

    def found(message: str) -> list[dict[str, Any]]:
        records = [vars(one) for one in caplog.records if one.getMessage() == message]
        return [{name: one[name] for name in FIELDS & one.keys()} for one in records]

    return found


def leave_only(vendor: str) -> None:
    """Take the other vendors' accounts away."""
    set_accounts({n: one for n, one in ACCOUNTS.items() if n == vendor or n not in VENDORS})


def test_a_messages_way_is_three_lines(gateway: Gateway, lines: Lines) -> None:
    (identifier,) = gateway.sent("server2sms")
    server2sms(gateway, identifier, "0")
    assert lines("messages accepted") == [{"vendor": "server2sms", "messages": 1}]
    (submitted,) = lines("messages submitted")
    assert 0 <= submitted.pop("seconds") < 60
    assert submitted == {"vendor": "server2sms", "messages": 1}
    (ended,) = lines("messages ended")
    assert 0 <= ended.pop("seconds") < 60
    assert ended == {"vendor": "server2sms", "status": "delivered", "messages": 1}


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_vendors_messages_are_told_of(gateway: Gateway, lines: Lines, vendor: str) -> None:
    gateway.sent(vendor)
    for step in ("messages accepted", "messages submitted"):
        (line,) = lines(step)
        assert (line["vendor"], line["messages"]) == (vendor, 1)


def test_a_batch_is_as_many_lines_as_a_message(gateway: Gateway, lines: Lines) -> None:
    gateway.sent("jst", 100)
    assert [one["messages"] for one in lines("messages accepted")] == [100]
    assert [one["messages"] for one in lines("messages submitted")] == [100]


def test_without_a_dashboard_nothing_is_logged(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    (identifier,) = gateway.sent("server2sms")
    server2sms(gateway, identifier, "0")
    assert gateway.status(identifier) == "delivered"
    assert caplog.records == []


def test_a_repeated_receipt_is_counted_once(gateway: Gateway, lines: Lines) -> None:
    (identifier,) = gateway.sent("server2sms")
    for _ in range(2):
        server2sms(gateway, identifier, "0")
    assert len(lines("messages ended")) == 1


def test_those_that_the_vendor_refused_end_without_seconds(gateway: Gateway, lines: Lines) -> None:
    leave_only("rajasms")

    def one_bad(request: Any) -> Any:
        numbers = [one["number"] for one in json.loads(request.body)["datapacket"]]
        rows = [(to, 60 if to.endswith("1") else 10, 70 + nth) for nth, to in enumerate(numbers)]
        return rajasms_answer(rows)

    gateway.wire.answers[SUBMIT["rajasms"]] = one_bad
    ids = gateway.many("rajasms", 3)
    gateway.dispatch("rajasms")
    assert gateway.statuses(ids).count("rejected") == 1
    assert [one["messages"] for one in lines("messages submitted")] == [2]
    assert lines("messages ended") == [{"vendor": "rajasms", "status": "rejected", "messages": 1}]


def test_a_message_that_all_vendors_refused_ends(gateway: Gateway, lines: Lines) -> None:
    leave_only("rajasms")
    gateway.wire.answers[SUBMIT["rajasms"]] = lambda request: rajasms_answer(
        [(one["number"], 60, 1) for one in json.loads(request.body)["datapacket"]]
    )
    identifier = gateway.one("rajasms")
    gateway.dispatch("rajasms")
    assert gateway.status(identifier) == "rejected"
    assert lines("messages ended") == [{"vendor": "rajasms", "status": "rejected", "messages": 1}]


def test_the_scheduler_ends_what_gets_no_receipt(gateway: Gateway, lines: Lines) -> None:
    gateway.sent("rajasms")
    gateway.tick(4 * DAYS)
    assert lines("messages ended") == [{"vendor": "rajasms", "status": "unknown", "messages": 1}]


def test_a_cancelled_message_ends(gateway: Gateway, lines: Lines) -> None:
    identifier = gateway.one("jst")
    for _ in range(2):
        cancel_message("acme", identifier, utc_now())
    assert lines("messages ended") == [{"vendor": "jst", "status": "cancelled", "messages": 1}]


def test_messages_of_a_cancelled_campaign_end(gateway: Gateway, lines: Lines) -> None:
    ids = gateway.many("rajasms", 3)
    for _ in range(2):
        assert cancel_unsent_of(ids[0][:26], lambda _seconds: True) is not None
    assert lines("messages ended") == [{"vendor": "rajasms", "status": "cancelled", "messages": 3}]


def test_a_price_table_says_what_the_messages_cost(gateway: Gateway, lines: Lines) -> None:
    set_account("jst", prices={"currency": "INR", "per_segment": {"+91": "0.18"}})
    gateway.sent("jst", 3)
    (submitted,) = lines("messages submitted")
    assert (submitted["price"], submitted["currency"]) == (pytest.approx(0.54), "INR")


def test_balances_are_asked_once_an_hour_and_told_for_a_dashboard_only(
    gateway: Gateway, wire: Wire, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_only("dinisoft")
    assert "balance_low" not in ACCOUNTS["dinisoft"]
    wire.answers["smsClientBalance.jsp"] = b"10.000000"
    hour = datetime.now(UTC).replace(minute=0) + timedelta(hours=1)

    def refresh(minutes: int) -> int:
        before = len(wire.sent)
        now = hour + timedelta(minutes=minutes)
        with ThreadPoolExecutor(1) as pool, acting_as("SchedulerFunction"):
            adapters = vendor_accounts.accounts().adapters
            refresh_balances(TickRun(adapters, pool, now, now.timestamp() + 60, send=wire))
        return len(wire.sent) - before

    assert [refresh(minutes) for minutes in (0, 1, 4, 5, 59)] == [1, 0, 0, 0, 0]
    (got,) = lines("balance")
    assert got.pop("unit")
    assert got == {"vendor": "dinisoft", "product": "all", "amount": 10.0}
    monkeypatch.setenv("DASHBOARD", "false")
    monkeypatch.setenv("EVENTS", "none")
    assert [refresh(60), refresh(125)] == [1, 0]
    assert len(lines("balance")) == 1


def test_a_fault_in_one_balance_keeps_no_other_and_no_retry_from_its_turn(
    gateway: Gateway, wire: Wire, lines: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(request: Request, timeout: float) -> VendorResponse:
        if "CheckCredits" in request.url:
            raise RuntimeError("a fault of ours")
        return wire(request, timeout)

    wire.answers["smsClientBalance.jsp"] = b"10.000000"
    adapters = vendor_accounts.accounts().adapters
    two = {name: adapters[name] for name in ("server2sms", "dinisoft")}
    now = datetime.now(UTC).replace(minute=0)
    with ThreadPoolExecutor(1) as pool:
        refresh_balances(TickRun(two, pool, now, now.timestamp() + 9999, send=answer))
    assert '"BalanceFailed":[1.0]' in capsys.readouterr().out
    assert [line["vendor"] for line in lines("balance")] == ["dinisoft"]


def test_the_lines_name_nobody(
    gateway: Gateway, lines: Lines, caplog: pytest.LogCaptureFixture
) -> None:
    (identifier,) = gateway.sent("server2sms")
    number = gateway.view(identifier)["to"]
    server2sms(gateway, identifier, "0")
    assert lines("messages ended")
    written = " ".join(str(vars(one)) for one in caplog.records)
    for secret in (identifier, number[-7:], "Hello"):
        assert secret not in written

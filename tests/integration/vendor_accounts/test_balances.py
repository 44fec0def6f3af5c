"""Balances: side by side, one vendor's failure its own, and asked once a minute."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sms_gateway.config import vendor_accounts
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.timestamps import epoch_seconds, rfc3339
from sms_gateway.storage import dynamodb
from sms_gateway.storage.balances import Row, read_balances, read_hours
from sms_gateway.storage.models import ItemKey
from sms_gateway.vendor_accounts.balances import ask_hourly, get_balances
from sms_gateway.vendor_accounts.overview import vendors_view
from sms_gateway.vendors.registry import VENDORS
from sms_gateway.vendors.types import Request, VendorResponse
from testing.balances import HOUR, MINUTE, on_the_hour, says, tell
from testing.gateway import Gateway
from testing.rights import acting_as
from testing.settings import ACCOUNTS, set_accounts
from testing.transport import SILENT, UNREACHABLE, Wire
from testing.vendor_answers import balances
from testing.vendor_cases import adapter

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
    got = ask(wire)
    calls = len(wire.sent)
    rows = shown()
    assert [row for vendor in VENDORS for row in rows[vendor]] == got
    assert all(row["checked_at"] for row in got)
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


def test_the_forecast_stands_beside_the_balance_and_what_was_told_does_not(
    gateway: Gateway,
) -> None:
    """100 an hour from a thousand; the next morning the vendor is topped up."""
    start = on_the_hour()
    (row,) = tell("dinisoft", [str(1000 - 100 * hour) for hour in range(8)], start, HOUR)
    assert row["forecast"] == {
        "per_day": "2400",
        "empty_at": rfc3339(start + 10 * HOUR),
        "basis": {"hours": 7, "ends_by": "use"},
    }
    assert "announced" not in row
    (again,) = tell("dinisoft", ["250"], start + 7.5 * HOUR)
    assert again["forecast"]["empty_at"] == rfc3339(start + 10 * HOUR)
    (topped_up,) = tell("dinisoft", ["2500"], start + 8 * HOUR)
    assert topped_up["forecast"]["per_day"] == "2400"
    assert topped_up["forecast"]["empty_at"] == rfc3339(start + 33 * HOUR)
    shown = vendors_view(vendor_accounts.accounts(), start)
    assert [one["balances"] for one in shown if one["vendor"] == "dinisoft"] == [[topped_up]]


def test_without_hours_of_use_only_the_last_day_ends_a_balance(gateway: Gateway) -> None:
    rows = tell("rajasms", ["500"], datetime.now(UTC), expires="2027-09-18")
    assert {row["product"] for row in rows} == {"otp", "masking", "reguler"}
    for row in rows:
        assert row["forecast"] == {
            "per_day": None,
            "empty_at": "2027-09-18T17:00:00.000Z",
            "basis": {"hours": 0, "ends_by": "expiry"},
        }


def test_a_week_of_hours_is_kept_in_one_small_item(gateway: Gateway) -> None:
    amounts = [f"{10**14 - hour}.1234" for hour in range(200)]
    tell("rajasms", amounts, on_the_hour(), HOUR)
    hours, stored = read_hours("rajasms")
    assert set(hours) == {"otp", "masking", "reguler"}
    assert [len(one.amounts) for one in hours.values()] == [168] * 3
    assert stored == epoch_seconds(on_the_hour() + 199 * HOUR) // 3600
    item = dynamodb.get(ItemKey("BALANCE#rajasms", "HOURS"))
    assert item is not None
    assert len(item["data"]["S"]) < 15_000


def test_two_who_ask_at_once_make_one_question(gateway: Gateway) -> None:
    """The second waits for the first one's answer, since nothing is known yet."""
    asked = threading.Barrier(2, timeout=5)
    calls: list[str] = []

    def answer(request: Request, timeout: float) -> VendorResponse:
        calls.append(request.url)
        asked.wait()
        time.sleep(0.5)
        return says("7")(request, timeout)

    now = datetime.now(UTC)
    adapters = {"dinisoft": adapter("dinisoft")}
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(get_balances, adapters, now, answer)
        asked.wait()
        assert get_balances(adapters, now, answer) == first.result()
    assert len(calls) == 1


def test_who_was_asked_too_often_is_left_alone_for_ten_minutes(
    gateway: Gateway, wire: Wire
) -> None:
    set_accounts({"rajasms": ACCOUNTS["rajasms"]})
    wire.answers["balance_json.php"] = {"balance_respon": [{"globalstatus": 35}]}
    rows = ask(wire)
    assert {row["problem"]["vendor_code"] for row in rows} == {"35"}
    calls = len(wire.sent)
    assert ask(wire, 590) == rows
    assert len(wire.sent) == calls
    wire.answers |= OURS
    assert {row["amount"] for row in ask(wire, 601)} == {"880"}


def test_who_dies_between_asking_and_storing_loses_an_amount_and_nothing_else(
    gateway: Gateway,
) -> None:
    start = on_the_hour()
    tell("dinisoft", ["1000"], start, balance_low=900)
    account = {"dinisoft": adapter("dinisoft", balance_low=900)}

    def killed(request: Request, timeout: float) -> VendorResponse:
        raise SystemExit

    with pytest.raises(SystemExit):
        get_balances(account, start + HOUR, killed)
    (known,) = get_balances(account, start + HOUR + MINUTE / 2, says("1"))
    assert known["amount"] == "1000"  # the question is taken until the minute is over
    with acting_as("SchedulerFunction"):
        ask_hourly(account, start + HOUR + MINUTE, says("800"))
    kept = read_balances(["dinisoft"])["dinisoft"]
    assert [row["announced"]["low"]["threshold"] for row in kept.rows] == ["900"]
    assert read_hours("dinisoft")[0][""].amounts == ["1000", "800"]


@pytest.mark.parametrize("write", ["PutItem", "UpdateItem"])
def test_a_throttled_write_tells_nothing_and_the_next_minute_asks_again(
    gateway: Gateway, failing: Callable[..., None], write: str
) -> None:
    start = on_the_hour()
    tell("dinisoft", ["1000"], start)
    failing(write, 1)
    with pytest.raises(ServiceUnavailableError):
        tell("dinisoft", ["900"], start + HOUR)
    tell("dinisoft", ["890"], start + HOUR + MINUTE)
    kept = read_balances(["dinisoft"])["dinisoft"]
    assert [row["amount"] for row in kept.rows] == ["890"]
    assert read_hours("dinisoft")[0][""].amounts == ["1000", "890"]


def test_an_answer_that_comes_after_a_later_one_is_dropped(gateway: Gateway) -> None:
    start = on_the_hour()
    account = {"dinisoft": adapter("dinisoft")}

    def slow(request: Request, timeout: float) -> VendorResponse:
        tell("dinisoft", ["500"], start + 2 * MINUTE)
        return says("1000")(request, timeout)

    get_balances(account, start, slow)
    kept = read_balances(["dinisoft"])["dinisoft"]
    assert [row["amount"] for row in kept.rows] == ["500"]
    assert read_hours("dinisoft")[0][""].amounts == ["500"]


def test_a_short_balance_is_counted_for_the_alarm_and_logged(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    start = on_the_hour()
    tell("dinisoft", ["1000", "900"], start, HOUR, balance_low=500)
    assert "BalanceShort" not in capsys.readouterr().out
    tell("dinisoft", ["400", "300"], start + 2 * HOUR, HOUR, balance_floor=500)
    assert capsys.readouterr().out.count('"BalanceShort":[1.0]') == 2

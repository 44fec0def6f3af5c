"""`send_at` and prices on the real stack; the vendors' ledger says what left, and when."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import urllib3

from testing.deployed import NUMBERS, Api

SETTINGS_SEEN = 62  # seconds until every function has read changed accounts
AHEAD = 15  # seconds: a first request starts its functions cold
TABLE = {"currency": "INR", "per_segment": {"+91": "0.18", "+": "0.5"}}


def ledger(api: Api, number: str) -> list[dict[str, Any]]:
    """What vendors took for a number: the message, with the time of its submission."""
    taken = urllib3.request("GET", f"{api.stack.simulators}/_ledger").json()["submissions"]
    return [
        {"taken_at": submission["at"], **message}
        for submission in taken
        for message in submission["messages"]
        if message["number"].lstrip("+") == number.lstrip("+")
    ]


def at(ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=ahead)).isoformat()


def later(api: Api, identifier: str) -> dict[str, Any]:
    """A scheduled message when its life is over."""
    return api.until(identifier, lambda message: bool(message["final"]), AHEAD + 100)


def moment(written: str) -> datetime:
    return datetime.fromisoformat(written)


def test_scheduled_messages_leave_at_their_time_through_every_vendor(api: Api) -> None:
    numbers = [f"{number[:-3]}751" for number in NUMBERS.values()]
    sent = api.send({"to": numbers, "text": "later", "send_at": at(AHEAD)})
    assert {one["status"] for one in sent} == {"scheduled"}
    api.stack.tick()
    assert [ledger(api, number) for number in numbers] == [[], [], [], []]

    for one in sent:
        message = later(api, one["id"])
        assert message["status"] == "delivered"
        steps = [(step["status"], step["source"]) for step in message["timeline"]]
        assert steps[:2] == [("scheduled", "api"), ("accepted", "clock")]
        (taken,) = ledger(api, one["to"])
        late = moment(taken["taken_at"]) - moment(message["send_at"])
        assert timedelta() <= late < timedelta(minutes=1)
        assert taken["send_at"] is None  # the gateway held it


def test_a_cancelled_one_never_leaves(api: Api) -> None:
    stem = NUMBERS["server2sms"][:-3]
    kept, cancelled = (f"{stem}{last}" for last in (752, 753))
    stays, goes = api.send({"to": [kept, cancelled], "text": "perhaps", "send_at": at(AHEAD)})

    assert api("DELETE", f"/messages/{goes['id']}").body["status"] == "cancelled"
    assert later(api, stays["id"])["status"] == "delivered"
    api.stack.tick()

    assert api("GET", f"/messages/{goes['id']}").body["status"] == "cancelled"
    assert len(ledger(api, kept)) == 1
    assert ledger(api, cancelled) == []
    counts = api("GET", f"/batches/{goes['id'][:26]}").body["counts"]
    assert counts == {"delivered": 1, "cancelled": 1}


@pytest.mark.parametrize(
    ("send_at", "slug"),
    [
        ("2026-11-02T08:00:00", "send-at-without-offset"),
        ("2020-11-02T08:00:00Z", "send-at-in-the-past"),
        ("2096-11-02T08:00:00+06:00", "send-at-too-far"),
    ],
)
def test_a_wrong_time_has_its_own_problem(send_at: str, slug: str, api: Api) -> None:
    answer = api("POST", "/messages", {"to": NUMBERS["jst"], "text": "when?", "send_at": send_at})
    assert (answer.status, answer.body["type"]) == (422, f"/problems/{slug}")
    assert answer.body["pointer"] == "/send_at"


def test_a_vendors_price_is_on_the_message_and_summed_on_its_batch(api: Api) -> None:
    numbers = [f"{NUMBERS['rajasms'][:-3]}{last}" for last in (754, 755)]
    sent = api.send({"to": numbers, "text": "paid"})
    prices = [api.final(one["id"])["price"] for one in sent]
    total = sum(int(price["amount"]) for price in prices)
    assert total > 0
    assert api("GET", f"/batches/{sent[0]['id'][:26]}").body["price"] == [
        {"amount": str(total), "currency": "IDR", "messages": 2}
    ]


def test_the_vendors_show_their_balances_as_they_were_told(api: Api) -> None:
    got = api("GET", "/balances").body["balances"]
    shown = api("GET", "/vendors").body["vendors"]
    assert [row for vendor in shown for row in vendor["balances"]] == got
    assert {vendor["circuit"] for vendor in shown} == {"closed"}
    only = [vendor["vendor"] for vendor in shown if vendor["capabilities"]["vouchers"]]
    assert only == ["server2sms"]


@pytest.fixture
def holding(api: Api) -> Iterator[Api]:
    """Vendors that hold what is scheduled, and a price table at JST."""
    held: dict[str, dict[str, Any]] = {vendor: {"schedule_at_vendor": True} for vendor in NUMBERS}
    held["jst"]["prices"] = TABLE
    api.stack.set_accounts(held)
    time.sleep(SETTINGS_SEEN)
    yield api
    api.stack.set_accounts({vendor: {} for vendor in NUMBERS})
    time.sleep(SETTINGS_SEEN)


def test_vendors_that_are_to_hold_a_message_are_told_its_time(holding: Api) -> None:
    vendors = ("jst", "server2sms", "rajasms")
    numbers = [f"{NUMBERS[vendor][:-3]}756" for vendor in vendors]
    sent = holding.send({"to": numbers, "text": "at noon", "send_at": at(3600.5)})

    for one in sent:
        message = holding.until(one["id"], lambda found: found["status"] == "submitted")
        (taken,) = ledger(holding, one["to"])
        late = moment(taken["send_at"]) - moment(message["send_at"])
        unit = timedelta(minutes=1) if one["vendor"] == "jst" else timedelta(seconds=1)
        assert timedelta() <= late < unit
        answer = holding("DELETE", f"/messages/{one['id']}")
        assert (answer.status, answer.body["type"]) == (409, "/problems/held-by-vendor")
        assert answer.body["vendor"] == one["vendor"]
    (jst,) = (one for one in sent if one["vendor"] == "jst")
    assert holding("GET", f"/messages/{jst['id']}").body["price"] == {
        "amount": "0.18",
        "currency": "INR",
    }


@pytest.fixture
def reserving(api: Api) -> Iterator[Api]:
    """RajaSMS and server2sms below their floors."""
    api("GET", "/balances")
    floor: dict[str, dict[str, Any]] = {vendor: {} for vendor in NUMBERS}
    floor["rajasms"] = floor["server2sms"] = {"balance_floor": 10**9}
    api.stack.set_accounts(floor)
    time.sleep(SETTINGS_SEEN)
    yield api
    api.stack.set_accounts({vendor: {} for vendor in NUMBERS})
    time.sleep(SETTINGS_SEEN)


def test_below_a_floor_the_answer_warns_and_codes_still_go(reserving: Api) -> None:
    """Each role that accepts may read a balance, and those that ask may keep an hour."""
    rows = reserving("GET", "/balances/rajasms").body["balances"]
    assert {row["forecast"]["basis"]["ends_by"] for row in rows} == {"expiry"}
    to = f"{NUMBERS['rajasms'][:-3]}757"
    (sent,) = reserving.send({"to": to, "text": "Your code is 4711", "category": "otp"})
    assert [one["type"] for one in sent["warnings"]] == ["/warnings/balance-floor"]
    reserving.until(sent["id"], lambda found: found["status"] in ("submitted", "delivered"))
    code = {"to": f"{to[:-3]}758", "text": "Your code is {code}"}
    started = reserving("POST", "/verifications", code)
    assert started.status == 201
    (other,) = reserving.send({"to": NUMBERS["dinisoft"], "text": "x"})
    assert other["warnings"] == []

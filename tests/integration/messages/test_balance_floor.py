"""Below an account's floor another vendor of the route goes first, else the answer warns."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sms_gateway.config import cached_setting
from sms_gateway.messages.balance_floor import floor_order
from sms_gateway.messages.preview import preview
from testing.balances import tell
from testing.gateway import Gateway
from testing.numbers import number
from testing.settings import ACCOUNTS, set_accounts, set_routes

NUMBER = number("dinisoft")
FLOOR = 500


@pytest.fixture
def route(gateway: Gateway) -> None:
    """Dinisoft with a floor, then server2sms; RajaSMS with a floor of its own alone."""
    floors = {name: ACCOUNTS[name] | {"balance_floor": FLOOR} for name in ("dinisoft", "rajasms")}
    set_accounts(ACCOUNTS | floors)
    rows = [
        {"prefix": "+880", "vendors": ["dinisoft", "server2sms"]},
        {"prefix": "+62", "vendors": ["rajasms"]},
    ]
    set_routes(json.dumps({"routes": rows}))


def got(vendor: str, amount: str, ago: timedelta = timedelta()) -> None:
    tell(vendor, [amount], datetime.now(UTC) - ago, balance_floor=FLOOR)
    cached_setting.reset_all()


def plan(**fields: Any) -> dict[str, Any]:
    body = json.dumps({"to": NUMBER, "text": "x"} | fields).encode()
    (message,) = preview("acme", body, datetime.now(UTC))["messages"]
    return {"warnings": [one["type"] for one in message.pop("warnings")], **message}


def test_at_its_floor_a_vendor_is_in_its_place(route: None) -> None:
    got("dinisoft", "500")
    usual = plan()
    assert (usual["vendor"], usual["failover"]) == ("dinisoft", ["server2sms"])


def test_below_the_floor_another_of_the_route_carries_it(gateway: Gateway, route: None) -> None:
    got("dinisoft", "499.99")
    low = plan()
    assert (low["vendor"], low["failover"]) == ("server2sms", ["dinisoft"])
    assert low["why"] == "first usable of route +880; dinisoft is below its balance floor"
    assert "/warnings/balance-floor" not in low["warnings"]
    (identifier,) = gateway.accept({"to": NUMBER, "text": "x"})
    assert gateway.view(identifier)["vendor"] == "server2sms"


def test_where_no_other_carries_it_the_answer_warns(gateway: Gateway, route: None) -> None:
    got("dinisoft", "1")
    got("rajasms", "1")
    for body in ({"vendor": "dinisoft"}, {"to": number("rajasms")}):
        low = plan(**body)
        assert low["vendor"] in ("dinisoft", "rajasms")
        assert low["warnings"] == ["/warnings/balance-floor"]
        assert low["failover"] == []
    gateway.accept({"to": number("rajasms"), "text": "x", "category": "otp"})


def test_codes_go_on_below_the_floor(gateway: Gateway, route: None) -> None:
    got("rajasms", "1")
    assert plan(to=number("rajasms"), category="otp")["vendor"] == "rajasms"


def test_an_old_amount_and_one_that_can_not_be_read_keep_nobody(
    route: None, failing: Callable[..., None]
) -> None:
    got("dinisoft", "1", timedelta(hours=3, minutes=1))
    assert plan()["vendor"] == "dinisoft"
    got("dinisoft", "1")
    assert plan()["vendor"] == "server2sms"
    cached_setting.reset_all()
    plan(vendor="server2sms")  # the settings are read, and no balance
    failing("GetItem")
    assert plan(vendor="dinisoft")["warnings"] == []


def test_a_vendor_that_told_nothing_yet_is_above_its_floor(route: None) -> None:
    assert plan()["vendor"] == "dinisoft"


@pytest.mark.parametrize(
    ("vendors", "low", "carry", "order"),
    [
        ("ab", "a", "ab", "ba"),
        ("ab", "a", "a", "ab"),
        ("abc", "a", "ac", "ca"),
        ("abc", "b", "abc", "acb"),
        ("abc", "b", "b", "acb"),  # the first one's refusal stays the answer
        ("ab", "ab", "ab", "ab"),
        ("ab", "", "ab", "ab"),
        ("a", "a", "a", "a"),
    ],
)
def test_the_order_of_a_route(vendors: str, low: str, carry: str, order: str) -> None:
    assert "".join(floor_order(vendors, low, lambda name: name in carry)) == order

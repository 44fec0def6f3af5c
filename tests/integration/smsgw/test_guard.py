"""The operator's guard: set, show, allow, unblock."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from sms_gateway.core.problems import TooManyRequestsError
from sms_gateway.pumping_guard import counters
from sms_gateway.pumping_guard.settings import guard_of
from sms_gateway.storage import code_counts, dynamodb
from sms_gateway.storage.items import key_of
from sms_gateway.verifications import start as verification_start
from testing.numbers import number
from testing.settings import forget_settings, set_guards

from .conftest import Operator


@pytest.fixture(autouse=True)
def _deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUMPING_GUARD", "true")
    set_guards({})


def start(nth: int) -> None:
    body = json.dumps({"to": number("dinisoft", nth), "text": "Code {code}"}).encode()
    verification_start.start_verification("acme", body, datetime.now(UTC))


def test_what_is_set_is_kept_but_for_what_is_given_anew(operator: Operator) -> None:
    line = ("guard", "set", "acme", "--mode", "block", "--country", "BD", "--rule", "share=0.3")
    status, said, _ = operator(*line)
    assert status == 0
    assert "PumpingGuard=true" in said
    assert operator("guard", "allow", "acme", "+88017")[0] == 0
    assert operator("guard", "allow", "acme", "192.0.2.0/24")[0] == 0
    assert operator("guard", "set", "acme", "--mode", "monitor", "--rule", "country_day=40")[0] == 0
    forget_settings()
    guard = guard_of("acme")
    assert guard
    assert (guard.mode, guard.countries) == ("monitor", ("BD",))
    assert (guard.rules.share, guard.rules.country_day, guard.rules.prefix_day) == (0.3, 40, 5)
    assert guard.is_safe("+8801700000001", None)
    assert guard.is_safe("+1", "192.0.2.3")
    assert json.loads(operator("guard", "show", "--json")[1])["acme"]["mode"] == "monitor"
    assert operator("guard", "allow", "acme", "+88017", "--remove")[0] == 0
    forget_settings()
    without = guard_of("acme")
    assert without
    assert (without.safe, without.safe_networks) == ((), ("192.0.2.0/24",))
    back = ("--country", "any", "--rule", "country_day=default")
    assert operator("guard", "set", "acme", "--mode", "monitor", *back)[0] == 0
    forget_settings()
    again = guard_of("acme")
    assert again
    assert again.countries == ()
    assert (again.rules.share, again.rules.country_day) == (0.3, 20)
    assert operator("guard", "set", "acme", "--mode", "off")[0] == 0
    forget_settings()
    assert guard_of("acme") is None
    assert "Nobody is guarded" in operator("guard", "show")[1]


@pytest.mark.parametrize(
    "line",
    [
        (2, "set", "acme", "--mode", "block", "--country", "Bangladesh"),
        (2, "set", "acme", "--mode", "block", "--country", "bd"),
        (2, "set", "acme", "--mode", "block", "--rule", "nothing=4"),
        (2, "set", "acme", "--mode", "block", "--rule", "nothing=default"),
        (1, "set", "acme", "--mode", "block", "--rule", "share=2000000"),
        (1, "allow", "nobody", "+88017"),
        (2, "allow", "acme", "192.0.2.1/24"),
        (2, "allow", "acme", "+88 017"),
        (2, "unblock", "acme", "Bangladesh"),
        (2, "unblock", "acme", "+123456789012"),
    ],
)
def test_what_is_wrong_is_one_line_and_changes_nothing(
    operator: Operator, line: tuple[int, str, *tuple[str, ...]]
) -> None:
    expected, *words = line
    status, out, error = operator("guard", *words)
    assert (status, out) == (expected, "")
    assert "regex" not in error
    assert error.startswith("smsgw: ")
    assert error.count("\n") == 1
    forget_settings()
    assert guard_of("acme") is None


def test_a_wrong_trust_is_refused(operator: Operator) -> None:
    operator("guard", "set", "acme", "--mode", "block")
    assert operator("guard", "allow", "acme", "0171")[0] == 2
    forget_settings()
    assert guard_of("acme")


def test_what_was_counted_is_shown_and_forgiven(operator: Operator) -> None:
    operator("guard", "set", "acme", "--mode", "block", "--rule", "prefix_day=2")
    forget_settings()
    start(0)
    start(1)
    with pytest.raises(TooManyRequestsError):
        start(2)
    row, elsewhere = json.loads(operator("guard", "show", "acme", "--json")[1])
    assert (elsewhere["country"], elsewhere["unverified"]) == ("elsewhere", 2)
    assert (row["started"], row["refused"], row["unverified"]) == (3, 1, 2)
    assert row["reasons"] == ["prefix-day"]
    assert row["numbers"] == number("dinisoft")[:-4]
    shown = operator("guard", "show", "acme")[1]
    assert shown.startswith("acme: block")
    assert row["country"] in shown
    assert "2 codes" in operator("guard", "unblock", "acme", row["numbers"])[1]
    start(3)
    assert "3 codes" in operator("guard", "unblock", "acme", row["country"])[1]
    assert "3 codes" in operator("guard", "unblock", "acme", "elsewhere")[1]
    rows = json.loads(operator("guard", "show", "acme", "--json")[1])
    assert [one["unverified"] for one in rows] == [0, 0]


def test_a_country_is_forgiven_for_the_whole_fortnight(operator: Operator) -> None:
    operator("guard", "set", "acme", "--mode", "block")
    forget_settings()
    country, _ = counters.names_of(number("dinisoft"))
    for days in range(1, 5):
        key = counters.key_at("acme", country, datetime.now(UTC) - timedelta(days=3 * days))
        dynamodb.put_all([{**key_of(key.item), "started05": {"N": "10"}}])
    with pytest.raises(TooManyRequestsError) as error:
        start(0)
    assert error.value.members["reasons"] == ["country-fortnight"]
    said = operator("guard", "unblock", "acme", country.partition("#")[2])[1]
    assert said.startswith("forgiven: 40 codes")
    start(0)


def test_off_takes_one_tenant_out_of_what_holds_for_every_one(operator: Operator) -> None:
    operator("guard", "set", "*", "--mode", "block")
    assert "not guarded" in operator("guard", "set", "acme", "--mode", "off")[1]
    forget_settings()
    assert (guard_of("acme"), guard_of("other") is None) == (None, False)
    operator("guard", "set", "acme", "--mode", "monitor")
    operator("guard", "set", "*", "--mode", "off")
    forget_settings()
    assert (guard_of("acme") is None, guard_of("other")) == (False, None)


@pytest.mark.parametrize(
    ("to", "country", "numbers"),
    [
        ("+88310000123456", "+883", "+8831000012"),  # no country's
        ("+29022222", "SH", "+2902"),
        ("+6834002", "NU", "+683"),
    ],
)
def test_what_is_counted_of_the_smallest_is_shown_and_forgiven(
    operator: Operator, to: str, country: str, numbers: str
) -> None:
    for name in counters.names_of(to):
        key = counters.addition("acme", name, "started", datetime.now(UTC))
        code_counts.add(key)
    (row,) = json.loads(operator("guard", "show", "acme", "--json")[1])
    assert (row["country"], row["unverified"]) == (country, 1)
    assert "forgiven: 1 code to" in operator("guard", "unblock", "acme", country)[1]
    assert "forgiven: 1 code to" in operator("guard", "unblock", "acme", numbers)[1]


def test_nothing_is_taken_off_a_safe_list_that_is_not_on_it(operator: Operator) -> None:
    operator("guard", "set", "acme", "--mode", "block")
    operator("guard", "allow", "acme", "+8801")
    status, _, error = operator("guard", "allow", "acme", "+88017", "--remove")
    assert (status, "not trusted" in error) == (1, True)

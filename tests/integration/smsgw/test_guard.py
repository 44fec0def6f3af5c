"""The operator's guard: set, show, allow, unblock."""

import json
from datetime import UTC, datetime

import pytest

from sms_gateway.core.problems import TooManyRequestsError
from sms_gateway.pumping_guard.settings import guard_of
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
    assert operator("guard", "set", "acme", "--mode", "off")[0] == 0
    forget_settings()
    assert guard_of("acme") is None
    assert "Nobody is guarded" in operator("guard", "show")[1]


@pytest.mark.parametrize(
    "line",
    [
        ("set", "acme", "--mode", "block", "--country", "Bangladesh"),
        ("set", "acme", "--mode", "block", "--rule", "nothing=4"),
        ("set", "acme", "--mode", "block", "--rule", "share=2000000"),
        ("allow", "nobody", "+88017"),
        ("unblock", "acme", "Bangladesh"),
    ],
)
def test_what_is_wrong_is_one_line_and_changes_nothing(
    operator: Operator, line: tuple[str, ...]
) -> None:
    status, out, error = operator("guard", *line)
    assert (status, out) == (1, "")
    assert error.startswith("smsgw: ")
    assert error.count("\n") == 1
    forget_settings()
    assert guard_of("acme") is None


def test_a_wrong_trust_is_refused(operator: Operator) -> None:
    operator("guard", "set", "acme", "--mode", "block")
    assert operator("guard", "allow", "acme", "0171")[0] == 1
    forget_settings()
    assert guard_of("acme")


def test_what_was_counted_is_shown_and_forgiven(operator: Operator) -> None:
    operator("guard", "set", "acme", "--mode", "block", "--rule", "prefix_day=2")
    forget_settings()
    start(0)
    start(1)
    with pytest.raises(TooManyRequestsError):
        start(2)
    (row,) = json.loads(operator("guard", "show", "acme", "--json")[1])
    assert (row["started"], row["refused"], row["unverified"]) == (3, 1, 2)
    assert row["reasons"] == ["prefix-day"]
    assert row["numbers"] == number("dinisoft")[:-4]
    shown = operator("guard", "show", "acme")[1]
    assert shown.startswith("acme: block")
    assert row["country"] in shown
    assert "2 codes" in operator("guard", "unblock", "acme", row["numbers"])[1]
    start(3)
    assert "3 codes" in operator("guard", "unblock", "acme", row["country"])[1]
    (row,) = json.loads(operator("guard", "show", "acme", "--json")[1])
    assert row["unverified"] == 0

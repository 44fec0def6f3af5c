"""The simulation judges as the guard does, whose counters are on the table."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from bench.pumping import Code, Ledger, Person
from sms_gateway.pumping_guard import counters, guard
from sms_gateway.pumping_guard.client import Client
from sms_gateway.pumping_guard.guard import VerificationBlockedError
from testing.gateway import Gateway
from testing.numbers import number
from testing.settings import set_guards
from testing.vendor_answers import SUBMIT

EPOCH = datetime(2026, 11, 2, tzinfo=UTC)


def secret() -> bytes:
    return b"0123456789abcdef0123456789abcdef"


def traffic() -> list[tuple[Code, str, bool]]:
    """Codes in bursts over three days, to few numbers and by few clients; some are typed in."""
    rng = random.Random(1)  # noqa: S311 - a simulation
    found = []
    times = sorted(rng.choice((0, 1, 25, 26, 50)) * 3600 + rng.randrange(3600) for _ in range(120))
    for at in times:
        to = number(rng.choice((*SUBMIT, "jst", "jst")), rng.randrange(9))
        who = Person(
            country=counters.names_of(to)[0],
            line=int(to.removeprefix("+")),
            ip=f"192.0.2.{rng.randrange(12)}",
            device=f"phone-{rng.randrange(40)}",
        )
        found.append((Code(at, who), to, rng.random() < 0.6))
    return found


def test_the_simulation_refuses_what_the_guard_refuses(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUMPING_GUARD", "true")
    set_guards({"acme": {"mode": "block"}})
    ledger, reasons_seen = Ledger(), set()
    for code, to, typed in traffic():
        asked = ledger.ask(code)
        at = EPOCH + timedelta(seconds=code.at)
        client = Client(ip=code.who.ip, device=code.who.device)
        names: tuple[str, ...] = ()
        reasons: list[str] = []
        try:
            names = guard.admit_code("acme", to, client, at, secret)
        except VerificationBlockedError as refused:
            reasons = refused.members["reasons"]
        assert reasons == asked.reasons, code
        reasons_seen.update(reasons)
        if typed and not reasons:
            guard.approve("acme", names, at)
            ledger.approve(code, few=asked.few)
    assert {"country-hour", "elsewhere-hour", "prefix-day"} <= reasons_seen

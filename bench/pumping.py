"""Pump codes at the guard's own rules: python -m bench.pumping [seed].

Four attacks that public reports describe, each on each of three tenants, each in a country where
the tenant has no users and in its own largest one. 14 days of honest traffic come first; then a
week is judged, with the attack from its second day on. The counts are kept in memory, the rules and
the way counts are read are the gateway's. What is assumed stands in the two tables below; it was
written before the first run and is not fitted to the rules.
"""

import heapq
import random
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sms_gateway.core.value_object import ValueObject
from sms_gateway.pumping_guard import counters
from sms_gateway.pumping_guard.rules import BEST_OF_DAYS, COUNTRY, Reason, Rules, judge

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
LEARNING_DAYS, JUDGED_DAYS = 14, 7
ATTACK = BEGIN + timedelta(days=LEARNING_DAYS + 1, hours=2)
# Codes an hour of a day in UTC, as parts: quiet at night, busiest in the evening.
HOURS = (2, 1, 1, 1, 1, 2, 4, 6, 8, 8, 8, 8, 9, 9, 8, 8, 8, 9, 10, 11, 11, 9, 6, 4)
SECONDS_TO_TYPE = (3.3, 0.6)  # log-normal: 27 s at the median
ASKS_AGAIN = 0.4  # of those whose code did not come or was not typed in, after a minute or two
SHARED_ADDRESS = 0.2  # of the users are behind one of 50 addresses of their country
RULES = Rules()


class Tenant(ValueObject, frozen=True):
    """Honest traffic: codes a day, the share that is typed in, the countries' shares."""

    name: str
    a_day: int
    used: float
    countries: Mapping[str, float]  # by country code, since numbers are made of it


TENANTS = (
    Tenant("bank", 600, 0.96, {"+98": 0.95, "+90": 0.03, "+971": 0.02}),
    Tenant("shop", 2000, 0.92, {"+880": 0.7, "+91": 0.2, "+62": 0.1}),
    Tenant(
        "app",
        60,
        0.85,
        {
            "+49": 0.3,
            "+33": 0.2,
            "+34": 0.15,
            "+48": 0.1,
            "+31": 0.08,
            "+351": 0.06,
            "+43": 0.05,
            "+46": 0.03,
            "+420": 0.03,
        },
    ),
)
ABROAD = "+994"
MANY = [  # by their codes
    f"+{code}"
    for code in (
        *(93, 213, 244, 374, 994, 973, 375, 229, 975, 591, 387, 267, 226, 257, 855, 237, 235, 269),
        *(243, 253, 20, 503, 251, 241, 220, 995, 233, 502, 224, 509, 504, 964, 225, 254, 965, 996),
        *(856, 961, 266, 231, 218, 261, 265, 960, 223, 222, 373, 976, 258, 95, 977, 505, 227, 234),
        *(968, 92, 250, 221, 232, 94),
    )
]
ATTACKS = {
    "one number block": "3,000 codes to 10,000 adjacent numbers, ten a minute, from one address",
    "rotating numbers": "3,000 codes to numbers of one country, ten a minute, from 200 addresses",
    "many countries": "3,000 codes to 60 countries in turn, ten a minute, from 200 addresses",
    "slow trickle": "720 codes to numbers of one country, five an hour for six days, each from "
    "another address",
}


class Code(ValueObject, frozen=True):
    """A code that is asked for; `typed` is when it is typed in, None for never."""

    at: datetime
    number: str
    client: Mapping[str, str]
    typed: datetime | None = None
    honest: bool = True


class Ledger:
    """The counters, in memory, in the shape of the table's items."""

    def __init__(self) -> None:
        self.items: dict[str, dict[date, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))

    def count(self, names: Sequence[str], counted: str, at: datetime) -> None:
        """Add one under each name, as UpdateItem does."""
        for name in names:
            item, slot = self.items[name][at.date()], counters.slot(name, counted, at)
            item[slot] = {"N": str(int(item.get(slot, {"N": "0"})["N"]) + 1)}

    def ask(self, code: Code) -> list[Reason]:
        """Count a code and judge it."""
        names = counters.names_of(code.number, code.client)
        self.count(names, "started", code.at)
        for name in names[2:]:
            found = self.items[name][code.at.date()].setdefault("countries", {"SS": []})
            found["SS"] = [*{*found["SS"], names[0]}]
        reasons = [reason for name in names for reason in self._judge(name, code.at)]
        if reasons:
            self.count(names, "refused", code.at)
        return reasons

    def _judge(self, name: str, at: datetime) -> list[Reason]:
        kind, days = counters.kind_of(name), self.items[name]
        today = days[at.date()]
        if kind != COUNTRY:
            return judge(kind, counters.read_key(today), RULES)
        since = at.date() - timedelta(days=BEST_OF_DAYS)
        before = {day: item for day, item in days.items() if since <= day < at.date()}
        return judge(kind, counters.see_country(today, before, at), RULES)

    def approve(self, code: Code) -> None:
        """Count that a code was typed in, when it was asked for."""
        names = counters.names_of(code.number, code.client)
        self.count(names, "approved", code.at)


def honest(tenant: Tenant, first: int, days: int, rng: random.Random) -> Iterator[Code]:
    """Yield a tenant's codes of some days, not in order."""
    for day in range(first, first + days):
        for _ in range(round(rng.gauss(tenant.a_day, tenant.a_day**0.5))):
            hour = rng.choices(range(24), HOURS)[0]
            at = BEGIN + timedelta(days=day, hours=hour, seconds=rng.random() * 3600)
            (country,) = rng.choices([*tenant.countries], [*tenant.countries.values()])
            yield from _user(tenant, at, country, rng)


def _user(tenant: Tenant, at: datetime, country: str, rng: random.Random) -> Iterator[Code]:
    number = somebody(country, rng)
    shared = rng.random() < SHARED_ADDRESS
    address = f"{country}-{rng.randrange(50)}" if shared else f"own-{rng.getrandbits(64)}"
    client = {"ip": address, "device": f"own-{rng.getrandbits(64)}"}
    while True:
        used = rng.random() < tenant.used
        typed = at + timedelta(seconds=rng.lognormvariate(*SECONDS_TO_TYPE)) if used else None
        yield Code(at, number, client, typed)
        if used or rng.random() >= ASKS_AGAIN:
            return
        at += timedelta(seconds=rng.uniform(60, 120))


def somebody(country: str, rng: random.Random) -> str:
    """Return a number of a country; how it is written does not matter to the rules."""
    return f"{country}{rng.randrange(10**8, 10**9)}"


def attack(shape: str, country: str, rng: random.Random) -> Iterator[Code]:
    """Yield an attack's codes; nobody types one in."""
    block = somebody(country, rng)[:-4]
    for nth in range(720 if shape == "slow trickle" else 3000):
        at = ATTACK + timedelta(seconds=6 * nth + rng.random())
        address = f"proxy-{rng.randrange(200)}"
        if shape == "one number block":
            number, address = f"{block}{rng.randrange(10_000):04d}", "proxy-0"
        elif shape == "many countries":
            number = somebody(MANY[nth % len(MANY)], rng)
        elif shape == "slow trickle":
            at, address = ATTACK + timedelta(minutes=12 * nth), f"proxy-{rng.getrandbits(64)}"
            number = somebody(country, rng)
        else:
            number = somebody(country, rng)
        yield Code(at, number, {"ip": address, "device": f"new-{rng.getrandbits(64)}"}, None, False)


class Found(ValueObject, frozen=True):
    """What became of the codes."""

    caught: int
    missed: int
    of_first_50: int  # that were sent
    honest: int
    wrongly: int


def run(ledger: Ledger, codes: Sequence[Code]) -> Found:
    """Ask for codes in order of time; what is sent and typed in is approved then."""
    events = [(code.at, nth, "ask", code) for nth, code in enumerate(codes)]
    heapq.heapify(events)
    caught = missed = first = asked = wrongly = 0
    while events:
        _, nth, what, code = heapq.heappop(events)
        if what == "typed":
            ledger.approve(code)
            continue
        refused = bool(ledger.ask(code))
        if code.honest:
            asked, wrongly = asked + 1, wrongly + refused
        elif refused:
            caught += 1
        else:
            missed += 1
            first += caught + missed <= 50
        if not refused and code.typed is not None:
            heapq.heappush(events, (code.typed, nth, "typed", code))
    return Found(caught, missed, first, asked, wrongly)


def main(seed: int) -> None:
    """Print what was caught, missed and wrongly refused."""
    print(f"seed {seed}; {RULES!r}")
    for shape, what in ATTACKS.items():
        print(f"  {shape}: {what}")
    print()
    heads = ("tenant", "attack", "where", "caught", "missed", "of first 50", "cost stopped")
    print(f"{heads[0]:7}{heads[1]:18}{heads[2]:8}{heads[3]:>7}{heads[4]:>7}{heads[5]:>12}", end="")
    print(f"{heads[6]:>14}{'honest refused':>24}")
    caught = missed = asked = wrongly = 0
    for tenant in TENANTS:
        rng = random.Random(f"{seed}/{tenant.name}")  # noqa: S311 - a simulation
        learned = Ledger()
        new = run(learned, [*honest(tenant, 0, LEARNING_DAYS, rng)])
        week = [*honest(tenant, LEARNING_DAYS, JUDGED_DAYS, rng)]
        _row(tenant, "none, first 14 days", "", new)
        _row(tenant, "none, the week", "", run(deepcopy(learned), week))
        home = max(tenant.countries, key=lambda country: tenant.countries[country])
        for shape in ATTACKS:
            for where, country in (("abroad", ABROAD), ("home", home)):
                if shape == "many countries" and where == "home":
                    continue
                pumped = [*attack(shape, country, rng)]
                found = run(deepcopy(learned), [*week, *pumped])
                _row(tenant, shape, where, found)
                caught, missed = caught + found.caught, missed + found.missed
                asked, wrongly = asked + found.honest, wrongly + found.wrongly
    print(f"\nall attacks: {caught / (caught + missed):.1%} of their cost stopped (goal 95%)")
    print(f"all honest codes of those weeks: {wrongly / asked:.2%} refused (goal under 0.5%)")


def _row(tenant: Tenant, shape: str, where: str, found: Found) -> None:
    """Print a run; each code of it costs the same."""
    print(f"{tenant.name:7}{shape:20}{where:6}", end="")
    if codes := found.caught + found.missed:
        print(f"{found.caught:7}{found.missed:7}{found.of_first_50:12}", end="")
        print(f"{found.caught / codes:14.1%}", end="")
    else:
        print(" " * 40, end="")
    share = f"({found.wrongly / found.honest:.2%})"
    print(f"{found.wrongly:8} of {found.honest:6} {share}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)

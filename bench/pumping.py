"""Pump codes at the guard's own rules: python -m bench.pumping [first seed] [seeds] [--without …].

Four attacks that public reports describe, each on each of three tenants, each in a country where
the tenant has no users and in its own largest one. 14 days of honest traffic come first; then a
week is judged, in which the attack begins at a random time of its first two days. The counts are
kept in memory, the rules are the gateway's: tests/integration/pumping_guard/test_bench.py compares
both. Choose by some seeds, report by others.
"""

import argparse
import heapq
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from copy import copy, replace
from functools import partial
from multiprocessing import Pool
from typing import Self

from sms_gateway.core.value_object import ValueObject
from sms_gateway.pumping_guard.rules import (
    BEST_OF_DAYS,
    NUMBERS,
    OF_COUNTRIES,
    CountrySeen,
    KeySeen,
    Reason,
    Rules,
    Tally,
    has_few_users,
    judge_client,
    judge_country,
    judge_elsewhere,
    judge_prefix,
)

HOUR, DAY = 3600, 86400  # seconds
LEARNING_DAYS, JUDGED_DAYS = 14, 7
BUSY_DAY = LEARNING_DAYS + 4  # on which twice as many ask for a code
ATTACKS_BEGIN = (LEARNING_DAYS * DAY, (LEARNING_DAYS + 2) * DAY)
# Codes an hour of a day in UTC, as parts: quiet at night, busiest in the evening.
HOURS = (2, 1, 1, 1, 1, 2, 4, 6, 8, 8, 8, 8, 9, 9, 8, 8, 8, 9, 10, 11, 11, 9, 6, 4)
SECONDS_TO_TYPE = (3.3, 0.6)  # log-normal: 27 s at the median
ASKS_AGAIN = 0.4  # of those whose code did not come or was not typed in, after a minute or two
SHARED_ADDRESS = 0.2  # of the users are behind one of 50 addresses of their country
ABROAD_SHARE = 0.01  # of the users are in one of 60 countries where the tenant looks for nobody
KNOWN_SECONDS = 90 * DAY
NEVER = 1_000_000  # a figure that nothing reaches
WITHOUT = ("known", "fortnight", "elsewhere", "quiet", "returning")


class Tenant(ValueObject, frozen=True):
    """Honest traffic: codes a day, the share that is typed in, the countries' shares.

    `returning` is the share of those that ask again and again, each every so many `days`; all
    others are seen once.
    """

    name: str
    a_day: int
    used: float
    returning: float
    days: int
    countries: Mapping[str, float]

    @property
    def home(self) -> str:
        """Its largest country."""
        return max(self.countries, key=lambda country: self.countries[country])


TENANTS = (
    Tenant("bank", 600, 0.96, 0.8, 7, {"IR": 0.95, "TR": 0.03, "AE": 0.02}),
    Tenant("shop", 2000, 0.92, 0.5, 14, {"BD": 0.7, "IN": 0.2, "ID": 0.1}),
    Tenant(
        "app",
        60,
        0.85,
        0.2,
        30,
        {
            "DE": 0.3,
            "FR": 0.2,
            "ES": 0.15,
            "PL": 0.1,
            "NL": 0.08,
            "PT": 0.06,
            "AT": 0.05,
            "SE": 0.03,
            "CZ": 0.03,
        },
    ),
)
ABROAD = "AZ"
MANY = (
    *("AF", "DZ", "AL", "AM", "AZ", "BH", "BY", "BJ", "BT", "BO", "BA", "BW", "BF", "BI", "KH"),
    *("CM", "TD", "KM", "CD", "DJ", "EG", "SV", "ET", "GA", "GM", "GE", "GH", "GT", "GN", "HT"),
    *("HN", "IQ", "CI", "KE", "KW", "KG", "LA", "LB", "LS", "LR", "LY", "MG", "MW", "MV", "ML"),
    *("MR", "MD", "MN", "MZ", "MM", "NP", "NI", "NE", "NG", "OM", "PK", "RW", "SN", "LK", "TZ"),
)
BLOCK, TRICKLE, EVERYWHERE = "one number block", "slow trickle", "many countries"
ATTACKS = {
    BLOCK: "3,000 codes to 10,000 adjacent numbers, ten a minute, from one address",
    "rotating numbers": "3,000 codes to numbers of one country, ten a minute, from 200 addresses",
    EVERYWHERE: "3,000 codes to 60 countries in turn, ten a minute, from 200 addresses",
    TRICKLE: "720 codes to numbers of one country, five an hour for six days, each from "
    "another address",
}


class Person(ValueObject, frozen=True):
    """Who asks: a country, nine digits in it, an address and a device."""

    country: str
    line: int
    ip: str
    device: str


class Code(ValueObject, frozen=True):
    """A code that is asked for; `typed` is when it is typed in, None for never, in seconds."""

    at: float
    who: Person
    typed: float | None = None
    honest: bool = True


class Hours:
    """A country's codes by hour: started, approved, refused."""

    def __init__(self) -> None:
        self._counts: dict[int, list[int]] = {}
        self._hours: dict[int, tuple[int, int]] = {}  # unverified, verified
        self._days: dict[int, tuple[int, int]] = {}

    def copy(self) -> Self:
        """Return the same counts, which then change on their own."""
        other = copy(self)
        other._counts = {hour: [*counts] for hour, counts in self._counts.items()}
        other._hours, other._days = dict(self._hours), dict(self._days)
        return other

    def add(self, at: float, slot: int) -> None:
        """Count one, in the hour of a time."""
        hour = int(at // HOUR)
        counts = self._counts.setdefault(hour, [0, 0, 0])
        counts[slot] += 1
        self._hours[hour] = (Tally(*counts).unverified, counts[1])
        self._days.pop(hour // 24, None)

    def _sum(self, hours: range) -> tuple[int, int]:
        found = [self._hours[hour] for hour in hours if hour in self._hours]
        return sum(unverified for unverified, _ in found), sum(verified for _, verified in found)

    def _day(self, day: int) -> tuple[int, int]:
        if day not in self._days:
            self._days[day] = self._sum(range(day * 24, day * 24 + 24))
        return self._days[day]

    def seen(self, at: float, *, quiet: bool = True) -> CountrySeen:
        """Sum up, as `see_country` does of the table's items."""
        hour = int(at // HOUR)
        today = hour // 24
        day, verified = self._sum(range(hour - 23, hour + 1))
        days = [self._day(one) for one in range(today - BEST_OF_DAYS, today + 1)]
        best_before = max(approved for _, approved in days[:-1])
        return CountrySeen(
            hour=self._sum(range(hour, hour + 1))[0],
            day=day,
            verified=verified,
            best_day=max(best_before, days[-1][1]),
            best_before=best_before,
            fortnight=sum(unverified for unverified, _ in days),
            verified_fortnight=sum(approved for _, approved in days),
            verified_lately=self._sum(range(hour - 1, hour + 1))[1] if quiet else NEVER,
        )


class Asked(ValueObject, frozen=True):
    """What became of a code: why it was refused, and whether its country has few users."""

    reasons: Sequence[Reason]
    few: bool


def _nothing() -> list[int]:
    return [0, 0, 0]


class Ledger:
    """The guard with its counters in memory; `without` names rules that are left out."""

    def __init__(self, without: Sequence[str] = ()) -> None:
        self._countries: dict[str, Hours] = defaultdict(Hours)
        self._keys: dict[tuple[str, str, int], list[int]] = defaultdict(_nothing)
        self._reached: dict[tuple[str, str, int], set[str]] = defaultdict(set)
        self._known: dict[tuple[str, int], float] = {}
        self._knows = "known" not in without
        self._quiet = "quiet" not in without
        rules = Rules()
        if "fortnight" in without:
            rules = replace(rules, country_fortnight=NEVER)
        if "elsewhere" in without:
            rules = replace(rules, elsewhere_day=NEVER)
        self._rules = rules

    def copy(self) -> Self:
        """Return another ledger with the same counts; `deepcopy` takes a hundred times as long."""
        other = copy(self)
        other._countries = defaultdict(
            Hours, {name: one.copy() for name, one in self._countries.items()}
        )
        other._keys = defaultdict(
            _nothing, {name: [*counts] for name, counts in self._keys.items()}
        )
        other._reached = defaultdict(set, {name: {*one} for name, one in self._reached.items()})
        other._known = dict(self._known)
        return other

    def _names(self, code: Code) -> list[tuple[str, str, int]]:
        who, day = code.who, int(code.at // DAY)
        block = f"{who.country}{who.line // 10_000}"
        return [(NUMBERS, block, day), ("ip", who.ip, day), ("device", who.device, day)]

    def ask(self, code: Code) -> Asked:
        """Count a code and judge it."""
        country, everywhere = self._countries[code.who.country], self._countries[""]
        country.add(code.at, 0)
        seen = country.seen(code.at, quiet=self._quiet)
        reasons = judge_country(seen, self._rules)
        for name in self._names(code):
            reasons += self._judge_key(name, code.who.country)
        few = has_few_users(seen, self._rules)
        if few:
            everywhere.add(code.at, 0)
            reasons += judge_elsewhere(seen, everywhere.seen(code.at), self._rules)
        if reasons and OF_COUNTRIES.issuperset(reasons) and self._is_known(code):
            reasons = []
        if reasons:
            self._add(code, 2, few=few)
        return Asked(reasons, few)

    def _judge_key(self, name: tuple[str, str, int], country: str) -> list[Reason]:
        self._keys[name][0] += 1
        tally = Tally(*self._keys[name])
        if name[0] == NUMBERS:
            return judge_prefix(KeySeen(tally.unverified, tally.approved), self._rules)
        self._reached[name].add(country)
        seen = KeySeen(tally.unverified, tally.approved, len(self._reached[name]))
        return judge_client(name[0], seen, self._rules)

    def _is_known(self, code: Code) -> bool:
        known = self._known.get((code.who.country, code.who.line))
        return self._knows and known is not None and known > code.at - KNOWN_SECONDS

    def _add(self, code: Code, slot: int, *, few: bool) -> None:
        self._countries[code.who.country].add(code.at, slot)
        if few:
            self._countries[""].add(code.at, slot)
        for name in self._names(code):
            self._keys[name][slot] += 1

    def approve(self, code: Code, *, few: bool) -> None:
        """Count that a code was typed in, when it was asked for."""
        self._add(code, 1, few=few)
        self._known[code.who.country, code.who.line] = code.at


def honest(tenant: Tenant, rng: random.Random) -> Iterator[Code]:
    """Yield a tenant's codes of all days, not in order."""
    regulars = round(tenant.a_day * tenant.returning * tenant.days)
    known = [_user(tenant, rng) for _ in range(regulars)]
    for day in range(LEARNING_DAYS + JUDGED_DAYS):
        usual = tenant.a_day * (2 if day == BUSY_DAY else 1)
        for _ in range(round(rng.gauss(usual, usual**0.5))):
            hour = rng.choices(range(24), HOURS)[0]
            at = day * DAY + hour * HOUR + rng.random() * HOUR
            again = rng.random() < tenant.returning
            yield from _asks(rng.choice(known) if again else _user(tenant, rng), at, tenant, rng)


def _user(tenant: Tenant, rng: random.Random) -> Person:
    (country,) = rng.choices([*tenant.countries], [*tenant.countries.values()])
    if rng.random() < ABROAD_SHARE:
        country = rng.choice(MANY)
    shared = rng.random() < SHARED_ADDRESS
    address = f"{country}-{rng.randrange(50)}" if shared else f"own-{rng.getrandbits(64)}"
    return somebody(country, rng, address)


def somebody(country: str, rng: random.Random, ip: str) -> Person:
    """Return who has a number of a country and a device that nobody else has."""
    return Person(country, rng.randrange(10**8, 10**9), ip, f"own-{rng.getrandbits(64)}")


def _asks(who: Person, at: float, tenant: Tenant, rng: random.Random) -> Iterator[Code]:
    while True:
        used = rng.random() < tenant.used
        yield Code(at, who, at + rng.lognormvariate(*SECONDS_TO_TYPE) if used else None)
        if used or rng.random() >= ASKS_AGAIN:
            return
        at += rng.uniform(60, 120)


def attack(shape: str, country: str, rng: random.Random) -> Iterator[Code]:
    """Yield an attack's codes; nobody types one in."""
    begin = rng.uniform(*ATTACKS_BEGIN)
    if shape == TRICKLE:
        begin = rng.uniform(LEARNING_DAYS * DAY, (LEARNING_DAYS + 1) * DAY)  # all in the week
    block = rng.randrange(10**4, 10**5) * 10_000
    for nth in range(720 if shape == TRICKLE else 3000):
        at = begin + (720 * nth if shape == TRICKLE else 6 * nth + rng.random())
        where = MANY[nth % len(MANY)] if shape == EVERYWHERE else country
        one_of = 1 if shape == BLOCK else 2**64 if shape == TRICKLE else 200
        who = somebody(where, rng, f"proxy-{rng.randrange(one_of)}")
        if shape == BLOCK:
            who = replace(who, line=block + rng.randrange(10_000))
        yield Code(at, who, None, honest=False)


class Found(ValueObject, frozen=True):
    """What became of the codes."""

    caught: int
    missed: int
    of_first_50: int  # that were sent
    honest: int
    wrongly: int

    @property
    def stopped(self) -> float:
        """The share of the attack that was not sent; each code of it costs the same."""
        return self.caught / (self.caught + self.missed)

    @property
    def refused(self) -> float:
        """The share of the honest codes that were refused."""
        return self.wrongly / self.honest


def run(ledger: Ledger, codes: Sequence[Code]) -> Found:
    """Ask for codes in order of time; what is sent and typed in is approved then."""
    events: list[tuple[float, int, Code, Asked | None]]
    events = [(code.at, nth, code, None) for nth, code in enumerate(codes)]
    heapq.heapify(events)
    caught = missed = first = asked = wrongly = 0
    while events:
        _, nth, code, sent = heapq.heappop(events)
        if sent is not None:
            ledger.approve(code, few=sent.few)
            continue
        answer = ledger.ask(code)
        refused = bool(answer.reasons)
        if code.honest:
            asked, wrongly = asked + 1, wrongly + refused
        elif refused:
            caught += 1
        else:
            missed += 1
            first += caught + missed <= 50
        if not refused and code.typed is not None:
            heapq.heappush(events, (code.typed, nth, code, answer))
    return Found(caught, missed, first, asked, wrongly)


Row = tuple[str, str, str]  # tenant, attack, where


def weeks(seed: int, without: Sequence[str] = ()) -> dict[Row, Found]:
    """Return what became of each tenant's week, without an attack and with each."""
    rows: dict[Row, Found] = {}
    for given in TENANTS:
        tenant = replace(given, returning=0) if "returning" in without else given
        rng = random.Random(f"{seed}/{tenant.name}")  # noqa: S311 - a simulation
        codes = [*honest(tenant, rng)]
        week = [code for code in codes if code.at >= LEARNING_DAYS * DAY]
        learned = Ledger(without)
        first = run(learned, [code for code in codes if code.at < LEARNING_DAYS * DAY])
        rows[tenant.name, "none, first 14 days", ""] = first
        rows[tenant.name, "none, the week", ""] = run(learned.copy(), week)
        for shape in ATTACKS:
            for where, country in (("abroad", ABROAD), ("home", tenant.home)):
                if shape != EVERYWHERE or where == "abroad":
                    pumped = [*attack(shape, country, rng)]
                    rows[tenant.name, shape, where] = run(learned.copy(), [*week, *pumped])
    return rows


def _together(found: Sequence[Found]) -> Found:
    return Found(
        sum(one.caught for one in found),
        sum(one.missed for one in found),
        max(one.of_first_50 for one in found),
        sum(one.honest for one in found),
        sum(one.wrongly for one in found),
    )


def main(first: int, seeds: int, without: Sequence[str]) -> None:
    """Print what was caught, missed and wrongly refused, of all seeds and of the worst one."""
    with Pool() as pool:
        found = pool.map(partial(weeks, without=without), range(first, first + seeds))
    print(f"seeds {first} to {first + seeds - 1}, without {', '.join(without) or 'nothing'}")
    print(f"{Rules()!r}")
    for shape, what in ATTACKS.items():
        print(f"  {shape}: {what}")
    print(f"\n{'':33}{'attack stopped':>20}{'sent of first 50':>18}{'honest refused':>20}")
    print(
        f"{'tenant, attack, where':33}{'all':>10}{'worst':>10}{'worst':>18}{'all':>10}{'worst':>10}"
    )
    for row in found[0]:
        every = [one[row] for one in found]
        one = _together(every)
        print(f"{row[0]:5}{row[1]:20}{row[2]:8}", end="")
        if one.caught + one.missed:
            worst = min(each.stopped for each in every)
            print(f"{one.stopped:10.1%}{worst:10.1%}{one.of_first_50:18}", end="")
        else:
            print(" " * 38, end="")
        print(f"{one.refused:10.2%}{max(each.refused for each in every):10.2%}")
    totals = [
        _together([one for row, one in rows.items() if not row[1].startswith("none")])
        for rows in found
    ]
    one = _together(totals)
    print(f"\nall attacks: {one.stopped:.2%} of their cost stopped (goal 95%), ", end="")
    print(f"{min(each.stopped for each in totals):.2%} at the worst seed")
    print(f"all honest codes of those weeks: {one.refused:.3%} refused (goal under 0.5%), ", end="")
    print(f"{max(each.refused for each in totals):.3%} at the worst seed")


if __name__ == "__main__":
    line = argparse.ArgumentParser()
    line.add_argument("first", type=int, nargs="?", default=1)
    line.add_argument("seeds", type=int, nargs="?", default=1)
    line.add_argument("--without", action="append", choices=WITHOUT, default=[])
    given = line.parse_args()
    main(given.first, given.seeds, given.without)

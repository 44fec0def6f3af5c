"""What is counted of a code: its names, its slots, and what the counts come to.

A country is counted by the hour (`started07`), all else by the day (`started`). Everything is
counted on the day and in the hour in which the code was asked for, its approval too.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from sms_gateway.pumping_guard.rules import (
    BEST_OF_DAYS,
    COUNTRY,
    HOURS_OF_A_DAY,
    NUMBERS,
    CountrySeen,
    KeySeen,
    Tally,
)
from sms_gateway.sms.phone_numbers import country_of
from sms_gateway.storage import code_counts
from sms_gateway.storage.code_counts import Addition, CountKey
from sms_gateway.storage.items import Item

ELSEWHERE = f"{COUNTRY}#elsewhere"  # all countries with few users, counted like one
KNOWN = "number"  # what is remembered of a number whose owner typed in a code
LINE_DIGITS = 4  # a block of numbers differs in its last four digits


def names_of(number: str, hashed: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return what a code to a number is counted by: its country, its block, its client's hashes."""
    own = [f"{kind}#{value}" for kind, value in (hashed or {}).items()]
    return (f"{COUNTRY}#{country_of(number)}", f"{NUMBERS}#{number[:-LINE_DIGITS]}", *own)


def kind_of(name: str) -> str:
    """Return what kind of thing a name counts by."""
    return name.partition("#")[0]


def key_at(tenant: str, name: str, at: datetime) -> CountKey:
    """Return the key under which a code of a time is counted."""
    return CountKey(tenant, name, at.astimezone(UTC).date())


def slot(name: str, counted: str, at: datetime) -> str:
    """Return the attribute that counts something: of a country, that of its hour."""
    return f"{counted}{at.astimezone(UTC).hour:02d}" if kind_of(name) == COUNTRY else counted


def addition(tenant: str, name: str, counted: str, at: datetime, amount: int = 1) -> Addition:
    """Count something of codes that were asked for at a time."""
    return Addition(key_at(tenant, name, at), {slot(name, counted, at): amount})


def tally(item: Item | None, suffix: str = "") -> Tally:
    """Read a day's counts, or those of one of its hours (`07`)."""

    def number(counted: str) -> int:
        return int(item[counted + suffix]["N"]) if item and counted + suffix in item else 0

    return Tally(number("started"), number("approved"), number("refused"), number("forgiven"))


def hours_of(item: Item | None) -> list[Tally]:
    """Read a country's day, hour by hour."""
    return [tally(item, f"{hour:02d}") for hour in range(HOURS_OF_A_DAY)]


def read_day(tenant: str, number: str, at: datetime) -> CountrySeen:
    """Read what was known of a number's country when the day of a time began."""
    country, _ = names_of(number)
    return read_country(key_at(tenant, country, at), {}, at)


def read_key(item: Item) -> KeySeen:
    """Read a number block's or a client's day."""
    found = tally(item)
    countries = len(item["countries"]["SS"]) if "countries" in item else 1
    return KeySeen(found.unverified, found.approved, countries)


def read_country(key: CountKey, today: Item, at: datetime) -> CountrySeen:
    """Read a country: today from its item, the days before from the table."""
    before = code_counts.days_before(key, BEST_OF_DAYS)
    return see_country(today, before, at)


def see_country(today: Item, before: Mapping[date, Item], at: datetime) -> CountrySeen:
    """Sum up a country's items as of a time."""
    at = at.astimezone(UTC)
    so_far = hours_of(today)[: at.hour + 1]
    days = {day: hours_of(item) for day, item in before.items()}
    yesterday = days.get(at.date() - timedelta(days=1), [Tally()] * HOURS_OF_A_DAY)
    last = [*yesterday[at.hour + 1 :], *so_far]
    every = [*so_far, *(one for hours in days.values() for one in hours)]
    best_before = max((_approved(hours) for hours in days.values()), default=0)
    return CountrySeen(
        hour=so_far[-1].unverified,
        day=sum(one.unverified for one in last),
        verified=_approved(last),
        best_day=max(best_before, _approved(so_far)),
        best_before=best_before,
        fortnight=sum(one.unverified for one in every),
        verified_fortnight=_approved(every),
        verified_lately=_approved(last[-2:]),
    )


def _approved(hours: Sequence[Tally]) -> int:
    return sum(one.approved for one in hours)

"""The rules: from counts to the reasons that refuse a code. No I/O.

They bound unverified codes: a country's in a day and in an hour, a number block's and a client's in
a day. docs/guides/pumping.md explains each figure.
"""

from collections.abc import Iterable
from enum import StrEnum

import msgspec

COUNTRY, NUMBERS = "country", "prefix"  # what a code is counted by, beside its client
BEST_OF_DAYS = 14
HOURS_OF_A_DAY = 24  # a sixth of a day's limit may come within an hour
HOUR_PART = 6


class Reason(StrEnum):
    """Why a code is refused."""

    COUNTRY_NOT_ALLOWED = "country-not-allowed"
    COUNTRY_DAY = "country-day"
    COUNTRY_HOUR = "country-hour"
    PREFIX_DAY = "prefix-day"
    IP_DAY = "ip-day"
    IP_COUNTRIES = "ip-countries"
    DEVICE_DAY = "device-day"
    DEVICE_COUNTRIES = "device-countries"
    USER_DAY = "user-day"
    USER_COUNTRIES = "user-countries"


class Rules(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True
):
    """How many unverified codes are allowed; `share` is of the verified ones, 0.2 for a fifth."""

    country_day: int = 20
    country_hour: int = 3
    prefix_day: int = 5
    client_day: int = 10
    client_countries: int = 3
    share: float = 0.2

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if not 0 <= getattr(self, name) <= 1_000_000:
                raise ValueError(f"`rules.{name}` must be 0 to 1000000")


class Tally(msgspec.Struct, frozen=True):
    """Codes that were asked for, approved, refused by the guard, and forgiven by the operator."""

    started: int = 0
    approved: int = 0
    refused: int = 0
    forgiven: int = 0

    @property
    def unverified(self) -> int:
        """The codes that were sent and not approved."""
        return max(0, self.started - self.refused - self.approved - self.forgiven)


class CountrySeen(msgspec.Struct, frozen=True):
    """A country's codes: unverified in this hour and in 24; verified in 24 hours and at best."""

    hour: int
    day: int
    verified: int
    best_day: int


class KeySeen(msgspec.Struct, frozen=True):
    """Codes since midnight (UTC) to a number block, or asked for by a client, to `countries`."""

    unverified: int
    verified: int
    countries: int = 1


def country_seen(hours: Iterable[Tally], this_hour: Tally, days: Iterable[int]) -> CountrySeen:
    """Sum up a country: the 24 hours to now, the last of them, what was verified on each day."""
    last = list(hours)
    return CountrySeen(
        hour=this_hour.unverified,
        day=sum(one.unverified for one in last),
        verified=sum(one.approved for one in last),
        best_day=max(days, default=0),
    )


def judge_country(seen: CountrySeen, rules: Rules) -> list[Reason]:
    """Return why the country refuses the code that is counted in `seen` already."""
    share = rules.share * max(seen.best_day, seen.verified)
    day = max(rules.country_day, share)
    reasons = []
    if seen.day > day:
        reasons.append(Reason.COUNTRY_DAY)
    if seen.hour > max(rules.country_hour, day / HOUR_PART):
        reasons.append(Reason.COUNTRY_HOUR)
    return reasons


def judge_prefix(seen: KeySeen, rules: Rules) -> list[Reason]:
    """Return why a number block refuses the code that is counted in `seen` already."""
    over = seen.unverified > max(rules.prefix_day, rules.share * seen.verified)
    return [Reason.PREFIX_DAY] if over else []


def judge_client(kind: str, seen: KeySeen, rules: Rules) -> list[Reason]:
    """Return why an `ip`, a `device` or a `user` refuses the code that is counted already."""
    reasons = []
    if seen.unverified > max(rules.client_day, rules.share * seen.verified):
        reasons.append(Reason(f"{kind}-day"))
    if seen.countries > rules.client_countries:
        reasons.append(Reason(f"{kind}-countries"))
    return reasons


def judge(kind: str, seen: CountrySeen | KeySeen, rules: Rules) -> list[Reason]:
    """Return why what is counted by a kind of name refuses the code that is counted already."""
    if isinstance(seen, CountrySeen):
        return judge_country(seen, rules)
    if kind == NUMBERS:
        return judge_prefix(seen, rules)
    return judge_client(kind, seen, rules)

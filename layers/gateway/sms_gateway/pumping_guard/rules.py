"""The rules: from counts to the reasons that refuse a code. No I/O.

They bound unverified codes: a country's in an hour, a day and a fortnight, those of all countries
with few users together, a number block's and a client's in a day. docs/guides/pumping.md explains
each figure.
"""

from enum import StrEnum

import msgspec

COUNTRY, NUMBERS = "country", "prefix"  # what a code is counted by, beside its client
BEST_OF_DAYS = 14
HOURS_OF_A_DAY = 24  # a sixth of a day's limit may come within an hour
HOUR_PART = 6
LATELY_PART = 4  # of what was verified in two hours, which is half of that of one


class Reason(StrEnum):
    """Why a code is refused."""

    COUNTRY_NOT_ALLOWED = "country-not-allowed"
    COUNTRY_DAY = "country-day"
    COUNTRY_HOUR = "country-hour"
    COUNTRY_FORTNIGHT = "country-fortnight"
    ELSEWHERE_DAY = "elsewhere-day"
    ELSEWHERE_HOUR = "elsewhere-hour"
    PREFIX_DAY = "prefix-day"
    IP_DAY = "ip-day"
    IP_COUNTRIES = "ip-countries"
    DEVICE_DAY = "device-day"
    DEVICE_COUNTRIES = "device-countries"
    USER_DAY = "user-day"
    USER_COUNTRIES = "user-countries"


# What is said of a whole country is not said of a number in it whose owner typed in a code.
OF_COUNTRIES = frozenset(
    {
        Reason.COUNTRY_DAY,
        Reason.COUNTRY_HOUR,
        Reason.COUNTRY_FORTNIGHT,
        Reason.ELSEWHERE_DAY,
        Reason.ELSEWHERE_HOUR,
    }
)


class Rules(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True
):
    """How many unverified codes are allowed; `share` is of the verified ones, 0.2 for a fifth."""

    country_day: int = 20
    country_hour: int = 3
    country_fortnight: int = 30
    elsewhere_day: int = 40
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
    """A country's codes: unverified in this hour and in 24; verified in 24 hours and at best.

    `best_before` is the best of the days before today, `verified_lately` those of this hour and the
    one before.
    """

    hour: int
    day: int
    verified: int
    best_day: int
    best_before: int = 0
    fortnight: int = 0  # unverified today and in the 14 days before
    verified_fortnight: int = 0
    verified_lately: int = 0


class KeySeen(msgspec.Struct, frozen=True):
    """Codes since midnight (UTC) to a number block, or asked for by a client, to `countries`."""

    unverified: int
    verified: int
    countries: int = 1


def limit_day(seen: CountrySeen, rules: Rules, least: float) -> float:
    """Return how many unverified codes a country may have in 24 hours."""
    return max(least, rules.share * max(seen.best_day, seen.verified))


def judge_country(seen: CountrySeen, rules: Rules) -> list[Reason]:
    """Return why the country refuses the code that is counted in `seen` already."""
    day = limit_day(seen, rules, rules.country_day)
    usual = max(rules.country_hour, day / HOUR_PART)
    # A sixth of a day is what the busiest hours need; at night it would be most of the codes.
    quiet = max(2 * rules.country_hour, seen.verified_lately / LATELY_PART)
    reasons = []
    if seen.day > day:
        reasons.append(Reason.COUNTRY_DAY)
    if seen.hour > min(usual, quiet):
        reasons.append(Reason.COUNTRY_HOUR)
    if seen.fortnight > max(rules.country_fortnight, seen.verified_fortnight):
        reasons.append(Reason.COUNTRY_FORTNIGHT)
    return reasons


def has_few_users(seen: CountrySeen, rules: Rules) -> bool:
    """Whether a country lives on what every country may have, and not on its own users.

    It depends on the days before today alone: a code and its approval are told alike.
    """
    return rules.share * seen.best_before <= rules.country_day


def judge_elsewhere(country: CountrySeen, all_few: CountrySeen, rules: Rules) -> list[Reason]:
    """Return why the countries with few users together refuse a code to one of them.

    Within the share of its own verified codes a country is not asked to pay for the others.
    """
    if country.day <= limit_day(country, rules, 0):
        return []
    # Not of the best day: on a tenant's first one, every country has few users.
    day = max(rules.elsewhere_day, rules.share * all_few.verified)
    reasons = []
    if all_few.day > day:
        reasons.append(Reason.ELSEWHERE_DAY)
    if all_few.hour > day / HOUR_PART:
        reasons.append(Reason.ELSEWHERE_HOUR)
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

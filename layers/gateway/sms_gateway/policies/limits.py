"""Counted limits: what a request comes to, what still fits, and how a refusal is told. No I/O."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from sms_gateway.core.problems import TooManyRequestsError
from sms_gateway.core.timestamps import DAY_SECONDS, epoch_us, rfc3339
from sms_gateway.core.value_object import ValueObject
from sms_gateway.policies.document import SPENDS, Policy
from sms_gateway.policies.money import amount_text

SECOND_US = 1_000_000
BUCKET = "bucket"
MESSAGES, SEGMENTS, SPEND, MONTH_SPEND = "messages", "segments", "spend", "month.spend"
COUNTERS = {  # of each limit that is not a bucket's nor a number's
    "messages_per_day": MESSAGES,
    "segments_per_day": SEGMENTS,
    "spend_per_day": SPEND,
    "spend_per_month": MONTH_SPEND,
}
PER_NUMBER = "most_per_number_per_day"
SAME_TEXT = "same_text_per_number"
RATE = "requests_per_second"
_WORDS = {
    "messages_per_day": "messages a day",
    "segments_per_day": "segments a day",
    "spend_per_day": "a day",
    "spend_per_month": "a month",
    PER_NUMBER: "messages a day to one number",
    SAME_TEXT: "times the same text to one number in 24 hours",
    RATE: "requests a second",
}


class QuotaExhaustedError(TooManyRequestsError):
    """A counted limit of a policy is reached; `Retry-After` says until when."""

    slug = "quota-exhausted"
    title = "The quota is used up"


class Part(ValueObject, frozen=True):
    """What one recipient comes to: a number (E.164) and the segments of its message.

    `vendors` may carry it; `prices` is what a segment costs, in billionths, by whose limit asks;
    `text` is None where the text is not asked about.
    """

    hidden = frozenset({"to", "text"})

    to: str
    segments: int
    vendors: tuple[str, ...] = ()
    prices: Mapping[str, int] = {}
    text: str | None = None

    def need(self, quota: str, of: str) -> int:
        """Return what it takes of a limit."""
        if quota in SPENDS:
            return self.segments * self.prices[of]
        return self.segments if quota == "segments_per_day" else 1


class Scope(ValueObject, frozen=True):
    """Whose limits they are: the `tenant`'s, or a `key`'s, with its id."""

    of: str
    policy: Policy
    key_id: str = ""

    def name(self, counted: str) -> str:
        """Return the attribute that counts something for it."""
        return f"{counted}#{self.key_id}" if self.of == "key" else counted

    def counter(self, quota: str) -> str:
        """Return the attribute that counts one of COUNTERS for it; money has one by currency."""
        price = self.policy.assumed_price if quota in SPENDS else None
        return self.name(f"{COUNTERS[quota]}.{price.currency}" if price else COUNTERS[quota])

    @property
    def request_us(self) -> int:
        """What a request takes from the bucket, in microseconds; 0 without one."""
        rate = self.policy.requests_per_second
        return SECOND_US // rate if rate else 0

    @property
    def has_day(self) -> bool:
        """Whether something of it is counted among what its tenant sent."""
        return any(getattr(self.policy, one) is not None for one in (*COUNTERS, RATE))

    @property
    def limits_texts(self) -> bool:
        """Whether it limits how often a number gets the same text."""
        return self.policy.same_text_per_number is not None

    @property
    def has_share(self) -> bool:
        """Whether it limits what one number gets."""
        return self.policy.most_per_number_per_day is not None


class Usage(ValueObject, frozen=True):
    """How one limit stands.

    `window` is the seconds in which that much may go; `resets_at` is when it is whole again, or of
    an empty bucket when the next request may come. With a `currency` it is money, in billionths.
    """

    quota: str
    of: str
    limit: int
    used: int
    resets_at: datetime
    window: int = DAY_SECONDS
    currency: str | None = None

    @property
    def name(self) -> str:
        """The limit's name in headers."""
        return f"{self.of}.{self.quota}"

    def seconds_left(self, now: datetime) -> int:
        """Return the seconds until `resets_at`, rounded up."""
        return max(0, ceil((self.resets_at - now).total_seconds()))

    @property
    def left(self) -> int:
        """What still goes."""
        return self.limit - self.used

    def view(self, number: int) -> int | dict[str, str]:
        """Show a number of it: a count, or money."""
        if self.currency is None:
            return number
        return {"amount": amount_text(number), "currency": self.currency}

    def to_dict(self) -> dict[str, Any]:
        """Show what it is and how it stands."""
        return {
            "quota": self.quota,
            "of": self.of,
            "limit": self.view(self.limit),
            "used": self.view(self.used),
            "resets_at": rfc3339(self.resets_at),
        }

    def problem(
        self, now: datetime, headers: Mapping[str, str] | None = None
    ) -> QuotaExhaustedError:
        """Return the problem of what no longer fits, with `headers` beside its own."""
        owner = "tenant" if self.of == "tenant" else "API key"
        most = f"{amount_text(self.limit)} {self.currency}" if self.currency else self.limit
        return QuotaExhaustedError(
            f"The policy of this {owner} allows {most} {_WORDS[self.quota]}: wait until "
            "`resets_at`, or ask the operator of the gateway.",
            headers={**(headers or {}), "Retry-After": str(max(1, self.seconds_left(now)))},
            **self.to_dict(),
        )


def next_day(now: datetime) -> datetime:
    """Return the beginning of the next day, UTC."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today + timedelta(days=1)


def next_month(now: datetime) -> datetime:
    """Return the beginning of the next month, UTC."""
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=31)).replace(day=1)


def usages(scopes: Sequence[Scope], counted: Mapping[str, int], now: datetime) -> list[Usage]:
    """Return how the limits of scopes stand, by what is `counted` of today and this month."""
    found = []
    for scope in scopes:
        for quota in COUNTERS:
            limit = getattr(scope.policy, quota)
            if limit is None:
                continue
            used = counted.get(scope.counter(quota), 0)
            end = next_month(now) if quota == "spend_per_month" else next_day(now)
            if quota in SPENDS:
                usage = Usage(quota, scope.of, limit.billionths, used, end, currency=limit.currency)
            else:
                usage = Usage(quota, scope.of, limit, used, end)
            found.append(usage)
        if scope.request_us:
            found.append(_rate_usage(scope, counted.get(scope.name(BUCKET), 0), now))
    return found


def _rate_usage(scope: Scope, full_at: int, now: datetime) -> Usage:
    ahead = max(0, full_at - epoch_us(now))
    used = ceil(ahead / scope.request_us)
    over = ahead - (scope.policy.most_at_once - 1) * scope.request_us  # until one more may come
    wait = timedelta(microseconds=max(over, 0) if used >= scope.policy.most_at_once else ahead)
    most, rate = scope.policy.most_at_once, scope.policy.requests_per_second or 1
    return Usage(RATE, scope.of, most, used, now + wait, ceil(most / rate))


def rate_limit_headers(state: Sequence[Usage], now: datetime) -> dict[str, str]:
    """Return what callers read of their limits (draft-ietf-httpapi-ratelimit-headers-11).

    The draft has no unit for messages: a policy's name says it. Its numbers are integers, so that
    money is left out.
    """
    counts = [one for one in state if one.currency is None]
    if not counts:
        return {}
    policies = [f'"{one.name}";q={one.limit};w={one.window}' for one in counts]
    left = [f'"{one.name}";r={max(0, one.left)};t={one.seconds_left(now)}' for one in counts]
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)}


def fitting(parts: Sequence[Part], state: Sequence[Usage], *, in_order: bool) -> list[int]:
    """Return which parts still fit, by their place; `in_order` ends at the first that does not."""
    asked = [one for one in state if one.quota != RATE]
    room = [one.left for one in asked]
    taken: list[int] = []
    for place, part in enumerate(parts):
        needs = [part.need(one.quota, one.of) for one in asked]
        if all(need <= left for need, left in zip(needs, room, strict=True)):
            taken.append(place)
            room = [left - need for need, left in zip(needs, room, strict=True)]
        elif in_order:
            break
    return taken


def blocking(part: Part, state: Sequence[Usage]) -> Usage:
    """Return the limit that a part does not fit into, as the limits stand."""
    over = [one for one in state if part.need(one.quota, one.of) > one.left]
    return over[0] if over else state[0]

"""Counted limits: what a request comes to, what still fits, and how a refusal is told. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil

from sms_gateway.core.problems import TooManyRequestsError
from sms_gateway.core.timestamps import DAY_SECONDS, epoch_us, rfc3339
from sms_gateway.core.value_object import ValueObject
from sms_gateway.policies.document import Policy

SECOND_US = 1_000_000
BUCKET = "bucket"
DAILY = {"messages_per_day": "messages", "segments_per_day": "segments"}  # and what each counts
PER_NUMBER = "most_per_number_per_day"
RATE = "requests_per_second"
_WORDS = {
    "messages_per_day": "messages a day",
    "segments_per_day": "segments a day",
    PER_NUMBER: "messages a day to one number",
    RATE: "requests a second",
}


class QuotaExhaustedError(TooManyRequestsError):
    """A counted limit of a policy is reached; `Retry-After` says until when."""

    slug = "quota-exhausted"
    title = "The quota is used up"


class Part(ValueObject, frozen=True):
    """What one recipient comes to: a number (E.164) and the segments of its message."""

    hidden = frozenset({"to"})

    to: str
    segments: int


class Scope(ValueObject, frozen=True):
    """Whose limits they are: the `tenant`'s, or a `key`'s, with its id."""

    of: str
    policy: Policy
    key_id: str = ""

    def name(self, counted: str) -> str:
        """Return the attribute that counts something for it."""
        return f"{counted}#{self.key_id}" if self.of == "key" else counted

    @property
    def request_us(self) -> int:
        """What a request takes from the bucket, in microseconds; 0 without one."""
        rate = self.policy.requests_per_second
        return SECOND_US // rate if rate else 0

    @property
    def has_day(self) -> bool:
        """Whether something of it is counted in the tenant's day."""
        return any(getattr(self.policy, one) is not None for one in (*DAILY, RATE))

    @property
    def has_share(self) -> bool:
        """Whether it limits what one number gets."""
        return self.policy.most_per_number_per_day is not None


class Usage(ValueObject, frozen=True):
    """How one limit stands.

    `window` is the seconds in which that much may go; `resets_at` is when it is whole again, or of
    an empty bucket when the next request may come.
    """

    quota: str
    of: str
    limit: int
    used: int
    resets_at: datetime
    window: int = DAY_SECONDS

    @property
    def name(self) -> str:
        """The limit's name in headers."""
        return f"{self.of}.{self.quota}"

    def seconds_left(self, now: datetime) -> int:
        """Return the seconds until `resets_at`, rounded up."""
        return max(0, ceil((self.resets_at - now).total_seconds()))

    def problem(
        self, now: datetime, headers: Mapping[str, str] | None = None
    ) -> QuotaExhaustedError:
        """Return the problem of what no longer fits, with `headers` beside its own."""
        owner = "tenant" if self.of == "tenant" else "API key"
        return QuotaExhaustedError(
            f"The policy of this {owner} allows {self.limit} {_WORDS[self.quota]}: wait until "
            "`resets_at`, or ask the operator of the gateway.",
            headers={**(headers or {}), "Retry-After": str(max(1, self.seconds_left(now)))},
            quota=self.quota,
            of=self.of,
            limit=self.limit,
            used=self.used,
            resets_at=rfc3339(self.resets_at),
        )


def next_day(now: datetime) -> datetime:
    """Return the beginning of the next day, UTC."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today + timedelta(days=1)


def usages(scopes: Sequence[Scope], counted: Mapping[str, int], now: datetime) -> list[Usage]:
    """Return how the limits of a tenant's day stand, by what its item says."""
    found = []
    for scope in scopes:
        for quota, name in DAILY.items():
            limit = getattr(scope.policy, quota)
            if limit is not None:
                used = counted.get(scope.name(name), 0)
                found.append(Usage(quota, scope.of, limit, used, next_day(now)))
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

    The draft has no unit for messages: a policy's name says it.
    """
    if not state:
        return {}
    policies = [f'"{one.name}";q={one.limit};w={one.window}' for one in state]
    left = [
        f'"{one.name}";r={max(0, one.limit - one.used)};t={one.seconds_left(now)}' for one in state
    ]
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)}


def fitting(parts: Sequence[Part], state: Iterable[Usage], *, in_order: bool) -> list[int]:
    """Return which parts still fit, by their place; `in_order` ends at the first that does not."""
    rooms = {name: _room(state, quota) for quota, name in DAILY.items()}
    taken: list[int] = []
    segments = 0
    for place, part in enumerate(parts):
        if len(taken) < rooms["messages"] and segments + part.segments <= rooms["segments"]:
            taken.append(place)
            segments += part.segments
        elif in_order:
            break
    return taken


def blocking(part: Part, state: Sequence[Usage]) -> Usage:
    """Return the limit that a part does not fit into, as the limits stand."""
    need = {"messages_per_day": 1, "segments_per_day": part.segments, RATE: 1}
    over = [one for one in state if one.used + need[one.quota] > one.limit]
    return over[0] if over else state[0]


def _room(state: Iterable[Usage], quota: str) -> float:
    return min((one.limit - one.used for one in state if one.quota == quota), default=float("inf"))

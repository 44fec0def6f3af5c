"""Count what is sent under the limits of a tenant and a key; say what no longer fits.

Each item is written once, by a condition that is all the limits: no two requests see the same
count, and what is refused is not counted.
"""

import hmac
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from sms_gateway.core.derived_keys import Secret, derive_key
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.timestamps import epoch_seconds
from sms_gateway.core.value_object import ValueObject
from sms_gateway.policies.limits import (
    BUCKET,
    PER_NUMBER,
    RATE,
    Part,
    QuotaExhaustedError,
    Scope,
    Usage,
    blocking,
    fitting,
    microseconds,
    next_day,
    rate_limit_headers,
    usages,
)
from sms_gateway.storage import dynamodb, quotas
from sms_gateway.storage.items import Item
from sms_gateway.storage.models import ItemKey
from sms_gateway.storage.quotas import Bucket, Count

MAX_WRITES = 50  # each one that fails lost to another request's
FEW = 4  # so many writes go one after another: threads take longer
KEPT = timedelta(days=1)  # after the day

Spent = Mapping[ItemKey, Mapping[str, int]]  # what was added to the numbers of items

_buckets: dict[str, tuple[ItemKey, Mapping[str, int]]] = {}  # by tenant, as they last were


class CrowdedError(ServiceUnavailableError):
    """Too many others count under the same limit at once; that is no fault of the counter."""


class Counted(ValueObject, frozen=True):
    """What was counted: each part's problem, how the limits stand then, and what to give back."""

    problems: Sequence[QuotaExhaustedError | None]
    usage: Sequence[Usage] = ()
    spent: Mapping[ItemKey, Mapping[str, int]] = {}


def count_parts(
    scopes: Sequence[Scope],
    tenant: str,
    parts: Sequence[Part],
    now: datetime,
    secret: Secret,
    *,
    is_request: bool = True,
    in_order: bool = False,
) -> Counted:
    """Count the parts that fit; `scopes` are those with counted limits.

    `secret` is the message key. Without `is_request` no bucket is asked; `in_order` ends at the
    first part that does not fit into the day. Where a counter does not answer, nothing is refused,
    or a policy says `closed` and ServiceUnavailableError is raised.
    """
    try:
        numbers = _Numbers(scopes, tenant, now, secret)
        problems = numbers.count(parts)
        left = [place for place, problem in enumerate(problems) if problem is None]
        asked = [scope for scope in scopes if scope.has_day]
        if not left or not asked:
            return Counted(problems, (), numbers.spent(parts[place] for place in left))
        day = _Day(asked, tenant, now, is_request=is_request)
        taken = day.count([parts[place] for place in left], in_order=in_order)
    except CrowdedError:
        raise
    except ServiceUnavailableError as error:
        return _uncounted(scopes, tenant, parts, error)
    accepted = {left[place] for place in taken}
    refused = [place for place in left if place not in accepted]
    causes = [one for one in day.usage if not (taken and one.quota == RATE)]
    headers = rate_limit_headers(day.usage, now)
    for place in refused:
        problems[place] = blocking(parts[place], causes).problem(now, headers)
    give_back(numbers.spent(parts[place] for place in refused))
    spent = numbers.spent(parts[place] for place in sorted(accepted))
    return Counted(problems, day.usage, {**spent, **day.spent})


def give_back(spent: Spent) -> None:
    """Take off what was counted and not accepted; where that fails it stays counted."""
    for key, amounts in spent.items():
        try:
            quotas.give_back(key, dict(amounts))
        except ServiceUnavailableError as error:
            logger.warning("quota not given back", extra={"why": error.detail})


def day_key(tenant: str, now: datetime) -> ItemKey:
    """Return the key of a tenant's day."""
    return ItemKey(f"{quotas.PREFIX}{tenant}", now.astimezone(UTC).date().isoformat())


def numbers_of(item: Item) -> dict[str, int]:
    """Return an item's numbers, by attribute."""
    return {name: int(value["N"]) for name, value in item.items() if "N" in value}


def _ttl(now: datetime) -> int:
    return epoch_seconds(next_day(now) + KEPT)


def _uncounted(
    scopes: Sequence[Scope], tenant: str, parts: Sequence[Part], error: ServiceUnavailableError
) -> Counted:
    if any(scope.policy.fail == "closed" for scope in scopes):
        raise ServiceUnavailableError(
            "What the policy limits can't be counted now, and it says that nothing goes uncounted: "
            "try again.",
            slug="limits-unavailable",
        ) from error
    logger.warning("quota not counted", extra={"tenant": tenant, "why": error.detail})
    increment("QuotaFailedOpen")
    return Counted([None] * len(parts))


class _Day:
    """A tenant's day: what it and its keys sent, and their buckets."""

    def __init__(
        self, scopes: Sequence[Scope], tenant: str, now: datetime, *, is_request: bool
    ) -> None:
        self._scopes, self._tenant, self._now = scopes, tenant, now
        self._is_request = is_request
        self._key = day_key(tenant, now)
        self.spent: Spent = {}
        known = _buckets.get(tenant)
        self._set(known[1] if known and known[0] == self._key else {})

    def count(self, parts: Sequence[Part], *, in_order: bool) -> list[int]:
        """Count the parts that fit, and return their places."""
        for _ in range(MAX_WRITES):
            empty = any(one.quota == RATE and one.used >= one.limit for one in self.usage)
            taken = [] if empty else fitting(parts, self.usage, in_order=in_order)
            if not taken:
                return []
            counts = self._counts([parts[place] for place in taken])
            at = microseconds(self._now)
            item, written = quotas.add(
                self._key, counts, self._taken_buckets(at), at, _ttl(self._now)
            )
            self._read(item)
            if written:
                self.spent = {self._key: {count.name: count.amount for count in counts}}
                return taken
        raise CrowdedError("Too many requests of this tenant at once; try again.")

    def _counts(self, parts: Sequence[Part]) -> list[Count]:
        segments = sum(part.segments for part in parts)
        return [
            Count(scope.name(name), amount, limit)
            for scope in self._scopes
            for name, amount, limit in (
                ("messages", len(parts), scope.policy.messages_per_day),
                ("segments", segments, scope.policy.segments_per_day),
            )
        ]

    def _taken_buckets(self, at: int) -> list[Bucket]:
        return [
            Bucket(
                name := scope.name(BUCKET),
                scope.request_us,
                scope.request_us * scope.policy.most_at_once,
                idle=self._counted.get(name, 0) <= at,
            )
            for scope in self._scopes
            if scope.request_us and self._is_request
        ]

    def _read(self, item: Item) -> None:
        numbers = numbers_of(item)
        buckets = {name: at for name, at in numbers.items() if name.startswith(BUCKET)}
        _buckets[self._tenant] = self._key, buckets
        self._set(numbers)

    def _set(self, counted: Mapping[str, int]) -> None:
        self._counted = counted
        state = usages(self._scopes, counted, self._now)
        self.usage = [one for one in state if self._is_request or one.quota != RATE]


class _Numbers:
    """The messages of a day to each number, where a limit is set on them."""

    def __init__(self, scopes: Sequence[Scope], tenant: str, now: datetime, secret: Secret) -> None:
        self._scopes = [one for one in scopes if one.policy.most_per_number_per_day is not None]
        self._names = [scope.name("messages") for scope in self._scopes]
        self._tenant, self._now = tenant, now
        self._secret = derive_key(secret(), "quota/number") if self._scopes else b""

    def count(self, parts: Sequence[Part]) -> list[QuotaExhaustedError | None]:
        """Count what each number still may get; return each part's problem."""
        if not self._scopes:
            return [None] * len(parts)
        wanted = Counter(part.to for part in parts)
        found = dict(zip(wanted, self._count_all(list(wanted.items())), strict=True))
        room = {to: granted for to, (granted, _) in found.items()}
        problems: list[QuotaExhaustedError | None] = []
        for part in parts:
            room[part.to] -= 1
            fits = room[part.to] >= 0
            problems.append(None if fits else found[part.to][1].problem(self._now))
        return problems

    def spent(self, parts: Iterable[Part]) -> Spent:
        """Return what was counted for parts."""
        if not self._scopes:
            return {}
        return {
            self._key(to): dict.fromkeys(self._names, amount)
            for to, amount in Counter(part.to for part in parts).items()
        }

    def _count_all(self, wanted: Sequence[tuple[str, int]]) -> list[tuple[int, Usage]]:
        if len(wanted) <= FEW:
            return [self._count(one) for one in wanted]
        with ThreadPoolExecutor(dynamodb.MAX_PARALLEL_WRITES) as pool:
            return list(pool.map(self._count, wanted))

    def _count(self, wanted: tuple[str, int]) -> tuple[int, Usage]:
        """Count up to so many to a number; return how many, and the limit that is nearest."""
        to, amount = wanted
        item: Item = {}
        for _ in range(MAX_WRITES):
            nearest = min(self._usages(item), key=lambda one: one.limit - one.used)
            granted = min(amount, nearest.limit - nearest.used)
            if granted <= 0:
                return 0, nearest
            counts = [
                Count(scope.name("messages"), granted, scope.policy.most_per_number_per_day)
                for scope in self._scopes
            ]
            item, written = quotas.add(
                self._key(to), counts, (), microseconds(self._now), _ttl(self._now)
            )
            if written:
                return granted, min(self._usages(item), key=lambda one: one.limit - one.used)
        raise CrowdedError("Too many messages to one number at once; try again.")

    def _usages(self, item: Item) -> list[Usage]:
        return [
            Usage(
                PER_NUMBER,
                scope.of,
                scope.policy.most_per_number_per_day or 0,
                quotas.number_of(item, scope.name("messages")),
                next_day(self._now),
            )
            for scope in self._scopes
        ]

    def _key(self, to: str) -> ItemKey:
        hidden = hmac.digest(self._secret, f"{self._tenant}/{to}".encode(), "sha256").hex()[:32]
        return ItemKey(f"{quotas.PREFIX}{self._tenant}#{hidden}", day_key("", self._now).sort)

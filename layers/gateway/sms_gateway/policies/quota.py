"""Count what is sent under the limits of a tenant and a key; say what no longer fits.

Each item is written once, by a condition that is all the limits: no two requests see the same
count, and what is refused is not counted.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sms_gateway.core.derived_keys import Secret
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.timestamps import epoch_us
from sms_gateway.core.value_object import ValueObject
from sms_gateway.policies.counters import (
    MAX_WRITES,
    CrowdedError,
    day_key,
    number_key,
    number_secret,
    numbers_of,
    ttl_of,
)
from sms_gateway.policies.limits import (
    BUCKET,
    RATE,
    Part,
    QuotaExhaustedError,
    Scope,
    Usage,
    blocking,
    fitting,
    rate_limit_headers,
    usages,
)
from sms_gateway.policies.number_shares import NumberShares
from sms_gateway.storage import quotas
from sms_gateway.storage.items import Item
from sms_gateway.storage.models import ItemKey
from sms_gateway.storage.quotas import Bucket, Count

Spent = Mapping[ItemKey, Mapping[str, int]]  # what was added to the numbers of items

_buckets: dict[str, tuple[ItemKey, Mapping[str, int]]] = {}  # by tenant, as they last were


class Counted(ValueObject, frozen=True):
    """What was counted: each part's problem, how the limits stand then, and what to give back."""

    problems: Sequence[QuotaExhaustedError | None]
    usage: Sequence[Usage] = ()
    spent: Mapping[ItemKey, Mapping[str, int]] = {}
    under: str = ""  # whose limits count it: see `counted_under`


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
    numbers = None
    try:
        numbers = NumberShares(scopes, tenant, now, secret)
        problems = numbers.count(parts)
        left = [place for place, problem in enumerate(problems) if problem is None]
        asked = [scope for scope in scopes if scope.has_day]
        if not left or not asked:
            spent = numbers.spent(parts[place] for place in left)
            return Counted(problems, (), spent, counted_under(scopes))
        day = _Day(asked, tenant, now, is_request=is_request)
        taken = day.count([parts[place] for place in left], in_order=in_order)
    except ServiceUnavailableError as error:
        is_refused = isinstance(error, CrowdedError) or _is_closed(scopes)
        if is_refused and numbers is not None:
            give_back(numbers.granted)
        if isinstance(error, CrowdedError):
            raise
        return _uncounted(scopes, tenant, parts, error)
    accepted = {left[place] for place in taken}
    refused = [place for place in left if place not in accepted]
    causes = [one for one in day.usage if not (taken and one.quota == RATE)]
    headers = rate_limit_headers(day.usage, now)
    for place in refused:
        problems[place] = blocking(parts[place], causes).problem(now, headers)
    give_back(numbers.spent(parts[place] for place in refused))
    spent = numbers.spent(parts[place] for place in sorted(accepted))
    return Counted(problems, day.usage, {**spent, **day.spent}, counted_under(scopes))


def counted_under(scopes: Sequence[Scope]) -> str:
    """Write whose limits count a message: T and K for the day, t and k for its number.

    A cancelled message is given back by it, whatever the policies are then.
    """
    days = [scope.of[0].upper() for scope in scopes if scope.has_day]
    return "".join(days + [scope.of[0] for scope in scopes if scope.has_share])


def give_back_message(
    under: str,
    tenant: str,
    key_id: str | None,
    part: Part,
    accepted: datetime,
    now: datetime,
    secret: Secret,
) -> None:
    """Take a cancelled message off what counts it, while its day lasts."""
    if day_key(tenant, accepted) != day_key(tenant, now):
        return
    names = {"t": "", "k": f"#{key_id or ''}"}
    day: dict[str, int] = {}
    share: dict[str, int] = {}
    for letter in under:
        suffix = names[letter.lower()]
        if letter.isupper():
            day |= {f"messages{suffix}": 1, f"segments{suffix}": part.segments}
        else:
            share[f"messages{suffix}"] = 1
    spent = {day_key(tenant, accepted): day} if day else {}
    if share:
        spent[number_key(tenant, part.to, accepted, number_secret(secret))] = share
    give_back(spent)


def give_back(spent: Spent) -> None:
    """Take off what was counted and not accepted; where that fails it stays counted."""
    for key, amounts in spent.items():
        try:
            quotas.give_back(key, dict(amounts))
        except ServiceUnavailableError as error:
            logger.warning("quota not given back", extra={"why": error.detail})


def _is_closed(scopes: Sequence[Scope]) -> bool:
    return any(scope.policy.fail == "closed" for scope in scopes)


def _uncounted(
    scopes: Sequence[Scope], tenant: str, parts: Sequence[Part], error: ServiceUnavailableError
) -> Counted:
    if _is_closed(scopes):
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
            at = epoch_us(self._now)
            item, written = quotas.add(
                self._key, counts, self._taken_buckets(at), at, ttl_of(self._now)
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

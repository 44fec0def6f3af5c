"""Count what is sent under the limits of a tenant and a key; say what no longer fits.

Each item is written once, by a condition that is all the limits: no two requests see the same
count, and what is refused is not counted.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import replace
from datetime import datetime

from sms_gateway.core.derived_keys import Secret
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.timestamps import epoch_us
from sms_gateway.core.value_object import ValueObject
from sms_gateway.policies import thresholds
from sms_gateway.policies.counters import (
    MAX_WRITES,
    CrowdedError,
    as_of,
    month_key,
    month_ttl,
    numbers_of,
    of_day,
    outdated,
)
from sms_gateway.policies.document import SPENDS
from sms_gateway.policies.limits import (
    BUCKET,
    COUNTERS,
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
from sms_gateway.policies.money import Money, segment_price
from sms_gateway.policies.number_shares import NumberShares
from sms_gateway.policies.returns import Spent, counted_under, give_back
from sms_gateway.policies.text_shares import TextShares
from sms_gateway.storage import quotas
from sms_gateway.storage.items import Item
from sms_gateway.storage.models import ItemKey
from sms_gateway.storage.quotas import Bucket, Count
from sms_gateway.storage.time_sets import Times
from sms_gateway.vendors.price_table import PriceTable

PriceTables = Callable[[str], PriceTable | None]  # of a vendor's account

_known: dict[str, tuple[ItemKey, Mapping[str, int]]] = {}  # by tenant, its numbers as last seen


class Counted(ValueObject, frozen=True):
    """What was counted: each part's problem, how the limits stand then, and what to give back."""

    problems: Sequence[QuotaExhaustedError | None]
    usage: Sequence[Usage] = ()
    spent: Mapping[ItemKey, Mapping[str, int]] = {}
    texts: Mapping[ItemKey, Mapping[str, Times]] = {}
    under: str = ""  # whose limits count it: see `counted_under`


def count_parts(
    scopes: Sequence[Scope],
    tenant: str,
    parts: Sequence[Part],
    now: datetime,
    secret: Secret,
    prices: PriceTables = lambda _vendor: None,
    *,
    is_request: bool = True,
    in_order: bool = False,
) -> Counted:
    """Count the parts that fit; `scopes` are those with counted limits.

    `secret` is the message key, `prices` has the price tables by vendor. Without `is_request` no
    bucket is asked; `in_order` ends at the first part that does not fit. Where a counter does not
    answer, nothing is refused, or a policy says `closed` and ServiceUnavailableError is raised.
    """
    parts = _priced(parts, scopes, prices)
    numbers: NumberShares | None = None
    texts: TextShares | None = None
    try:
        numbers = NumberShares(scopes, tenant, now, secret)
        texts = TextShares(scopes, tenant, now, secret)
        problems = numbers.count(parts)
        left = _without_problem(problems)
        for place, over in zip(left, texts.count([parts[one] for one in left]), strict=True):
            problems[place] = over
        give_back(numbers.spent(parts[place] for place in left if problems[place]))
        left = _without_problem(problems)
        asked = [scope for scope in scopes if scope.has_day]
        if not left or not asked:
            went = [parts[place] for place in left]
            under = counted_under(scopes)
            return Counted(problems, (), numbers.spent(went), texts.given(went), under)
        numbers.granted = dict(numbers.spent(parts[place] for place in left))
        sums = _Sums(asked, tenant, now, is_request=is_request)
        taken = sums.count([parts[place] for place in left], in_order=in_order)
    except ServiceUnavailableError as error:
        is_crowded = isinstance(error, CrowdedError)
        if is_crowded or _is_closed(scopes):
            give_back(numbers.granted if numbers else {}, texts.granted if texts else {})
        if is_crowded:
            raise
        return _uncounted(scopes, tenant, parts, error)
    accepted = {left[place] for place in taken}
    refused = [place for place in left if place not in accepted]
    causes = [one for one in sums.usage if not (taken and one.quota == RATE)]
    headers = rate_limit_headers(sums.usage, now)
    for place in refused:
        problems[place] = blocking(parts[place], causes).problem(now, headers)
    over_parts = [parts[place] for place in refused]
    give_back(numbers.spent(over_parts), texts.given(over_parts))
    went = [parts[place] for place in sorted(accepted)]
    reached = thresholds.reached(sums.usage, went, over_parts)
    thresholds.note(tenant, asked[-1].key_id, reached, now)
    under = counted_under(scopes, went)
    spent = {**numbers.spent(went), **sums.spent}
    return Counted(problems, sums.usage, spent, texts.given(went), under)


def fitting_now(
    scopes: Sequence[Scope],
    tenant: str,
    parts: Sequence[Part],
    now: datetime,
    prices: PriceTables = lambda _vendor: None,
) -> int:
    """Return how many of the first parts fit into day and month as they stand; counts nothing.

    Raises ServiceUnavailableError.
    """
    asked = [scope for scope in scopes if scope.has_day]
    if not asked:
        return len(parts)
    counted = as_of(numbers_of(quotas.read(month_key(tenant, now))), now)
    state = usages(asked, counted, now)
    return len(fitting(_priced(parts, scopes, prices), state, in_order=True))


def _without_problem(problems: Sequence[QuotaExhaustedError | None]) -> list[int]:
    return [place for place, problem in enumerate(problems) if problem is None]


def _priced(parts: Sequence[Part], scopes: Sequence[Scope], prices: PriceTables) -> Sequence[Part]:
    spending = [scope for scope in scopes if scope.policy.has_spend]
    if not spending:
        return parts

    def price(part: Part, scope: Scope) -> int:
        assumed = scope.policy.assumed_price
        return segment_price(part.to, map(prices, part.vendors), assumed) if assumed else 0

    return [
        replace(part, prices={scope.of: price(part, scope) for scope in spending}) for part in parts
    ]


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


class _Sums:
    """What a tenant and its keys sent today and this month, and their buckets."""

    def __init__(
        self, scopes: Sequence[Scope], tenant: str, now: datetime, *, is_request: bool
    ) -> None:
        self._scopes, self._tenant, self._now = scopes, tenant, now
        self._is_request = is_request
        self._key = month_key(tenant, now)
        self.spent: Spent = {}
        known = _known.get(tenant)
        self._seen = known[1] if known and known[0] == self._key else {}
        # Counts may be less by now, given back; a bucket only chooses the form of the write.
        self._set({name: at for name, at in self._seen.items() if name.startswith(BUCKET)})

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
                self._key,
                counts,
                self._taken_buckets(at),
                at,
                month_ttl(self._now),
                outdated(self._seen, self._now),
            )
            self._read(item)
            if written:
                self.spent = {self._key: {count.name: count.amount for count in counts}}
                return taken
        raise CrowdedError("Too many requests of this tenant at once; try again.")

    def _counts(self, parts: Sequence[Part]) -> list[Count]:
        return [
            count
            for scope in self._scopes
            for quota in COUNTERS
            if quota not in SPENDS or scope.policy.has_spend
            if (count := self._count_of(scope, quota, parts)).amount
        ]

    def _count_of(self, scope: Scope, quota: str, parts: Sequence[Part]) -> Count:
        name, limit = scope.counter(quota), getattr(scope.policy, quota)
        return Count(
            name if quota == "spend_per_month" else of_day(name, self._now),
            sum(part.need(quota, scope.of) for part in parts),
            limit.billionths if isinstance(limit, Money) else limit,
        )

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
        self._seen = numbers_of(item)
        _known[self._tenant] = self._key, self._seen
        self._set(as_of(self._seen, self._now))

    def _set(self, counted: Mapping[str, int]) -> None:
        self._counted = counted
        state = usages(self._scopes, counted, self._now)
        self.usage = [one for one in state if self._is_request or one.quota != RATE]

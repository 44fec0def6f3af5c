"""Count what each number gets in a day, where a policy limits that: one write a number."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from sms_gateway.core.derived_keys import Secret
from sms_gateway.core.timestamps import epoch_us
from sms_gateway.policies.counters import (
    MAX_WRITES,
    CrowdedError,
    day_ttl,
    number_key,
    number_secret,
)
from sms_gateway.policies.limits import (
    PER_NUMBER,
    Part,
    QuotaExhaustedError,
    Scope,
    Usage,
    next_day,
)
from sms_gateway.storage import dynamodb, quotas
from sms_gateway.storage.items import Item
from sms_gateway.storage.models import ItemKey
from sms_gateway.storage.quotas import Count

FEW = 4  # so many writes go one after another: threads take longer


class NumberShares:
    """The messages of a day to each number, where a limit is set on them."""

    def __init__(self, scopes: Sequence[Scope], tenant: str, now: datetime, secret: Secret) -> None:
        self._scopes = [scope for scope in scopes if scope.has_share]
        self._names = [scope.name("messages") for scope in self._scopes]
        self._tenant, self._now = tenant, now
        self._secret = number_secret(secret) if self._scopes else b""
        self.granted: dict[ItemKey, Mapping[str, int]] = {}  # all that was counted

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

    def spent(self, parts: Iterable[Part]) -> Mapping[ItemKey, Mapping[str, int]]:
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
            nearest = min(self._usages(item), key=lambda one: one.left)
            granted = min(amount, nearest.left)
            if granted <= 0:
                return 0, nearest
            counts = [
                Count(scope.name("messages"), granted, scope.policy.most_per_number_per_day)
                for scope in self._scopes
            ]
            item, written = quotas.add(
                self._key(to), counts, (), epoch_us(self._now), day_ttl(self._now)
            )
            if written:
                self.granted[self._key(to)] = dict.fromkeys(self._names, granted)
                return granted, min(self._usages(item), key=lambda one: one.left)
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
        return number_key(self._tenant, to, self._now, self._secret)

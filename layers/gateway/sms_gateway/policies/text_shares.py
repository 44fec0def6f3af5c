"""Count how often each number gets the same text within 24 hours, where a policy limits that.

One item a number and text, under a keyed hash of both, has the times as sets: adding some is a
conditional write, and taking them off again twice changes nothing.
"""

import hmac
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from sms_gateway.core.derived_keys import Secret, derive_key
from sms_gateway.core.timestamps import epoch_ms, epoch_seconds, from_ms
from sms_gateway.policies.counters import MAX_WRITES, CrowdedError
from sms_gateway.policies.limits import SAME_TEXT, Part, QuotaExhaustedError, Scope, Usage
from sms_gateway.policies.number_shares import FEW
from sms_gateway.storage import dynamodb, quotas, time_sets
from sms_gateway.storage.models import ItemKey
from sms_gateway.storage.time_sets import Addition, Times

WINDOW = timedelta(days=1)
KEPT = timedelta(hours=1)  # after the window
TIMES = "times"
SORT = "TEXT"
_A_MS = 10**9  # a time is milliseconds and nine drawn digits, so that each is another one

Given = Mapping[ItemKey, Mapping[str, Times]]  # what was added to the sets of items
Text = tuple[str, str]  # a number and what it gets


class TextShares:
    """The same texts to each number, where a limit is set on them; a part without text goes."""

    def __init__(self, scopes: Sequence[Scope], tenant: str, now: datetime, secret: Secret) -> None:
        self._scopes = [scope for scope in scopes if scope.policy.same_text_per_number is not None]
        self._names = [scope.name(TIMES) for scope in self._scopes]
        self._tenant, self._now = tenant, now
        self._secret = text_secret(secret) if self._scopes else b""
        self._added: dict[Text, list[int]] = {}

    def count(self, parts: Sequence[Part]) -> list[QuotaExhaustedError | None]:
        """Count what each number still may get of a text; return each part's problem."""
        if not self._scopes:
            return [None] * len(parts)
        texts = [None if part.text is None else (part.to, part.text) for part in parts]
        wanted = Counter(text for text in texts if text is not None)
        nearest = dict(zip(wanted, self._count_all(list(wanted.items())), strict=True))
        room = {text: len(self._added.get(text, ())) for text in wanted}
        problems: list[QuotaExhaustedError | None] = []
        for text in texts:
            if text is not None:
                room[text] -= 1
            fits = text is None or room[text] >= 0
            problems.append(None if text is None or fits else nearest[text].problem(self._now))
        return problems

    @property
    def granted(self) -> Given:
        """All that was counted, and that `given` did not return."""
        return {
            text_key(self._tenant, text, self._secret): dict.fromkeys(self._names, frozenset(times))
            for text, times in self._added.items()
            if times
        }

    def given(self, parts: Sequence[Part]) -> Given:
        """Return what was added for counted parts; each time is returned once."""
        found: dict[ItemKey, Times] = {}
        for part in parts:
            if part.text is not None and self._scopes:
                text = (part.to, part.text)
                key = text_key(self._tenant, text, self._secret)
                found[key] = found.get(key, frozenset()) | {self._added[text].pop()}
        return {key: dict.fromkeys(self._names, times) for key, times in found.items()}

    def _count_all(self, wanted: Sequence[tuple[Text, int]]) -> list[Usage]:
        if len(wanted) <= FEW:
            return [self._count(one) for one in wanted]
        with ThreadPoolExecutor(dynamodb.MAX_PARALLEL_WRITES) as pool:
            return list(pool.map(self._count, wanted))

    def _count(self, wanted: tuple[Text, int]) -> Usage:
        """Count a text up to so many times; return the limit that is nearest.

        The first write reads nothing: it holds where not even old times fill the sets.
        """
        text, amount = wanted
        known: Mapping[str, Times] | None = None
        for _ in range(MAX_WRITES):
            usages = [self._usage(scope, known or {}) for scope in self._scopes]
            nearest = min(usages, key=lambda one: one.left)
            granted = min(amount, nearest.left)
            if granted <= 0:
                return nearest
            added = self._draw(granted)
            sets, written = time_sets.add(
                text_key(self._tenant, text, self._secret),
                [self._addition(scope, added, known) for scope in self._scopes],
                epoch_seconds(self._now + WINDOW + KEPT),
            )
            if written:
                self._added[text] = added
                return min((self._usage(one, sets) for one in self._scopes), key=lambda u: u.left)
            known = sets
        raise CrowdedError("Too many messages to one number at once; try again.")

    def _addition(
        self, scope: Scope, added: Sequence[int], known: Mapping[str, Times] | None
    ) -> Addition:
        name, most = scope.name(TIMES), scope.policy.same_text_per_number or 0
        if known is None:
            return Addition(name, frozenset(added), most)
        times = known.get(name, frozenset())
        return Addition(name, frozenset(added), most, times, frozenset(self._within(times)))

    def _usage(self, scope: Scope, sets: Mapping[str, Times]) -> Usage:
        times = self._within(sets.get(scope.name(TIMES), frozenset()))
        limit = scope.policy.same_text_per_number or 0
        first = from_ms(times[-limit] // _A_MS) if 0 < limit <= len(times) else self._now
        return Usage(SAME_TEXT, scope.of, limit, len(times), first + WINDOW)

    def _within(self, times: Times) -> list[int]:
        """Return the times of the last 24 hours, oldest first."""
        return sorted(one for one in times if one // _A_MS > epoch_ms(self._now - WINDOW))

    def _draw(self, count: int) -> list[int]:
        drawn = random.sample(range(_A_MS), count)
        return [epoch_ms(self._now) * _A_MS + one for one in drawn]


def text_secret(secret: Secret) -> bytes:
    """Derive the key under which numbers and their texts are hashed."""
    return derive_key(secret(), "quota/text")


def text_key(tenant: str, text: Text, secret: bytes) -> ItemKey:
    """Return the key of what a number (E.164) got of a text."""
    hidden = hmac.digest(secret, "/".join((tenant, *text)).encode(), "sha256").hex()[:32]
    return ItemKey(f"{quotas.PREFIX}{tenant}#{hidden}", SORT)


def of_moment(times: Times, at: datetime) -> int | None:
    """Return a time that was added at a moment, to the millisecond; None without one."""
    return next((one for one in times if one // _A_MS == epoch_ms(at)), None)

"""Give back what was counted: of what is not accepted after all, and of cancelled messages."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial

from sms_gateway.core.derived_keys import Secret
from sms_gateway.core.observability import logger
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.policies.counters import month_key, number_key, number_secret, of_day
from sms_gateway.policies.limits import MESSAGES, MONTH_SPEND, SEGMENTS, SPEND, Part, Scope
from sms_gateway.policies.number_shares import FEW
from sms_gateway.policies.text_shares import (
    TIMES,
    WINDOW,
    Given,
    of_moment,
    text_key,
    text_secret,
)
from sms_gateway.storage import dynamodb, quotas, time_sets
from sms_gateway.storage.models import ItemKey

Spent = Mapping[ItemKey, Mapping[str, int]]  # what was added to the numbers of items
_UNDER = re.compile(r"([TKtkxy])(?:([0-9]+)([A-Z]{3}))?")
_TEXTS = {"tenant": "x", "key": "y"}


def counted_under(scopes: Sequence[Scope], parts: Sequence[Part] = ()) -> str:
    """Write whose limits count messages: T and K what was sent, t and k what its number got.

    x and y are how often the number got the text. Behind T and K stands the price of a segment, in
    billionths, and its currency, where spend is limited: the least of a batch's. A cancelled
    message is given back by it, whatever policies and prices are then.
    """
    letters = []
    for scope in scopes:
        if scope.has_day:
            least = min((part.prices.get(scope.of, 0) for part in parts), default=0)
            price = scope.policy.assumed_price
            letters.append(scope.of[0].upper() + (f"{least}{price.currency}" if price else ""))
    letters += [scope.of[0] for scope in scopes if scope.has_share]
    return "".join(letters + [_TEXTS[scope.of] for scope in scopes if scope.limits_texts])


def give_back_messages(
    under: str,
    tenant: str,
    key_id: str | None,
    parts: Sequence[Part],
    accepted: datetime,
    now: datetime,
    secret: Secret,
) -> None:
    """Take cancelled messages off what counts them, while their day or month lasts."""
    same_day = accepted.astimezone(UTC).date() == now.astimezone(UTC).date()
    same_month = month_key(tenant, accepted) == month_key(tenant, now)
    segments = sum(part.segments for part in parts)
    own = f"#{key_id or ''}"
    suffixes = {"t": "", "k": own, "x": "", "y": own}
    sums: dict[str, int] = {}
    shares: list[str] = []
    texts: list[str] = []
    for letter, price, currency in _UNDER.findall(under):
        suffix = suffixes[letter.lower()]
        if letter in _TEXTS.values():
            texts.append(f"{TIMES}{suffix}")
            continue
        if letter.islower():
            shares.append(f"{MESSAGES}{suffix}")
            continue
        cost = int(price or 0) * segments
        if same_day:
            of_this_day = {MESSAGES: len(parts), SEGMENTS: segments}
            if cost:
                of_this_day[f"{SPEND}.{currency}"] = cost
            sums |= {of_day(f"{name}{suffix}", now): n for name, n in of_this_day.items()}
        if same_month and cost:
            sums[f"{MONTH_SPEND}.{currency}{suffix}"] = cost
    if sums:
        give_back({month_key(tenant, accepted): sums})
    if shares and same_day:
        _give_back_shares(tenant, shares, parts, accepted, secret)
    if texts and now - accepted < WINDOW:
        _give_back_texts(tenant, texts, parts, accepted, secret)


def _give_back_shares(
    tenant: str, names: Sequence[str], parts: Sequence[Part], accepted: datetime, secret: Secret
) -> None:
    try:
        key = number_secret(secret)
    except ServiceUnavailableError as error:
        logger.warning("quota not given back", extra={"why": error.detail})
        return
    counts = Counter(part.to for part in parts)
    give_back(
        {
            number_key(tenant, to, accepted, key): dict.fromkeys(names, count)
            for to, count in counts.items()
        }
    )


def _give_back_texts(
    tenant: str, names: Sequence[str], parts: Sequence[Part], accepted: datetime, secret: Secret
) -> None:
    """Take off what each number got of its text at that moment, which must be looked for."""

    def take_off(part: Part) -> None:
        key = text_key(tenant, (part.to, part.text or ""), text_secret(secret))
        sets = time_sets.read(key)
        time = of_moment(sets.get(names[0], frozenset()), accepted)
        if time is not None:
            time_sets.take_off(key, dict.fromkeys(names, frozenset({time})))

    _try_all([partial(take_off, part) for part in parts if part.text is not None])


def give_back(spent: Spent, texts: Given = {}) -> None:  # noqa: B006 - never changed
    """Take off what was counted and not accepted; where that fails it stays counted."""
    _try_all(
        [partial(quotas.give_back, key, dict(amounts)) for key, amounts in spent.items()]
        + [partial(time_sets.take_off, key, times) for key, times in texts.items()]
    )


def _try_all(works: Sequence[Callable[[], None]]) -> None:
    if len(works) <= FEW:
        for work in works:
            _try(work)
        return
    with ThreadPoolExecutor(dynamodb.MAX_PARALLEL_WRITES) as pool:
        list(pool.map(_try, works))


def _try(work: Callable[[], None]) -> None:
    try:
        work()
    except ServiceUnavailableError as error:
        logger.warning("quota not given back", extra={"why": error.detail})

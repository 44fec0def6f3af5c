"""What became of the last hour's messages, by vendor, read from the table within a bound."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Any

from sms_gateway.config import api_keys
from sms_gateway.config.stored_settings import read_setting
from sms_gateway.core.ulids import created_at
from sms_gateway.storage import message_repository
from sms_gateway.storage.message_state import status_of

THREADS = 16
MAX_BATCHES = 200  # the newest: a gateway may take a million messages an hour
PAGE_SIZE = 50


def recent_outcomes(now: datetime) -> tuple[dict[str, Counter[str]], bool]:
    """Return how many messages of the last hour have each status, by vendor.

    The second value says whether MAX_BATCHES left some out.
    """
    since = now - timedelta(hours=1)
    found = list(islice(_batches(since, now), MAX_BATCHES + 1))
    with ThreadPoolExecutor(THREADS) as pool:
        wholes = pool.map(message_repository.whole_batch, found[:MAX_BATCHES])
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for whole in wholes:
            for message, sub in whole[1] if whole else ():
                counts[sub.vendor][str(status_of(message, sub))] += 1
    return counts, len(found) > MAX_BATCHES


def tenants() -> list[str]:
    """Return everybody who may send: by a key, or as a source of a trigger."""
    stored = read_setting("sources")
    named = _named(json.loads(stored.text)) if stored else ()
    return sorted({key.tenant for key in api_keys.list_keys()} | set(named))


def _named(settings: Any) -> Iterator[str]:
    if isinstance(settings, dict):
        for name, value in settings.items():
            if name == "tenant" and isinstance(value, str):
                yield value
            else:
                yield from _named(value)


def _batches(since: datetime, now: datetime) -> Iterator[str]:
    """Yield the batches of all tenants since a moment, the newest first."""
    days = [day.isoformat() for day in sorted({since.date(), now.date()}, reverse=True)]
    return merge(*(_batches_of(tenant, days, since) for tenant in tenants()), reverse=True)


def _batches_of(tenant: str, days: Sequence[str], since: datetime) -> Iterator[str]:
    for day in days:
        yield from _batches_of_day(tenant, day, since)


def _batches_of_day(tenant: str, day: str, since: datetime) -> Iterator[str]:
    before: str | None = None
    while page := message_repository.tenant_batches(tenant, day, before, PAGE_SIZE):
        for batch in page:
            if created_at(batch) < since:
                return
            yield batch
        before = page[-1]

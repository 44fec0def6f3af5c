"""List a tenant's batches and campaigns, newest first. The parts of a campaign are not in it."""

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sms_gateway.campaigns.items import read_campaign
from sms_gateway.campaigns.views import campaign_summary
from sms_gateway.core.sandbox import mark
from sms_gateway.core.timestamps import rfc3339
from sms_gateway.core.ulids import created_at, first_ulid
from sms_gateway.core.value_object import ValueObject
from sms_gateway.http_api.query_params import (
    check_period,
    parse_limit,
    parse_time,
    read_param,
    reject_unknown,
)
from sms_gateway.messages.listing import MAX_DAYS, Cursor
from sms_gateway.storage import dynamodb, message_repository
from sms_gateway.storage.items import Item, read_batch
from sms_gateway.storage.models import ItemKey

MAX_ENTRIES = 1000  # of the index that are read for one page, parts of campaigns among them
ENTRIES_AT_ONCE = 100


class BatchQuery(ValueObject, frozen=True):
    """Filters of the list; None is "any". Times are UTC."""

    limit: int = 25
    created_from: datetime | None = None
    created_to: datetime | None = None


def parse_query(parameters: dict[str, str]) -> tuple[BatchQuery, Cursor | None]:
    """Parse the query parameters. Raises InvalidRequestError with the invalid one's name."""
    reject_unknown(parameters, {*BatchQuery.__struct_fields__, "cursor"})
    query = BatchQuery(
        limit=read_param(parameters, "limit", parse_limit) or 25,
        created_from=read_param(parameters, "created_from", parse_time),
        created_to=read_param(parameters, "created_to", parse_time),
    )
    check_period(query.created_from, query.created_to)
    return query, Cursor.decode(parameters["cursor"]) if "cursor" in parameters else None


def list_batches(
    tenant: str,
    query: BatchQuery,
    cursor: Cursor | None,
    now: datetime,
    *,
    only_tests: bool = False,
) -> dict[str, Any]:
    """Show one page; `cursor` is None on the last one.

    A page may be short, even empty, while more follow: the work for one page is bounded. A test key
    sees `only_tests`.
    """
    keys: list[ItemKey] = []
    following = None
    for position, key in _entries(tenant, query, cursor, now):
        if key is None:
            following = position
            break
        keys.append(key)
        if len(keys) == query.limit:
            following = position
            break
    items = dynamodb.get_many(keys)
    shown = [items[key] for key in keys if key in items]
    found = [_view(item) for item in shown if "test" in item or not only_tests]
    return {"batches": found, "cursor": following and following.encode()}


def _entries(
    tenant: str, query: BatchQuery, cursor: Cursor | None, now: datetime
) -> Iterator[tuple[Cursor, ItemKey | None]]:
    """Yield what is listed with its place, and None where no more may be read for a page."""
    day = min(query.created_to or now, now).date()
    before = first_ulid(query.created_to) if query.created_to else None
    if cursor and cursor.day <= day:
        day, before = cursor.day, cursor.batch or None
    oldest = now.date() - timedelta(days=int(os.environ["RETENTION_DAYS"]))
    if query.created_from:
        oldest = max(oldest, query.created_from.date())
    read = 0
    for _ in range(MAX_DAYS):
        if day < oldest:
            return
        for key, part_of in message_repository.tenant_entries(
            tenant, day.isoformat(), before, ENTRIES_AT_ONCE
        ):
            if query.created_from and created_at(key.batch) < query.created_from:
                return  # so are all that follow
            read += 1
            if part_of is None:
                yield Cursor(day, key.batch), key
            if read == MAX_ENTRIES:
                yield Cursor(day, key.batch), None
        day, before = day - timedelta(days=1), None
    if day >= oldest:
        yield Cursor(day), None


def _view(item: Item) -> dict[str, Any]:
    if item["sk"]["S"] == "C":
        return campaign_summary(read_campaign(item))
    batch = read_batch(item)
    return {
        "id": batch.id,
        "created_at": rfc3339(created_at(batch.id)),
        "total": batch.count,
        "key_id": batch.key_id,
        **mark(test=batch.test),
    }

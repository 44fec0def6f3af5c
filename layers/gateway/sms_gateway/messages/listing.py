"""A tenant's messages, newest first: day by day, batch by batch, without a scan."""

import base64
import os
import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from sms_gateway.campaigns import repository as campaign_repository
from sms_gateway.core.problems import Invalid
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import utc_now
from sms_gateway.core.ulids import created_at, is_ulid
from sms_gateway.core.value_object import Value
from sms_gateway.http_api.query_params import limit, moment, read, refuse_others
from sms_gateway.messages.views import message_view
from sms_gateway.storage import message_repository
from sms_gateway.storage.message_state import status_of
from sms_gateway.storage.models import Batch, Message, Submission
from sms_gateway.vendors.registry import VENDORS

MOST_DAYS = 31  # partitions looked into for one page
MOST_BATCHES = 50  # batches looked into for one page


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where the next page begins: behind a message, or at a day when there is none yet."""

    day: date
    batch: str = ""
    position: int = 1000

    def write(self) -> str:
        """Opaque to callers."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")

    @classmethod
    def read(cls, written: str) -> "Cursor":
        """Raises Invalid for anything that `write` did not make."""
        try:
            padded = written + "=" * (-len(written) % 4)
            read = msgspec.json.decode(base64.urlsafe_b64decode(padded.encode("ascii")), type=cls)
            if read.batch and not is_ulid(read.batch):
                raise ValueError("no batch")
            return read
        except (ValueError, RecursionError):
            raise Invalid(
                "The cursor is not one that this list gave: begin again without it.",
                slug="bad-cursor",
            ) from None


class Query(Value, frozen=True):
    """What is asked for; None is "any". Times are UTC."""

    limit: int = 25
    status: Status | None = None
    vendor: str | None = None
    to: str | None = None
    reference: str | None = None
    batch_id: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None

    def wants(self, message: Message, sub: Submission) -> bool:
        """Whether a message is asked for, but for its time."""
        return (
            (self.status is None or status_of(message, sub) is self.status)
            and (self.vendor is None or sub.vendor == self.vendor)
            and (self.to is None or message.content.to == self.to)
            and (self.reference is None or message.content.reference == self.reference)
        )


def read_query(given: dict[str, str]) -> tuple[Query, Cursor | None]:
    """The query string's words. Raises Invalid that names the one at fault."""
    refuse_others(given, {*Query.__struct_fields__, "cursor"})
    return (
        Query(
            limit=read(given, "limit", limit) or 25,
            status=read(given, "status", Status),
            vendor=read(given, "vendor", _vendor),
            to=read(given, "to", _number),
            reference=read(given, "reference", _reference),
            batch_id=read(given, "batch_id", _batch),
            created_from=read(given, "created_from", moment),
            created_to=read(given, "created_to", moment),
        ),
        Cursor.read(given["cursor"]) if "cursor" in given else None,
    )


def _vendor(written: str) -> str:
    if written not in VENDORS:
        raise ValueError(f"there are {', '.join(VENDORS)}")
    return written


def _number(written: str) -> str:
    number = "+" + written[1:]  # an unescaped + arrives as a space
    if written[:1] not in ("+", " ") or not re.fullmatch(r"\+[1-9][0-9]{3,14}", number):
        raise ValueError("it is an E.164 number such as +8801000000001, its + written %2B")
    return number


def _reference(written: str) -> str:
    if not 1 <= len(written) <= 64:
        raise ValueError("it has 1 to 64 characters")
    return written


def _batch(written: str) -> str:
    if not re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{26}", written):
        raise ValueError("it is a batch's id of 26 characters")
    return written


def page(tenant: str, query: Query, cursor: Cursor | None, now: datetime) -> dict[str, Any]:
    """One page of a tenant's messages; `cursor` is null on the last one. A page may be short, even
    empty, while more follow: the work for one page is bounded."""
    if query.batch_id is not None:
        source = _batch_pages(tenant, query.batch_id, cursor)
    else:
        source = _day_pages(tenant, query, cursor, now)
    shown: list[dict[str, Any]] = []
    for place, found in source:
        if found is None:
            return {"messages": shown, "cursor": place.write()}
        owner, message, sub = found
        if query.wants(message, sub) and _within(query, owner.id):
            shown.append(_without_timeline(message_view(owner, message, sub)))
        if len(shown) == query.limit:
            return {"messages": shown, "cursor": place.write()}
    return {"messages": shown, "cursor": None}


Found = tuple[Batch, Message, Submission]


def _within(query: Query, batch: str) -> bool:
    when = created_at(batch)
    return not (query.created_from and when < query.created_from) and not (
        query.created_to and when >= query.created_to
    )


def _without_timeline(view: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in view.items() if name != "timeline"}


def _batch_pages(
    tenant: str, batch: str, cursor: Cursor | None
) -> Iterator[tuple[Cursor, Found | None]]:
    after = cursor.position if cursor and cursor.batch == batch else -1
    yield from _in_batch(tenant, utc_now().date(), batch, after)


def _in_batch(
    tenant: str, day: date, batch: str, after: int
) -> Iterator[tuple[Cursor, Found | None]]:
    whole = message_repository.whole_batch(batch)
    if whole is None:
        _refuse_campaign(tenant, batch)
    if whole is None or whole[0].tenant != tenant:
        return
    owner, messages = whole
    for message, sub in messages:
        if message.key.position > after:
            yield Cursor(day, batch, message.key.position), (owner, message, sub)


def _refuse_campaign(tenant: str, batch: str) -> None:
    """Raises Invalid where the id is not a batch's but the tenant's campaign's: its rows stand in
    batches of their own, up to a thousand of them."""
    one = campaign_repository.find(batch)
    if one is not None and one.tenant == tenant:
        raise Invalid(
            f"{batch} is a campaign: GET /batches/{batch} has its counts, and the file "
            f"{one.results} in the stack's bucket each row's message and its status.",
            slug="batch-is-a-campaign",
        )


def _day_pages(
    tenant: str, query: Query, cursor: Cursor | None, now: datetime
) -> Iterator[tuple[Cursor, Found | None]]:
    newest = min(query.created_to or now, now).date()
    oldest = now.date() - timedelta(days=int(os.environ["RETENTION_DAYS"]))
    if query.created_from:
        oldest = max(oldest, query.created_from.date())
    day = min(cursor.day, newest) if cursor else newest
    before: str | None = None
    if cursor and cursor.batch:
        yield from _in_batch(tenant, cursor.day, cursor.batch, cursor.position)
        before = cursor.batch
    batches = 0
    for _ in range(MOST_DAYS):
        if day < oldest:
            return
        while ids := message_repository.tenant_batches(
            tenant, day.isoformat(), before, MOST_BATCHES
        ):
            for batch in ids:
                if batches == MOST_BATCHES:
                    yield Cursor(day, before or "", 1000), None
                    return
                yield from _in_batch(tenant, day, batch, -1)
                before = batch
                batches += 1
            if len(ids) < MOST_BATCHES:
                break
        day -= timedelta(days=1)
        before = None
    if day >= oldest:
        yield Cursor(day), None

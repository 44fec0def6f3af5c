"""A tenant's messages, newest first: day by day, batch by batch, without a scan."""

import base64
import os
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import utc_now
from sms_gateway.core.ulids import created_at, is_ulid
from sms_gateway.core.value_object import ValueObject
from sms_gateway.http_api.query_params import parse_limit, parse_time, read_param, reject_unknown
from sms_gateway.messages.views import message_view
from sms_gateway.storage import message_repository
from sms_gateway.storage.message_state import status_of
from sms_gateway.storage.models import Batch, Message, Submission
from sms_gateway.vendors.registry import VENDORS

MAX_DAYS = 31  # partitions looked into for one page
MAX_BATCHES = 50  # batches looked into for one page

RefuseBatch = Callable[[str, str], None]  # of a tenant and of a batch's id


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where the next page begins: behind a message, or at a day when there is none yet."""

    day: date
    batch: str = ""
    position: int = 1000

    def encode(self) -> str:
        """Opaque to callers."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")

    @classmethod
    def decode(cls, written: str) -> "Cursor":
        """Raises Invalid for anything that `write` did not make."""
        try:
            padded = written + "=" * (-len(written) % 4)
            read = msgspec.json.decode(base64.urlsafe_b64decode(padded.encode("ascii")), type=cls)
            if read.batch and not is_ulid(read.batch):
                raise ValueError("no batch")
            return read
        except (ValueError, RecursionError):
            raise InvalidRequestError(
                "The cursor is not one that this list gave: begin again without it.",
                slug="bad-cursor",
            ) from None


class MessageQuery(ValueObject, frozen=True):
    """What is asked for; None is "any". Times are UTC."""

    limit: int = 25
    status: Status | None = None
    vendor: str | None = None
    to: str | None = None
    reference: str | None = None
    batch_id: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None

    def matches(self, message: Message, sub: Submission) -> bool:
        """Whether a message is asked for, but for its time."""
        return (
            (self.status is None or status_of(message, sub) is self.status)
            and (self.vendor is None or sub.vendor == self.vendor)
            and (self.to is None or message.content.to == self.to)
            and (self.reference is None or message.content.reference == self.reference)
        )


def parse_query(given: dict[str, str]) -> tuple[MessageQuery, Cursor | None]:
    """The query string's words. Raises Invalid that names the one at fault."""
    reject_unknown(given, {*MessageQuery.__struct_fields__, "cursor"})
    return (
        MessageQuery(
            limit=read_param(given, "limit", parse_limit) or 25,
            status=read_param(given, "status", Status),
            vendor=read_param(given, "vendor", _vendor),
            to=read_param(given, "to", _number),
            reference=read_param(given, "reference", _reference),
            batch_id=read_param(given, "batch_id", _batch),
            created_from=read_param(given, "created_from", parse_time),
            created_to=read_param(given, "created_to", parse_time),
        ),
        Cursor.decode(given["cursor"]) if "cursor" in given else None,
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


def list_messages(
    tenant: str,
    query: MessageQuery,
    cursor: Cursor | None,
    now: datetime,
    refuse_batch: RefuseBatch | None = None,
) -> dict[str, Any]:
    """One page of a tenant's messages; `cursor` is null on the last one. A page may be short, even
    empty, while more follow: the work for one page is bounded. `refuse_batch` gets the tenant and a
    `batch_id` that no batch has, and may raise what says why."""
    if query.batch_id is not None:
        source = _batch_pages(tenant, query.batch_id, cursor, refuse_batch)
    else:
        source = _day_pages(tenant, query, cursor, now)
    shown: list[dict[str, Any]] = []
    for place, found in source:
        if found is None:
            return {"messages": shown, "cursor": place.encode()}
        owner, message, sub = found
        if query.matches(message, sub) and _within(query, owner.id):
            shown.append(_without_timeline(message_view(owner, message, sub)))
        if len(shown) == query.limit:
            return {"messages": shown, "cursor": place.encode()}
    return {"messages": shown, "cursor": None}


Found = tuple[Batch, Message, Submission]


def _within(query: MessageQuery, batch: str) -> bool:
    when = created_at(batch)
    return not (query.created_from and when < query.created_from) and not (
        query.created_to and when >= query.created_to
    )


def _without_timeline(view: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in view.items() if name != "timeline"}


def _batch_pages(
    tenant: str, batch: str, cursor: Cursor | None, refuse_batch: RefuseBatch | None
) -> Iterator[tuple[Cursor, Found | None]]:
    after = cursor.position if cursor and cursor.batch == batch else -1
    yield from _in_batch(tenant, utc_now().date(), batch, after, refuse_batch)


def _in_batch(
    tenant: str, day: date, batch: str, after: int, refuse_batch: RefuseBatch | None = None
) -> Iterator[tuple[Cursor, Found | None]]:
    whole = message_repository.whole_batch(batch)
    if whole is None and refuse_batch is not None:
        refuse_batch(tenant, batch)
    if whole is None or whole[0].tenant != tenant:
        return
    owner, messages = whole
    for message, sub in messages:
        if message.key.position > after:
            yield Cursor(day, batch, message.key.position), (owner, message, sub)


def _day_pages(
    tenant: str, query: MessageQuery, cursor: Cursor | None, now: datetime
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
    for _ in range(MAX_DAYS):
        if day < oldest:
            return
        while ids := message_repository.tenant_batches(
            tenant, day.isoformat(), before, MAX_BATCHES
        ):
            for batch in ids:
                if batches == MAX_BATCHES:
                    yield Cursor(day, before or "", 1000), None
                    return
                yield from _in_batch(tenant, day, batch, -1)
                before = batch
                batches += 1
            if len(ids) < MAX_BATCHES:
                break
        day -= timedelta(days=1)
        before = None
    if day >= oldest:
        yield Cursor(day), None

"""List a tenant's messages, newest first: day by day, batch by batch, without a scan."""

import base64
import os
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any, get_args

import msgspec

from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.core.sandbox import SANDBOX
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import utc_now
from sms_gateway.core.ulids import created_at, first_ulid, is_ulid
from sms_gateway.core.value_object import ValueObject
from sms_gateway.http_api.query_params import (
    check_period,
    one_of,
    parse_limit,
    parse_time,
    read_param,
    reject_unknown,
)
from sms_gateway.messages.search import Step, Wanted, candidates
from sms_gateway.messages.views import message_view
from sms_gateway.storage import message_repository
from sms_gateway.storage.message_pages import LAST_POSITION, message_page
from sms_gateway.storage.message_state import status_of
from sms_gateway.storage.models import Batch, Message, Submission
from sms_gateway.vendors.registry import VENDORS, is_vendor_name
from sms_gateway.vendors.types import Category

# Read for one page, however much a filter passes over.
MAX_DAYS = 31  # partitions of the index
MAX_BATCHES = 50
MAX_ITEMS = 1000
FILTERED_READ = 250  # messages of a batch read at once where a filter may pass over them

RefuseBatch = Callable[[str, str], None]  # tenant, batch id


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where the next page begins: after a message, or at a day when `batch` is empty."""

    day: date
    batch: str = ""
    position: int = 1000

    def encode(self) -> str:
        """Encode as opaque text."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Decode `encode`'s text. Raises InvalidRequestError for any other."""
        try:
            padded = text + "=" * (-len(text) % 4)
            cursor = msgspec.json.decode(base64.urlsafe_b64decode(padded.encode("ascii")), type=cls)
            if cursor.batch and not is_ulid(cursor.batch):
                raise ValueError("no batch")
            return cursor
        except (ValueError, RecursionError):
            raise InvalidRequestError(
                "The cursor is not one that this list gave: begin again without it.",
                slug="bad-cursor",
            ) from None


class MessageQuery(ValueObject, frozen=True):
    """Filters of a list; None is "any". Times are UTC."""

    limit: int = 25
    status: Status | None = None
    vendor: str | None = None
    category: Category | None = None
    to: str | None = None
    reference: str | None = None
    batch_id: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    key: str | None = None
    test: bool | None = None

    @property
    def filters_messages(self) -> bool:
        """Whether some messages of a batch may pass and others not."""
        return any((self.status, self.vendor, self.category, self.to, self.reference))

    def wants(self, batch: Batch) -> bool:
        """Whether a batch passes the filters that all its messages pass, or none."""
        when = created_at(batch.id)
        return (
            (self.key is None or batch.key_id == self.key)
            and (self.test is None or batch.test == self.test)
            and (self.created_from is None or when >= self.created_from)
            and (self.created_to is None or when < self.created_to)
        )

    def matches(self, message: Message, sub: Submission) -> bool:
        """Whether a message passes the other filters."""
        return (
            (self.status is None or status_of(message, sub) is self.status)
            and (self.vendor is None or sub.vendor == self.vendor)
            and (self.category is None or message.content.category == self.category)
            and (self.to is None or message.content.to == self.to)
            and (self.reference is None or message.content.reference == self.reference)
        )


def parse_query(parameters: dict[str, str]) -> tuple[MessageQuery, Cursor | None]:
    """Parse the query parameters. Raises InvalidRequestError with the invalid one's name."""
    reject_unknown(parameters, {*MessageQuery.__struct_fields__, "cursor"})
    query = MessageQuery(
        limit=read_param(parameters, "limit", parse_limit) or 25,
        status=read_param(parameters, "status", one_of(Status)),
        vendor=read_param(parameters, "vendor", _vendor),
        category=read_param(parameters, "category", one_of(get_args(Category))),
        to=read_param(parameters, "to", _number),
        reference=read_param(parameters, "reference", _reference),
        batch_id=read_param(parameters, "batch_id", _batch),
        created_from=read_param(parameters, "created_from", parse_time),
        created_to=read_param(parameters, "created_to", parse_time),
        key=read_param(parameters, "key", _key),
        test=read_param(parameters, "test", _boolean),
    )
    check_period(query.created_from, query.created_to)
    return query, Cursor.decode(parameters["cursor"]) if "cursor" in parameters else None


def _vendor(text: str) -> str:
    if not is_vendor_name(text):
        raise ValueError(
            f"it must be a vendor's name: {', '.join((*VENDORS, *SANDBOX))}, or another"
        )
    return text


def _number(text: str) -> str:
    number = "+" + text[1:]  # an unescaped + arrives as a space
    if text[:1] not in ("+", " ") or not re.fullmatch(r"\+[1-9][0-9]{3,14}", number):
        raise ValueError("it is an E.164 number such as +8801000000001, its + written %2B")
    return number


def _reference(text: str) -> str:
    if not 1 <= len(text) <= 64:
        raise ValueError("it has 1 to 64 characters")
    return text


def _key(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{12}", text):
        raise ValueError("it is a key's id of 12 characters, as `key_id` shows it")
    return text


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("it is true or false")
    return text == "true"


def _batch(text: str) -> str:
    if not re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{26}", text):
        raise ValueError("it is a batch's id of 26 characters")
    return text


def list_messages(
    tenant: str,
    query: MessageQuery,
    cursor: Cursor | None,
    now: datetime,
    refuse_batch: RefuseBatch | None = None,
) -> dict[str, Any]:
    """Show one page of a tenant's messages; `cursor` is None on the last one.

    A page may be short, even empty, while more follow: the work for one page is bounded.
    `refuse_batch` is called for a `batch_id` without a batch, and may raise the reason.
    """
    reader = _Reader(tenant, query)
    if query.batch_id is not None:
        source = _batch_messages(reader, query.batch_id, cursor, refuse_batch)
    else:
        source = _tenant_messages(reader, query, cursor, now)
    page: list[dict[str, Any]] = []
    for position, found in source:
        if found is None:
            return {"messages": page, "cursor": position.encode()}
        owner, message, sub = found
        if query.matches(message, sub):
            page.append(_without_timeline(message_view(owner, message, sub)))
        if len(page) == query.limit:
            return {"messages": page, "cursor": position.encode()}
    return {"messages": page, "cursor": None}


Found = tuple[Batch, Message, Submission]


def _without_timeline(view: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in view.items() if name != "timeline"}


class _Reader:
    """Reads a tenant's batches, and at most MAX_ITEMS items."""

    def __init__(self, tenant: str, query: MessageQuery) -> None:
        self.tenant = tenant
        self.left = MAX_ITEMS
        self._query = query
        self._step = FILTERED_READ if query.filters_messages else query.limit

    def messages_after(
        self, day: date, batch: str, after: int, refuse_batch: RefuseBatch | None = None
    ) -> Iterator[tuple[Cursor, Found | None]]:
        """Yield a batch's messages behind a position, and None when no item may be read more."""
        while after < LAST_POSITION:
            if self.left <= 0:
                yield Cursor(day, batch, after), None
                return
            page = message_page(batch, after, min(self._step, self.left))
            if page is None and refuse_batch is not None:
                refuse_batch(self.tenant, batch)
            self.left -= page.read if page else 1
            if page is None or page.batch.tenant != self.tenant:
                return
            if not self._query.wants(page.batch):
                return  # one look, however many messages it has
            for message, sub in page.members:
                yield Cursor(day, batch, message.key.position), (page.batch, message, sub)
            if page.complete:
                return
            after = page.last


def _batch_messages(
    reader: _Reader, batch: str, cursor: Cursor | None, refuse_batch: RefuseBatch | None
) -> Iterator[tuple[Cursor, Found | None]]:
    after = cursor.position if cursor and cursor.batch == batch else -1
    yield from reader.messages_after(utc_now().date(), batch, after, refuse_batch)


def _tenant_messages(
    reader: _Reader, query: MessageQuery, cursor: Cursor | None, now: datetime
) -> Iterator[tuple[Cursor, Found | None]]:
    newest = min(query.created_to or now, now).date()
    oldest = now.date() - timedelta(days=int(os.environ["RETENTION_DAYS"]))
    if query.created_from:
        oldest = max(oldest, query.created_from.date())
    day = min(cursor.day, newest) if cursor else newest
    # Days are partitions, so that this bounds the first one only.
    before = first_ulid(query.created_to) if query.created_to else None
    if cursor and cursor.batch:
        yield from reader.messages_after(cursor.day, cursor.batch, cursor.position)
        before = cursor.batch
    most, found = MAX_BATCHES, _newest_batches(reader.tenant, day, before, oldest)
    if wanted := Wanted.of(reader.tenant, query.to, query.reference):
        # Each that is looked into was found, but for a few.
        most += query.limit
        found = candidates(reader.tenant, wanted, day, before, oldest)
    for batches, (found_on, batch, is_read) in enumerate(found):
        if not is_read:
            yield Cursor(found_on, batch, LAST_POSITION), None
            return
        if query.created_from and created_at(batch) < query.created_from:
            return  # so are all that follow
        if batches == most:
            yield Cursor(found_on, batch, -1), None
            return
        yield from reader.messages_after(found_on, batch, -1)


def _newest_batches(tenant: str, day: date, before: str | None, oldest: date) -> Iterator[Step]:
    """Yield a tenant's batches, newest first, and after MAX_DAYS the day to go on with."""
    for _ in range(MAX_DAYS):
        if day < oldest:
            return
        while ids := message_repository.tenant_batches(
            tenant, day.isoformat(), before, MAX_BATCHES
        ):
            yield from ((day, batch, True) for batch in ids)
            before = ids[-1]
            if len(ids) < MAX_BATCHES:
                break
        day -= timedelta(days=1)
        before = None
    if day >= oldest:
        yield day, "", False

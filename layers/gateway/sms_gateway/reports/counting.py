"""Count what batches became, as of a moment ago: eventually consistent reads, at half price."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import batched

from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import epoch_seconds, from_ms
from sms_gateway.core.ulids import created_at
from sms_gateway.core.value_object import ValueObject
from sms_gateway.messages.dashboard_lines import handed_over
from sms_gateway.reports.figures import Sheet, of_message
from sms_gateway.sms.phone_numbers import country_of
from sms_gateway.storage import dynamodb
from sms_gateway.storage.items import Item, read_batch
from sms_gateway.storage.message_repository import members_of, query_batch
from sms_gateway.storage.message_state import price_of_message, status_of
from sms_gateway.storage.models import ItemKey, Message, Submission

THREADS = 8
KEYS_AT_ONCE = 100
RECEIVED = ("callback", "poll")
LAGS = timedelta(hours=1)  # no read is that late: what is missing then is gone
CODE_LASTS = 86_400  # seconds in which a caller says that a code of its own was used


class Entry(ValueObject, frozen=True):
    """A batch of one, or of several."""

    batch: str
    single: bool


class Counted(ValueObject, frozen=True):
    """What entries became: those that nothing will change, and the others, which are `open`.

    `ends` is the second (epoch) in which the first of the open ones is removed.
    """

    settled: Sheet
    waiting: Sheet
    open: tuple[Entry, ...] = ()
    ends: int | None = None


def count_entries(entries: Sequence[Entry], now: datetime) -> Counted:
    """Count entries. Raise ServiceUnavailableError when the table does not answer."""
    settled, waiting, still_open, ends = Sheet(), Sheet(), list[Entry](), list[int]()
    with ThreadPoolExecutor(THREADS) as pool:
        singles = batched((one for one in entries if one.single), KEYS_AT_ONCE, strict=False)
        several = ([one] for one in entries if not one.single)
        for read in pool.map(lambda page: _read(page, now), [*singles, *several]):
            for entry, sheet, is_settled, ttl in read:
                (settled if is_settled else waiting).add_all(sheet)
                if not is_settled:
                    still_open.append(entry)
                    ends += [ttl] if ttl else []
    return Counted(settled, waiting, tuple(still_open), min(ends, default=None))


type _Read = tuple[Entry, Sheet, bool, int | None]  # whether it is settled; its ttl


def _read(page: Sequence[Entry], now: datetime) -> list[_Read]:
    if not page[0].single:
        return [_count(page[0], list(query_batch(page[0].batch, consistent=False)), {}, now)]
    keys = [ItemKey(one.batch, "M#000") for one in page]
    found = dynamodb.get_many(keys, consistent=False)
    codes = [key for key, item in found.items() if '"code_spec"' in item["data"]["S"]]
    verifications = dynamodb.get_many([ItemKey(key.batch, "V") for key in codes], consistent=False)
    return [
        _count(one, [found[key]] if key in found else [], verifications, now)
        for one, key in zip(page, keys, strict=True)
    ]


def _count(
    entry: Entry, items: Sequence[Item], verifications: dict[ItemKey, Item], now: datetime
) -> _Read:
    sheet, when = Sheet(), created_at(entry.batch)
    heads = [item for item in items if "tenant" in item]
    if not heads:
        return entry, sheet, now - when > LAGS, None
    batch = read_batch(heads[0])
    ttl = int(heads[0]["ttl"]["N"])
    if batch.test:
        return entry, sheet, True, None
    members = members_of(batch, items)
    is_settled = len(members) == batch.count
    own = {item["sk"]["S"]: item for item in items}
    for message, sub in members:
        verification = verifications.get(ItemKey(entry.batch, "V"))
        word = own[message.key.sort].get("feedback", {}).get("S", "")
        approved = "approved" in (verification or {}) or word.startswith("used ")
        status = status_of(message, sub)
        figures = of_message(
            status,
            message.content.segments,
            price_of_message(message, sub),
            _seconds(message, sub, status),
            code=message.content.withheld,
            approved=approved,
        )
        country = country_of(message.content.to)
        sheet.add((when.hour, sub.vendor, country, message.content.category), figures)
        is_settled = is_settled and _is_over(message, sub, status, now)
        if message.content.withheld and not (approved or word):
            until = _code_ends(verification, when)
            is_settled = is_settled and until < epoch_seconds(now)
    return entry, sheet, is_settled, ttl


def _is_over(message: Message, sub: Submission, status: Status, now: datetime) -> bool:
    """Whether nothing will change a message's figures.

    A late receipt replaces `unknown`; and one may be faster than the vendor's answer, which may
    have a price.
    """
    if sub.result is None and status in (Status.DELIVERED, Status.UNDELIVERED):
        newest = max(step.at for step in (*sub.timeline, *message.timeline))
        return now - from_ms(newest) > LAGS
    return status.final and status is not Status.UNKNOWN


def _code_ends(verification: Item | None, when: datetime) -> int:
    """Return the second until which a code may be approved."""
    if verification is not None:
        return int(verification["expires"]["N"])
    return epoch_seconds(when) + CODE_LASTS


def _seconds(message: Message, sub: Submission, status: Status) -> float | None:
    """Return the seconds from a vendor's acceptance until its receipt came; None without one."""
    if status not in (Status.DELIVERED, Status.UNDELIVERED):
        return None
    steps = (*message.timeline, *sub.timeline)
    at = next((one.at for one in steps if one.status == status and one.source in RECEIVED), None)
    return None if at is None else max(0, at - handed_over(sub)) / 1000

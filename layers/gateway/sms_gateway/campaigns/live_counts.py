"""Count a campaign's messages while they are on their way.

Nothing is written when a message moves: counting is done when somebody asks, at most every
MAX_AGE_SECONDS, and what was counted is kept for whoever asks next. A question reads at most
MAX_CHUNKS chunks, those first that were counted longest ago; one whose messages are all final is
never read again.
"""

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import msgspec

from sms_gateway.campaigns import repository as campaign_repository
from sms_gateway.campaigns.model import Campaign
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import epoch_seconds
from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage import dynamodb
from sms_gateway.storage.items import Item, key_of, number_attribute
from sms_gateway.storage.models import ItemKey
from sms_gateway.storage.status_counts import count_statuses

MAX_AGE_SECONDS = 15
MAX_CHUNKS = 50  # some 40 read units and 5 to 20 ms of a whole CPU each
THREADS = 8


class OpenChunk(msgspec.Struct, array_like=True):
    """A chunk's batch with open messages, as counted `at` (epoch seconds; 0 never)."""

    batch: str
    sent: int
    at: int = 0
    counts: dict[str, int] = {}

    @property
    def settled(self) -> bool:
        """Whether each message is final, and none `unknown`, which a late receipt may change."""
        over = all(Status(one).final and one != Status.UNKNOWN for one in self.counts)
        return over and sum(self.counts.values()) >= self.sent


class _Kept(msgspec.Struct):
    """What is kept: of the chunks up to `row` those that are open, and the others' sums."""

    row: int = 0
    settled: dict[str, int] = {}
    open: list[OpenChunk] = []


class Counted(ValueObject, frozen=True):
    """A campaign's counts; the oldest were made `at` (epoch seconds; None before the first).

    A message that nobody counted yet is in none. `final` says that no count will change.
    """

    counts: Mapping[str, int]
    at: int | None
    final: bool


def count_messages(campaign: Campaign, now: datetime) -> Counted:
    """Count a campaign's messages, unless that was done in the last MAX_AGE_SECONDS.

    Raise ServiceUnavailableError when the table does not answer.
    """
    if campaign.final and campaign.tally is not None:
        return Counted(campaign.tally.counts, campaign.tally.at, final=True)
    if campaign.only_checks:
        return Counted({}, None, campaign.final)
    seconds = epoch_seconds(now)
    item = dynamodb.get(_key(campaign.id), consistent=False)
    at, kept = _read(item) if item else (0, _Kept())
    if seconds - at >= MAX_AGE_SECONDS:
        at = seconds
        _recount(campaign, kept, seconds)
        _keep(campaign, kept, seconds)
    return _counted(campaign, kept, at)


def last_counts(campaigns: Sequence[Campaign]) -> dict[str, Counted]:
    """Return by id what was counted last of campaigns, and count nothing anew."""
    found = dynamodb.get_many([_key(one.id) for one in campaigns if not one.final])
    counted = {}
    for one in campaigns:
        item = found.get(_key(one.id))
        if item is not None:
            at, kept = _read(item)
            counted[one.id] = _counted(one, kept, at)
        elif one.tally is not None:
            counted[one.id] = Counted(one.tally.counts, one.tally.at, one.final)
    return counted


def _recount(campaign: Campaign, kept: _Kept, now: int) -> None:
    """Bring a bounded part of what is kept up to date, chunks that were never counted first."""
    for new in campaign_repository.list_chunks(campaign.id, kept.row, campaign.row, MAX_CHUNKS):
        if new.batch is not None:
            kept.open.append(OpenChunk(new.batch, new.sent))
        kept.row = new.first + new.count - 1
    due = sorted(kept.open, key=lambda chunk: chunk.at)[:MAX_CHUNKS]
    settled = Counter(kept.settled)
    with ThreadPoolExecutor(THREADS) as pool:
        counted = pool.map(count_statuses, [chunk.batch for chunk in due])
        for chunk, counts in zip(due, counted, strict=True):
            chunk.at, chunk.counts = now, dict(counts)
            if chunk.settled:
                settled.update(counts)
    kept.settled = dict(settled)
    kept.open = [chunk for chunk in kept.open if not chunk.settled]


def _counted(campaign: Campaign, kept: _Kept, at: int) -> Counted:
    counts = Counter(kept.settled)
    for chunk in kept.open:
        counts.update(chunk.counts)
    ages = [chunk.at for chunk in kept.open if chunk.at]
    known = kept.row >= campaign.row
    oldest = min([at, *ages]) if at and (counts or known) else None
    return Counted(counts, oldest, campaign.final and known and not kept.open)


def _key(campaign: str) -> ItemKey:
    return ItemKey(f"COUNTS#{campaign}", "CACHE")


def _read(item: Item) -> tuple[int, _Kept]:
    kept = msgspec.json.decode(zlib.decompress(item["data"]["B"]), type=_Kept)
    return int(item["at"]["N"]), kept


def _keep(campaign: Campaign, kept: _Kept, now: int) -> None:
    """Keep what was counted, unless somebody kept something newer."""
    item = {
        **key_of(_key(campaign.id)),
        "at": number_attribute(now),
        "data": {"B": zlib.compress(msgspec.json.encode(kept))},
        "ttl": number_attribute(campaign.ttl),
    }
    dynamodb.put(
        item,
        "attribute_not_exists(pk) OR #at <= :at",
        ExpressionAttributeNames={"#at": "at"},
        ExpressionAttributeValues={":at": item["at"]},
    )

"""A campaign: a CSV whose rows become messages. Its item, its chunks, and how the API shows it.

A chunk is what is accepted at once: up to a thousand rows, one batch. Its item is written before
its batch, says which batch that is, and for each row which message it became or why it did not.
No I/O.
"""

import zlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage.items import Item, json_attribute, key_of, number_attribute, shard_of
from sms_gateway.storage.models import ItemKey, message_id

FOLDER, RESULTS, UNFINISHED = "campaigns/", "results/", "unfinished/"
CHUNK_ROWS = 1000  # rows; a batch has no more positions
WORKER_TIMEOUT = (
    90  # seconds after which the clock calls another worker; above the function's timeout of 50
)


class CampaignState(StrEnum):
    """Where a campaign is: only a running one reads on."""

    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FAILED = "failed"
    DONE = "done"  # every row is accepted or refused

    @property
    def stopped(self) -> bool:
        """Whether no row is read any more; a failed one may be resumed."""
        return self in (CampaignState.CANCELLED, CampaignState.FAILED, CampaignState.DONE)


class ResultsFile(msgspec.Struct, omit_defaults=True):
    """A results file that is being written: the upload and its parts so far, the first row of the
    next chunk, and what was counted on the way; `prices` is amount and messages by currency. `held`
    is the file (its ETag and bytes) of what stands behind the parts and is too small for one."""

    upload: str
    parts: list[str] = []
    pending: tuple[str, int] | None = None
    next: int = 1
    counts: dict[str, int] = {}
    prices: dict[str, tuple[str, int]] = {}


class Tally(msgspec.Struct, omit_defaults=True):
    """What the last results file counted; `at` is epoch seconds."""

    at: int
    counts: dict[str, int] = {}
    prices: dict[str, tuple[str, int]] = {}


class Campaign(ValueObject, frozen=True):
    """`row` rows are done, and the next one begins at the byte `offset`. `rows` and `columns` are
    known once the file was checked. `left` is how many rows of a cancelled one, from the first on,
    are still to be taken back; None before that began. `turn` counts writings of the report."""

    id: str
    tenant: str
    key: str
    etag: str
    size: int
    state: CampaignState
    row: int
    offset: int
    sent: int
    refused: int
    rows: int | None
    columns: Sequence[str]
    problem: Mapping[str, Any] | None
    results_file: ResultsFile | None
    tally: Tally | None
    rows_left_to_cancel: int | None
    version: int
    result_runs: int
    final: bool

    @property
    def item_key(self) -> ItemKey:
        """Where its item stands."""
        return campaign_key(self.id)

    @property
    def results_key(self) -> str:
        """The key of its results file."""
        return RESULTS + self.key.removeprefix(FOLDER)

    @property
    def unfinished_key(self) -> str:
        """The key of what was written of its results and is too small for a part."""
        return UNFINISHED + self.id


class Chunk(ValueObject, frozen=True):
    """Rows `first` to `first + count - 1`, up to the byte `end`. `positions` has for each row its
    message's position in the batch, or -1; `refused` the problem of those, by offset. `started` is
    epoch seconds. Without a batch every row was refused."""

    first: int
    count: int
    end: int
    batch: str | None
    started: int
    positions: Sequence[int]
    refused: Mapping[int, str]

    @property
    def sent(self) -> int:
        """How many rows became messages."""
        return self.count - len(self.refused)

    def message(self, offset: int) -> str | None:
        """The id of the message that a row became."""
        position = self.positions[offset]
        return message_id(self.batch, position) if self.batch and position >= 0 else None


class _Rows(msgspec.Struct):
    positions: list[int]
    refused: dict[int, str]


def campaign_key(identifier: str) -> ItemKey:
    """Where a campaign's item stands."""
    return ItemKey(identifier, "C")


def chunk_key(identifier: str, first: int) -> ItemKey:
    """Where a chunk's item stands, so that chunks sort by their rows."""
    return ItemKey(identifier, f"R#{first:07d}")


def campaign_item(
    identifier: str, tenant: str, key: str, etag: str, size: int, due: int, ttl: int
) -> Item:
    """A campaign of which no row was read. What the tenant is called keeps it apart from the items
    that make a batch accepted."""
    return {
        **key_of(campaign_key(identifier)),
        "owner": {"S": tenant},
        "key": {"S": key},
        "etag": {"S": etag},
        "size": number_attribute(size),
        "state": {"S": CampaignState.RUNNING},
        **{
            name: number_attribute(0)
            for name in ("row", "offset", "sent", "refused", "turn", "looks")
        },
        "due": number_attribute(due),
        "shard": {"S": shard_of(identifier)},
        "ttl": number_attribute(ttl),
    }


def read_campaign(item: Item) -> Campaign:
    """A campaign from its item."""

    def whole(name: str) -> int:
        return int(item[name]["N"])

    def made[T](name: str, kind: type[T]) -> T | None:
        return msgspec.json.decode(item[name]["S"], type=kind) if name in item else None

    return Campaign(
        id=item["pk"]["S"],
        tenant=item["owner"]["S"],
        key=item["key"]["S"],
        etag=item["etag"]["S"],
        size=whole("size"),
        state=CampaignState(item["state"]["S"]),
        row=whole("row"),
        offset=whole("offset"),
        sent=whole("sent"),
        refused=whole("refused"),
        rows=whole("rows") if "rows" in item else None,
        columns=made("columns", list[str]) or (),
        problem=made("problem", dict[str, Any]),
        results_file=made("report", ResultsFile),
        tally=made("tally", Tally),
        rows_left_to_cancel=whole("left") if "left" in item else None,
        version=whole("turn"),
        result_runs=whole("looks"),
        final="final" in item,
    )


def chunk_item(campaign: str, chunk: Chunk, ttl: int) -> Item:
    """A chunk's item; a thousand refused rows take some 10 KB."""
    rows = _Rows(list(chunk.positions), dict(chunk.refused))
    item = {
        **key_of(chunk_key(campaign, chunk.first)),
        "count": number_attribute(chunk.count),
        "end": number_attribute(chunk.end),
        "started": number_attribute(chunk.started),
        "rows": {"B": zlib.compress(msgspec.json.encode(rows))},
        "ttl": number_attribute(ttl),
    }
    return item | ({"batch": {"S": chunk.batch}} if chunk.batch else {})


def read_chunk(item: Item) -> Chunk:
    """A chunk from its item."""
    rows = msgspec.json.decode(zlib.decompress(item["rows"]["B"]), type=_Rows)
    return Chunk(
        first=int(item["sk"]["S"][2:]),
        count=int(item["count"]["N"]),
        end=int(item["end"]["N"]),
        batch=item["batch"]["S"] if "batch" in item else None,
        started=int(item["started"]["N"]),
        positions=rows.positions,
        refused=rows.refused,
    )


def problem_item(problem: Mapping[str, Any]) -> Item:
    """A problem document as an attribute."""
    return json_attribute(problem)

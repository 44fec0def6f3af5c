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

from sms_gateway.core.timestamps import from_ms, rfc3339
from sms_gateway.core.ulids import created_at
from sms_gateway.core.value_object import Value
from sms_gateway.storage.items import Item, key_of, number, shard_of, text
from sms_gateway.storage.models import Key, message_id

FOLDER, RESULTS, UNFINISHED = "campaigns/", "results/", "unfinished/"
CHUNK = 1000  # rows; a batch has no more positions
WAKE = 90  # seconds after which the clock calls another worker; above the function's timeout of 50


class State(StrEnum):
    """Where a campaign is: only a running one reads on."""

    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FAILED = "failed"
    DONE = "done"  # every row is accepted or refused

    @property
    def over(self) -> bool:
        """Whether no row is read any more; a failed one may be resumed."""
        return self in (State.CANCELLED, State.FAILED, State.DONE)


class Report(msgspec.Struct, omit_defaults=True):
    """A results file that is being written: the upload and its parts so far, the first row of the
    next chunk, and what was counted on the way; `prices` is amount and messages by currency. `held`
    is the file (its ETag and bytes) of what stands behind the parts and is too small for one."""

    upload: str
    parts: list[str] = []
    held: tuple[str, int] | None = None
    next: int = 1
    counts: dict[str, int] = {}
    prices: dict[str, tuple[str, int]] = {}


class Tally(msgspec.Struct, omit_defaults=True):
    """What the last results file counted; `at` is epoch seconds."""

    at: int
    counts: dict[str, int] = {}
    prices: dict[str, tuple[str, int]] = {}


class Campaign(Value, frozen=True):
    """`row` rows are done, and the next one begins at the byte `offset`. `rows` and `columns` are
    known once the file was checked. `left` is how many rows of a cancelled one, from the first on,
    are still to be taken back; None before that began. `turn` counts writings of the report."""

    id: str
    tenant: str
    key: str
    etag: str
    size: int
    state: State
    row: int
    offset: int
    sent: int
    refused: int
    rows: int | None
    columns: Sequence[str]
    problem: Mapping[str, Any] | None
    report: Report | None
    tally: Tally | None
    left: int | None
    turn: int
    looks: int
    final: bool

    @property
    def place(self) -> Key:
        """Where its item stands."""
        return place(self.id)

    @property
    def results(self) -> str:
        """The key of its results file."""
        return RESULTS + self.key.removeprefix(FOLDER)

    @property
    def unfinished(self) -> str:
        """The key of what was written of its results and is too small for a part."""
        return UNFINISHED + self.id


class Chunk(Value, frozen=True):
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


def place(identifier: str) -> Key:
    """Where a campaign's item stands."""
    return Key(identifier, "C")


def chunk_place(identifier: str, first: int) -> Key:
    """Where a chunk's item stands, so that chunks sort by their rows."""
    return Key(identifier, f"R#{first:07d}")


def new_item(
    identifier: str, tenant: str, key: str, etag: str, size: int, due: int, ttl: int
) -> Item:
    """A campaign of which no row was read. What the tenant is called keeps it apart from the items
    that make a batch accepted."""
    return {
        **key_of(place(identifier)),
        "owner": {"S": tenant},
        "key": {"S": key},
        "etag": {"S": etag},
        "size": number(size),
        "state": {"S": State.RUNNING},
        **{name: number(0) for name in ("row", "offset", "sent", "refused", "turn", "looks")},
        "due": number(due),
        "shard": {"S": shard_of(identifier)},
        "ttl": number(ttl),
    }


def read(item: Item) -> Campaign:
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
        state=State(item["state"]["S"]),
        row=whole("row"),
        offset=whole("offset"),
        sent=whole("sent"),
        refused=whole("refused"),
        rows=whole("rows") if "rows" in item else None,
        columns=made("columns", list[str]) or (),
        problem=made("problem", dict[str, Any]),
        report=made("report", Report),
        tally=made("tally", Tally),
        left=whole("left") if "left" in item else None,
        turn=whole("turn"),
        looks=whole("looks"),
        final="final" in item,
    )


def chunk_item(campaign: str, chunk: Chunk, ttl: int) -> Item:
    """A chunk's item; a thousand refused rows take some 10 KB."""
    rows = _Rows(list(chunk.positions), dict(chunk.refused))
    item = {
        **key_of(chunk_place(campaign, chunk.first)),
        "count": number(chunk.count),
        "end": number(chunk.end),
        "started": number(chunk.started),
        "rows": {"B": zlib.compress(msgspec.json.encode(rows))},
        "ttl": number(ttl),
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
    return text(problem)


def view(one: Campaign) -> dict[str, Any]:
    """GET /batches/{id}'s answer for a campaign: a batch's, and what its rows came to. The counts
    are those of the last look at all messages; what was accepted since is in none."""
    tally = one.tally or Tally(0)
    return {
        "id": one.id,
        "created_at": rfc3339(created_at(one.id)),
        "total": one.sent,
        "counts": tally.counts,
        "final": one.final,
        "price": [
            {"amount": amount, "currency": currency, "messages": messages}
            for currency, (amount, messages) in sorted(tally.prices.items())
        ],
        "campaign": {
            "file": one.key,
            "state": one.state,
            "rows": one.rows,
            "rows_read": one.row,
            "rows_sent": one.sent,
            "rows_refused": one.refused,
            "counted_at": rfc3339(from_ms(tally.at * 1000)) if one.tally else None,
            "results": one.results if one.tally else None,
            "problem": one.problem,
        },
    }

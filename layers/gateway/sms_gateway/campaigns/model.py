"""A campaign (a CSV whose rows become messages), its chunks, and their items. No I/O.

A chunk is up to a thousand rows that are accepted together as one batch. Its item is written before
its batch, names that batch, and has each row's message or problem.
"""

import zlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from sms_gateway.campaigns.csv_reader import Layout
from sms_gateway.core.ulids import created_at
from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage.items import Item, key_of, number_attribute, shard_of
from sms_gateway.storage.models import ItemKey, message_id

FOLDER, RESULTS, UNFINISHED = "campaigns/", "results/", "unfinished/"
CHECK_FOLDER, CHECKED = "check/", "checked/"  # files that are checked only, and their reports
CHUNK_ROWS = 1000  # a batch has no more positions
# After so long the scheduler wakes another worker: above the function's timeout of 50 seconds.
WORKER_TIMEOUT_SECONDS = 90


class CampaignState(StrEnum):
    """The state of a campaign; only one that is reading reads on."""

    READING = "reading"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FAILED = "failed"
    SENDING = "sending"  # every row is accepted or refused
    DONE = "done"  # every message is final, and the results file tells so

    @property
    def stopped(self) -> bool:
        """Whether no further row is read; a failed campaign may be resumed."""
        return self not in (CampaignState.READING, CampaignState.PAUSED)


class ResultsFile(msgspec.Struct, omit_defaults=True):
    """A results file that is being written: the upload, its parts so far and the counts so far.

    `next` is the first row of the next chunk; `prices` is amount and messages by currency;
    `segments`, of a check, is rows by their segments. `pending` is the file (its ETag and bytes)
    with rows behind the last part, too few for a part.
    """

    upload: str
    parts: list[str] = []
    pending: tuple[str, int] | None = None
    next: int = 1
    counts: dict[str, int] = {}
    prices: dict[str, tuple[str, int]] = {}
    segments: dict[int, int] = {}


class Tally(msgspec.Struct, omit_defaults=True):
    """The counts of the last results file; `at` is epoch seconds."""

    at: int
    counts: dict[str, int] = {}
    prices: dict[str, tuple[str, int]] = {}
    segments: dict[int, int] = {}


class Campaign(ValueObject, frozen=True):
    """A campaign, of which `row` rows are done; the next one begins at the byte `offset`.

    `rows`, `columns` and `delimiter` are known once the file was checked. `rows_left_to_cancel`
    counts from the first row; None before cancelling began. `version` counts writes of the results
    file's progress; `result_runs` counts the results files that were not final, `result_failures`
    the failures to write the present one; with a `results_problem` nobody tries any more.
    `ttl` is when it is forgotten, in epoch seconds; `uploaded_by` is the principal that S3 names.
    """

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
    delimiter: str
    problem: Mapping[str, Any] | None
    results_file: ResultsFile | None
    tally: Tally | None
    rows_left_to_cancel: int | None
    version: int
    result_runs: int
    result_failures: int
    results_problem: Mapping[str, Any] | None
    final: bool
    ttl: int
    uploaded_by: str | None = None

    @property
    def at_rest(self) -> bool:
        """Whether no worker has anything to do until somebody changes it."""
        return self.final or self.results_problem is not None or self.state is CampaignState.PAUSED

    @property
    def only_checks(self) -> bool:
        """Whether its rows are checked only; then `sent` counts those that passed."""
        return self.key.startswith(CHECK_FOLDER)

    @property
    def layout(self) -> Layout:
        """How its rows are read."""
        return Layout(self.columns, self.delimiter)

    @property
    def item_key(self) -> ItemKey:
        """The key of its item."""
        return campaign_key(self.id)

    @property
    def results_key(self) -> str:
        """The key of its results file."""
        if self.only_checks:
            return CHECKED + self.key.removeprefix(CHECK_FOLDER)
        return RESULTS + self.key.removeprefix(FOLDER)

    @property
    def unfinished_key(self) -> str:
        """The key of its results behind the last part, which are too small for a part."""
        return UNFINISHED + self.id


class Refusal(msgspec.Struct, array_like=True, frozen=True):
    """Why a row was refused, and its number and reference as they were written, cut."""

    problem: str
    to: str = ""
    reference: str = ""


class Chunk(ValueObject, frozen=True):
    """Rows `first` to `first + count - 1`, up to the byte `end`.

    `positions` has each row's position in the batch, or -1 for one without a message; refused ones
    are in `refused` by their offset. `started` is epoch seconds. Without a batch every row was
    refused, or they were checked only: then `segments` is how many that passed have how many.
    """

    first: int
    count: int
    end: int
    batch: str | None
    started: int
    positions: Sequence[int]
    refused: Mapping[int, Refusal]
    segments: Mapping[int, int] = {}

    @property
    def sent(self) -> int:
        """How many rows became messages, or passed a check."""
        return self.count - len(self.refused)

    def message(self, offset: int) -> str | None:
        """Return the id of a row's message; None where it has none."""
        position = self.positions[offset]
        return message_id(self.batch, position) if self.batch and position >= 0 else None


class _Rows(msgspec.Struct):
    positions: list[int]
    refused: dict[int, Refusal]
    segments: dict[int, int] = {}


def campaign_key(identifier: str) -> ItemKey:
    """Return the key of a campaign's item."""
    return ItemKey(identifier, "C")


def chunk_key(identifier: str, first: int) -> ItemKey:
    """Return the key of a chunk's item; chunks sort by their rows."""
    return ItemKey(identifier, f"R#{first:07d}")


def campaign_item(
    identifier: str,
    tenant: str,
    key: str,
    etag: str,
    size: int,
    due: int,
    ttl: int,
    uploaded_by: str | None = None,
) -> Item:
    """Make the item of a campaign of which no row was read."""
    return {
        **key_of(campaign_key(identifier)),
        # Not "tenant": an item with that attribute makes a batch accepted.
        "owner": {"S": tenant},
        "key": {"S": key},
        "etag": {"S": etag},
        "size": number_attribute(size),
        "state": {"S": CampaignState.READING},
        "day": {"S": f"{tenant}#{created_at(identifier).date().isoformat()}"},
        **{
            name: number_attribute(0)
            for name in ("row", "offset", "sent", "refused", "version", "result_runs")
        },
        "due": number_attribute(due),
        "shard": {"S": shard_of(identifier)},
        "ttl": number_attribute(ttl),
        **({"uploaded_by": {"S": uploaded_by}} if uploaded_by else {}),
    }


def read_campaign(item: Item) -> Campaign:
    """Read a campaign from its item."""

    def number(name: str) -> int:
        return int(item[name]["N"])

    def decoded[T](name: str, kind: type[T]) -> T | None:
        return msgspec.json.decode(item[name]["S"], type=kind) if name in item else None

    return Campaign(
        id=item["pk"]["S"],
        tenant=item["owner"]["S"],
        key=item["key"]["S"],
        etag=item["etag"]["S"],
        size=number("size"),
        state=CampaignState(item["state"]["S"]),
        row=number("row"),
        offset=number("offset"),
        sent=number("sent"),
        refused=number("refused"),
        rows=number("rows") if "rows" in item else None,
        columns=decoded("columns", list[str]) or (),
        delimiter=item["delimiter"]["S"] if "delimiter" in item else ",",
        problem=decoded("problem", dict[str, Any]),
        results_file=decoded("results_file", ResultsFile),
        tally=decoded("tally", Tally),
        rows_left_to_cancel=number("rows_left_to_cancel")
        if "rows_left_to_cancel" in item
        else None,
        version=number("version"),
        result_runs=number("result_runs"),
        result_failures=number("result_failures") if "result_failures" in item else 0,
        results_problem=decoded("results_problem", dict[str, Any]),
        final="final" in item,
        ttl=number("ttl"),
        uploaded_by=item.get("uploaded_by", {}).get("S"),
    )


def chunk_item(campaign: str, chunk: Chunk, ttl: int) -> Item:
    """Make a chunk's item; a thousand refused rows take some 20 KB."""
    rows = _Rows(list(chunk.positions), dict(chunk.refused), dict(chunk.segments))
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
    """Read a chunk from its item."""
    rows = msgspec.json.decode(zlib.decompress(item["rows"]["B"]), type=_Rows)
    return Chunk(
        first=int(item["sk"]["S"][2:]),
        count=int(item["count"]["N"]),
        end=int(item["end"]["N"]),
        batch=item["batch"]["S"] if "batch" in item else None,
        started=int(item["started"]["N"]),
        positions=rows.positions,
        refused=rows.refused,
        segments=rows.segments,
    )

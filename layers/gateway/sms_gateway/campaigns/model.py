"""A campaign (a CSV whose rows become messages) and its chunks. No I/O.

A chunk is up to a thousand rows that are accepted together as one batch. Its item is written before
its batch, names that batch, and has each row's message or problem.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from sms_gateway.campaigns.csv_reader import Layout
from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage.models import ItemKey, message_id

FOLDER, RESULTS, UNFINISHED = "campaigns/", "results/", "unfinished/"
CHECK_FOLDER, CHECKED = "check/", "checked/"  # files that are checked only, and their reports
CHUNK_ROWS = 1000  # a batch has no more positions
# After so long the scheduler wakes another worker: above the function's timeout of 50 seconds.
WORKER_TIMEOUT_SECONDS = 90


class CampaignState(StrEnum):
    """The state of a campaign; only one that is reading reads on."""

    WAITING = "waiting"  # for its file
    READING = "reading"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FAILED = "failed"
    SENDING = "sending"  # every row is accepted or refused
    DONE = "done"  # every message is final, and the results file tells so

    @property
    def stopped(self) -> bool:
        """Whether no further row is read; a failed campaign may be resumed."""
        return self not in (CampaignState.WAITING, CampaignState.READING, CampaignState.PAUSED)


class StopIf(msgspec.Struct, frozen=True):
    """A brake: the shares, in per cent, from which on a campaign is paused.

    `refused_percent` is of rows, `undelivered_percent` of messages that have ended. Neither counts
    before there are `after` of them.
    """

    refused_percent: int | None = None
    undelivered_percent: int | None = None
    after: int = 100


class CampaignOptions(msgspec.Struct, omit_defaults=True, frozen=True):
    """What whoever made a campaign over HTTP wants; a file that was just uploaded has none of it.

    `key_id` and `key_policy` are of the API key that made it. `defaults` are its rows' options.
    `starts_at` (epoch seconds) is when its first row may be sent, `pace` how many rows a minute.
    With `paused` it waits for a person once its file came. `link_ends` is in epoch seconds.
    """

    name: str | None = None
    key_id: str | None = None
    key_policy: str | None = None
    defaults: dict[str, Any] = {}
    starts_at: int | None = None
    pace: int | None = None
    stop_if: StopIf | None = None
    paused: bool = False
    link_ends: int = 0


class Braked(msgspec.Struct):
    """How a campaign stood when its brake stopped it: the brake counts anew from there."""

    row: int = 0
    refused: int = 0
    ended: int = 0
    undelivered: int = 0


class VendorShare(msgspec.Struct, array_like=True):
    """What a check found that a vendor would get, of one of its products.

    `amount` is the price of `priced` of its messages, in `currency`; `rate` is the account's, in
    messages a second.
    """

    vendor: str
    product: str | None = None
    messages: int = 0
    segments: int = 0
    amount: str = "0"
    currency: str | None = None
    priced: int = 0
    rate: float | None = None


class Reason(msgspec.Struct, array_like=True):
    """How many rows were refused for a reason, the first of them, and one's detail."""

    rows: int
    first: list[int]
    detail: str


class ResultsFile(msgspec.Struct, omit_defaults=True):
    """A results file that is being written: the upload, its parts so far and the counts so far.

    `next` is the first row of the next chunk; `prices` is amount and messages by currency;
    `segments`, `shares` and `reasons` are a check's: rows by their segments, what each vendor would
    get, and why rows were refused, by the problem's slug. `pending` is the file (its ETag and
    bytes) with rows behind the last part, too few for a part.
    """

    upload: str
    parts: list[str] = []
    pending: tuple[str, int] | None = None
    next: int = 1
    counts: dict[str, int] = {}
    prices: dict[str, tuple[str, int]] = {}
    segments: dict[int, int] = {}
    shares: list[VendorShare] = []
    reasons: dict[str, Reason] = {}


class Tally(msgspec.Struct, omit_defaults=True):
    """The counts of the last results file; `at` is epoch seconds."""

    at: int
    counts: dict[str, int] = {}
    prices: dict[str, tuple[str, int]] = {}
    segments: dict[int, int] = {}
    shares: list[VendorShare] = []
    reasons: dict[str, Reason] = {}


class Campaign(ValueObject, frozen=True):
    """A campaign, of which `row` rows are done; the next one begins at the byte `offset`.

    `rows`, `columns` and `delimiter` are known once the file was checked. `rows_left_to_cancel`
    counts from the first row; None before cancelling began. `version` counts writes of the results
    file's progress; `result_runs` counts the results files that were not final, `result_failures`
    the failures to write the present one; with a `results_problem` nobody tries any more.
    `ttl` is when it is forgotten, in epoch seconds; `uploaded_by` is the principal that S3 names.
    `paced_until` (epoch seconds) is up to when its pace is used up. `preview` is the id of the
    check that was made of it last, and `preview_of` of such a check the campaign's.
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
    options: CampaignOptions = CampaignOptions()
    paced_until: int = 0
    braked: Braked | None = None
    preview: str | None = None
    preview_of: str | None = None

    @property
    def at_rest(self) -> bool:
        """Whether no worker has anything to do until somebody changes it."""
        waits = self.state in (CampaignState.WAITING, CampaignState.PAUSED)
        return self.final or self.results_problem is not None or waits

    @property
    def only_checks(self) -> bool:
        """Whether its rows are checked only; then `sent` counts those that passed."""
        return self.key.startswith(CHECK_FOLDER) or self.preview_of is not None

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
            return CHECKED + self.key.removeprefix(CHECK_FOLDER).removeprefix(FOLDER)
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
    refused, or they were checked only: then `segments` is how many that passed have how many, and
    `shares` what each vendor would get.
    """

    first: int
    count: int
    end: int
    batch: str | None
    started: int
    positions: Sequence[int]
    refused: Mapping[int, Refusal]
    segments: Mapping[int, int] = {}
    shares: Sequence[VendorShare] = ()

    @property
    def sent(self) -> int:
        """How many rows became messages, or passed a check."""
        return self.count - len(self.refused)

    def message(self, offset: int) -> str | None:
        """Return the id of a row's message; None where it has none."""
        position = self.positions[offset]
        return message_id(self.batch, position) if self.batch and position >= 0 else None


def campaign_key(identifier: str) -> ItemKey:
    """Return the key of a campaign's item."""
    return ItemKey(identifier, "C")


def chunk_key(identifier: str, first: int) -> ItemKey:
    """Return the key of a chunk's item; chunks sort by their rows."""
    return ItemKey(identifier, f"R#{first:07d}")

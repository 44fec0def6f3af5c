"""Check a campaign's file as a whole before its first row is sent."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from sms_gateway.campaigns import s3_files
from sms_gateway.campaigns.csv_reader import (
    MAX_FILE_BYTES,
    MAX_ROWS,
    FileError,
    read_records,
)
from sms_gateway.campaigns.file_head import read_head
from sms_gateway.campaigns.model import Campaign
from sms_gateway.campaigns.time_budget import CHUNK_SECONDS, TimeBudget
from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.storage.dynamodb import ItemUpdate

CHECK_SECONDS = 40.0  # seconds that a worker must have left to begin checking a file


def check_file(budget: TimeBudget, campaign: Campaign) -> None:
    """Read the whole file, so that a problem of the file is found before the first row is sent.

    Leave time for a chunk: so no chunk can take too long to read either.
    """
    if campaign.size > MAX_FILE_BYTES:
        raise FileError(
            f"The file has {campaign.size} bytes and may have {MAX_FILE_BYTES}: split it.",
            slug="campaign-too-large",
        )
    head = read_head(next(_read_blocks(budget, campaign, 0), b""))
    start, rows = head.end, 0
    records = read_records(_read_blocks(budget, campaign, start), start, head.layout)
    for rows, _ in enumerate(_within_budget(budget, records), 1):
        if rows > MAX_ROWS:
            raise FileError(
                f"The file has more than {MAX_ROWS} rows: split it.", slug="campaign-too-many-rows"
            )
    if not rows:
        raise FileError("The file has no rows.", slug="campaign-empty")
    change = ItemUpdate(campaign.item_key).set("offset", start).set("rows", rows)
    change.set("columns", list(head.layout.columns)).set("delimiter", head.layout.delimiter)
    change.if_missing("columns")
    with suppress(InvalidRequestError):
        change.apply()


def _read_blocks(budget: TimeBudget, campaign: Campaign, start: int) -> Iterator[bytes]:
    blocks = s3_files.read_blocks(campaign.key, campaign.etag, start, campaign.size)
    return _within_budget(budget, blocks)


def _within_budget[T](budget: TimeBudget, parts: Iterable[T]) -> Iterator[T]:
    """Pass on a file's blocks or records. Raise FileError when time runs out."""
    for part in parts:
        if not budget.has_time_for(CHUNK_SECONDS):
            raise FileError(
                "The file takes too long to check: remove empty lines, and quotes that are opened "
                "and never closed, or split it.",
                slug="campaign-too-slow",
            )
        yield part

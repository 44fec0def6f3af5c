"""What must be right about a campaign's file as a whole before its first row is sent."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from sms_gateway.campaigns import s3_files
from sms_gateway.campaigns.csv_reader import (
    MAX_FILE_BYTES,
    MAX_ROWS,
    FileError,
    parse_header,
    read_records,
)
from sms_gateway.campaigns.model import FOLDER, Campaign
from sms_gateway.campaigns.time_budget import CHUNK_SECONDS, TimeBudget
from sms_gateway.config import api_keys
from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.storage.dynamodb import ItemUpdate

CHECK_SECONDS = 40.0  # seconds that a worker must have to begin checking a file


def check_tenant(one: Campaign) -> None:
    """A tenant is known by a key that may send: who loses it sends no campaigns either."""
    tenant, slash, name = one.key.removeprefix(FOLDER).partition("/")
    if not slash or not name.endswith(".csv") or "/" in name:
        raise FileError("Upload a campaign as campaigns/<tenant>/<name>.csv.", slug="campaign-name")
    may = {
        key.tenant
        for key in api_keys.list_keys()
        if key.revoked_at is None and "messages:send" in key.scopes
    }
    if tenant not in may:
        raise FileError(
            "There is no such tenant: no key in use has it and may send. Make one with "
            "`smsgw keys create`, then resume the campaign.",
            slug="unknown-tenant",
        )


def check_file(run: TimeBudget, one: Campaign) -> None:
    """Reads the whole file before the first row is sent: what is wrong with it as a whole must not
    be found half-way. It leaves time for a chunk, which so can't take too long to read either."""
    if one.size > MAX_FILE_BYTES:
        raise FileError(
            f"The file has {one.size} bytes and may have {MAX_FILE_BYTES}: split it.",
            slug="campaign-too-large",
        )
    stream = read_records(_within_budget(run, s3_files.read_blocks(one.key, one.etag, 0, one.size)))
    first = next(stream, None)
    columns = parse_header(first)
    start = first.end if first else 0
    rows = 0
    blocks = _within_budget(run, s3_files.read_blocks(one.key, one.etag, start, one.size))
    for rows, _ in enumerate(_within_budget(run, read_records(blocks, start, len(columns))), 1):
        if rows > MAX_ROWS:
            raise FileError(
                f"The file has more than {MAX_ROWS} rows: split it.", slug="campaign-too-many-rows"
            )
    if not rows:
        raise FileError("The file has no rows.", slug="campaign-empty")
    change = ItemUpdate(one.item_key).set("offset", start).set("rows", rows)
    change.set("columns", list(columns)).if_missing("columns")
    with suppress(InvalidRequestError):
        change.apply()


def _within_budget[T](run: TimeBudget, every: Iterable[T]) -> Iterator[T]:
    """Blocks without a row, or rows that take long. Raises FileError when the time is over."""
    for one in every:
        if not run.has_time_for(CHUNK_SECONDS):
            raise FileError(
                "The file takes too long to check: remove empty lines, and quotes that are opened "
                "and never closed, or split it.",
                slug="campaign-too-slow",
            )
        yield one

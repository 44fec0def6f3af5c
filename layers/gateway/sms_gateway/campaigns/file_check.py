"""What must be right about a campaign's file as a whole before its first row is sent."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from sms_gateway.campaigns import s3_files
from sms_gateway.campaigns.csv_reader import (
    LARGEST_FILE,
    MOST_ROWS,
    FileError,
    header,
    records,
)
from sms_gateway.campaigns.model import FOLDER, Campaign
from sms_gateway.campaigns.time_budget import ENOUGH, Run
from sms_gateway.config import api_keys
from sms_gateway.core.problems import Invalid
from sms_gateway.storage.dynamodb import ItemUpdate

A_CHECK = 40.0  # seconds that a worker must have to begin checking a file


def _check_tenant(one: Campaign) -> None:
    """A tenant is known by a key that may send: who loses it sends no campaigns either."""
    tenant, slash, name = one.key.removeprefix(FOLDER).partition("/")
    if not slash or not name.endswith(".csv") or "/" in name:
        raise FileError("Upload a campaign as campaigns/<tenant>/<name>.csv.", slug="campaign-name")
    may = {
        key.tenant
        for key in api_keys.every()
        if key.revoked_at is None and "messages:send" in key.scopes
    }
    if tenant not in may:
        raise FileError(
            "There is no such tenant: no key in use has it and may send. Make one with "
            "`smsgw keys create`, then resume the campaign.",
            slug="unknown-tenant",
        )


def _check_file(run: Run, one: Campaign) -> None:
    """Reads the whole file before the first row is sent: what is wrong with it as a whole must not
    be found half-way. It leaves time for a chunk, which so can't take too long to read either."""
    if one.size > LARGEST_FILE:
        raise FileError(
            f"The file has {one.size} bytes and may have {LARGEST_FILE}: split it.",
            slug="campaign-too-large",
        )
    stream = records(_in_time(run, s3_files.blocks(one.key, one.etag, 0, one.size)))
    first = next(stream, None)
    columns = header(first)
    start = first.end if first else 0
    rows = 0
    blocks = _in_time(run, s3_files.blocks(one.key, one.etag, start, one.size))
    for rows, _ in enumerate(_in_time(run, records(blocks, start, len(columns))), 1):
        if rows > MOST_ROWS:
            raise FileError(
                f"The file has more than {MOST_ROWS} rows: split it.", slug="campaign-too-many-rows"
            )
    if not rows:
        raise FileError("The file has no rows.", slug="campaign-empty")
    change = ItemUpdate(one.place).put("offset", start).put("rows", rows)
    change.put("columns", list(columns)).when_missing("columns")
    with suppress(Invalid):
        change.apply()


def _in_time[T](run: Run, every: Iterable[T]) -> Iterator[T]:
    """Blocks without a row, or rows that take long. Raises FileError when the time is over."""
    for one in every:
        if not run.time_for(ENOUGH):
            raise FileError(
                "The file takes too long to check: remove empty lines, and quotes that are opened "
                "and never closed, or split it.",
                slug="campaign-too-slow",
            )
        yield one

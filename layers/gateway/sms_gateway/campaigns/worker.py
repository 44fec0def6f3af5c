"""The work on a campaign: from an uploaded file to accepted batches, each row exactly once.

A chunk's item is written first, by a condition that one worker wins, with the ULID of its batch in
it; then the batch, through the same core as POST /messages; then the campaign's offset moves. A
worker that finds a chunk sees from the batch's own item whether it was accepted. If not, it waits
until whoever wrote the chunk must be dead, and begins it again under a new batch; what the dead one
left can never become accepted. The campaign's due time lets the clock call another worker when one
died.
"""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from itertools import islice
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from sms_gateway.campaigns import model as campaign
from sms_gateway.campaigns import queue, s3_files
from sms_gateway.campaigns import repository as campaign_repository
from sms_gateway.campaigns.cancel import take_back
from sms_gateway.campaigns.csv_reader import (
    LARGEST_FILE,
    MOST_ROWS,
    FileError,
    Record,
    draft,
    header,
    problem_text,
    records,
)
from sms_gateway.campaigns.model import CHUNK, FOLDER, WAKE, Campaign, Chunk, State
from sms_gateway.campaigns.results import report
from sms_gateway.campaigns.settings import campaign_defaults
from sms_gateway.config import api_keys
from sms_gateway.config.routes import routes
from sms_gateway.config.vendor_accounts import accounts
from sms_gateway.core.observability import count, log
from sms_gateway.core.problems import GatewayError, Invalid, Unavailable
from sms_gateway.core.timestamps import epoch_seconds, utc_now
from sms_gateway.core.ulids import is_ulid, new_ulid
from sms_gateway.core.value_object import Value
from sms_gateway.http_api.json_body import decode
from sms_gateway.messages.acceptance import Prepared, accept, prepare
from sms_gateway.messages.request import FURTHEST, Options, Rejected, plan
from sms_gateway.messages.send import retention
from sms_gateway.messages.status_url import status_urls
from sms_gateway.storage import dynamodb, message_repository
from sms_gateway.storage.dynamodb import Change
from sms_gateway.storage.idempotency_keys import AT_WORK

ENOUGH = 15.0  # seconds that a chunk may take at the worst
A_CHECK = 40.0  # seconds that a worker must have to begin checking a file


@dataclass(slots=True)
class Run:
    """One worker's time: `until` is epoch seconds. `stream` is the file, read up to `at`."""

    until: float
    stream: Iterator[Record] = field(default_factory=lambda: iter(()))
    at: int = -1

    def time_for(self, seconds: float) -> bool:
        """Whether something that takes so long can still be finished."""
        return time.time() + seconds < self.until


def receive(body: str, remaining: float) -> None:
    """Works on a queue message, a campaign's id or S3's notice of uploads, for at most `remaining`
    seconds. Raises Unavailable when AWS does not answer, ValueError for a body that is neither."""
    run = Run(time.time() + remaining)
    if is_ulid(body):
        _work(run, body)
        return
    event = msgspec.json.decode(body)
    if not isinstance(event, dict):
        raise ValueError("neither a campaign's id nor a notice of S3")
    if event.get("Event") == "s3:TestEvent":
        return
    for record in event["Records"]:
        place = record["s3"]
        if place["bucket"]["name"] != s3_files.bucket():
            raise ValueError("a notice of another bucket")
        one = place["object"]
        key = unquote_plus(one["key"])
        if key.startswith(FOLDER) and not key.endswith("/"):
            _work(run, begin(key, one["eTag"], one["size"], utc_now()))


def begin(key: str, etag: str, size: int, now: datetime) -> str:
    """The campaign of a file; the same name with the same content is the same campaign, so that
    neither a notice that comes twice nor an upload that is repeated sends anything again."""
    seconds = epoch_seconds(now)
    ttl = seconds + int(FURTHEST.total_seconds()) + retention()
    name = sha256(f"{key}\n{etag}".encode()).hexdigest()
    identifier = campaign_repository.give_id(name, new_ulid(now), ttl)
    tenant = key.removeprefix(FOLDER).partition("/")[0]
    item = campaign.new_item(identifier, tenant, key, etag, size, seconds + WAKE, ttl)
    dynamodb.put_new(item)
    return identifier


def _work(run: Run, identifier: str) -> None:
    found = campaign_repository.find(identifier)
    if found is None or found.state is State.PAUSED or found.final:
        return
    one: Campaign | None = found
    if found.state is State.RUNNING:
        try:
            one = _read_on(run, found)
        except Unavailable:
            raise
        except GatewayError as problem:
            one = _fail(found, problem)
    if one is not None and one.state.over and not one.final:
        one = _catch_up(one)
        if one is not None and one.state is State.CANCELLED:
            one = take_back(one, run.time_for)
        if one is not None and not one.left:
            report(one, run.time_for)
    if one is not None:
        _call_another(identifier)


def _call_another(identifier: str) -> None:
    """Hands what is left to the next worker, at once."""
    one = campaign_repository.find(identifier)
    if one is None or one.final:
        return
    unwritten = one.report is not None or one.tally is None
    if one.state is State.RUNNING or (one.state.over and unwritten):
        queue.wake(os.environ["CAMPAIGN_QUEUE"], identifier)


def _read_on(run: Run, one: Campaign) -> Campaign | None:
    """Sends rows while there is time; the campaign as it is then, or None when another worker is
    at it. Raises a GatewayError for what is wrong with the campaign as a whole."""
    moved = Change(one.place).look_at(_seconds() + WAKE).when("state", State.RUNNING).apply()
    if moved is None:
        return campaign_repository.find(one.id)
    _check_tenant(one)
    defaults = _defaults(one.tenant)
    if not one.columns:
        if not run.time_for(A_CHECK):
            return one
        _check_file(run, one)
    while (found := campaign_repository.find(one.id)) and found.state is State.RUNNING:
        if not run.time_for(ENOUGH):
            return found
        if found.row == found.rows:
            _end(found)
            continue
        chunk = _known(found)
        if chunk is None:
            return None
        if isinstance(chunk, _Dead):
            chunk = _accept(run, found, defaults, chunk.batch)
        if chunk is None:
            stopped = campaign_repository.find(one.id)
            return stopped if stopped and stopped.state is not State.RUNNING else None
        _advance(found, chunk)
    return found


class _Dead(Value, frozen=True):
    """Nothing was accepted of a chunk; `batch` is that of a worker who died with it."""

    batch: str | None = None


def _known(one: Campaign) -> Chunk | _Dead | None:
    """The next chunk if it was accepted; None while another worker is at it."""
    item = dynamodb.get(campaign.chunk_place(one.id, one.row + 1))
    if item is None:
        return _Dead()
    chunk = campaign.read_chunk(item)
    if chunk.batch is None or message_repository.batch(chunk.batch) is not None:
        return chunk
    return None if _seconds() - chunk.started < AT_WORK else _Dead(chunk.batch)


def _catch_up(one: Campaign) -> Campaign | None:
    """Takes in the chunk that a worker had in hand when the campaign was stopped; None while it
    may still be at it."""
    if one.state is State.DONE or not one.columns:
        return one
    chunk = _known(one)
    if isinstance(chunk, Chunk):
        _advance(one, chunk)
        return campaign_repository.find(one.id)
    return one if chunk else None


def _accept(run: Run, one: Campaign, defaults: dict[str, Any], dead: str | None) -> Chunk | None:
    """Accepts the next chunk; None when another worker was faster, or the campaign was stopped."""
    if run.at != one.offset:
        run.stream = records(
            s3_files.blocks(one.key, one.etag, one.offset, one.size), one.offset, len(one.columns)
        )
    rows = list(islice(run.stream, CHUNK))
    if not rows:
        raise FileError("The file ended before its last row.", slug="campaign-file-replaced")
    run.at = rows[-1].end
    now = utc_now()
    chunk, prepared = _plan(one, rows, defaults, now)
    ttl = epoch_seconds(now) + int(FURTHEST.total_seconds()) + retention()
    if not campaign_repository.put_chunk(one, campaign.chunk_item(one.id, chunk, ttl), dead):
        return None
    if prepared is not None:
        accept(prepared)
    return chunk


def _plan(
    one: Campaign, rows: list[Record], defaults: dict[str, Any], now: datetime
) -> tuple[Chunk, Prepared | None]:
    drafts, refused = [], {}
    for offset, record in enumerate(rows):
        try:
            drafts.append(draft(offset, record, one.columns, defaults))
        except GatewayError as problem:
            refused[offset] = problem_text(problem)
    accepted, rejected = plan(drafts, now, accounts(), routes(), status_urls(one.tenant), each=True)
    _check_lasting(one, rejected)
    refused |= {no.index: problem_text(no.problem) for no in rejected}
    batch = new_ulid(now) if accepted else None
    prepared = prepare(one.tenant, batch, accepted, retention(), one.id) if batch else None
    positions = [-1] * len(rows)
    for receipt in prepared.receipts if prepared else ():
        positions[receipt.index] = int(receipt.id[-3:])
    seconds = epoch_seconds(now)
    chunk = Chunk(one.row + 1, len(rows), rows[-1].end, batch, seconds, positions, refused)
    return chunk, prepared


def _check_lasting(one: Campaign, rejected: Sequence[Rejected]) -> None:
    """Raises FileError for a refusal that will not last: written down, it would be for good."""
    for no in rejected:
        if no.problem.document()["retryable"]:
            raise FileError(
                f"Row {one.row + 1 + no.index}: {no.problem.detail} Then resume the campaign: it "
                f"goes on at row {one.row + 1}.",
                slug=no.problem.slug,
                **no.problem.members,
            )


def _advance(one: Campaign, chunk: Chunk) -> None:
    """Moves behind a chunk, unless another worker has."""
    change = Change(one.place).put("row", one.row + chunk.count).put("offset", chunk.end)
    change.put("sent", one.sent + chunk.sent).put("refused", one.refused + len(chunk.refused))
    change.when("row", one.row).apply()


def _end(one: Campaign) -> None:
    change = Change(one.place).put("state", State.DONE).look_at(_seconds() + WAKE)
    if change.when("state", State.RUNNING).apply():
        log.info("campaign read", extra={"campaign": one.id, "rows": one.row})


def _fail(one: Campaign, problem: GatewayError) -> Campaign | None:
    log.warning("campaign failed", extra={"campaign": one.id, "problem": problem.slug})
    count("CampaignFailed")
    change = Change(one.place).put("state", State.FAILED).put("problem", problem.document())
    change.look_at(_seconds() + WAKE).when("state", State.RUNNING).apply()
    return campaign_repository.find(one.id)


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


def _defaults(tenant: str) -> dict[str, Any]:
    """What a tenant's rows have in common by the settings."""
    every = campaign_defaults()
    chosen = {**every.get("*", {}), **every.get(tenant, {})}
    try:
        decode(msgspec.json.encode(chosen), Options)
    except Invalid as wrong:
        raise FileError(
            f"The settings of campaigns are not valid ({problem_text(wrong)}) Their operator must "
            "mend them, then resume the campaign.",
            slug="campaign-settings",
        ) from None
    return chosen


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
    change = Change(one.place).put("offset", start).put("rows", rows)
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


def _seconds() -> int:
    return int(time.time())

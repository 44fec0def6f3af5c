"""A campaign's chunks: up to 1,000 rows that are accepted together, exactly once."""

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sms_gateway.campaigns import model as campaign
from sms_gateway.campaigns import repository as campaign_repository
from sms_gateway.campaigns import s3_files
from sms_gateway.campaigns.csv_reader import (
    FileError,
    Record,
    draft,
    problem_text,
    records,
)
from sms_gateway.campaigns.model import CHUNK, Campaign, Chunk, State
from sms_gateway.campaigns.time_budget import Run
from sms_gateway.campaigns.worker import _seconds
from sms_gateway.config.routes import routes
from sms_gateway.config.vendor_accounts import accounts
from sms_gateway.core.problems import GatewayError
from sms_gateway.core.timestamps import epoch_seconds, utc_now
from sms_gateway.core.ulids import new_ulid
from sms_gateway.core.value_object import Value
from sms_gateway.messages.acceptance import Prepared, accept, prepare
from sms_gateway.messages.planning import FURTHEST, Rejected, plan
from sms_gateway.messages.send import retention
from sms_gateway.messages.status_url import status_urls
from sms_gateway.storage import dynamodb, message_repository
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.idempotency_keys import AT_WORK


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
    change = ItemUpdate(one.place).put("row", one.row + chunk.count).put("offset", chunk.end)
    change.put("sent", one.sent + chunk.sent).put("refused", one.refused + len(chunk.refused))
    change.when("row", one.row).apply()

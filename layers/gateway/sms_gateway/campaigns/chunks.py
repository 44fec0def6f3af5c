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
    build_draft,
    one_line_problem,
    read_records,
)
from sms_gateway.campaigns.model import CHUNK_ROWS, Campaign, CampaignState, Chunk
from sms_gateway.campaigns.time_budget import TimeBudget
from sms_gateway.config.routes import routes
from sms_gateway.config.vendor_accounts import accounts
from sms_gateway.core.problems import GatewayError
from sms_gateway.core.timestamps import epoch_seconds, utc_now
from sms_gateway.core.ulids import new_ulid
from sms_gateway.core.value_object import ValueObject
from sms_gateway.messages.acceptance import BuiltBatch, build_batch, store_batch
from sms_gateway.messages.planning import MAX_SCHEDULE_AHEAD, RejectedRecipient, plan_recipients
from sms_gateway.messages.send import retention_seconds
from sms_gateway.messages.status_url import status_url_checker
from sms_gateway.storage import dynamodb, message_repository
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.idempotency_keys import IN_PROGRESS_SECONDS


class AbandonedChunk(ValueObject, frozen=True):
    """Nothing was accepted of a chunk; `batch` is that of a worker who died with it."""

    batch: str | None = None


def find_next_chunk(one: Campaign) -> Chunk | AbandonedChunk | None:
    """The next chunk if it was accepted; None while another worker is at it."""
    item = dynamodb.get(campaign.chunk_key(one.id, one.row + 1))
    if item is None:
        return AbandonedChunk()
    chunk = campaign.read_chunk(item)
    if chunk.batch is None or message_repository.find_batch(chunk.batch) is not None:
        return chunk
    return (
        None
        if epoch_seconds(utc_now()) - chunk.started < IN_PROGRESS_SECONDS
        else AbandonedChunk(chunk.batch)
    )


def adopt_pending_chunk(one: Campaign) -> Campaign | None:
    """Takes in the chunk that a worker had in hand when the campaign was stopped; None while it
    may still be at it."""
    if one.state is CampaignState.DONE or not one.columns:
        return one
    chunk = find_next_chunk(one)
    if isinstance(chunk, Chunk):
        advance(one, chunk)
        return campaign_repository.find_campaign(one.id)
    return one if chunk else None


def accept_next_chunk(
    run: TimeBudget, one: Campaign, defaults: dict[str, Any], dead: str | None
) -> Chunk | None:
    """Accepts the next chunk; None when another worker was faster, or the campaign was stopped."""
    if run.at != one.offset:
        run.stream = read_records(
            s3_files.read_blocks(one.key, one.etag, one.offset, one.size),
            one.offset,
            len(one.columns),
        )
    rows = list(islice(run.stream, CHUNK_ROWS))
    if not rows:
        raise FileError("The file ended before its last row.", slug="campaign-file-replaced")
    run.at = rows[-1].end
    now = utc_now()
    chunk, prepared = _plan_chunk(one, rows, defaults, now)
    ttl = epoch_seconds(now) + int(MAX_SCHEDULE_AHEAD.total_seconds()) + retention_seconds()
    if not campaign_repository.put_chunk(one, campaign.chunk_item(one.id, chunk, ttl), dead):
        return None
    if prepared is not None:
        store_batch(prepared)
    return chunk


def _plan_chunk(
    one: Campaign, rows: list[Record], defaults: dict[str, Any], now: datetime
) -> tuple[Chunk, BuiltBatch | None]:
    drafts, refused = [], {}
    for offset, record in enumerate(rows):
        try:
            drafts.append(build_draft(offset, record, one.columns, defaults))
        except GatewayError as problem:
            refused[offset] = one_line_problem(problem)
    accepted, rejected = plan_recipients(
        drafts, now, accounts(), routes(), status_url_checker(one.tenant), per_recipient=True
    )
    _refuse_temporary(one, rejected)
    refused |= {no.index: one_line_problem(no.problem) for no in rejected}
    batch = new_ulid(now) if accepted else None
    prepared = (
        build_batch(one.tenant, batch, accepted, retention_seconds(), one.id) if batch else None
    )
    positions = [-1] * len(rows)
    for receipt in prepared.messages if prepared else ():
        positions[receipt.index] = int(receipt.id[-3:])
    seconds = epoch_seconds(now)
    chunk = Chunk(one.row + 1, len(rows), rows[-1].end, batch, seconds, positions, refused)
    return chunk, prepared


def _refuse_temporary(one: Campaign, rejected: Sequence[RejectedRecipient]) -> None:
    """Raises FileError for a refusal that will not last: written down, it would be for good."""
    for no in rejected:
        if no.problem.to_dict()["retryable"]:
            raise FileError(
                f"Row {one.row + 1 + no.index}: {no.problem.detail} Then resume the campaign: it "
                f"goes on at row {one.row + 1}.",
                slug=no.problem.slug,
                **no.problem.members,
            )


def advance(one: Campaign, chunk: Chunk) -> None:
    """Moves behind a chunk, unless another worker has."""
    change = ItemUpdate(one.item_key).set("row", one.row + chunk.count).set("offset", chunk.end)
    change.set("sent", one.sent + chunk.sent).set("refused", one.refused + len(chunk.refused))
    change.if_in("row", one.row).apply()

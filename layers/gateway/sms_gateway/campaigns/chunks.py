"""A campaign's chunks: up to 1,000 rows that are accepted together, exactly once."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from sms_gateway.campaigns import model, s3_files
from sms_gateway.campaigns import repository as campaign_repository
from sms_gateway.campaigns.columns import build_draft, refusal
from sms_gateway.campaigns.credit import count_credit
from sms_gateway.campaigns.csv_reader import FileError, Record, read_records
from sms_gateway.campaigns.model import CHUNK_ROWS, Campaign, CampaignState, Chunk, Refusal
from sms_gateway.campaigns.quota import count_rows
from sms_gateway.campaigns.time_budget import TimeBudget
from sms_gateway.campaigns.vendor_line import check_lines
from sms_gateway.config.stack_keys import message_key
from sms_gateway.config.stopped_tenants import refuse_stopped
from sms_gateway.core.problems import GatewayError
from sms_gateway.core.timestamps import epoch_seconds, utc_now
from sms_gateway.core.ulids import new_ulid
from sms_gateway.core.value_object import ValueObject
from sms_gateway.messages.acceptance import BuiltBatch, build_batch, store_batch
from sms_gateway.messages.balance_floor import BalanceFloorError
from sms_gateway.messages.over_quota import given_back_unless_done
from sms_gateway.messages.planning import (
    MAX_SCHEDULE_AHEAD,
    PlannedRecipient,
    RejectedRecipient,
)
from sms_gateway.messages.pumped import refuse_pumped
from sms_gateway.messages.request import Draft
from sms_gateway.messages.send import retention_seconds
from sms_gateway.messages.tenant_plan import plan_for_tenant
from sms_gateway.policies import door
from sms_gateway.storage import dynamodb, message_repository
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.idempotency_keys import IN_PROGRESS_SECONDS

if TYPE_CHECKING:
    from sms_gateway.policies.quota import Counted


class AbandonedChunk(ValueObject, frozen=True):
    """A chunk of which nothing was accepted; `batch` is that of the worker that died with it."""

    batch: str | None = None


def find_next_chunk(campaign: Campaign) -> Chunk | AbandonedChunk | None:
    """Return the next chunk if it was accepted, None while another worker may be accepting it."""
    item = dynamodb.get(model.chunk_key(campaign.id, campaign.row + 1))
    if item is None:
        return AbandonedChunk()
    chunk = model.read_chunk(item)
    if chunk.batch is None or message_repository.find_batch(chunk.batch) is not None:
        return chunk
    if epoch_seconds(utc_now()) - chunk.started < IN_PROGRESS_SECONDS:
        return None
    return AbandonedChunk(chunk.batch)


def adopt_pending_chunk(campaign: Campaign) -> Campaign | None:
    """Count the chunk that a worker was accepting when the campaign was stopped.

    Return None while that worker may still be running.
    """
    if campaign.state in (CampaignState.SENDING, CampaignState.DONE) or not campaign.columns:
        return campaign
    chunk = find_next_chunk(campaign)
    if isinstance(chunk, Chunk):
        advance(campaign, chunk)
        return campaign_repository.find_campaign(campaign.id)
    return campaign if chunk else None


def accept_next_chunk(
    budget: TimeBudget,
    campaign: Campaign,
    defaults: dict[str, Any],
    abandoned_batch: str | None,
) -> Chunk | None:
    """Accept the next chunk; None when another worker was faster or the campaign was stopped.

    Raises TenantStoppedError: the campaign then fails, and may be resumed; LongLineError: then it
    waits.
    """
    refuse_stopped(campaign.tenant)
    rows = _read_rows(budget, campaign)
    now = utc_now()
    chunk, built, counted = _plan_chunk(campaign, rows, defaults, now)
    ttl = epoch_seconds(now) + int(MAX_SCHEDULE_AHEAD.total_seconds()) + retention_seconds()
    item = model.chunk_item(campaign.id, chunk, ttl)
    with given_back_unless_done(counted):
        written = campaign_repository.put_chunk(campaign, item, abandoned_batch)
    if not written:
        door.give_back(counted)
        return None
    if built is not None:
        store_batch(built)
    return chunk


def _read_rows(budget: TimeBudget, campaign: Campaign) -> list[Record]:
    """Read the next chunk's rows, from the open stream where it stands at the right byte."""
    if budget.position != campaign.offset:
        budget.stream = read_records(
            s3_files.read_blocks(campaign.key, campaign.etag, campaign.offset, campaign.size),
            campaign.offset,
            campaign.layout,
        )
    rows = list(islice(budget.stream, CHUNK_ROWS))
    if not rows:
        raise FileError("The file ended before its last row.", slug="campaign-file-replaced")
    budget.position = rows[-1].end
    return rows


def _plan_chunk(
    campaign: Campaign, rows: list[Record], defaults: dict[str, Any], now: datetime
) -> tuple[Chunk, BuiltBatch | None, "Counted | None"]:
    drafts, refused = _build_drafts(campaign, rows, defaults)
    accepted, rejected = plan_for_tenant(
        campaign.tenant, drafts, now, per_recipient=True, keep_floor=True
    )
    _raise_retryable(campaign, rejected)
    if not campaign.only_checks:
        check_lines(accepted, now)
        # Later than what may be tried again: a code that is refused now is refused for good
        accepted, rejected = refuse_pumped(campaign.tenant, accepted, rejected, now)
    for each in rejected:
        refused[each.index] = refusal(rows[each.index], campaign.columns, each.problem)
    first, started = campaign.row + 1, epoch_seconds(now)
    if campaign.only_checks:
        segments = Counter(planned.content.segments for planned in accepted)
        none = [-1] * len(rows)
        end = rows[-1].end
        return Chunk(first, len(rows), end, None, started, none, refused, segments), None, None
    fitting = count_rows(campaign.tenant, accepted, len(rows), now)
    if fitting.over is not None and fitting.rows == 0:
        raise _file_error(campaign, 0, fitting.over)
    rows, accepted = rows[: fitting.rows], list(fitting.accepted)
    for planned, over in fitting.refused:
        index = planned.draft.index
        refused[index] = refusal(rows[index], campaign.columns, over)
    refused = {index: one for index, one in refused.items() if index < len(rows)}
    with given_back_unless_done(fitting.counted):
        built = _build_chunk(campaign, accepted, now, fitting.counted)
    end, positions = rows[-1].end, [-1] * len(rows)
    for message in built.messages if built else ():
        positions[message.index] = int(message.id[-3:])
    batch = built.id if built else None
    chunk = Chunk(first, len(rows), end, batch, started, positions, refused)
    return chunk, built, fitting.counted


def _build_chunk(
    campaign: Campaign,
    accepted: Sequence[PlannedRecipient],
    now: datetime,
    counted: "Counted | None",
) -> BuiltBatch | None:
    try:
        count_credit(accepted)
    except BalanceFloorError as problem:
        raise _file_error(campaign, 0, problem) from None
    if not accepted:
        return None
    return build_batch(
        campaign.tenant,
        new_ulid(now),
        accepted,
        retention_seconds(),
        message_key,
        campaign.id,
        counted=counted.under if counted else "",
    )


def _build_drafts(
    campaign: Campaign, rows: Sequence[Record], defaults: dict[str, Any]
) -> tuple[list[Draft], dict[int, Refusal]]:
    """Build a draft of each row; the others' problems are by their place in the chunk."""
    drafts: list[Draft] = []
    refused: dict[int, Refusal] = {}
    for index, record in enumerate(rows):
        try:
            drafts.append(build_draft(index, record, campaign.columns, defaults))
        except GatewayError as problem:
            refused[index] = refusal(record, campaign.columns, problem)
    return drafts, refused


def _raise_retryable(campaign: Campaign, rejected: Sequence[RejectedRecipient]) -> None:
    """Raise FileError for a retryable refusal: stored with the chunk, it would be final."""
    for each in rejected:
        if each.problem.to_dict()["retryable"]:
            raise _file_error(campaign, each.index, each.problem)


def _file_error(campaign: Campaign, index: int, problem: GatewayError) -> FileError:
    return FileError(
        f"Row {campaign.row + 1 + index}: {problem.detail} Then resume the campaign: it goes on "
        f"at row {campaign.row + 1}.",
        slug=problem.slug,
        **problem.members,
    )


def advance(campaign: Campaign, chunk: Chunk) -> None:
    """Move the campaign past a chunk, unless another worker has."""
    change = ItemUpdate(campaign.item_key).set("row", campaign.row + chunk.count)
    change.set("offset", chunk.end).set("sent", campaign.sent + chunk.sent)
    change.set("refused", campaign.refused + len(chunk.refused))
    change.if_in("row", campaign.row).apply()

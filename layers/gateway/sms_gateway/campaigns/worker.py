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
from datetime import datetime
from hashlib import sha256
from urllib.parse import unquote_plus

import msgspec

from sms_gateway.campaigns import model as campaign
from sms_gateway.campaigns import queue, s3_files
from sms_gateway.campaigns import repository as campaign_repository
from sms_gateway.campaigns.cancel import cancel_unsent
from sms_gateway.campaigns.chunks import (
    AbandonedChunk,
    accept_next_chunk,
    adopt_pending_chunk,
    advance,
    find_next_chunk,
)
from sms_gateway.campaigns.file_check import CHECK_SECONDS, check_file, check_tenant
from sms_gateway.campaigns.model import FOLDER, WORKER_TIMEOUT, Campaign, CampaignState
from sms_gateway.campaigns.results import write_results
from sms_gateway.campaigns.settings import row_defaults
from sms_gateway.campaigns.time_budget import CHUNK_SECONDS, TimeBudget
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import GatewayError, ServiceUnavailableError
from sms_gateway.core.timestamps import epoch_seconds, utc_now
from sms_gateway.core.ulids import is_ulid, new_ulid
from sms_gateway.messages.planning import MAX_SCHEDULE_AHEAD
from sms_gateway.messages.send import retention_seconds
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ItemUpdate


def handle_record(body: str, remaining: float) -> None:
    """Works on a queue message, a campaign's id or S3's notice of uploads, for at most `remaining`
    seconds. Raises Unavailable when AWS does not answer, ValueError for a body that is neither."""
    run = TimeBudget(time.time() + remaining)
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
        if place["bucket"]["name"] != s3_files.bucket_name():
            raise ValueError("a notice of another bucket")
        one = place["object"]
        key = unquote_plus(one["key"])
        if key.startswith(FOLDER) and not key.endswith("/"):
            _work(run, begin_campaign(key, one["eTag"], one["size"], utc_now()))


def begin_campaign(key: str, etag: str, size: int, now: datetime) -> str:
    """The campaign of a file; the same name with the same content is the same campaign, so that
    neither a notice that comes twice nor an upload that is repeated sends anything again."""
    seconds = epoch_seconds(now)
    ttl = seconds + int(MAX_SCHEDULE_AHEAD.total_seconds()) + retention_seconds()
    name = sha256(f"{key}\n{etag}".encode()).hexdigest()
    identifier = campaign_repository.claim_id(name, new_ulid(now), ttl)
    tenant = key.removeprefix(FOLDER).partition("/")[0]
    item = campaign.campaign_item(
        identifier, tenant, key, etag, size, seconds + WORKER_TIMEOUT, ttl
    )
    dynamodb.put_new(item)
    return identifier


def _work(run: TimeBudget, identifier: str) -> None:
    found = campaign_repository.find_campaign(identifier)
    if found is None or found.state is CampaignState.PAUSED or found.final:
        return
    one: Campaign | None = found
    if found.state is CampaignState.RUNNING:
        try:
            one = _accept_rows(run, found)
        except ServiceUnavailableError:
            raise
        except GatewayError as problem:
            one = _fail(found, problem)
    if one is not None and one.state.stopped and not one.final:
        one = adopt_pending_chunk(one)
        if one is not None and one.state is CampaignState.CANCELLED:
            one = cancel_unsent(one, run.has_time_for)
        if one is not None and not one.rows_left_to_cancel:
            write_results(one, run.has_time_for)
    if one is not None:
        _enqueue_rest(identifier)


def _enqueue_rest(identifier: str) -> None:
    """Hands what is left to the next worker, at once."""
    one = campaign_repository.find_campaign(identifier)
    if one is None or one.final:
        return
    unwritten = one.results_file is not None or one.tally is None
    if one.state is CampaignState.RUNNING or (one.state.stopped and unwritten):
        queue.enqueue_campaign(os.environ["CAMPAIGN_QUEUE"], identifier)


def _accept_rows(run: TimeBudget, one: Campaign) -> Campaign | None:
    """Sends rows while there is time; the campaign as it is then, or None when another worker is
    at it. Raises a GatewayError for what is wrong with the campaign as a whole."""
    moved = (
        ItemUpdate(one.item_key)
        .schedule_check(epoch_seconds(utc_now()) + WORKER_TIMEOUT)
        .if_in("state", CampaignState.RUNNING)
        .apply()
    )
    if moved is None:
        return campaign_repository.find_campaign(one.id)
    check_tenant(one)
    defaults = row_defaults(one.tenant)
    if not one.columns:
        if not run.has_time_for(CHECK_SECONDS):
            return one
        check_file(run, one)
    while (
        found := campaign_repository.find_campaign(one.id)
    ) and found.state is CampaignState.RUNNING:
        if not run.has_time_for(CHUNK_SECONDS):
            return found
        if found.row == found.rows:
            _finish_reading(found)
            continue
        chunk = find_next_chunk(found)
        if chunk is None:
            return None
        if isinstance(chunk, AbandonedChunk):
            chunk = accept_next_chunk(run, found, defaults, chunk.batch)
        if chunk is None:
            stopped = campaign_repository.find_campaign(one.id)
            return stopped if stopped and stopped.state is not CampaignState.RUNNING else None
        advance(found, chunk)
    return found


def _finish_reading(one: Campaign) -> None:
    change = (
        ItemUpdate(one.item_key)
        .set("state", CampaignState.DONE)
        .schedule_check(epoch_seconds(utc_now()) + WORKER_TIMEOUT)
    )
    if change.if_in("state", CampaignState.RUNNING).apply():
        logger.info("campaign read", extra={"campaign": one.id, "rows": one.row})


def _fail(one: Campaign, problem: GatewayError) -> Campaign | None:
    logger.warning("campaign failed", extra={"campaign": one.id, "problem": problem.slug})
    increment("CampaignFailed")
    change = (
        ItemUpdate(one.item_key)
        .set("state", CampaignState.FAILED)
        .set("problem", problem.to_dict())
    )
    change.schedule_check(epoch_seconds(utc_now()) + WORKER_TIMEOUT).if_in(
        "state", CampaignState.RUNNING
    ).apply()
    return campaign_repository.find_campaign(one.id)

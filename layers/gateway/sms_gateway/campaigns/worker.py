"""Work on a campaign: from an uploaded file to accepted batches, each row exactly once.

A worker writes a chunk's item first, by a condition that only one worker meets, with the ULID of
the chunk's batch; then the batch, through the same core as POST /messages; then it moves the
campaign's offset. A worker that finds a chunk sees by the batch's own item whether it was accepted.
If not, it waits until the worker that wrote the chunk must be dead, and accepts the rows under a
new batch; what the dead worker wrote can never become accepted. The campaign stands in the due
index, so the scheduler wakes another worker after one died.
"""

import os
import time
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from sms_gateway.campaigns import items, queue, s3_files
from sms_gateway.campaigns import repository as campaign_repository
from sms_gateway.campaigns.brake import brake
from sms_gateway.campaigns.cancel import cancel_unsent
from sms_gateway.campaigns.chunks import (
    AbandonedChunk,
    accept_next_chunk,
    adopt_pending_chunk,
    advance,
    find_next_chunk,
)
from sms_gateway.campaigns.file_check import CHECK_SECONDS, check_file
from sms_gateway.campaigns.made import attach_file, find_made
from sms_gateway.campaigns.model import (
    CHECK_FOLDER,
    FOLDER,
    WORKER_TIMEOUT_SECONDS,
    Campaign,
    CampaignState,
)
from sms_gateway.campaigns.pace import wait_until
from sms_gateway.campaigns.results import write_results
from sms_gateway.campaigns.senders import check_sender
from sms_gateway.campaigns.settings import row_defaults
from sms_gateway.campaigns.time_budget import CHUNK_SECONDS, TimeBudget
from sms_gateway.campaigns.vendor_line import LongLineError
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import GatewayError, ServiceUnavailableError
from sms_gateway.core.timestamps import epoch_seconds, utc_now
from sms_gateway.core.ulids import is_ulid, new_ulid
from sms_gateway.messages.planning import MAX_SCHEDULE_AHEAD
from sms_gateway.messages.send import retention_seconds
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ItemUpdate


def handle_record(body: str, remaining: float) -> None:
    """Work on a queue message for at most `remaining` seconds.

    The message is a campaign's id or S3's notification of uploads. Raise ServiceUnavailableError
    when AWS does not answer, ValueError for a body that is neither.
    """
    budget = TimeBudget(time.time() + remaining)
    if is_ulid(body):
        _work(budget, body)
        return
    event = msgspec.json.decode(body)
    if not isinstance(event, dict):
        raise ValueError("neither a campaign's id nor a notification of S3")
    if event.get("Event") == "s3:TestEvent":
        return
    for record in event["Records"]:
        bucket, file = record["s3"]["bucket"], record["s3"]["object"]
        if bucket["name"] != s3_files.bucket_name():
            raise ValueError("a notification of another bucket")
        key = unquote_plus(file["key"])
        if key.startswith((FOLDER, CHECK_FOLDER)) and not key.endswith("/"):
            by = record.get("userIdentity", {}).get("principalId")
            upload = file.get("sequencer", "") if key.startswith(CHECK_FOLDER) else ""
            _work(budget, begin_campaign(key, file["eTag"], file["size"], utc_now(), by, upload))


def begin_campaign(
    key: str,
    etag: str,
    size: int,
    now: datetime,
    uploaded_by: str | None = None,
    upload: str = "",
) -> str:
    """Begin the campaign of a file, unless it has begun, and return its id.

    A file that a campaign of the API waits for is that one's, and no other.

    The same name with the same content is the same campaign: neither a repeated notification nor a
    repeated upload sends anything again. A check has an `upload` of its own each time.
    """
    seconds = epoch_seconds(now)
    ttl = seconds + int(MAX_SCHEDULE_AHEAD.total_seconds()) + retention_seconds()
    made = find_made(key)
    if made is not None:
        attach_file(made, etag, size, seconds + WORKER_TIMEOUT_SECONDS, ttl)
        return made.id
    named = "\n".join([key, etag, *([upload] if upload else [])])
    digest = sha256(named.encode()).hexdigest()
    identifier = campaign_repository.claim_id(digest, new_ulid(now), ttl)
    tenant = key.split("/", 2)[1]
    item = items.campaign_item(
        identifier, tenant, key, etag, size, seconds + WORKER_TIMEOUT_SECONDS, ttl, uploaded_by
    )
    dynamodb.put_new(item)
    if not key.startswith(CHECK_FOLDER):
        campaign_repository.enlist(identifier, tenant, ttl)
    return identifier


def _work(budget: TimeBudget, identifier: str) -> None:
    found = campaign_repository.find_campaign(identifier)
    if found is None or found.at_rest:
        return
    current: Campaign | None = found
    if found.state is CampaignState.READING:
        try:
            current = _accept_rows(budget, found)
        except ServiceUnavailableError:
            raise
        except LongLineError as line:
            _wake_at(found, epoch_seconds(utc_now()) + line.seconds)
            current = None
        except GatewayError as problem:
            current = _fail(found, problem)
    if current is not None and current.state.stopped and not current.final:
        current = _wind_up(budget, current)
    if current is not None:
        _enqueue_rest(identifier)


def _wind_up(budget: TimeBudget, campaign: Campaign) -> Campaign | None:
    """Work on a campaign that reads no more; None when no worker is to go on at once."""
    current = adopt_pending_chunk(campaign)
    if current is not None and current.state is CampaignState.CANCELLED:
        current = cancel_unsent(current, budget.has_time_for)
    if current is None or current.rows_left_to_cancel:
        return current
    return current if write_results(current, budget.has_time_for) else None


def _enqueue_rest(identifier: str) -> None:
    """Enqueue the campaign for the next worker while there is work that needs no waiting."""
    campaign = campaign_repository.find_campaign(identifier)
    if campaign is None or campaign.at_rest:
        return
    unwritten = campaign.results_file is not None or campaign.tally is None
    if campaign.state is CampaignState.READING or (campaign.state.stopped and unwritten):
        queue.enqueue_campaign(os.environ["CAMPAIGN_QUEUE"], identifier)


def _accept_rows(budget: TimeBudget, campaign: Campaign) -> Campaign | None:
    """Accept rows while there is time, and return the campaign as it is then.

    Return None while another worker is accepting a chunk. Raise a GatewayError for a problem of the
    campaign as a whole.
    """
    if not _wake_at(campaign, _worker_deadline()):
        return campaign_repository.find_campaign(campaign.id)
    check_sender(campaign)
    defaults = row_defaults(campaign)
    if not campaign.columns:
        if not budget.has_time_for(CHECK_SECONDS):
            return campaign
        check_file(budget, campaign)
    while (
        found := campaign_repository.find_campaign(campaign.id)
    ) and found.state is CampaignState.READING:
        if not budget.has_time_for(CHUNK_SECONDS):
            return found
        if found.row == found.rows:
            _finish_reading(found)
            continue
        if not _accept_rows_once(budget, found, defaults):
            stopped = campaign_repository.find_campaign(campaign.id)
            return stopped if stopped and stopped.state is not CampaignState.READING else None
    return found


def _accept_rows_once(budget: TimeBudget, campaign: Campaign, defaults: dict[str, Any]) -> bool:
    """Accept a chunk; False where this worker must not go on at once."""
    if brake(campaign, utc_now()) or _waits(campaign):
        return False
    chunk = find_next_chunk(campaign)
    if isinstance(chunk, AbandonedChunk):
        chunk = accept_next_chunk(budget, campaign, defaults, chunk.batch)
    if chunk is None:
        return False
    advance(campaign, chunk)
    return True


def _waits(campaign: Campaign) -> bool:
    """Whether its next rows are to wait, for its start or its pace; then a check is scheduled."""
    when = None if campaign.only_checks else wait_until(campaign, epoch_seconds(utc_now()))
    if when is not None:
        _wake_at(campaign, when)
    return when is not None


def _worker_deadline() -> int:
    return epoch_seconds(utc_now()) + WORKER_TIMEOUT_SECONDS


def _wake_at(campaign: Campaign, when: int) -> bool:
    """Have the scheduler wake a campaign (epoch seconds); False where it reads no more."""
    change = ItemUpdate(campaign.item_key).schedule_check(when)
    return change.if_in("state", CampaignState.READING).apply() is not None


def _finish_reading(campaign: Campaign) -> None:
    change = ItemUpdate(campaign.item_key).set("state", CampaignState.SENDING)
    change.schedule_check(_worker_deadline())
    if change.if_in("state", CampaignState.READING).apply():
        logger.info("campaign read", extra={"campaign": campaign.id, "rows": campaign.row})


def _fail(campaign: Campaign, problem: GatewayError) -> Campaign | None:
    logger.warning("campaign failed", extra={"campaign": campaign.id, "problem": problem.slug})
    if not campaign.only_checks:
        increment("CampaignFailed")
    change = ItemUpdate(campaign.item_key).set("state", CampaignState.FAILED)
    change.set("problem", problem.to_dict()).schedule_check(_worker_deadline())
    change.if_in("state", CampaignState.READING).apply()
    return campaign_repository.find_campaign(campaign.id)

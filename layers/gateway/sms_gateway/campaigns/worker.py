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
from sms_gateway.campaigns.cancel import take_back
from sms_gateway.campaigns.chunks import _accept, _advance, _catch_up, _Dead, _known
from sms_gateway.campaigns.file_check import A_CHECK, _check_file, _check_tenant
from sms_gateway.campaigns.model import FOLDER, WAKE, Campaign, State
from sms_gateway.campaigns.results import report
from sms_gateway.campaigns.settings import _defaults
from sms_gateway.campaigns.time_budget import ENOUGH, Run
from sms_gateway.core.observability import count, log
from sms_gateway.core.problems import GatewayError, Unavailable
from sms_gateway.core.timestamps import epoch_seconds, utc_now
from sms_gateway.core.ulids import is_ulid, new_ulid
from sms_gateway.messages.planning import FURTHEST
from sms_gateway.messages.send import retention
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ItemUpdate


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
    moved = ItemUpdate(one.place).look_at(_seconds() + WAKE).when("state", State.RUNNING).apply()
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


def _end(one: Campaign) -> None:
    change = ItemUpdate(one.place).put("state", State.DONE).look_at(_seconds() + WAKE)
    if change.when("state", State.RUNNING).apply():
        log.info("campaign read", extra={"campaign": one.id, "rows": one.row})


def _fail(one: Campaign, problem: GatewayError) -> Campaign | None:
    log.warning("campaign failed", extra={"campaign": one.id, "problem": problem.slug})
    count("CampaignFailed")
    change = ItemUpdate(one.place).put("state", State.FAILED).put("problem", problem.document())
    change.look_at(_seconds() + WAKE).when("state", State.RUNNING).apply()
    return campaign_repository.find(one.id)


def _seconds() -> int:
    return int(time.time())

"""Write results/<name>.csv: a line for each row; or a check's report, checked/<name>.csv.

The file is written when the last row was read, and again, at growing intervals, until every message
is final. A million rows take longer than one worker has: the file is an upload in parts, and the
progress after each part is stored. S3 takes no small parts, so a worker that runs out of time
within a part leaves its rows in a file for the next worker. Memory holds one part.
"""

import csv
import io
import time
from collections.abc import Callable

from sms_gateway.campaigns import repository as campaign_repository
from sms_gateway.campaigns import s3_files
from sms_gateway.campaigns.model import Campaign, CampaignState, ResultsFile, Tally
from sms_gateway.campaigns.result_rows import COLUMNS, write_chunk, write_failure, write_sum
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import (
    ConflictError,
    GatewayError,
    NotFoundError,
    ServiceUnavailableError,
)
from sms_gateway.core.status import Status
from sms_gateway.storage.message_updates import MessageUpdate

PART_BYTES = 6 * 1024 * 1024  # S3 takes none below 5 MB but the last
CHUNK_SECONDS = 15.0  # seconds that a chunk, and then writing the part, may take at most
PART_SECONDS = 25.0  # seconds that must be left to begin a part
FIRST_RUN_SECONDS, LAST_RUN_SECONDS = 60, 86_400  # shortest and longest wait between two files
# A file that can't be written is tried for about seven hours, then no more.
MAX_FAILURES, LONGEST_RETRY_SECONDS = 12, 3600

HasTimeFor = Callable[[float], bool]


def write_results(campaign: Campaign, has_time_for: HasTimeFor) -> bool:
    """Write results while there is time; return whether another worker may go on at once.

    After a failure the scheduler wakes one, later each time, until MAX_FAILURES. Raise
    ServiceUnavailableError when the table does not answer.
    """
    while has_time_for(PART_SECONDS):
        try:
            following = _write_next(campaign, has_time_for)
        except (ConflictError, NotFoundError) as problem:
            # Completed by a worker that died before it could store that, dropped by S3, or
            # overwritten by a slower worker: begin again, at once the first time.
            following = _count_failure(campaign, problem, None)
            if following is None or campaign.result_failures:
                return False
        except GatewayError as problem:
            _count_failure(campaign, problem, campaign.results_file)
            return False
        if following is None:
            break
        campaign = following
    return True


def _write_next(campaign: Campaign, has_time_for: HasTimeFor) -> Campaign | None:
    """Begin, continue or complete the file; None when it is done or another worker changed it."""
    if campaign.results_file is None:
        if (s3_files.campaign_of(campaign.results_key) or "") > campaign.id:
            _close(campaign)  # a later file of the same name has its results there
            return None
        return _begin_file(campaign)
    file = campaign.results_file
    if file.parts and not file.pending and file.next > campaign.row:
        s3_files.finish_upload(campaign.results_key, file.upload, file.parts)
        found = file.counts, file.prices, file.segments, file.shares, file.reasons
        _finish(campaign, Tally(int(time.time()), *found))
        return None
    return _save(campaign, _write_part(campaign, file, has_time_for))


def _begin_file(campaign: Campaign) -> Campaign | None:
    upload = s3_files.begin_upload(campaign.results_key, campaign.id)
    return _save(campaign, ResultsFile(upload))


def _write_part(campaign: Campaign, file: ResultsFile, has_time_for: HasTimeFor) -> ResultsFile:
    """Write the next part, or a pending file where it is too small for one."""
    body, after = _render_part(campaign, file, has_time_for)
    if after.next <= campaign.row and len(body) < s3_files.MIN_PART_BYTES:
        after.pending = (s3_files.put_file(campaign.unfinished_key, body), len(body))
    else:
        number = len(file.parts) + 1
        etag = s3_files.put_part(campaign.results_key, file.upload, number, body)
        after.parts = [*file.parts, etag]
    return after


def _render_part(
    campaign: Campaign, file: ResultsFile, has_time_for: HasTimeFor
) -> tuple[bytes, ResultsFile]:
    """Render the next part, or at least a chunk of it, and the progress after it."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    if file.pending is not None:
        etag, size = file.pending
        pending = s3_files.read_blocks(campaign.unfinished_key, etag, 0, size)
        text.write(b"".join(pending).decode())
    elif not file.parts:
        rows.writerow(COLUMNS)
        write_failure(campaign, rows)
    after = ResultsFile(
        file.upload,
        file.parts,
        next=file.next,
        counts=dict(file.counts),
        prices=dict(file.prices),
        segments=dict(file.segments),
        shares=list(file.shares),
        reasons=dict(file.reasons),
    )
    while after.next <= campaign.row and text.tell() < PART_BYTES:
        if after.next > file.next and not has_time_for(CHUNK_SECONDS):
            break
        chunk = campaign_repository.find_chunk(campaign.id, after.next)
        if chunk is None:
            raise ServiceUnavailableError("A chunk of the campaign is missing; try again.")
        write_chunk(campaign, chunk, rows, after)
        after.next += chunk.count
    if campaign.only_checks and after.next > campaign.row:
        write_sum(campaign, rows, after)
    return text.getvalue().encode(), after


def _save(campaign: Campaign, file: ResultsFile) -> Campaign | None:
    change = MessageUpdate(campaign.item_key).set("results_file", file)
    return campaign_repository.update(campaign, change.set("version", campaign.version + 1))


def _count_failure(
    campaign: Campaign, problem: GatewayError, file: ResultsFile | None
) -> Campaign | None:
    """Count a failure and wait, keeping `file` as it is so far; or give up and say so."""
    failures = campaign.result_failures + 1
    wait = min(FIRST_RUN_SECONDS * 2 ** (failures - 1), LONGEST_RETRY_SECONDS)
    change = MessageUpdate(campaign.item_key).set("result_failures", failures)
    change.set("version", campaign.version + 1)
    if file is None:
        change.remove("results_file")
    if failures < MAX_FAILURES:
        logger.warning(
            "results not written", extra={"campaign": campaign.id, "problem": problem.slug}
        )
        return campaign_repository.update(campaign, change.schedule_check(int(time.time()) + wait))
    given_up = ServiceUnavailableError(
        f"The results file could not be written in {failures} attempts, and nobody tries any more: "
        f"the operator mends the cause, then runs smsgw campaigns results {campaign.id}. The "
        f"messages are not affected. The last time: {problem.detail}",
        slug="results-not-written",
    )
    change.set("results_problem", given_up.to_dict()).schedule_check(None)
    if campaign_repository.update(campaign, change):
        logger.error("results given up", extra={"campaign": campaign.id, "problem": problem.slug})
        increment("ResultsGivenUp")
    return None


def _finish(campaign: Campaign, tally: Tally) -> None:
    """Store the file's counts; unless all are final, schedule the next file, later each time."""
    change = MessageUpdate(campaign.item_key).set("tally", tally)
    change.remove("results_file", "result_failures")
    change.set("version", campaign.version + 1)
    if all(Status(status).final for status in tally.counts if status != "gone"):
        change.set("final", 1).schedule_check(None)
        if campaign.state is CampaignState.SENDING:
            change.set("state", CampaignState.DONE)
    else:
        wait = min(
            (FIRST_RUN_SECONDS + campaign.sent // 1000) * 2 ** min(campaign.result_runs, 20),
            LAST_RUN_SECONDS,
        )
        change.set("result_runs", campaign.result_runs + 1)
        change.schedule_check(int(time.time()) + wait)
    # A chunk adopted meanwhile is not in the file: then the file is written again.
    campaign_repository.update(campaign, change.if_in("row", campaign.row))


def _close(campaign: Campaign) -> None:
    change = MessageUpdate(campaign.item_key).set("final", 1)
    if campaign.only_checks and campaign.state is CampaignState.SENDING:
        change.set("state", CampaignState.DONE)
    change.set("version", campaign.version + 1).schedule_check(None)
    campaign_repository.update(campaign, change)

"""Cancel the unsent messages of a cancelled campaign, last rows first.

The first rows are the likeliest to have been sent. Progress is stored chunk by chunk, so a million
rows take as many workers as they need.
"""

import time
from collections.abc import Callable
from itertools import batched

from sms_gateway.campaigns import repository as campaign_repository
from sms_gateway.campaigns.model import WORKER_TIMEOUT_SECONDS, Campaign
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.status import Status
from sms_gateway.messages.dashboard_lines import report_ended
from sms_gateway.storage import dynamodb, message_repository
from sms_gateway.storage.message_updates import MessageUpdate
from sms_gateway.storage.models import ItemKey, TimelineEntry

WRITES_PER_PAGE = 10 * dynamodb.MAX_PARALLEL_WRITES  # writes between two checks of the time left
PAGE_SECONDS = 10.0  # seconds that reading a chunk, or writing a page, may take at most

HasTimeFor = Callable[[float], bool]


def cancel_unsent(campaign: Campaign, has_time_for: HasTimeFor) -> Campaign | None:
    """Cancel unsent messages while there is time, and return the campaign as it is then.

    Return None when another worker changed it. Raise ServiceUnavailableError when AWS does not
    answer.
    """
    current: Campaign | None = campaign
    if campaign.rows_left_to_cancel is None:
        current = _save_progress(campaign, campaign.row)
    while current is not None and current.rows_left_to_cancel and has_time_for(PAGE_SECONDS):
        chunk = campaign_repository.find_chunk_of_row(current.id, current.rows_left_to_cancel)
        if chunk is None:
            raise ServiceUnavailableError("A chunk of the campaign is missing; try again.")
        if chunk.batch and not _cancel_batch(chunk.batch, has_time_for):
            break
        current = _save_progress(current, chunk.first - 1)
    return current


def _save_progress(campaign: Campaign, rows_left: int) -> Campaign | None:
    change = MessageUpdate(campaign.item_key).set("rows_left_to_cancel", rows_left)
    change.set("version", campaign.version + 1)
    # The scheduler wakes another worker only when this one must be dead.
    change.schedule_check(int(time.time()) + WORKER_TIMEOUT_SECONDS)
    return campaign_repository.update(campaign, change)


def _cancel_batch(batch: str, has_time_for: HasTimeFor) -> bool:
    """Cancel the unsent submissions of a batch; return False when time ran out.

    The condition spares what a vendor has, or may have.
    """
    now = time.time()
    entry = TimelineEntry(int(now * 1000), Status.CANCELLED, "operator")
    unsent = [
        item
        for item in message_repository.submissions_of(batch)
        if item["status"]["S"] in (Status.SCHEDULED, Status.ACCEPTED)
    ]
    changes = [
        MessageUpdate(ItemKey(item["pk"]["S"], item["sk"]["S"]))
        .set("status", Status.CANCELLED)
        .set("changed", int(now))
        .append_timeline(entry)
        .schedule_check(None)
        .if_in("status", Status.SCHEDULED, Status.ACCEPTED)
        .if_missing("in_doubt")
        for item in unsent
    ]
    for page in batched(zip(unsent, changes, strict=True), WRITES_PER_PAGE, strict=False):
        if not has_time_for(PAGE_SECONDS):
            return False
        written = dynamodb.apply_all([change for _, change in page])
        for (item, _), cancelled in zip(page, written, strict=True):
            if cancelled:
                report_ended(item["vendor"]["S"], Status.CANCELLED, int(item["count"]["N"]))
    return True

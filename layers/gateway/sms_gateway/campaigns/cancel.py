"""Takes back what has not left of a cancelled campaign, the last rows first: the first ones are the
likeliest to have left. What is done is remembered chunk by chunk, so that a million rows take as
many workers as they need.
"""

import time
from collections.abc import Callable
from itertools import batched

from sms_gateway.campaigns import repository as campaign_repository
from sms_gateway.campaigns.model import WORKER_TIMEOUT, Campaign
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.status import Status
from sms_gateway.storage import dynamodb, message_repository
from sms_gateway.storage.message_updates import MessageUpdate
from sms_gateway.storage.models import ItemKey, TimelineEntry

WRITES_PER_PAGE = 10 * dynamodb.MAX_PARALLEL_WRITES  # writes between two looks at the clock
PAGE_SECONDS = 10.0  # seconds that reading a chunk, or so many writes, may take at the worst

HasTimeFor = Callable[[float], bool]


def cancel_unsent(one: Campaign, time_for: HasTimeFor) -> Campaign | None:
    """Goes on taking back as far as there is time; the campaign as it is then, None when another
    worker is at it. Raises Unavailable when AWS does not answer."""
    now: Campaign | None = (
        one if one.rows_left_to_cancel is not None else _save_progress(one, one.row)
    )
    while now is not None and now.rows_left_to_cancel and time_for(PAGE_SECONDS):
        chunk = campaign_repository.find_chunk_of_row(now.id, now.rows_left_to_cancel)
        if chunk is None:
            raise ServiceUnavailableError("A chunk of the campaign is not there; try again.")
        if chunk.batch and not _cancel_batch(chunk.batch, time_for):
            break
        now = _save_progress(now, chunk.first - 1)
    return now


def _save_progress(one: Campaign, left: int) -> Campaign | None:
    change = MessageUpdate(one.item_key).set("left", left).set("turn", one.version + 1)
    # While this worker is alive the clock need call no other.
    return campaign_repository.update(one, change.schedule_check(int(time.time()) + WORKER_TIMEOUT))


def _cancel_batch(batch: str, time_for: HasTimeFor) -> bool:
    """Cancels the submissions of a batch that have not left; False when time ran out. What is in
    a vendor's hands, or may be, is not touched: its status, or its doubt, fails the condition."""
    now = time.time()
    entry = TimelineEntry(int(now * 1000), Status.CANCELLED, "operator")
    changes = [
        MessageUpdate(ItemKey(item["pk"]["S"], item["sk"]["S"]))
        .set("status", Status.CANCELLED)
        .set("changed", int(now))
        .append_timeline(entry)
        .schedule_check(None)
        .if_in("status", Status.SCHEDULED, Status.ACCEPTED)
        .if_missing("doubt")
        for item in message_repository.submissions_of(batch)
        if item["status"]["S"] in (Status.SCHEDULED, Status.ACCEPTED)
    ]
    for some in batched(changes, WRITES_PER_PAGE, strict=False):
        if not time_for(PAGE_SECONDS):
            return False
        dynamodb.apply_all(some)
    return True

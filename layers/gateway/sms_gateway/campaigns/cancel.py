"""Cancel the unsent messages of a cancelled campaign, last rows first.

The first rows are the likeliest to have been sent. Progress is stored chunk by chunk, so a million
rows take as many workers as they need.
"""

import time

from sms_gateway.campaigns import repository as campaign_repository
from sms_gateway.campaigns.model import WORKER_TIMEOUT_SECONDS, Campaign
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.messages.cancel_unsent import PAGE_SECONDS, HasTimeFor, cancel_unsent_of
from sms_gateway.storage.message_updates import MessageUpdate


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
        if chunk.batch and cancel_unsent_of(chunk.batch, has_time_for) is None:
            break
        current = _save_progress(current, chunk.first - 1)
    return current


def _save_progress(campaign: Campaign, rows_left: int) -> Campaign | None:
    change = MessageUpdate(campaign.item_key).set("rows_left_to_cancel", rows_left)
    change.set("version", campaign.version + 1)
    # The scheduler wakes another worker only when this one must be dead.
    change.schedule_check(int(time.time()) + WORKER_TIMEOUT_SECONDS)
    return campaign_repository.update(campaign, change)

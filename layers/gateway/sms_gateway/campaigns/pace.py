"""When a campaign's next rows may be read: from its start on, and so many a minute. No I/O.

The scheduler wakes a campaign once a minute, so a minute's rows go at once, and then it waits.
"""

from math import ceil

from sms_gateway.campaigns.model import CHUNK_ROWS, Campaign

MINUTE = 60  # seconds


def use_pace(campaign: Campaign, rows: int, now: int) -> int:
    """Return up to when (epoch seconds) the pace is used up, once so many more rows were read."""
    return max(campaign.paced_until, now) + _seconds_of(campaign, rows)


def wait_until(campaign: Campaign, now: int) -> int | None:
    """Return when (epoch seconds) the next chunk may be read; None for now.

    It may use the pace of one minute ahead, and no more.
    """
    when = campaign.options.starts_at or 0
    if pace := campaign.options.pace:
        used = campaign.paced_until + _seconds_of(campaign, min(CHUNK_ROWS, pace))
        when = max(when, used - MINUTE)
    return when if when > now else None


def _seconds_of(campaign: Campaign, rows: int) -> int:
    return ceil(MINUTE * rows / campaign.options.pace) if campaign.options.pace else 0

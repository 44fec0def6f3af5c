"""When a campaign's next rows may be read: from its start on, and so many a minute. No I/O.

The scheduler wakes a campaign once a minute, so a minute's rows go at once, and then it waits.
"""

from math import ceil

from sms_gateway.campaigns.model import Campaign

MINUTE = 60  # seconds


def use_pace(campaign: Campaign, rows: int, now: int) -> int:
    """Return up to when (epoch seconds) the pace is used up, once so many more rows were read."""
    if not campaign.options.pace:
        return 0
    return max(campaign.paced_until, now) + ceil(MINUTE * rows / campaign.options.pace)


def wait_until(campaign: Campaign, now: int) -> int | None:
    """Return when (epoch seconds) the next rows may be read; None for now."""
    first = campaign.paced_until - MINUTE + 1 if campaign.options.pace else 0
    when = max(first, campaign.options.starts_at or 0)
    return when if when > now else None

"""A campaign waits while its vendor's line is long: what it has accepted, nobody can pause.

A vendor without a `rate` has no line.
"""

from collections.abc import Sequence
from datetime import datetime

from sms_gateway.core.timestamps import epoch_ms
from sms_gateway.messages.planning import PlannedRecipient
from sms_gateway.storage import rate_limiter

MAX_LINE_SECONDS = 180
SHORT_LINE_SECONDS = 90  # until then it waits: the scheduler looks once a minute


class LongLineError(Exception):
    """A vendor's line is too long for more; `seconds` is until it is short."""

    def __init__(self, seconds: int) -> None:
        super().__init__("the vendor's line is long")
        self.seconds = seconds


def check_lines(recipients: Sequence[PlannedRecipient], now: datetime) -> None:
    """Raise LongLineError where more than a few minutes of work wait for a recipient's vendor."""
    vendors = {one.vendors[0] for one in recipients if one.adapter.rate}
    lines = [rate_limiter.line_ms(vendor, epoch_ms(now)) // 1000 for vendor in vendors]
    longest = max(lines, default=0)
    if longest > MAX_LINE_SECONDS:
        raise LongLineError(longest - SHORT_LINE_SECONDS)

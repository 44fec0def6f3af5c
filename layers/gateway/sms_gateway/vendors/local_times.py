"""Times as vendors write them: in a zone of their own, without an offset, to the minute or second.

What is rounded is rounded up: a vendor must never send before `send_at`.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

INDIA = ZoneInfo("Asia/Kolkata")
WIB = ZoneInfo("Asia/Jakarta")  # Western Indonesian time, UTC+7
ZURICH = ZoneInfo("Europe/Zurich")

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_local_ceil(when: datetime, zone: ZoneInfo, unit: timedelta) -> datetime:
    """An aware time in `zone`, rounded up to the next whole `unit`."""
    over = (when - EPOCH) % unit
    return (when.astimezone(UTC) + (unit - over if over else timedelta())).astimezone(zone)


def unambiguous(when: datetime) -> bool:
    """Whether the wall clock shows this local time once. In the night when summer time ends an hour
    comes twice, and without an offset nobody can say which one is meant."""
    return when.replace(fold=0).utcoffset() == when.replace(fold=1).utcoffset()

"""Times as vendors write them: in a local zone, without an offset, to the minute or second.

Rounding is upwards: a vendor must never send before `send_at`.
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
    """Return an aware time in `zone`, rounded up to the next whole `unit`."""
    excess = (when - EPOCH) % unit
    return (when.astimezone(UTC) + (unit - excess if excess else timedelta())).astimezone(zone)


def unambiguous(when: datetime) -> bool:
    """Return whether the wall clock shows this local time once.

    In the night when summer time ends an hour comes twice, and without an offset the two look the
    same.
    """
    return when.replace(fold=0).utcoffset() == when.replace(fold=1).utcoffset()

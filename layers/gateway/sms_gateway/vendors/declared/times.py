"""Times as a description says that a vendor writes and reads them."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sms_gateway.vendors.declared.description import Schedule, Time
from sms_gateway.vendors.local_times import EPOCH, MINUTE, SECOND, to_local_ceil

EPOCHS = {"epoch": ("[1-9][0-9]{8,10}", 1), "epoch-ms": ("[1-9][0-9]{11,13}", 1000)}


def read_time(time: Time, written: str | None) -> datetime | None:
    """Return a time in its zone; None for one that no format reads."""
    if written is None:
        return None
    zone = ZoneInfo(time.zone)
    found = (_read(one, written, zone) for one in time.formats)
    return next((one for one in found if one is not None), None)


def _read(written_as: str, written: str, zone: ZoneInfo) -> datetime | None:
    if written_as in EPOCHS:
        plain, unit = EPOCHS[written_as]
        if not re.fullmatch(plain, written):
            return None
        return EPOCH + timedelta(milliseconds=int(written) * 1000 // unit)
    try:
        if written_as == "iso":
            found = datetime.fromisoformat(written)
        else:
            found = datetime.strptime(written, written_as)
        aware = found if found.tzinfo else found.replace(tzinfo=zone)
        return aware.astimezone(UTC).astimezone(zone)  # which has both
    except (ValueError, OverflowError):
        return None


def written_time(when: datetime | None, schedule: Schedule | None) -> str:
    """Return a time as the vendor reads it, rounded up; '' for none."""
    if when is None or schedule is None:
        return ""
    if schedule.format == "epoch":
        return f"{to_local_ceil(when, ZoneInfo('UTC'), SECOND).astimezone(UTC).timestamp():.0f}"
    unit = SECOND if "%S" in schedule.format else MINUTE
    return to_local_ceil(when, ZoneInfo(schedule.zone), unit).strftime(schedule.format)

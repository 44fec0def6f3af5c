"""How server2sms reports deliveries, polled or by notification URL, and its Swiss times."""

import re
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote

from local.simulators.state import Message

DELIVERY = {  # state: DeliveryStatus, its description, reason code, its description
    "queued": ("-1", "Not yet submitted", "", ""),
    "pending": ("1", "Buffered", "107", "Absent Subscriber"),
    "delivered": ("0", "Delivered", "000", ""),
    "undelivered": ("2", "Not delivered", "101", "Unknown Subscriber"),
}
TAG = re.compile(r"<(?:DST|RSN|TRN|RCPNT|D?SCTS(?:UTC|CET)?)>")


def row(message: Message, delivery: tuple[str, str, str, str]) -> dict[str, str]:
    """Return one line of InquireDeliveryNotifications, in the dates of the SOAP sibling."""
    status, description, reason, reason_text = delivery
    final = message.final_at
    return {
        "TransactionReferenceNumber": message.reference or "",
        "DeliveryStatus": status,
        "DeliveryStatusDescription": description,
        "SubmissionDate": plain(swiss(message.submitted_at)),
        "NotificationDate": "" if final is None else plain(swiss(final)),
        "Reasoncode": reason,
        "ReasoncodeDescription": reason_text,
    }


def filled(url: str, message: Message, state: str) -> str:
    """Return the URL with its tags replaced; without any tag the reference is appended."""
    reference = message.reference or ""
    if not TAG.search(url):
        return url + quote(reference, safe="")
    status, _, reason, _ = DELIVERY[state]
    submitted = swiss(message.submitted_at)
    notified = swiss(message.final_at or message.submitted_at)
    values = {
        "DST": status,
        "RSN": reason,
        "TRN": reference,
        "RCPNT": f"+{message.number}",
        "SCTS": plain(submitted),
        "DSCTS": plain(notified),
        "SCTSUTC": submitted.astimezone(UTC).isoformat(timespec="seconds"),
        "DSCTSUTC": notified.astimezone(UTC).isoformat(timespec="seconds"),
        "SCTSCET": submitted.isoformat(timespec="seconds"),
        "DSCTSCET": notified.isoformat(timespec="seconds"),
    }
    return TAG.sub(lambda tag: quote(values[tag[0][1:-1]], safe=""), url)


def deferred(value: str) -> float | None:
    """Return seconds since 1970 of `ddmmyyyyhhmmss` in Swiss time, None for empty.

    Raises ValueError.
    """
    if not value:
        return None
    if not re.fullmatch(r"\d{14}", value):
        raise ValueError("not ddmmyyyyhhmmss")
    local = datetime.strptime(value, "%d%m%Y%H%M%S").replace(tzinfo=UTC)
    # Near a change of the clocks the hour may be off by one: no test depends on it.
    return (local - swiss_offset(local - timedelta(hours=1))).timestamp()


def swiss(seconds: float) -> datetime:
    """Return a time in Swiss time, by the European rule: not every machine has a zone database."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.astimezone(timezone(swiss_offset(moment)))


def swiss_offset(moment: datetime) -> timedelta:
    """Return two hours from the last Sunday of March to that of October, 01:00 UTC; else one."""
    start, end = (
        last - timedelta(days=(last.weekday() + 1) % 7)
        for last in (datetime(moment.year, month, 31, 1, tzinfo=UTC) for month in (3, 10))
    )
    return timedelta(hours=2 if start <= moment < end else 1)


def plain(moment: datetime) -> str:
    """Return `ddmmyyyyhhmmss`, without a zone."""
    return moment.strftime("%d%m%Y%H%M%S")

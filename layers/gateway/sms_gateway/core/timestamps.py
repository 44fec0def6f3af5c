"""Epoch seconds and milliseconds, aware UTC times and RFC 3339."""

from datetime import UTC, datetime, timedelta

HOUR_SECONDS = 3600
DAY_SECONDS = 86_400


def utc_now() -> datetime:
    """Return the present as an aware UTC time."""
    return datetime.now(UTC)


def epoch_seconds(when: datetime) -> int:
    """Convert to whole seconds since 1970, rounded down."""
    return int(when.timestamp())


def epoch_ms(when: datetime) -> int:
    """Convert to whole milliseconds since 1970, rounded down."""
    return int(when.timestamp() * 1000)


def epoch_us(when: datetime) -> int:
    """Convert to microseconds since 1970, exactly."""
    return (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def from_ms(ms: int) -> datetime:
    """Convert epoch milliseconds to an aware UTC time."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def rfc3339(when: datetime) -> str:
    """Format as RFC 3339 in UTC with milliseconds and Z."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

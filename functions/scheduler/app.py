"""Check what is due, once a minute."""

from typing import Any

from sms_gateway.scheduler.tick import run


def handler(_event: dict[str, Any], context: Any) -> dict[str, int]:
    """Return how many submissions were checked."""
    return {"checked": run(context.get_remaining_time_in_millis() / 1000)}

"""The clock's minute: looks at whatever is due."""

from typing import Any

from sms_gateway.scheduler.tick import run


def handler(_event: dict[str, Any], context: Any) -> dict[str, int]:
    """Answers how many submissions were looked at."""
    return {"looked": run(context.get_remaining_time_in_millis() / 1000)}

"""Publish events on the event bus for what changed in the table."""

from typing import Any

from sms_gateway.events.eventbridge import publish
from sms_gateway.events.stream_reader import handle_records


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Report the record that failed, so that the stream continues from there."""
    remaining = context.get_remaining_time_in_millis() / 1000
    return handle_records(
        event["Records"], remaining, publish, report_dead_letters="redriven" in event
    )

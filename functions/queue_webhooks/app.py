"""Enqueue webhook deliveries for what changed in the table."""

from typing import Any

from sms_gateway.events.stream_reader import handle_records
from sms_gateway.events.webhook_fanout import enqueue_deliveries


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Report the record that failed, so that the stream continues from there."""
    remaining = context.get_remaining_time_in_millis() / 1000
    redriven = "redriven" in event
    return handle_records(
        event["Records"],
        remaining,
        enqueue_deliveries,
        operator=False,
        report_dead_letters=redriven,
    )

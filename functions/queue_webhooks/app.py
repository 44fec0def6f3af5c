"""Hands what changed in the table to the queue of deliveries, for the webhooks of tenants."""

from typing import Any

from sms_gateway.events.stream_reader import publish
from sms_gateway.events.webhook_fanout import post


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answers the record that failed, so that the stream goes on from there."""
    remaining = context.get_remaining_time_in_millis() / 1000
    redriven = "redriven" in event
    return publish(event["Records"], remaining, post, operator=False, tell_buried=redriven)

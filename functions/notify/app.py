"""Hands what changed in the table to the queue of deliveries, for the webhooks of tenants."""

from typing import Any

from sms_gateway.posting import post
from sms_gateway.publishing import publish


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answers the record that failed, so that the stream goes on from there."""
    remaining = context.get_remaining_time_in_millis() / 1000
    redriven = "redriven" in event
    return publish(event["Records"], remaining, post, operator=False, tell_buried=redriven)

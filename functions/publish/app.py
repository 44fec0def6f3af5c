"""Tells the bus and the webhooks what changed in the table."""

from typing import Any

from sms_gateway.publishing import publish


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answers which records failed, so that the stream gives them again."""
    return publish(event["Records"], context.get_remaining_time_in_millis() / 1000)

"""Hands queued submissions to a vendor; each queue message is one submission's key."""

from typing import Any

from sms_gateway.dispatch.worker import handle_records


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answers which queue messages failed, so that only those come again."""
    return handle_records(event["Records"], context.get_remaining_time_in_millis() / 1000)

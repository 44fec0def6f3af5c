"""Submit queued submissions to their vendor."""

from typing import Any

from sms_gateway.dispatch.worker import handle_records


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Report the queue messages that failed, so that SQS delivers only them again."""
    return handle_records(event["Records"], context.get_remaining_time_in_millis() / 1000)

"""Post queued events to webhooks."""

from typing import Any

from sms_gateway.webhooks.delivery_worker import handle_records


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Report the queue messages that failed, so that SQS delivers only them again."""
    return handle_records(event["Records"])

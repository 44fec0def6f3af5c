"""Posts queued events to customers' webhooks."""

from typing import Any

from sms_gateway.webhooks.delivery_worker import handle_records


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answers which queue messages failed, so that only those come again."""
    return handle_records(event["Records"])

"""GET and POST /callbacks/{vendor}/{token}: delivery receipts, without an API key."""

from typing import Any

from sms_gateway.receipts.callbacks import handle_callback


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer 200 to a vendor with a valid token, 404 to others."""
    return handle_callback(event)

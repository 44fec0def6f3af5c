"""GET and POST /callbacks/{vendor}/{token}: vendors report here, without a key."""

from typing import Any

from sms_gateway.receipts.callbacks import handle_callback


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answers 200 to a report, 404 to whoever does not know a token."""
    return handle_callback(event)

"""Messages of the ingress queue."""

from typing import Any

from sms_gateway.sources.queue import read
from sms_gateway.taking import take_records


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answers which messages shall come again."""
    return take_records("queue", event["Records"], read)

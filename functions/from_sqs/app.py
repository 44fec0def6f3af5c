"""Messages of the ingress queue."""

from typing import Any

from sms_gateway.triggers.handler import handle_records
from sms_gateway.triggers.sqs import parse


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answers which messages shall come again."""
    return handle_records("queue", event["Records"], parse)

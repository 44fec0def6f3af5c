"""Messages of the ingress queue."""

from typing import Any

from sms_gateway.triggers.handler import take_records
from sms_gateway.triggers.sqs import read


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answers which messages shall come again."""
    return take_records("queue", event["Records"], read)

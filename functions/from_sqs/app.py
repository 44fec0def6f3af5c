"""Send what messages of the ingress queue ask for."""

from typing import Any

from sms_gateway.triggers.handler import handle_records
from sms_gateway.triggers.sqs import parse


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Report the queue messages that failed, so that SQS delivers only them again."""
    return handle_records("queue", event["Records"], parse)

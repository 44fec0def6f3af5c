"""Send CloudWatch alarms and messages that an SNS topic delivers."""

from functools import partial
from typing import Any

from sms_gateway.triggers.handler import handle_event
from sms_gateway.triggers.sns import parse


def handler(event: dict[str, Any], _context: object) -> None:
    """Handle the event's records; SNS delivers one an invocation."""
    for record in event["Records"]:
        handle_event("topic", event | {"Records": [record]}, partial(parse, record["Sns"]))

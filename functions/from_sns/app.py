"""Notifications of the topic: CloudWatch alarms, and messages with numbers in their attributes."""

from functools import partial
from typing import Any

from sms_gateway.triggers.handler import handle_event
from sms_gateway.triggers.sns import parse


def handler(event: dict[str, Any], _context: object) -> None:
    """Takes what SNS delivers, one record an invocation."""
    for record in event["Records"]:
        handle_event("topic", event | {"Records": [record]}, partial(parse, record["Sns"]))

"""SendMessage events of the bus."""

import os
from functools import partial
from typing import Any

from sms_gateway.triggers.eventbridge import read
from sms_gateway.triggers.handler import take_event


def handler(event: dict[str, Any], _context: object) -> None:
    """Takes one event of EventBridge."""
    take_event("bus", event, partial(read, event, own_account=os.environ["OWN_ACCOUNT"]))

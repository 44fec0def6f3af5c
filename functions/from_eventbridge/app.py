"""Send what SendMessage events on the event bus ask for."""

import os
from functools import partial
from typing import Any

from sms_gateway.triggers.eventbridge import parse
from sms_gateway.triggers.handler import handle_event


def handler(event: dict[str, Any], _context: object) -> None:
    """Handle one event of EventBridge."""
    handle_event("bus", event, partial(parse, event, own_account=os.environ["OWN_ACCOUNT"]))

"""SendMessage events of the bus."""

import os
from functools import partial
from typing import Any

from sms_gateway.sources.bus import read
from sms_gateway.taking import take_event


def handler(event: dict[str, Any], _context: object) -> None:
    """Takes one event of EventBridge."""
    take_event("bus", event, partial(read, event, own_account=os.environ["OWN_ACCOUNT"]))

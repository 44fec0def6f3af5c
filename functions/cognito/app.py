"""The custom SMS sender of Cognito user pools."""

from functools import partial
from typing import Any

from sms_gateway.sources.cognito import read
from sms_gateway.sources.sealed import unseal
from sms_gateway.taking import take_event


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Takes one event; Cognito wants it back."""
    take_event("cognito", event, partial(read, event, unseal=unseal))
    return event

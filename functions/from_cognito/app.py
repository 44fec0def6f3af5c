"""The custom SMS sender of Cognito user pools."""

from functools import partial
from typing import Any

from sms_gateway.triggers.cognito import read
from sms_gateway.triggers.cognito_decryption import unseal
from sms_gateway.triggers.handler import take_event


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Takes one event; Cognito wants it back."""
    take_event("cognito", event, partial(read, event, unseal=unseal))
    return event

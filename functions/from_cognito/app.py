"""The custom SMS sender of Cognito user pools."""

from functools import partial
from typing import Any

from sms_gateway.triggers.cognito import parse
from sms_gateway.triggers.cognito_decryption import decrypt_code
from sms_gateway.triggers.handler import handle_event


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Handle one event and return it, as Cognito demands."""
    handle_event("cognito", event, partial(parse, event, decrypt=decrypt_code))
    return event

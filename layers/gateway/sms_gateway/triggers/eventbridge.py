"""Parse an event of the bus: its detail-type is SendMessage, its detail a send's body."""

from collections.abc import Mapping
from typing import Any

from sms_gateway.core.problems import ForbiddenError, InvalidRequestError
from sms_gateway.triggers.request import TriggeredSend, encode_body, find_source
from sms_gateway.triggers.settings import TriggerSources

DETAIL_TYPE = "SendMessage"


def parse(event: Mapping[str, Any], sources: TriggerSources, own_account: str) -> TriggeredSend:
    """Parse an event; EventBridge gives it the same id however often it is delivered.

    Raise InvalidRequestError or ForbiddenError.
    """
    identifier, name = event.get("id"), event.get("source")
    if not isinstance(identifier, str) or not isinstance(name, str):
        raise InvalidRequestError("This is no event of EventBridge: it has no id, or no source.")
    if event.get("detail-type") != DETAIL_TYPE:
        raise InvalidRequestError(f"The detail-type must be {DETAIL_TYPE}.", pointer="/detail-type")
    source = find_source("bus", name, sources.bus)
    account = str(event.get("account"))
    if account not in (own_account, *source.accounts):
        raise ForbiddenError(
            f'The account {account[:20]} is not among the `accounts` of "{name}".',
            slug="account-not-allowed",
            pointer="/account",
        )
    detail = event.get("detail")
    if not isinstance(detail, dict):
        raise InvalidRequestError(
            "The detail must be the body of a send, an object.", pointer="/detail"
        )
    return TriggeredSend(source, encode_body(detail), f"bus/{identifier}", "/detail")

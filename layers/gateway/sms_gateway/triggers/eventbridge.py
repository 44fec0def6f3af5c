"""An event of the bus: detail-type SendMessage, and a send's body as its detail."""

from collections.abc import Mapping
from typing import Any

from sms_gateway.core.problems import Forbidden, Invalid
from sms_gateway.triggers.request import Ask, encoded, known
from sms_gateway.triggers.settings import Sources

DETAIL_TYPE = "SendMessage"


def read(event: Mapping[str, Any], sources: Sources, own_account: str) -> Ask:
    """What an event asks for. Its id is EventBridge's, the same however often it is delivered.
    Raises Invalid or Forbidden that says what is wrong with it."""
    identifier, name = event.get("id"), event.get("source")
    if not isinstance(identifier, str) or not isinstance(name, str):
        raise Invalid("This is no event of EventBridge: it has no id, or no source.")
    if event.get("detail-type") != DETAIL_TYPE:
        raise Invalid(f"The detail-type must be {DETAIL_TYPE}.", pointer="/detail-type")
    source = known("bus", name, sources.bus)
    account = str(event.get("account"))
    if account not in (own_account, *source.accounts):
        raise Forbidden(
            f'The account {account[:20]} is not among the `accounts` of "{name}".',
            slug="account-not-allowed",
            pointer="/account",
        )
    detail = event.get("detail")
    if not isinstance(detail, dict):
        raise Invalid("The detail must be the body of a send, an object.", pointer="/detail")
    return Ask(source, encoded(detail), f"bus/{identifier}", "/detail")

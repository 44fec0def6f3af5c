"""Senders that a vendor unlocks one by one: check, send an unlock code, unlock."""

from typing import Annotated, Any
from urllib.parse import unquote

import msgspec

from sms_gateway.config.stack_keys import message_key
from sms_gateway.config.vendor_accounts import Accounts
from sms_gateway.core.problems import GatewayError, InvalidRequestError
from sms_gateway.http_api.json_body import decode_body
from sms_gateway.vendor_accounts.calls import (
    DETAILS,
    Caller,
    execute_once,
    outcome_unknown,
    query,
    refusal,
    resolve,
)
from sms_gateway.vendor_accounts.operations import Completed, UnknownOutcome, begin_operation
from sms_gateway.vendor_accounts.unlock_limits import count_unlock_code
from sms_gateway.vendors.account_services import Authorized, Senders
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.redaction import Redaction
from sms_gateway.vendors.types import SubmitOutcome

CHECK_HINT = "GET the originator to see whether it is authorized."


AffiliateId = Annotated[
    str,
    msgspec.Meta(pattern=r"^[!-~]{1,64}\Z", description="up to 64 ASCII characters without spaces"),
]


class UnlockBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST …/unlock; the code is a secret of the handset's owner."""

    code: str
    affiliate_id: AffiliateId | None = None


def get_sender(caller: Caller, accounts: Accounts, originator: str) -> dict[str, Any]:
    """Return whether a sender is authorized. Raises GatewayError when that is unknown."""
    adapter, senders, originator = _resolve(caller, accounts, originator)
    found = senders.sender(query(caller, adapter, senders.ask_sender(originator)))
    if found.authorized is None:
        problem = "malformed-originator" if found.outcome.code == "10" else None
        raise refusal(adapter, found.outcome, problem)
    return _view(adapter, originator, found.authorized, found.outcome)


def send_unlock_code(caller: Caller, accounts: Accounts, originator: str) -> dict[str, Any]:
    """Have the vendor send an unlock code to the sender's handset. Raises GatewayError."""
    adapter, senders, originator = _resolve(caller, accounts, originator)
    subject = f"{adapter.name}/originators/{originator}/unlock-code"
    operation, previous = begin_operation(
        caller.tenant, caller.key, subject, b"", message_key, caller.now
    )
    if previous is None:
        try:
            count_unlock_code(caller, originator, message_key())
        except GatewayError:
            operation.release_key(caller.now)
            raise
    outcome = previous or execute_once(
        caller,
        adapter,
        operation,
        senders.send_unlock_code(originator),
        senders.unlock_code_sent,
    )
    if isinstance(outcome, Completed):
        return outcome.answer
    if isinstance(outcome, UnknownOutcome):
        operation.mark_unknown(outcome)
        raise outcome_unknown(
            adapter,
            outcome,
            "an unlock code was sent",
            "Look at the handset, and ask again with another key if none arrives.",
        )
    answer = {
        "vendor": adapter.name,
        "originator": originator,
        "sent": True,
        "vendor_code": outcome.code,
        "vendor_text": outcome.text,
    }
    operation.complete(answer)
    return answer


def unlock(caller: Caller, accounts: Accounts, originator: str, body: bytes) -> dict[str, Any]:
    """Unlock a sender with the code that its handset received. Raises GatewayError."""
    adapter, senders, originator = _resolve(caller, accounts, originator)
    fields = decode_body(body, UnlockBody)
    if not (1 <= len(fields.code) <= 40 and fields.code.isascii() and fields.code.isalnum()):
        raise InvalidRequestError(
            "An unlock code is 1 to 40 letters and digits, as the handset shows it.",
            slug="malformed-unlock-code",
            pointer="/code",
        )
    subject = f"{adapter.name}/originators/{originator}/unlock"
    operation, previous = begin_operation(
        caller.tenant, caller.key, subject, body, message_key, caller.now
    )
    outcome = previous or execute_once(
        caller,
        adapter,
        operation,
        senders.unlock(originator, fields.code, fields.affiliate_id),
        senders.unlocked,
        fields.code,
    )
    if isinstance(outcome, Completed):
        return outcome.answer
    if isinstance(outcome, UnknownOutcome):
        operation.mark_unknown(outcome)
        raise outcome_unknown(adapter, outcome, "the originator was unlocked", CHECK_HINT)
    answer = _view(adapter, originator, Authorized.YES, outcome)
    operation.complete(answer)
    return answer


def _resolve(caller: Caller, accounts: Accounts, raw: str) -> tuple[Adapter, Senders, str]:
    adapter, senders = resolve(caller, accounts, Senders)  # type: ignore[type-abstract]  # looked up, not made
    originator = unquote(raw)  # a plus may arrive as %2B; a sender has no per cent sign
    if not senders.is_sender(originator):
        detail = DETAILS["malformed-originator"].format(title=adapter.title)
        raise InvalidRequestError(detail, slug="malformed-originator", vendor=adapter.name)
    return adapter, senders, originator


def _view(
    adapter: Adapter, originator: str, authorized: Authorized, outcome: SubmitOutcome
) -> dict[str, Any]:
    return {
        "vendor": adapter.name,
        "originator": originator,
        "authorized": authorized,
        "vendor_code": Redaction(adapter).code(outcome.code),
        "vendor_text": Redaction(adapter).words(outcome.text),
    }

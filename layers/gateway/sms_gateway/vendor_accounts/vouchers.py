"""Create, list and redeem vouchers at a vendor.

Their codes are money, so they are in answers only, never in a log, a problem or the table. The
vendor's response to a creation holds no codes, and nothing at the vendor keeps a repeat from
creating again. So each creation carries a reference of ours at the end of its remarks: its codes
are those of the rows in the vendor's list that mention the reference. The same list settles a
creation of unknown outcome.
"""

import re
from typing import Any

import msgspec

from sms_gateway.config.stack_keys import message_key
from sms_gateway.config.vendor_accounts import Accounts
from sms_gateway.core.observability import logger
from sms_gateway.core.problems import GatewayError, InvalidRequestError
from sms_gateway.http_api.json_body import decode_body
from sms_gateway.vendor_accounts.calls import (
    CONFIRM_SECONDS,
    TIMEOUT_SECONDS,
    Caller,
    execute_once,
    outcome_unknown,
    query,
    refusal,
    resolve,
)
from sms_gateway.vendor_accounts.operations import (
    Completed,
    OneTimeOperation,
    UnknownOutcome,
    begin_operation,
)
from sms_gateway.vendor_accounts.voucher_owners import belongs_to, new_reference
from sms_gateway.vendors.account_services import Listing, Voucher, Vouchers
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.redaction import Redaction
from sms_gateway.vendors.types import SubmitOutcome, SubmitVerdict

MAX_VOUCHERS = 100  # in one request
MAX_CREDITS = 100_000  # in one voucher
MAX_REMARKS_LENGTH = 100  # characters
_CODE = re.compile(r"[!-~]{1,64}")


class CreateBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST …/vouchers; JSON's 2.0 is the same number as 2."""

    count: float
    credits_each: float
    remarks: str | None = None


class RedeemBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST …/vouchers/redeem."""

    code: str


def list_vouchers(caller: Caller, accounts: Accounts) -> dict[str, Any]:
    """Return the vouchers that the tenant made, as the vendor lists them. Raises GatewayError."""
    adapter, service = _resolve(caller, accounts)
    listing = _list(caller, adapter, service, TIMEOUT_SECONDS)
    own = [
        voucher for voucher in listing.every if belongs_to(voucher, caller.tenant, message_key())
    ]
    views = [_view(adapter, voucher) for voucher in own]
    return {"vendor": adapter.name, "vouchers": views}


def create(caller: Caller, accounts: Accounts, body: bytes) -> dict[str, Any]:
    """Create vouchers, once. Raises GatewayError."""
    adapter, service = _resolve(caller, accounts)
    fields = decode_body(body, CreateBody)
    number = _parse_whole(fields.count, MAX_VOUCHERS, "count", "voucher-count")
    credits_each = _parse_whole(fields.credits_each, MAX_CREDITS, "credits_each", "voucher-credits")
    remarks = (fields.remarks or "").strip()
    if len(remarks) > MAX_REMARKS_LENGTH or not remarks.isprintable():
        raise InvalidRequestError(
            f"Remarks are at most {MAX_REMARKS_LENGTH} characters, "
            "none of them a control character.",
            slug="voucher-remarks",
            pointer="/remarks",
        )
    subject = f"{adapter.name}/vouchers"
    operation, previous = begin_operation(
        caller.tenant,
        caller.key,
        subject,
        body,
        message_key,
        caller.now,
        new_reference(caller.tenant, caller.now, message_key()),
    )
    tagged = f"{remarks} {operation.reference}".strip()
    request = service.create(number, credits_each, tagged)
    outcome = previous or execute_once(caller, adapter, operation, request, service.created)
    answer = {
        "vendor": adapter.name,
        "reference": operation.reference,
        "count": number,
        "credits_each": credits_each,
        "remarks": tagged,
    }
    if isinstance(outcome, SubmitOutcome):
        operation.complete(answer)
    elif isinstance(outcome, UnknownOutcome) and previous is None:
        operation.mark_unknown(outcome)
    # Right after the operation there is less time for the query.
    rows = _rows_of(
        caller, adapter, service, operation, TIMEOUT_SECONDS if previous else CONFIRM_SECONDS
    )
    if isinstance(outcome, UnknownOutcome):
        if not rows:
            raise outcome_unknown(
                adapter,
                outcome,
                "the vouchers were created",
                f"Look for the reference in the remarks at GET /vendors/{adapter.name}/vouchers; "
                "to repeat this request looks there for you.",
                reference=operation.reference,
            )
        operation.complete(answer)
    return {
        **answer,
        "codes": list(dict.fromkeys(voucher.code for voucher in rows if voucher.code)),
    }


def redeem(caller: Caller, accounts: Accounts, body: bytes) -> dict[str, Any]:
    """Add a voucher's credits to the account, once. Raises GatewayError."""
    adapter, service = _resolve(caller, accounts)
    code = decode_body(body, RedeemBody).code
    if not _CODE.fullmatch(code):
        raise InvalidRequestError(
            "A voucher's code is 1 to 64 printable ASCII characters without spaces.",
            slug="malformed-voucher",
            pointer="/code",
        )
    subject = f"{adapter.name}/vouchers/redeem"
    operation, previous = begin_operation(
        caller.tenant, caller.key, subject, body, message_key, caller.now
    )
    outcome = previous or execute_once(
        caller, adapter, operation, service.redeem(code), service.redeemed, code
    )
    if isinstance(outcome, Completed):
        return outcome.answer
    if isinstance(outcome, UnknownOutcome):
        if outcome.undocumented and previous is None and _is_absent(caller, adapter, service, code):
            # The call is over, and the vendor's list of all vouchers ever redeemed here lacks this
            # one: it was not redeemed, whatever the code means.
            operation.release_key(caller.now)
            refused = SubmitOutcome(SubmitVerdict.REFUSED, code=outcome.code, text=outcome.text)
            raise refusal(adapter, refused, "unknown-voucher")
        operation.mark_unknown(outcome)
        raise outcome_unknown(
            adapter,
            outcome,
            "the voucher was redeemed",
            f"Look at GET /balances/{adapter.name}, or ask the operator, who sees all vouchers "
            "at the vendor.",
        )
    answer = {
        "vendor": adapter.name,
        "redeemed": True,
        "vendor_code": outcome.code,
        "vendor_text": outcome.text,
    }
    operation.complete(answer)
    return answer


def _resolve(caller: Caller, accounts: Accounts) -> tuple[Adapter, Vouchers]:
    return resolve(caller, accounts, Vouchers)  # type: ignore[type-abstract]  # looked up, not made


def _parse_whole(value: float, maximum: int, name: str, slug: str) -> int:
    if not 1 <= value <= maximum or value != int(value):
        raise InvalidRequestError(
            f'"{name}" must be a whole number from 1 to {maximum}.', slug=slug, pointer=f"/{name}"
        )
    return int(value)


def _list(caller: Caller, adapter: Adapter, service: Vouchers, timeout: float) -> Listing:
    listing = service.vouchers(query(caller, adapter, service.ask_vouchers(), timeout))
    if listing.vouchers is None:
        raise refusal(adapter, listing.outcome, None)
    return listing


def _rows_of(
    caller: Caller, adapter: Adapter, service: Vouchers, operation: OneTimeOperation, timeout: float
) -> list[Voucher]:
    """Return an operation's vouchers, as far as the vendor's list shows them now."""
    try:
        listing = _list(caller, adapter, service, timeout)
    except GatewayError as problem:
        logger.warning(
            "vouchers not listed", extra={"vendor": adapter.name, "problem": problem.slug}
        )
        return []
    return [voucher for voucher in listing.every if voucher.mentions(operation.reference)]


def _is_absent(caller: Caller, adapter: Adapter, service: Vouchers, code: str) -> bool:
    try:
        listing = _list(caller, adapter, service, CONFIRM_SECONDS)
    except GatewayError:
        return False
    # Only a list with the vendor's own success code can show that a voucher is absent.
    return listing.outcome.code is not None and not any(
        voucher.mentions(code) for voucher in listing.every
    )


def _view(adapter: Adapter, voucher: Voucher) -> dict[str, Any]:
    redaction = Redaction(adapter)
    return {
        "code": voucher.code,
        "credits": f"{voucher.credits:f}" if voucher.credits is not None else None,
        "remarks": redaction.words(voucher.remarks),
        "data": redaction.deep(voucher.data),
    }

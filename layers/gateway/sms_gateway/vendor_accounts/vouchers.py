"""Vouchers at a vendor: created, listed, redeemed. Their codes are money, so they are in answers
only, never in a log, a problem or the table.

The vendor's answer to a creation holds no codes, and nothing at the vendor keeps a repeat from
creating again. So each creation carries a reference of ours at the end of its remarks: its codes
are those of the rows in the vendor's list that mention the reference. The same list settles a
creation whose answer was lost.
"""

import re
from typing import Any

import msgspec

from sms_gateway.config.vendor_accounts import Accounts
from sms_gateway.core.observability import logger
from sms_gateway.core.problems import GatewayError, InvalidRequestError
from sms_gateway.http_api.json_body import decode_json
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
from sms_gateway.vendors.account_services import Listing, Voucher, Vouchers
from sms_gateway.vendors.adapter import Adapter
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
    """All vouchers that the account created or redeemed. Raises GatewayError."""
    adapter, desk = _resolve(caller, accounts)
    listing = _list(caller, adapter, desk, TIMEOUT_SECONDS)
    return {"vendor": adapter.name, "vouchers": [_view(one) for one in listing.every]}


def create(caller: Caller, accounts: Accounts, body: bytes) -> dict[str, Any]:
    """Creates vouchers, once. Raises GatewayError."""
    adapter, desk = _resolve(caller, accounts)
    given = decode_json(body, CreateBody)
    number = _parse_whole(given.count, MAX_VOUCHERS, "count", "voucher-count")
    credits_each = _parse_whole(given.credits_each, MAX_CREDITS, "credits_each", "voucher-credits")
    remarks = (given.remarks or "").strip()
    if len(remarks) > MAX_REMARKS_LENGTH or not remarks.isprintable():
        raise InvalidRequestError(
            f"Remarks are at most {MAX_REMARKS_LENGTH} characters, "
            "none of them a control character.",
            slug="voucher-remarks",
            pointer="/remarks",
        )
    subject = f"{adapter.name}/vouchers"
    errand, before = begin_operation(
        caller.tenant, caller.key, subject, body, accounts.callback_key, caller.now
    )
    tagged = f"{remarks} {errand.reference}".strip()
    request = desk.create(number, credits_each, tagged)
    came = before or execute_once(caller, adapter, errand, request, desk.created)
    answer = {
        "vendor": adapter.name,
        "reference": errand.reference,
        "count": number,
        "credits_each": credits_each,
        "remarks": tagged,
    }
    if isinstance(came, SubmitOutcome):
        errand.complete(answer)
    elif isinstance(came, UnknownOutcome) and before is None:
        errand.mark_unknown(came)
    # Beside a change there is less time for the question.
    rows = _rows_of(caller, adapter, desk, errand, TIMEOUT_SECONDS if before else CONFIRM_SECONDS)
    if isinstance(came, UnknownOutcome):
        if not rows:
            raise outcome_unknown(
                adapter,
                came,
                "the vouchers were created",
                f"Look for the reference in the remarks at GET /vendors/{adapter.name}/vouchers; "
                "to repeat this request looks there for you.",
                reference=errand.reference,
            )
        errand.complete(answer)
    return {**answer, "codes": list(dict.fromkeys(one.code for one in rows if one.code))}


def redeem(caller: Caller, accounts: Accounts, body: bytes) -> dict[str, Any]:
    """Adds a voucher's credits to the account, once. Raises GatewayError."""
    adapter, desk = _resolve(caller, accounts)
    code = decode_json(body, RedeemBody).code
    if not _CODE.fullmatch(code):
        raise InvalidRequestError(
            "A voucher's code is 1 to 64 printable ASCII characters without spaces.",
            slug="malformed-voucher",
            pointer="/code",
        )
    subject = f"{adapter.name}/vouchers/redeem"
    errand, before = begin_operation(
        caller.tenant, caller.key, subject, body, accounts.callback_key, caller.now
    )
    came = before or execute_once(caller, adapter, errand, desk.redeem(code), desk.redeemed, code)
    if isinstance(came, Completed):
        return came.answer
    if isinstance(came, UnknownOutcome):
        if came.undocumented and before is None and _is_absent(caller, adapter, desk, code):
            # The call is over, and the vendor's list of all that was ever redeemed here does not
            # have this voucher: it was not redeemed, whatever the code means.
            errand.release_key(caller.now)
            told = SubmitOutcome(SubmitVerdict.REFUSED, code=came.code, text=came.text)
            raise refusal(adapter, told, "unknown-voucher")
        errand.mark_unknown(came)
        raise outcome_unknown(
            adapter,
            came,
            "the voucher was redeemed",
            f"Look at GET /balances/{adapter.name} and GET /vendors/{adapter.name}/vouchers.",
        )
    answer = {
        "vendor": adapter.name,
        "redeemed": True,
        "vendor_code": came.code,
        "vendor_text": came.text,
    }
    errand.complete(answer)
    return answer


def _resolve(caller: Caller, accounts: Accounts) -> tuple[Adapter, Vouchers]:
    return resolve(caller, accounts, Vouchers)  # type: ignore[type-abstract]


def _parse_whole(value: float, most: int, name: str, slug: str) -> int:
    if not 1 <= value <= most or value != int(value):
        raise InvalidRequestError(
            f'"{name}" must be a whole number from 1 to {most}.', slug=slug, pointer=f"/{name}"
        )
    return int(value)


def _list(caller: Caller, adapter: Adapter, desk: Vouchers, bound: float) -> Listing:
    listing = desk.vouchers(query(caller, adapter, desk.ask_vouchers(), bound))
    if listing.vouchers is None:
        raise refusal(adapter, listing.outcome, None)
    return listing


def _rows_of(
    caller: Caller, adapter: Adapter, desk: Vouchers, operation: OneTimeOperation, bound: float
) -> list[Voucher]:
    """An errand's vouchers, as far as the vendor's list shows them now."""
    try:
        listing = _list(caller, adapter, desk, bound)
    except GatewayError as problem:
        logger.warning("vouchers not listed", extra={"vendor": adapter.name, "why": problem.slug})
        return []
    return [one for one in listing.every if one.mentions(operation.reference)]


def _is_absent(caller: Caller, adapter: Adapter, desk: Vouchers, code: str) -> bool:
    try:
        listing = _list(caller, adapter, desk, CONFIRM_SECONDS)
    except GatewayError:
        return False
    # Only a list of which the vendor itself says that it is good can show that something is not.
    return listing.outcome.code is not None and not any(one.mentions(code) for one in listing.every)


def _view(voucher: Voucher) -> dict[str, Any]:
    return {
        "code": voucher.code,
        "credits": f"{voucher.credits:f}" if voucher.credits is not None else None,
        "remarks": voucher.remarks,
        "data": voucher.data,
    }

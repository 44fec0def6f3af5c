"""Calls to a vendor on a caller's behalf, and the problems that come of them.

A question that fails may be asked again. A change that fails is either certainly not made, or in
doubt; in doubt nothing is ever tried again. These calls neither open a vendor's circuit nor obey
it: they are rare, bounded, and say nothing of whether messages go through.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sms_gateway.config.vendor_accounts import Accounts
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import (
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    VendorFailedError,
    VendorTimeoutError,
)
from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage import cache
from sms_gateway.vendor_accounts.operations import OneTimeOperation, UnknownOutcome
from sms_gateway.vendors import http_client
from sms_gateway.vendors.account_services import OperationResult, service_of, vendors_with
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.types import Request, SubmitOutcome, SubmitVerdict, VendorResponse

TIMEOUT_SECONDS = 6.0  # seconds for a first byte, and again for all of an answer
CONFIRM_SECONDS = 3.0  # seconds, for a question right after a change: both must fit into 29

Send = Callable[[Request, float], VendorResponse]

DETAILS = {
    "malformed-originator": "{title} does not take this as an originator: give a number, or at "
    "most 11 letters and digits.",
    "already-authorized": "This originator needs no unlocking any more: GET it to see so.",
    "wrong-unlock-code": "{title} does not take this code: look at it again, or ask for a new one "
    "with POST …/unlock-code.",
    "not-enough-credits": "The account has not enough credits for these vouchers: see GET "
    "/balances/{name}.",
    "unknown-voucher": "{title} does not take this voucher: it does not exist, or it was redeemed "
    "before.",
}


class Caller(ValueObject, frozen=True):
    """Who asks what of which vendor: `key` is the Idempotency-Key, `send` the transport."""

    vendor: str
    tenant: str
    now: datetime
    key: str | None = None
    send: Send = http_client.send


def resolve[T](caller: Caller, accounts: Accounts, part: type[T]) -> tuple[Adapter, T]:
    """The vendor's adapter with its `part`. Raises NotFound, with the vendors that have the part,
    where the vendor has none, or has no account here."""
    able = vendors_with(part)
    if caller.vendor not in able:
        raise NotFoundError(
            f"This vendor does not have this operation; it is there at: {', '.join(able)}.",
            slug="no-such-operation",
            vendors=able,
        )
    adapter = accounts.adapters.get(caller.vendor)
    found = service_of(adapter, part) if adapter else None
    if adapter is None or found is None:
        raise NotFoundError(
            "This vendor is not configured; see GET /vendors.",
            slug="vendor-not-configured",
            vendor=caller.vendor,
        )
    return adapter, found


def query(
    caller: Caller, adapter: Adapter, request: Request, bound: float = TIMEOUT_SECONDS
) -> VendorResponse:
    """The answer to a question. Raises VendorFailed or VendorTimeout when there is none."""
    try:
        return caller.send(request, min(adapter.timeout, bound))
    except http_client.VendorConnectionFailedError:
        raise _unreachable(adapter) from None
    except http_client.VendorOutcomeUnknownError:
        raise VendorTimeoutError(
            f"{adapter.title} did not answer; ask again.", vendor=adapter.name, retryable=True
        ) from None


def execute_once(
    caller: Caller,
    adapter: Adapter,
    operation: OneTimeOperation,
    request: Request,
    parse: Callable[[VendorResponse], OperationResult],
    *secrets: str,
) -> SubmitOutcome | UnknownOutcome:
    """Makes a change, once. What came of it if it was made; a Doubt, which the errand does not know
    of yet, where nobody can say. Raises GatewayError when it was certainly not made, and frees the
    key then. `secrets` are taken out of what the vendor says."""
    try:
        reply = caller.send(request, min(adapter.timeout, TIMEOUT_SECONDS))
    except http_client.VendorConnectionFailedError:
        operation.release_key(caller.now)
        raise _unreachable(adapter) from None
    except http_client.VendorOutcomeUnknownError:
        return UnknownOutcome(silent=True)
    deed = parse(reply)
    outcome = deed.outcome
    said = redact_codes(outcome.text, *secrets)
    if outcome.verdict is SubmitVerdict.ACCEPTED:
        return SubmitOutcome(SubmitVerdict.ACCEPTED, code=outcome.code, text=said)
    if outcome.verdict is SubmitVerdict.UNKNOWN:
        increment("UnreadableAnswer", vendor=adapter.name)
        text = said or cached_text(adapter, outcome.code)
        return UnknownOutcome(undocumented=deed.undocumented, code=outcome.code, text=text)
    operation.release_key(caller.now)
    raise refusal(adapter, outcome, deed.problem, *secrets)


def refusal(
    adapter: Adapter, outcome: SubmitOutcome, problem: str | None, *secrets: str
) -> GatewayError:
    """What a caller is told of an answer that is no success, and that changed nothing."""
    words: dict[str, Any] = {
        "vendor": adapter.name,
        "vendor_code": outcome.code,
        "vendor_text": redact_codes(outcome.text, *secrets) or cached_text(adapter, outcome.code),
    }
    if problem:
        detail = DETAILS[problem].format(title=adapter.title, name=adapter.name)
        return InvalidRequestError(detail, slug=problem, **words)
    if outcome.account_fault:
        logger.error("account fault", extra={"vendor": adapter.name, "code": outcome.code})
        increment("AccountFault")
        return VendorFailedError(
            f"{adapter.title} refuses the gateway's account: its operator must mend it.",
            slug="vendor-refuses-account",
            **words,
        )
    if outcome.verdict is SubmitVerdict.RETRY:
        return VendorFailedError(
            f"{adapter.title} can't do it now: ask again later.",
            slug="vendor-busy",
            retryable=True,
            **words,
        )
    if outcome.verdict is not SubmitVerdict.REFUSED:
        increment("UnreadableAnswer", vendor=adapter.name)
        return VendorFailedError(
            f"{adapter.title} gave no answer that can be used: ask again later.",
            slug="vendor-unreadable",
            retryable=True,
            **words,
        )
    return InvalidRequestError(
        f"{adapter.title} refuses: its own words are in vendor_text.",
        slug="vendor-refused",
        **words,
    )


def outcome_unknown(
    adapter: Adapter, outcome: UnknownOutcome, what: str, then: str, **members: Any
) -> GatewayError:
    """What a caller is told when nobody can say whether `what` was done: `then` is what to do."""
    kind = VendorTimeoutError if outcome.silent else VendorFailedError
    return kind(
        f"It is not known whether {what}: {adapter.title} did not say. {then} The same "
        "Idempotency-Key never does it a second time.",
        slug="outcome-unknown",
        vendor=adapter.name,
        vendor_code=outcome.code,
        vendor_text=outcome.text,
        **members,
    )


def redact_codes(text: str | None, *secrets: str) -> str | None:
    """A vendor's words without the codes that it was sent."""
    for secret in filter(None, secrets):
        text = text and re.sub(re.escape(secret), "[code]", text, flags=re.IGNORECASE)
    return text


def codes_cache_key(vendor: str) -> str:
    """The name under which a vendor's list of status codes is kept."""
    return f"CODES#{vendor}"


def cached_text(adapter: Adapter, code: str | None) -> str | None:
    """What the vendor's own list says of a code, if the list was ever asked for. Read only where
    neither the answer nor our table has a word for it."""
    if code is None:
        return None
    _, kept = cache.cache_get([codes_cache_key(adapter.name)]).get(
        codes_cache_key(adapter.name), (0, None)
    )
    return kept["texts"].get(code) if kept else None


def _unreachable(adapter: Adapter) -> GatewayError:
    return VendorFailedError(
        f"{adapter.title} can't be reached, so nothing was done: ask again.",
        slug="vendor-unreachable",
        vendor=adapter.name,
        retryable=True,
    )

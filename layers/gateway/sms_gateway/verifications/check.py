"""Check a code, at most as often as the verification allows, whoever checks at once."""

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from sms_gateway.config.vendor_accounts import Accounts, accounts
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import (
    ConflictError,
    InvalidRequestError,
    ServiceUnavailableError,
    VendorFailedError,
)
from sms_gateway.core.timestamps import epoch_seconds
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.vendors import http_client
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.types import CodeCheck, CodeVerdict, Request, VendorResponse
from sms_gateway.verifications import repository as verification_repository
from sms_gateway.verifications.codes import (
    body_digest,
    code_digest,
    digests_equal,
    normalize_input,
)
from sms_gateway.verifications.model import StoredAnswer, Verification, VerificationState
from sms_gateway.verifications.request import parse_check
from sms_gateway.verifications.start import View, find_own, record_key

TIMEOUT_SECONDS = 8.0  # seconds for a vendor's answer to a check
IN_PROGRESS_SECONDS = (
    35  # seconds after which the function that began a check is dead: it stops at 29
)
MAX_WRITE_ATTEMPTS = 12  # for a turn; more than there can be checks
MAX_UNKNOWN = 2  # with two codes in doubt none is believed, and a third changes nothing
Send = Callable[[Request, float], VendorResponse]


def check_code(
    tenant: str,
    identifier: str,
    body: bytes,
    now: datetime,
    key: str | None = None,
    send: Send = http_client.send,
) -> View:
    """Checks a code: `approved`, `pending` with what is left, or `exhausted`; with an
    Idempotency-Key once. Raises Conflict for a verification that is over or is being checked;
    Unavailable or VendorFailed, without using up a check, where a vendor does not judge."""
    known, seconds = accounts(), epoch_seconds(now)
    code = parse_check(body)
    one = find_own(tenant, identifier)
    asked = _Check(one.id, body, code, seconds, key, known)
    for _ in range(MAX_WRITE_ATTEMPTS):
        if (given := asked.find_answer(one)) is not None:
            return given
        _refuse_unless_pending(one, seconds)
        moved = (
            asked.compare_code(one) if one.details.vendor is None else asked.ask_vendor(one, send)
        )
        if moved is not None:
            return moved.view(seconds)
        one = find_own(tenant, identifier)  # another check was faster
    raise _in_progress(1)


def _refuse_unless_pending(one: Verification, now: int) -> None:
    state = one.state(now)
    if state is not VerificationState.PENDING:
        detail = {
            VerificationState.APPROVED: "The code was approved already, and counts once: "
            "start another.",
            VerificationState.EXPIRED: "The code is over: start another verification.",
            VerificationState.EXHAUSTED: "Every check is used up: start another verification.",
        }[state]
        raise ConflictError(detail, slug=f"verification-{state}", verification=one.view(now))
    if one.busy_until > now:
        raise _in_progress(min(one.busy_until - now, 5))


def _in_progress(seconds: int) -> ConflictError:
    return ConflictError(
        "Another check of this verification is at work; ask again.",
        slug="check-in-progress",
        headers={"Retry-After": str(seconds)},
        retryable=True,
    )


class _Check:
    """One check of one verification."""

    def __init__(
        self, identifier: str, body: bytes, code: str, now: int, key: str | None, known: Accounts
    ) -> None:
        self._now = now
        self._known = known
        self._code = code
        self._id = identifier
        self._name = None if key is None else record_key(key)
        self._body = body_digest(body, identifier, known.callback_key)

    def find_answer(self, one: Verification) -> View | None:
        """The answer that this Idempotency-Key got before. Raises Invalid when it was for another
        body."""
        before = one.answers.get(self._name or "")
        if before is None:
            return None
        if not digests_equal(before.body, self._body):
            raise InvalidRequestError(
                "This Idempotency-Key was used with another body: use a new key for a new check.",
                slug="idempotency-key-reused",
            )
        return one.view(self._now) | {"status": before.state, "checks_left": before.left}

    def compare_code(self, one: Verification) -> Verification | None:
        """Compares with our own code; None when another check was faster."""
        code, digest = self._typed(one), one.details.digest or ""
        right = code is not None and digests_equal(digest, self._digest(code))
        return self._write(one, checks=one.checks + 1, approved=right, answered=True)

    def ask_vendor(self, one: Verification, send: Send) -> Verification | None:
        """Lets the vendor judge; None when another check was faster."""
        adapter = self._known.adapters.get(one.details.vendor or "")
        if adapter is None:
            raise ServiceUnavailableError(
                "The vendor that made the code is not configured; the operator must mend that.",
                slug="vendor-not-configured",
                vendor=one.details.vendor,
            )
        code = self._typed(one)
        if code is None:  # no code of this mask: the vendor need not be asked
            return self._write(one, checks=one.checks + 1, answered=True)
        mine = self._digest(code)[:16]
        doubt = tuple(dict.fromkeys([*one.unknown_checks, mine]))[:MAX_UNKNOWN]
        begun = self._write(
            one, checks=one.checks + 1, doubt=doubt, busy=self._now + IN_PROGRESS_SECONDS
        )
        if begun is None:
            return None
        answer = _ask_vendor(adapter, one, code, send)
        if answer.account_fault:
            logger.error("account fault", extra={"vendor": adapter.name, "codes": [answer.code]})
            increment("AccountFault")
        match answer.verdict:
            case CodeVerdict.WRONG:
                return self._write(begun, doubt=(), answered=True)
            case CodeVerdict.RIGHT if doubt == (mine,):
                return self._write(begun, approved=True, doubt=(), answered=True)
            case CodeVerdict.ALREADY if one.unknown_checks == doubt == (mine,):
                return self._write(begun, approved=True, doubt=(), answered=True)
            case CodeVerdict.RIGHT | CodeVerdict.ALREADY:
                self._write(begun)
                raise VendorFailedError(
                    "An earlier check got no answer, so that the vendor's yes may mean its code: "
                    "send that code again, or start another verification.",
                    slug="check-in-doubt",
                    **_vendor_words(adapter, answer),
                )
            case CodeVerdict.UNKNOWN:
                self._write(begun, checks=one.checks)
            case CodeVerdict.FAILED:
                self._write(begun, checks=one.checks, doubt=one.unknown_checks)
        increment("CheckFailed", vendor=adapter.name)
        kind = ServiceUnavailableError if answer.retryable else VendorFailedError
        raise kind(
            f"{adapter.title} did not judge the code; this check is not used up.",
            slug="check-failed",
            **_vendor_words(adapter, answer),
        )

    def _typed(self, one: Verification) -> str | None:
        return normalize_input(self._code, one.details.mask, one.details.case_sensitive)

    def _digest(self, code: str) -> str:
        return code_digest(code, self._id, self._known.callback_key)

    def _write(
        self,
        one: Verification,
        *,
        checks: int | None = None,
        approved: bool = False,
        doubt: tuple[str, ...] | None = None,
        busy: int = 0,
        answered: bool = False,
    ) -> Verification | None:
        """The next turn of a verification; None when it is not ours. `answered` is what is told
        again to whoever repeats the check."""
        moved = msgspec.structs.replace(
            one,
            turn=one.version + 1,
            checks=one.checks if checks is None else checks,
            approved=approved,
            doubt=one.unknown_checks if doubt is None else doubt,
            busy=busy,
            claim=secrets.token_hex(8),
        )
        change = ItemUpdate(verification_repository.verification_key(one.id)).if_in(
            "turn", one.version
        )
        change.set("turn", moved.version).set("checks", moved.checks).set("claim", moved.claim)
        if approved:
            change.set("approved", self._now)
        _set_or_remove(change, "doubt", ",".join(moved.unknown_checks), one.unknown_checks)
        _set_or_remove(change, "busy", busy, one.busy_until)
        if answered and self._name:
            given = StoredAnswer(self._body, moved.state(self._now), moved.left)
            moved = msgspec.structs.replace(moved, answers={**one.answers, self._name: given})
            change.set("answers", msgspec.json.encode(moved.answers).decode())
        if change.apply() is not None:
            return moved
        # When DynamoDB's answer is lost, the SDK asks again and finds our own first writing.
        there = verification_repository.find_verification(one.id)
        return moved if there is not None and there.claim == moved.claim else None


def _set_or_remove(change: ItemUpdate, attribute: str, value: str | int, before: object) -> None:
    if value:
        change.set(attribute, value)
    elif before:
        change.remove(attribute)


def _ask_vendor(adapter: Adapter, one: Verification, code: str, send: Send) -> CodeCheck:
    """The vendor's judgement; silence is one too."""
    request = adapter.verify(one.details.to, one.message_id, code)
    try:
        return adapter.verified(send(request, min(adapter.timeout, TIMEOUT_SECONDS)))
    except http_client.VendorConnectionFailedError:
        return CodeCheck(CodeVerdict.FAILED, retryable=True)
    except http_client.VendorOutcomeUnknownError:
        return CodeCheck(CodeVerdict.UNKNOWN, retryable=True)


def _vendor_words(adapter: Adapter, answer: CodeCheck) -> Mapping[str, Any]:
    return {"vendor": adapter.name, "vendor_code": answer.code, "vendor_text": answer.text}

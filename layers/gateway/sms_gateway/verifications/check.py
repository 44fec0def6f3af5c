"""Check a code, at most as often as the verification allows, however many check it at once.

Each check is one conditional write on the version that was read: of concurrent checks at most
`max_checks` are judged, and one is approved. A code that a vendor made is judged by the vendor, one
check at a time. The vendor says yes to any code once it has said yes: after a lost answer no other
code is believed until the vendor has said no.
"""

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from sms_gateway.config.stack_keys import message_key
from sms_gateway.config.vendor_accounts import accounts
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import (
    ConflictError,
    GatewayError,
    InvalidRequestError,
    ServiceUnavailableError,
    VendorFailedError,
)
from sms_gateway.core.timestamps import epoch_seconds
from sms_gateway.pumping_guard import door
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.vendors import http_client
from sms_gateway.vendors.adapter import Adapter, CodeMaker
from sms_gateway.vendors.redaction import Redaction
from sms_gateway.vendors.types import CodeCheck, CodeVerdict, Request, VendorResponse
from sms_gateway.verifications import repository as verification_repository
from sms_gateway.verifications.codes import (
    body_digest,
    code_digest,
    describe_mask,
    digests_equal,
    normalize_input,
)
from sms_gateway.verifications.model import StoredAnswer, Verification, VerificationState
from sms_gateway.verifications.request import parse_check
from sms_gateway.verifications.start import View, find_own_verification, idempotency_key_digest

TIMEOUT_SECONDS = 8.0  # for a vendor's answer to a check
# After so long the function that began a check is dead: it stops at 27 seconds.
IN_PROGRESS_SECONDS = 35
MAX_WRITE_ATTEMPTS = 12  # to write a version; more than there can be checks
MAX_UNKNOWN = 2  # after two unknown outcomes no code is believed, and a third changes nothing
Send = Callable[[Request, float], VendorResponse]


def check_code(
    tenant: str,
    identifier: str,
    body: bytes,
    now: datetime,
    key: str | None = None,
    send: Send = http_client.send,
    *,
    test: bool = False,
) -> View:
    """Check a code, with an Idempotency-Key once: `approved`, `pending`, or `exhausted`.

    Raise ConflictError for a verification that is over or is being checked;
    ServiceUnavailableError or VendorFailedError, without using up a check, where a vendor does not
    judge the code.
    """
    seconds, code = epoch_seconds(now), parse_check(body)
    verification = find_own_verification(tenant, identifier, test=test)
    check = _Check(verification.id, body, code, seconds, key)
    for _ in range(MAX_WRITE_ATTEMPTS):
        if (answer := check.find_answer(verification)) is not None:
            return answer
        _refuse_unless_pending(verification, seconds)
        check.refuse_unless_possible(verification)
        if verification.details.vendor is None:
            checked = check.compare_code(verification)
        else:
            checked = check.ask_vendor(verification, send)
        if checked is not None:
            door.approve(tenant, checked.approved_by, checked.id)
            return checked.view(seconds)
        verification = find_own_verification(tenant, identifier, test=test)  # another was faster
    raise _in_progress(1)


def _refuse_unless_pending(verification: Verification, now: int) -> None:
    state = verification.state(now)
    if state is not VerificationState.PENDING:
        detail = {
            VerificationState.APPROVED: "The code was approved already, and counts once: "
            "start another.",
            VerificationState.EXPIRED: "The code is over: start another verification.",
            VerificationState.EXHAUSTED: "Every check is used up: start another verification.",
        }[state]
        raise ConflictError(
            detail, slug=f"verification-{state}", verification=verification.view(now)
        )
    if verification.busy_until > now:
        raise _in_progress(min(verification.busy_until - now, 5))


def _in_progress(seconds: int) -> ConflictError:
    return ConflictError(
        "Another check of this verification is at work; ask again.",
        slug="check-in-progress",
        headers={"Retry-After": str(seconds)},
        retryable=True,
    )


class _Check:
    """One check of one verification."""

    def __init__(self, identifier: str, body: bytes, code: str, now: int, key: str | None) -> None:
        self._now = now
        self._code = code
        self._id = identifier
        self._key_digest = None if key is None else idempotency_key_digest(key)
        self._body_digest = body_digest(body, identifier, message_key())

    def find_answer(self, verification: Verification) -> View | None:
        """Return the answer that this Idempotency-Key got before.

        Raise InvalidRequestError when it was for another body.
        """
        stored = verification.answers.get(self._key_digest or "")
        if stored is None:
            return None
        if not digests_equal(stored.body, self._body_digest):
            raise InvalidRequestError(
                "This Idempotency-Key was used with another body: use a new key for a new check.",
                slug="idempotency-key-reused",
            )
        view = verification.view(self._now)
        return view | {"status": stored.state, "checks_left": stored.checks_left}

    def refuse_unless_possible(self, verification: Verification) -> None:
        """Raise InvalidRequestError for what can't be the code, whatever the code is."""
        if self._normalize(verification) is None:
            detail = f"The code has {describe_mask(verification.details.mask)}; no check is spent."
            raise InvalidRequestError(detail, slug="not-a-code", pointer="/code")

    def compare_code(self, verification: Verification) -> Verification | None:
        """Compare with our own code; None when another check was faster."""
        digest = self._digest(self._normalize(verification) or "")
        right = digests_equal(verification.details.digest or "", digest)
        used = verification.checks + 1
        return self._write(verification, checks=used, approved=right, answered=True)

    def ask_vendor(self, before: Verification, send: Send) -> Verification | None:
        """Let the vendor judge the code; None when another check was faster.

        Raise ServiceUnavailableError or VendorFailedError where the vendor does not judge it.
        """
        adapter = self._adapter(before)
        digest = self._digest(code := self._normalize(before) or "")[:16]
        if (begun := self._begin(before, digest)) is None:
            return None
        redaction = Redaction(adapter, numbers=[before.details.to], codes=[code])
        answer = redaction.check(_ask_vendor(adapter, before, code, send))
        if answer.account_fault:
            logger.error("account fault", extra={"vendor": adapter.name, "codes": [answer.code]})
            increment("AccountFault")
        match answer.verdict:
            case CodeVerdict.WRONG:
                return self._write(begun, unknown_checks=(), answered=True)
            case CodeVerdict.RIGHT | CodeVerdict.ALREADY if _is_about(
                digest, answer.verdict, before, begun
            ):
                return self._write(begun, approved=True, unknown_checks=(), answered=True)
            case CodeVerdict.RIGHT | CodeVerdict.ALREADY:
                self._write(begun)
                raise _ambiguous(adapter, answer)
            case CodeVerdict.UNKNOWN:
                self._write(begun, checks=before.checks)
            case CodeVerdict.FAILED:
                self._write(begun, checks=before.checks, unknown_checks=before.unknown_checks)
        raise _not_judged(adapter, answer)

    def _adapter(self, verification: Verification) -> CodeMaker:
        adapter = accounts().adapters.get(verification.details.vendor or "")
        if not isinstance(adapter, CodeMaker):
            raise ServiceUnavailableError(
                "The vendor that made the code is not configured; the operator must mend that.",
                slug="vendor-not-configured",
                vendor=verification.details.vendor,
            )
        return adapter

    def _begin(self, before: Verification, digest: str) -> Verification | None:
        """Use up a check, and record its outcome as unknown, before the vendor is asked."""
        unknown = tuple(dict.fromkeys([*before.unknown_checks, digest]))[:MAX_UNKNOWN]
        busy_until = self._now + IN_PROGRESS_SECONDS
        return self._write(
            before, checks=before.checks + 1, unknown_checks=unknown, busy_until=busy_until
        )

    def _normalize(self, verification: Verification) -> str | None:
        details = verification.details
        return normalize_input(self._code, details.mask, details.case_sensitive)

    def _digest(self, code: str) -> str:
        return code_digest(code, self._id, message_key())

    def _write(
        self,
        before: Verification,
        *,
        checks: int | None = None,
        approved: bool = False,
        unknown_checks: tuple[str, ...] | None = None,
        busy_until: int = 0,
        answered: bool = False,
    ) -> Verification | None:
        """Write the next version; None when another check wrote it.

        With `answered` store the answer for the check's Idempotency-Key.
        """
        after = msgspec.structs.replace(
            before,
            version=before.version + 1,
            checks=before.checks if checks is None else checks,
            approved=approved,
            unknown_checks=before.unknown_checks if unknown_checks is None else unknown_checks,
            busy_until=busy_until,
            claim=secrets.token_hex(8),
        )
        change = ItemUpdate(verification_repository.verification_key(before.id))
        change.if_in("version", before.version)
        change.set("version", after.version).set("checks", after.checks).set("claim", after.claim)
        if approved:
            change.set("approved", self._now)
        unknown = ",".join(after.unknown_checks)
        _set_or_remove(change, "unknown_checks", unknown, before.unknown_checks)
        _set_or_remove(change, "busy_until", busy_until, before.busy_until)
        if answered and self._key_digest:
            answer = StoredAnswer(self._body_digest, after.state(self._now), after.checks_left)
            answers = {**before.answers, self._key_digest: answer}
            after = msgspec.structs.replace(after, answers=answers)
            change.set("answers", msgspec.json.encode(answers).decode())
        if change.apply() is not None:
            return after
        # When DynamoDB's answer is lost, the SDK writes again and meets our own first write.
        stored = verification_repository.find_verification(before.id)
        return after if stored is not None and stored.claim == after.claim else None


def _is_about(digest: str, verdict: CodeVerdict, before: Verification, begun: Verification) -> bool:
    """Whether the vendor's yes can only mean this check's code.

    `RIGHT` may mean the code of an earlier check whose answer was lost. `ALREADY` must mean one, so
    that check must have been of the same code.
    """
    only_this = begun.unknown_checks == (digest,)
    if verdict is CodeVerdict.RIGHT:
        return only_this
    return only_this and before.unknown_checks == (digest,)


def _ambiguous(adapter: Adapter, answer: CodeCheck) -> VendorFailedError:
    return VendorFailedError(
        "An earlier check got no answer, so that the vendor's yes may mean its code: "
        "send that code again, or start another verification.",
        slug="check-in-doubt",
        **_vendor_members(adapter, answer),
    )


def _not_judged(adapter: Adapter, answer: CodeCheck) -> GatewayError:
    increment("VerificationCheckFailed", vendor=adapter.name)
    kind = ServiceUnavailableError if answer.retryable else VendorFailedError
    return kind(
        f"{adapter.title} did not judge the code; this check is not used up.",
        slug="check-failed",
        **_vendor_members(adapter, answer),
    )


def _set_or_remove(change: ItemUpdate, attribute: str, value: str | int, before: object) -> None:
    if value:
        change.set(attribute, value)
    elif before:
        change.remove(attribute)


def _ask_vendor(adapter: CodeMaker, verification: Verification, code: str, send: Send) -> CodeCheck:
    """Return the vendor's verdict; a lost answer is `UNKNOWN`, a lost request `FAILED`."""
    request = adapter.verify(verification.details.to, verification.message_id, code)
    try:
        return adapter.verified(send(request, min(adapter.timeout, TIMEOUT_SECONDS)))
    except http_client.VendorConnectionFailedError:
        return CodeCheck(CodeVerdict.FAILED, retryable=True)
    except http_client.VendorOutcomeUnknownError:
        return CodeCheck(CodeVerdict.UNKNOWN, retryable=True)


def _vendor_members(adapter: Adapter, answer: CodeCheck) -> Mapping[str, Any]:
    return {"vendor": adapter.name, "vendor_code": answer.code, "vendor_text": answer.text}

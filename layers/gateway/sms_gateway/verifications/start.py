"""Verifications: a code is sent, and checked once.

Every check is one conditional write on the turn that was read, so that of any number of checks at
the same time at most `max_checks` are looked at, and one is approved. A code that a vendor made is
judged by the vendor, one check at a time: it says yes to any code once it has said yes, so that an
answer which got lost leaves its code in doubt, and no other code is believed until the vendor has
said no.
"""

import secrets
from collections.abc import Callable, Mapping
from copy import replace
from datetime import datetime
from typing import Any

import msgspec

from sms_gateway.config.routes import routes
from sms_gateway.config.vendor_accounts import Accounts, accounts
from sms_gateway.core.observability import count, log
from sms_gateway.core.problems import Conflict, Invalid, NotFound, Unavailable, VendorFailed
from sms_gateway.core.timestamps import epoch_seconds
from sms_gateway.core.ulids import is_ulid, new_ulid
from sms_gateway.messages import idempotency
from sms_gateway.messages.acceptance import Prepared, accept, prepare
from sms_gateway.messages.request import Accepted, plan
from sms_gateway.messages.send import retention
from sms_gateway.storage import idempotency_keys
from sms_gateway.storage.dynamodb import Change
from sms_gateway.storage.models import Recipe
from sms_gateway.vendors import http_client
from sms_gateway.vendors.adapter import Adapter, Checked, Judgement, Reply, Request
from sms_gateway.verifications import rate_limit
from sms_gateway.verifications import repository as verification_repository
from sms_gateway.verifications.model import (
    Details,
    Given,
    State,
    Verification,
    body_digest,
    code_of,
    digest_of,
    number_digest,
    same,
    typed,
)
from sms_gateway.verifications.request import Wanted, read_code, read_verification

BOUND = 8.0  # seconds for a vendor's answer to a check
AT_WORK = 35  # seconds after which the function that began a check is dead: it stops at 29
TRIES = 12  # for a turn; more than there can be checks
MOST_DOUBTS = 2  # with two codes in doubt none is believed, and a third changes nothing

Send = Callable[[Request, float], Reply]
View = dict[str, Any]


def start(tenant: str, body: bytes, now: datetime, key: str | None = None) -> View:
    """Sends a code, with an Idempotency-Key once. Raises a GatewayError when the request is wrong,
    the number had too many codes lately, or nothing can be recorded; then nothing is sent."""
    seconds = epoch_seconds(now)
    if key is None:
        verification, prepared = _prepare(tenant, body, now)
        accept(prepared)
        return verification.view(seconds)
    place = idempotency_keys.name(tenant, idempotency_keys.check(key))
    digest = idempotency_keys.digest_of(b"POST /verifications\n" + body)
    unfinished, given = idempotency.find(place, digest, seconds)
    if given is not None:
        return given
    verification, prepared = _prepare(tenant, body, now)
    answer = verification.view(seconds)
    record = idempotency_keys.Record(place, verification.id, digest, seconds, answer)
    if record.take(unfinished) is not None:
        raise idempotency_keys.in_progress(1)
    accept(prepared)
    return answer


def _prepare(tenant: str, body: bytes, now: datetime) -> tuple[Verification, Prepared]:
    """The verification and its message as they will be written; counts the send."""
    wanted, known = read_verification(body), accounts()
    accepted, rejected = plan([wanted.draft], now, known, routes())
    if not accepted:
        raise rejected[0].problem
    identifier, seconds = new_ulid(now), epoch_seconds(now)
    to = accepted[0].content.to
    rate_limit.take(tenant, number_digest(tenant, to, known.callback_key), seconds)
    one, recipe = _with_recipe(accepted[0], wanted)
    prepared = prepare(tenant, identifier, [one], retention())
    verification = Verification(
        id=identifier,
        tenant=tenant,
        details=_details(wanted, one, recipe, identifier, known),
        expires=seconds + wanted.ttl,
    )
    # Before the message, whose writing accepts both.
    first = verification_repository.item_of(verification, int(prepared.head["ttl"]["N"]))
    return verification, replace(prepared, items=[first])


def _with_recipe(accepted: Accepted, wanted: Wanted) -> tuple[Accepted, Recipe]:
    """The message with {code} in its text again. Where the vendor makes the code nobody else can
    send it, so that there is no failover."""
    theirs = accepted.adapter.makes_codes
    recipe = Recipe(
        mask=wanted.mask,
        ttl=wanted.ttl,
        case_sensitive=wanted.case_sensitive,
        nonce=None if theirs else secrets.token_hex(16),
    )
    content = msgspec.structs.replace(accepted.content, text=wanted.text, recipe=recipe)
    vendors = accepted.vendors[:1] if theirs else accepted.vendors
    return replace(accepted, content=content, vendors=vendors), recipe


def _details(
    wanted: Wanted, one: Accepted, recipe: Recipe, identifier: str, known: Accounts
) -> Details:
    ours = recipe.nonce is not None
    secret = known.callback_key
    return Details(
        to=one.content.to,
        mask=wanted.mask,
        max_checks=wanted.max_checks,
        case_sensitive=wanted.case_sensitive,
        vendor=None if ours else one.vendors[0],
        digest=(
            digest_of(code_of(recipe, identifier, secret), identifier, secret) if ours else None
        ),
        reference=wanted.reference,
    )


def show(tenant: str, identifier: str, now: datetime) -> View:
    """A verification as it stands. Raises NotFound for one that is not this tenant's."""
    return _find(tenant, identifier).view(epoch_seconds(now))


def _find(tenant: str, identifier: str) -> Verification:
    found = verification_repository.find(identifier) if is_ulid(identifier) else None
    if found is None or found.tenant != tenant:
        raise NotFound("There is no such verification.")
    return found


def check(
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
    code = read_code(body)
    one = _find(tenant, identifier)
    asked = _Check(one.id, body, code, seconds, key, known)
    for _ in range(TRIES):
        if (given := asked.given(one)) is not None:
            return given
        _refuse_unless_pending(one, seconds)
        moved = asked.judge(one) if one.details.vendor is None else asked.ask(one, send)
        if moved is not None:
            return moved.view(seconds)
        one = _find(tenant, identifier)  # another check was faster
    raise _busy(1)


def _refuse_unless_pending(one: Verification, now: int) -> None:
    state = one.state(now)
    if state is not State.PENDING:
        detail = {
            State.APPROVED: "The code was approved already, and counts once: start another.",
            State.EXPIRED: "The code is over: start another verification.",
            State.EXHAUSTED: "Every check is used up: start another verification.",
        }[state]
        raise Conflict(detail, slug=f"verification-{state}", verification=one.view(now))
    if one.busy > now:
        raise _busy(min(one.busy - now, 5))


def _busy(seconds: int) -> Conflict:
    return Conflict(
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
        self._name = None if key is None else _name(key)
        self._body = body_digest(body, identifier, known.callback_key)

    def given(self, one: Verification) -> View | None:
        """The answer that this Idempotency-Key got before. Raises Invalid when it was for another
        body."""
        before = one.answers.get(self._name or "")
        if before is None:
            return None
        if not same(before.body, self._body):
            raise Invalid(
                "This Idempotency-Key was used with another body: use a new key for a new check.",
                slug="idempotency-key-reused",
            )
        return one.view(self._now) | {"status": before.state, "checks_left": before.left}

    def judge(self, one: Verification) -> Verification | None:
        """Compares with our own code; None when another check was faster."""
        code, digest = self._typed(one), one.details.digest or ""
        right = code is not None and same(digest, self._digest(code))
        return self._write(one, checks=one.checks + 1, approved=right, answered=True)

    def ask(self, one: Verification, send: Send) -> Verification | None:
        """Lets the vendor judge; None when another check was faster."""
        adapter = self._known.adapters.get(one.details.vendor or "")
        if adapter is None:
            raise Unavailable(
                "The vendor that made the code is not configured; the operator must mend that.",
                slug="vendor-not-configured",
                vendor=one.details.vendor,
            )
        code = self._typed(one)
        if code is None:  # no code of this mask: the vendor need not be asked
            return self._write(one, checks=one.checks + 1, answered=True)
        mine = self._digest(code)[:16]
        doubt = tuple(dict.fromkeys([*one.doubt, mine]))[:MOST_DOUBTS]
        begun = self._write(one, checks=one.checks + 1, doubt=doubt, busy=self._now + AT_WORK)
        if begun is None:
            return None
        answer = _asked(adapter, one, code, send)
        if answer.account:
            log.error("account fault", extra={"vendor": adapter.name, "codes": [answer.code]})
            count("AccountFault")
        match answer.judgement:
            case Judgement.WRONG:
                return self._write(begun, doubt=(), answered=True)
            case Judgement.RIGHT if doubt == (mine,):
                return self._write(begun, approved=True, doubt=(), answered=True)
            case Judgement.ALREADY if one.doubt == doubt == (mine,):
                return self._write(begun, approved=True, doubt=(), answered=True)
            case Judgement.RIGHT | Judgement.ALREADY:
                self._write(begun)
                raise VendorFailed(
                    "An earlier check got no answer, so that the vendor's yes may mean its code: "
                    "send that code again, or start another verification.",
                    slug="check-in-doubt",
                    **_words(adapter, answer),
                )
            case Judgement.UNKNOWN:
                self._write(begun, checks=one.checks)
            case Judgement.FAILED:
                self._write(begun, checks=one.checks, doubt=one.doubt)
        count("CheckFailed", vendor=adapter.name)
        kind = Unavailable if answer.retryable else VendorFailed
        raise kind(
            f"{adapter.title} did not judge the code; this check is not used up.",
            slug="check-failed",
            **_words(adapter, answer),
        )

    def _typed(self, one: Verification) -> str | None:
        return typed(self._code, one.details.mask, one.details.case_sensitive)

    def _digest(self, code: str) -> str:
        return digest_of(code, self._id, self._known.callback_key)

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
            turn=one.turn + 1,
            checks=one.checks if checks is None else checks,
            approved=approved,
            doubt=one.doubt if doubt is None else doubt,
            busy=busy,
            claim=secrets.token_hex(8),
        )
        change = Change(verification_repository.place(one.id)).when("turn", one.turn)
        change.put("turn", moved.turn).put("checks", moved.checks).put("claim", moved.claim)
        if approved:
            change.put("approved", self._now)
        _put_or_drop(change, "doubt", ",".join(moved.doubt), one.doubt)
        _put_or_drop(change, "busy", busy, one.busy)
        if answered and self._name:
            given = Given(self._body, moved.state(self._now), moved.left)
            moved = msgspec.structs.replace(moved, answers={**one.answers, self._name: given})
            change.put("answers", msgspec.json.encode(moved.answers).decode())
        if change.apply() is not None:
            return moved
        # When DynamoDB's answer is lost, the SDK asks again and finds our own first writing.
        there = verification_repository.find(one.id)
        return moved if there is not None and there.claim == moved.claim else None


def _name(key: str) -> str:
    return idempotency_keys.digest_of(idempotency_keys.check(key).encode())


def _put_or_drop(change: Change, attribute: str, value: str | int, before: object) -> None:
    if value:
        change.put(attribute, value)
    elif before:
        change.drop(attribute)


def _asked(adapter: Adapter, one: Verification, code: str, send: Send) -> Checked:
    """The vendor's judgement; silence is one too."""
    request = adapter.verify(one.details.to, one.message_id, code)
    try:
        return adapter.verified(send(request, min(adapter.timeout, BOUND)))
    except http_client.VendorUnreachable:
        return Checked(Judgement.FAILED, retryable=True)
    except http_client.VendorSilent:
        return Checked(Judgement.UNKNOWN, retryable=True)


def _words(adapter: Adapter, answer: Checked) -> Mapping[str, Any]:
    return {"vendor": adapter.name, "vendor_code": answer.code, "vendor_text": answer.text}

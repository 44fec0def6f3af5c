"""Verifications: a code is sent, and checked once.

Every check is one conditional write on the turn that was read, so that of any number of checks at
the same time at most `max_checks` are looked at, and one is approved. A code that a vendor made is
judged by the vendor, one check at a time: it says yes to any code once it has said yes, so that an
answer which got lost leaves its code in doubt, and no other code is believed until the vendor has
said no.
"""

import secrets
from copy import replace
from datetime import datetime
from typing import Any

import msgspec

from sms_gateway.config.routes import routes
from sms_gateway.config.vendor_accounts import Accounts, accounts
from sms_gateway.core.problems import NotFoundError
from sms_gateway.core.timestamps import epoch_seconds
from sms_gateway.core.ulids import is_ulid, new_ulid
from sms_gateway.messages import idempotency
from sms_gateway.messages.acceptance import BuiltBatch, build_batch, store_batch
from sms_gateway.messages.planning import PlannedRecipient, plan_recipients
from sms_gateway.messages.send import retention_seconds
from sms_gateway.storage import idempotency_keys
from sms_gateway.storage.models import CodeSpec
from sms_gateway.verifications import rate_limit
from sms_gateway.verifications import repository as verification_repository
from sms_gateway.verifications.codes import (
    code_digest,
    derive_code,
    number_digest,
)
from sms_gateway.verifications.model import Details, Verification
from sms_gateway.verifications.request import VerificationRequest, parse_verification

View = dict[str, Any]


def start_verification(tenant: str, body: bytes, now: datetime, key: str | None = None) -> View:
    """Sends a code, with an Idempotency-Key once. Raises a GatewayError when the request is wrong,
    the number had too many codes lately, or nothing can be recorded; then nothing is sent."""
    seconds = epoch_seconds(now)
    if key is None:
        verification, prepared = _prepare(tenant, body, now)
        store_batch(prepared)
        return verification.view(seconds)
    place = idempotency_keys.record_key(tenant, idempotency_keys.check_key(key))
    digest = idempotency_keys.digest_of(b"POST /verifications\n" + body)
    unfinished, given = idempotency.find_answer(place, digest, seconds)
    if given is not None:
        return given
    verification, prepared = _prepare(tenant, body, now)
    answer = verification.view(seconds)
    record = idempotency_keys.IdempotencyRecord(place, verification.id, digest, seconds, answer)
    if record.claim(unfinished) is not None:
        raise idempotency_keys.in_progress(1)
    store_batch(prepared)
    return answer


def _prepare(tenant: str, body: bytes, now: datetime) -> tuple[Verification, BuiltBatch]:
    """The verification and its message as they will be written; counts the send."""
    wanted, known = parse_verification(body), accounts()
    accepted, rejected = plan_recipients([wanted.draft], now, known, routes())
    if not accepted:
        raise rejected[0].problem
    identifier, seconds = new_ulid(now), epoch_seconds(now)
    to = accepted[0].content.to
    rate_limit.count_send(tenant, number_digest(tenant, to, known.callback_key), seconds)
    one, recipe = _with_code_spec(accepted[0], wanted)
    prepared = build_batch(tenant, identifier, [one], retention_seconds())
    verification = Verification(
        id=identifier,
        tenant=tenant,
        details=_details(wanted, one, recipe, identifier, known),
        expires=seconds + wanted.ttl,
    )
    # Before the message, whose writing accepts both.
    first = verification_repository.verification_item(verification, int(prepared.head["ttl"]["N"]))
    return verification, replace(prepared, items=[first])


def _with_code_spec(
    accepted: PlannedRecipient, wanted: VerificationRequest
) -> tuple[PlannedRecipient, CodeSpec]:
    """The message with {code} in its text again. Where the vendor makes the code nobody else can
    send it, so that there is no failover."""
    theirs = accepted.adapter.makes_codes
    recipe = CodeSpec(
        mask=wanted.mask,
        ttl=wanted.ttl,
        case_sensitive=wanted.case_sensitive,
        nonce=None if theirs else secrets.token_hex(16),
    )
    content = msgspec.structs.replace(accepted.content, text=wanted.text, code_spec=recipe)
    vendors = accepted.vendors[:1] if theirs else accepted.vendors
    return replace(accepted, content=content, vendors=vendors), recipe


def _details(
    wanted: VerificationRequest,
    one: PlannedRecipient,
    recipe: CodeSpec,
    identifier: str,
    known: Accounts,
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
            code_digest(derive_code(recipe, identifier, secret), identifier, secret)
            if ours
            else None
        ),
        reference=wanted.reference,
    )


def show_verification(tenant: str, identifier: str, now: datetime) -> View:
    """A verification as it stands. Raises NotFound for one that is not this tenant's."""
    return find_own(tenant, identifier).view(epoch_seconds(now))


def find_own(tenant: str, identifier: str) -> Verification:
    found = verification_repository.find_verification(identifier) if is_ulid(identifier) else None
    if found is None or found.tenant != tenant:
        raise NotFoundError("There is no such verification.")
    return found


def record_key(key: str) -> str:
    return idempotency_keys.digest_of(idempotency_keys.check_key(key).encode())

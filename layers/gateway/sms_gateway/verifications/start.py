"""Start a verification: send a code once; show how a verification stands."""

import secrets
from copy import replace
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from sms_gateway.config.stack_keys import message_key
from sms_gateway.config.stopped_tenants import refuse_stopped
from sms_gateway.core.problems import GatewayError, NotFoundError
from sms_gateway.core.timestamps import epoch_seconds
from sms_gateway.core.ulids import is_ulid, new_ulid
from sms_gateway.messages import idempotency
from sms_gateway.messages.acceptance import BuiltBatch, build_batch, store_batch
from sms_gateway.messages.over_quota import given_back_unless_done, refuse_over_quota
from sms_gateway.messages.planning import PlannedRecipient
from sms_gateway.messages.send import OnCounted, retention_seconds
from sms_gateway.messages.tenant_plan import plan_for_tenant
from sms_gateway.pumping_guard import door
from sms_gateway.storage import idempotency_keys
from sms_gateway.storage.models import CodeSpec
from sms_gateway.verifications import rate_limit
from sms_gateway.verifications import repository as verification_repository
from sms_gateway.verifications.codes import TEST_NONCE, code_digest, derive_code, number_digest
from sms_gateway.verifications.model import Details, Verification
from sms_gateway.verifications.request import VerificationRequest, parse_verification

if TYPE_CHECKING:
    from sms_gateway.policies.quota import Counted

View = dict[str, Any]


def start_verification(
    tenant: str,
    body: bytes,
    now: datetime,
    key: str | None = None,
    region: str | None = None,
    key_id: str | None = None,
    *,
    key_policy: str | None = None,
    test: bool = False,
    on_counted: OnCounted = lambda _counted: None,
) -> View:
    """Send a code, with an Idempotency-Key once; `region` is that of a body without one.

    `key_id` is the id of the API key that asks, `key_policy` its policy; with `test`
    it is a test key, and nothing leaves. `on_counted` is called with what was counted, if any.

    Raise a GatewayError, and send nothing, when the request is wrong, the number had too many codes
    lately, the guard refuses it, or the table does not answer.
    """
    seconds = epoch_seconds(now)
    if key is None:
        verification, batch, counted = _prepare(
            tenant, body, now, region, key_id, key_policy, test=test
        )
        store_batch(batch, repeatable=False)
        on_counted(counted)
        return verification.view(seconds)
    record_key = idempotency_keys.record_key(tenant, idempotency_keys.check_key(key), test=test)
    digest = idempotency_keys.digest_of(body, message_key(), "verifications")
    unfinished, stored_answer = idempotency.find_answer(record_key, digest, seconds)
    if stored_answer is not None:
        return stored_answer
    verification, batch, counted = _prepare(
        tenant, body, now, region, key_id, key_policy, test=test
    )
    answer = verification.view(seconds)
    record = idempotency_keys.IdempotencyRecord(
        record_key, verification.id, digest, seconds, answer
    )
    with given_back_unless_done(counted):
        if record.claim(unfinished) is not None:
            raise idempotency_keys.in_progress(1)
    store_batch(batch)
    on_counted(counted)
    return answer


def _prepare(
    tenant: str,
    body: bytes,
    now: datetime,
    region: str | None,
    key_id: str | None,
    key_policy: str | None,
    *,
    test: bool,
) -> tuple[Verification, BuiltBatch, "Counted | None"]:
    """Build the verification and its message, and count the send; the last is what was counted."""
    refuse_stopped(tenant)
    request = parse_verification(body, region)
    accepted, rejected = plan_for_tenant(tenant, [request.draft], now, key_policy, test=test)
    if not accepted:
        raise rejected[0].problem
    identifier, seconds = new_ulid(now), epoch_seconds(now)
    to = accepted[0].content.to
    guarded_by: tuple[str, ...] = ()
    counted = None
    if not test:
        digest = number_digest(tenant, to, message_key())
        rate_limit.count_send(tenant, digest, seconds)
        try:
            guarded_by = door.admit_code(tenant, to, request.client, now, message_key)
        except GatewayError:
            rate_limit.give_back(tenant, digest, seconds)  # it did not go
            raise
        _, over, counted = refuse_over_quota(
            tenant, accepted, [], now, key_id, key_policy, same_text=False
        )
        if over:
            raise over[0].problem
    planned, code_spec = _with_code_spec(accepted[0], request, test=test)
    batch = build_batch(
        tenant,
        identifier,
        [planned],
        retention_seconds(test=test),
        message_key,
        key_id=key_id,
        test=test,
        counted=counted.under if counted else "",
    )
    verification = Verification(
        id=identifier,
        tenant=tenant,
        details=_details(request, planned, code_spec, identifier, guarded_by),
        expires=seconds + request.ttl,
        key_id=key_id,
        test=test,
    )
    ttl = int(batch.head["ttl"]["N"])
    item = verification_repository.verification_item(verification, ttl)
    # Before the message's items: the last of those accepts both.
    return verification, replace(batch, items=[item]), counted


def _with_code_spec(
    planned: PlannedRecipient, request: VerificationRequest, *, test: bool
) -> tuple[PlannedRecipient, CodeSpec]:
    """Put {code} back into the message's text, with how to draw the code.

    Where the vendor makes the code no other vendor can send it: there is no failover.
    """
    vendor_makes_code = planned.adapter.makes_codes
    code_spec = CodeSpec(
        mask=request.mask,
        ttl=request.ttl,
        case_sensitive=request.case_sensitive,
        nonce=None if vendor_makes_code else TEST_NONCE if test else secrets.token_hex(16),
    )
    content = msgspec.structs.replace(planned.content, text=request.text, code_spec=code_spec)
    vendors = planned.vendors[:1] if vendor_makes_code else planned.vendors
    return replace(planned, content=content, vendors=vendors), code_spec


def _details(
    request: VerificationRequest,
    planned: PlannedRecipient,
    code_spec: CodeSpec,
    identifier: str,
    guarded_by: tuple[str, ...],
) -> Details:
    own_code = code_spec.nonce is not None
    secret = message_key()
    return Details(
        to=planned.content.to,
        mask=request.mask,
        max_checks=request.max_checks,
        case_sensitive=request.case_sensitive,
        vendor=None if own_code else planned.vendors[0],
        digest=(
            code_digest(derive_code(code_spec, identifier, secret), identifier, secret)
            if own_code
            else None
        ),
        reference=request.reference,
        guarded_by=guarded_by,
    )


def show_verification(tenant: str, identifier: str, now: datetime, *, test: bool = False) -> View:
    """Show a verification. Raise NotFoundError for one that is not this tenant's."""
    return find_own_verification(tenant, identifier, test=test).view(epoch_seconds(now))


def find_own_verification(tenant: str, identifier: str, *, test: bool) -> Verification:
    """Find a tenant's verification, a test key's by a test key only: its code is no secret.

    Raise NotFoundError for any other.
    """
    found = verification_repository.find_verification(identifier) if is_ulid(identifier) else None
    if found is None or found.tenant != tenant or found.test != test:
        raise NotFoundError("There is no such verification.")
    return found


def idempotency_key_digest(key: str) -> str:
    """Digest a check's Idempotency-Key. Raise InvalidRequestError for one that is not valid."""
    return sha256(idempotency_keys.check_key(key).encode()).hexdigest()

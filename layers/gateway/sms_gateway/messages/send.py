"""Send: turn a request's body into a stored and enqueued batch."""

import os
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sms_gateway.config.stack_keys import message_key
from sms_gateway.config.stopped_tenants import refuse_stopped
from sms_gateway.core.problems import GatewayError, InvalidRequestError, ServiceUnavailableError
from sms_gateway.core.timestamps import epoch_seconds
from sms_gateway.core.ulids import new_ulid
from sms_gateway.messages import idempotency
from sms_gateway.messages.acceptance import BuiltBatch, build_batch, store_batch
from sms_gateway.messages.destination import TEST_RETENTION_DAYS
from sms_gateway.messages.planning import RejectedRecipient
from sms_gateway.messages.pumped import refuse_pumped
from sms_gateway.messages.request import Options, apply_defaults, parse_send_request
from sms_gateway.messages.send_views import accepted_view, rejected_view
from sms_gateway.messages.tenant_plan import plan_for_tenant
from sms_gateway.pumping_guard import door
from sms_gateway.storage import idempotency_keys
from sms_gateway.storage.items import DAY_SECONDS


def send(
    tenant: str,
    body: bytes,
    now: datetime,
    key: str | None = None,
    defaults: Options | None = None,
    only: Collection[int] = (),
    key_id: str | None = None,
    *,
    key_policy: str | None = None,
    test: bool = False,
) -> dict[str, Any]:
    """Accept the recipients that can be sent to, and reject the others.

    `key` is the Idempotency-Key: a repeat gets the first answer, whatever `defaults` are then.
    `defaults` fill in options that the body leaves out. `only` selects recipients by index.
    `key_id` is the id of the API key that asks, `key_policy` its policy; with `test`
    it is a test key, and nothing leaves.

    Raises a GatewayError when the request is invalid as a whole, when no recipient can be sent to,
    or when the batch can't be stored; then nothing is accepted or sent.
    """
    if key is None:
        batch, answer = _build(tenant, body, now, defaults, only, key_id, key_policy, test=test)
        store_batch(batch, repeatable=False)
        return answer
    record_key = idempotency_keys.record_key(tenant, idempotency_keys.check_key(key), test=test)
    digest = idempotency_keys.digest_of(body, message_key())
    seconds = epoch_seconds(now)
    if door.is_on():  # a repeat is not counted again
        _, first_answer = idempotency.find_answer(record_key, digest, seconds)
        if first_answer is not None:
            return first_answer
    try:
        batch, answer = _build(tenant, body, now, defaults, only, key_id, key_policy, test=test)
    except GatewayError:
        # The first request may have been accepted before settings changed or the tenant was
        # stopped, or had another body.
        _, first_answer = idempotency.find_answer(record_key, digest, seconds)
        if first_answer is None:
            raise
        return first_answer
    record = idempotency_keys.IdempotencyRecord(
        record_key, answer["batch_id"], digest, seconds, answer
    )
    # Few requests are repeats: claim the key without reading it first.
    existing = record.claim()
    if existing is not None:
        incomplete, first_answer = idempotency.resolve_existing(
            existing, record_key, digest, seconds
        )
        if first_answer is not None:
            return first_answer
        if record.claim(incomplete) is not None:
            raise idempotency_keys.in_progress(1)
    store_batch(batch)
    return answer


def _build(
    tenant: str,
    body: bytes,
    now: datetime,
    defaults: Options | None,
    only: Collection[int],
    key_id: str | None,
    key_policy: str | None,
    *,
    test: bool,
) -> tuple[BuiltBatch, dict[str, Any]]:
    refuse_stopped(tenant)
    drafts = parse_send_request(body)
    if only:
        drafts = [draft for draft in drafts if draft.index in only]
        if not drafts:
            raise InvalidRequestError(
                "None of the wanted recipients is in the request.", slug="no-recipient"
            )
    if defaults is not None:
        apply_defaults(defaults, drafts)
    accepted, rejected = plan_for_tenant(tenant, drafts, now, key_policy, test=test)
    if not test:
        accepted, rejected = refuse_pumped(tenant, accepted, rejected, now)
    if not accepted:
        raise _none_accepted(rejected)
    identifier = new_ulid(now)
    batch = build_batch(
        tenant,
        identifier,
        accepted,
        retention_seconds(test=test),
        message_key,
        key_id=key_id,
        test=test,
    )
    return batch, accepted_view(identifier, batch.messages, rejected, test=test)


def retention_seconds(*, test: bool = False) -> int:
    """Return how long a message stays readable, in seconds."""
    days = TEST_RETENTION_DAYS if test else int(os.environ["RETENTION_DAYS"])
    return days * DAY_SECONDS


def _none_accepted(rejected: Sequence[RejectedRecipient]) -> GatewayError:
    if len(rejected) == 1:
        return rejected[0].problem
    error_type = (
        ServiceUnavailableError
        if all(recipient.problem.http_status == 503 for recipient in rejected)
        else InvalidRequestError
    )
    return error_type(
        "None of the recipients can be sent to; each one's problem stands in `rejected`.",
        slug="all-rejected",
        rejected=[rejected_view(recipient) for recipient in rejected],
    )

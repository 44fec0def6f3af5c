"""The main job: a send's body becomes a recorded, enqueued batch."""

import os
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sms_gateway.config.routes import routes
from sms_gateway.config.vendor_accounts import accounts
from sms_gateway.core.problems import GatewayError, InvalidRequestError, ServiceUnavailableError
from sms_gateway.core.timestamps import epoch_seconds
from sms_gateway.core.ulids import new_ulid
from sms_gateway.messages import idempotency
from sms_gateway.messages.acceptance import BuiltBatch, build_batch, store_batch
from sms_gateway.messages.planning import RejectedRecipient, plan_recipients
from sms_gateway.messages.request import Options, apply_defaults, parse_send_request
from sms_gateway.messages.send_views import accepted_view, rejected_view
from sms_gateway.messages.status_url import status_url_checker
from sms_gateway.storage import idempotency_keys
from sms_gateway.storage.items import DAY_SECONDS


def send(
    tenant: str,
    body: bytes,
    now: datetime,
    key: str | None = None,
    defaults: Options | None = None,
    only: Collection[int] = (),
) -> dict[str, Any]:
    """Accepts what can be sent and says why the rest can't; with an Idempotency-Key, once, whatever
    becomes of `defaults`, which stand in for what the body does not say. With `only`, no more of it
    than the recipients of these indexes. Raises a GatewayError when the request is wrong as a
    whole, when no recipient is left, or when nothing can be recorded; then nothing is stored and
    nothing is sent."""
    if key is None:
        prepared, answer = _build(tenant, body, now, defaults, only)
        store_batch(prepared)
        return answer
    place, digest = (
        idempotency_keys.record_key(tenant, idempotency_keys.check_key(key)),
        idempotency_keys.digest_of(body),
    )
    seconds = epoch_seconds(now)
    try:
        prepared, answer = _build(tenant, body, now, defaults, only)
    except GatewayError:
        # What would be refused now may have been accepted before, or stand for another body.
        _, given = idempotency.find_answer(place, digest, seconds)
        if given is None:
            raise
        return given
    # Hardly any request is a repeat, so none is looked for first.
    record = idempotency_keys.IdempotencyRecord(place, answer["batch_id"], digest, seconds, answer)
    there = record.claim()
    if there is not None:
        unfinished, given = idempotency.resolve_existing(there, place, digest, seconds)
        if given is not None:
            return given
        if record.claim(unfinished) is not None:
            raise idempotency_keys.in_progress(1)
    store_batch(prepared)
    return answer


def _build(
    tenant: str, body: bytes, now: datetime, defaults: Options | None, only: Collection[int]
) -> tuple[BuiltBatch, dict[str, Any]]:
    told = status_url_checker(tenant)
    drafts = parse_send_request(body)
    if only:
        drafts = [draft for draft in drafts if draft.index in only]
        if not drafts:
            raise InvalidRequestError(
                "None of the wanted recipients is in the request.", slug="no-recipient"
            )
    if defaults is not None:
        apply_defaults(defaults, drafts)
    accepted, rejected = plan_recipients(drafts, now, accounts(), routes(), told)
    if not accepted:
        raise _none_accepted(rejected)
    batch = new_ulid(now)
    prepared = build_batch(tenant, batch, accepted, retention_seconds())
    return prepared, accepted_view(batch, prepared.messages, rejected)


def retention_seconds() -> int:
    """How long a message stays readable, in seconds."""
    return int(os.environ["RETENTION_DAYS"]) * DAY_SECONDS


def _none_accepted(rejected: Sequence[RejectedRecipient]) -> GatewayError:
    if len(rejected) == 1:
        return rejected[0].problem
    kind = (
        ServiceUnavailableError
        if all(one.problem.http_status == 503 for one in rejected)
        else InvalidRequestError
    )
    return kind(
        "None of the recipients can be sent to; each one's problem stands in `rejected`.",
        slug="all-rejected",
        rejected=[rejected_view(one.index, one.to, one.problem) for one in rejected],
    )

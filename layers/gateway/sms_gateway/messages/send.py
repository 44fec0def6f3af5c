"""The main job: a send's body becomes a recorded, enqueued batch."""

import os
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sms_gateway.config.routes import routes
from sms_gateway.config.vendor_accounts import accounts
from sms_gateway.core.problems import GatewayError, Invalid, Unavailable
from sms_gateway.core.timestamps import epoch_seconds
from sms_gateway.core.ulids import new_ulid
from sms_gateway.messages import idempotency
from sms_gateway.messages.acceptance import Prepared, accept, prepare
from sms_gateway.messages.request import Options, Rejected, assume, plan, read_body
from sms_gateway.messages.status_url import status_urls
from sms_gateway.messages.views import accepted_view, rejected_view
from sms_gateway.storage import idempotency_keys
from sms_gateway.storage.items import DAY


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
        prepared, answer = _prepare(tenant, body, now, defaults, only)
        accept(prepared)
        return answer
    place, digest = (
        idempotency_keys.name(tenant, idempotency_keys.check(key)),
        idempotency_keys.digest_of(body),
    )
    seconds = epoch_seconds(now)
    try:
        prepared, answer = _prepare(tenant, body, now, defaults, only)
    except GatewayError:
        # What would be refused now may have been accepted before, or stand for another body.
        _, given = idempotency.find(place, digest, seconds)
        if given is None:
            raise
        return given
    # Hardly any request is a repeat, so none is looked for first.
    record = idempotency_keys.Record(place, answer["batch_id"], digest, seconds, answer)
    there = record.take()
    if there is not None:
        unfinished, given = idempotency.judge(there, place, digest, seconds)
        if given is not None:
            return given
        if record.take(unfinished) is not None:
            raise idempotency_keys.in_progress(1)
    accept(prepared)
    return answer


def _prepare(
    tenant: str, body: bytes, now: datetime, defaults: Options | None, only: Collection[int]
) -> tuple[Prepared, dict[str, Any]]:
    told = status_urls(tenant)
    drafts = read_body(body)
    if only:
        drafts = [draft for draft in drafts if draft.index in only]
        if not drafts:
            raise Invalid("None of the wanted recipients is in the request.", slug="no-recipient")
    if defaults is not None:
        assume(defaults, drafts)
    accepted, rejected = plan(drafts, now, accounts(), routes(), told)
    if not accepted:
        raise _nobody(rejected)
    batch = new_ulid(now)
    prepared = prepare(tenant, batch, accepted, retention())
    return prepared, accepted_view(batch, prepared.receipts, rejected)


def retention() -> int:
    """How long a message stays readable, in seconds."""
    return int(os.environ["RETENTION_DAYS"]) * DAY


def _nobody(rejected: Sequence[Rejected]) -> GatewayError:
    if len(rejected) == 1:
        return rejected[0].problem
    kind = Unavailable if all(one.problem.http_status == 503 for one in rejected) else Invalid
    return kind(
        "None of the recipients can be sent to; each one's problem stands in `rejected`.",
        slug="all-rejected",
        rejected=[rejected_view(one.index, one.to, one.problem) for one in rejected],
    )

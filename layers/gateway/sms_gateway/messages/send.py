"""Send: turn a request's body into a stored and enqueued batch."""

import os
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sms_gateway.config.stack_keys import message_key
from sms_gateway.config.stopped_tenants import refuse_stopped
from sms_gateway.core.problems import GatewayError, InvalidRequestError, ServiceUnavailableError
from sms_gateway.core.timestamps import DAY_SECONDS, epoch_seconds
from sms_gateway.core.ulids import new_ulid
from sms_gateway.core.value_object import ValueObject
from sms_gateway.messages import idempotency
from sms_gateway.messages.acceptance import BuiltBatch, build_batch, store_batch
from sms_gateway.messages.destination import TEST_RETENTION_DAYS
from sms_gateway.messages.over_quota import given_back_unless_done, refuse_over_quota
from sms_gateway.messages.planning import RejectedRecipient
from sms_gateway.messages.pumped import refuse_pumped
from sms_gateway.messages.request import Options, apply_defaults, parse_send_request
from sms_gateway.messages.send_views import accepted_view, rejected_view
from sms_gateway.messages.tenant_plan import plan_for_tenant
from sms_gateway.policies import door as policies
from sms_gateway.pumping_guard import door as guard
from sms_gateway.storage import idempotency_keys

if TYPE_CHECKING:
    from sms_gateway.policies.quota import Counted

OVER_QUOTA = "quota-exhausted"

type OnCounted = Callable[["Counted | None"], None]


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
    on_counted: OnCounted = lambda _counted: None,
) -> dict[str, Any]:
    """Accept the recipients that can be sent to, and reject the others.

    `key` is the Idempotency-Key: a repeat gets the first answer, whatever `defaults` are then.
    `defaults` fill in options that the body leaves out. `only` selects recipients by index.
    `key_id` is the id of the API key that asks, `key_policy` its policy; with `test`
    it is a test key, and nothing leaves. `on_counted` is called with what was counted, if any.

    Raises a GatewayError when the request is invalid as a whole, when no recipient can be sent to,
    or when the batch can't be stored; then nothing is accepted or sent.
    """
    if key is None:
        built = _build(tenant, body, now, defaults, only, key_id, key_policy, test=test)
        store_batch(built.batch, repeatable=False)
        on_counted(built.counted)
        return built.answer
    record_key = idempotency_keys.record_key(tenant, idempotency_keys.check_key(key), test=test)
    digest = idempotency_keys.digest_of(body, message_key())
    seconds = epoch_seconds(now)
    if guard.is_on() or (not test and policies.is_counted(tenant, key_policy)):
        # A repeat is not counted again.
        _, first_answer = idempotency.find_answer(record_key, digest, seconds)
        if first_answer is not None:
            return first_answer
    try:
        built = _build(tenant, body, now, defaults, only, key_id, key_policy, test=test)
    except GatewayError:
        # The first request may have been accepted before settings changed or the tenant was
        # stopped, or had another body.
        _, first_answer = idempotency.find_answer(record_key, digest, seconds)
        if first_answer is None:
            raise
        return first_answer
    record = idempotency_keys.IdempotencyRecord(
        record_key, built.batch.id, digest, seconds, built.answer
    )
    with given_back_unless_done(built.counted):
        first_answer = idempotency.claim(record)
    if first_answer is not None:
        policies.give_back(built.counted)
        return first_answer
    store_batch(built.batch)
    on_counted(built.counted)
    return built.answer


class _Built(ValueObject, frozen=True):
    """A batch to store, the answer about it, and what was counted for it."""

    batch: BuiltBatch
    answer: dict[str, Any]
    counted: "Counted | None"


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
) -> _Built:
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
    counted = None
    if not test:
        accepted, rejected = refuse_pumped(tenant, accepted, rejected, now)
        accepted, rejected, counted = refuse_over_quota(
            tenant, accepted, rejected, now, key_id, key_policy
        )
    if not accepted:
        raise _none_accepted(rejected)
    identifier, seconds = new_ulid(now), retention_seconds(test=test)
    with given_back_unless_done(counted):
        batch = build_batch(
            tenant,
            identifier,
            accepted,
            seconds,
            message_key,
            key_id=key_id,
            test=test,
            counted=counted.under if counted else "",
        )
    return _Built(batch, accepted_view(identifier, batch.messages, rejected, test=test), counted)


def retention_seconds(*, test: bool = False) -> int:
    """Return how long a message stays readable, in seconds."""
    days = TEST_RETENTION_DAYS if test else int(os.environ["RETENTION_DAYS"])
    return days * DAY_SECONDS


def _none_accepted(rejected: Sequence[RejectedRecipient]) -> GatewayError:
    first = rejected[0].problem
    views = [rejected_view(recipient) for recipient in rejected]
    if len(rejected) == 1:
        return first
    if all(recipient.problem.slug == OVER_QUOTA for recipient in rejected):
        first.members["rejected"] = views
        return first
    error_type = (
        ServiceUnavailableError
        if all(recipient.problem.http_status == 503 for recipient in rejected)
        else InvalidRequestError
    )
    return error_type(
        "None of the recipients can be sent to; each one's problem stands in `rejected`.",
        slug="all-rejected",
        rejected=views,
    )

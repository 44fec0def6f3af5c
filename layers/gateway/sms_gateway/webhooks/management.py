"""Create, list, test and delete webhooks, and rotate their secrets."""

import os
import re
import secrets
from datetime import datetime
from typing import Annotated, Any

import msgspec

from sms_gateway.core.event import TENANT_EVENTS, Event, EventType
from sms_gateway.core.problems import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    ServiceUnavailableError,
    TooLargeError,
)
from sms_gateway.core.timestamps import epoch_ms, epoch_seconds, from_ms, rfc3339
from sms_gateway.core.ulids import new_ulid
from sms_gateway.http_api.json_body import decode_body
from sms_gateway.storage import dynamodb
from sms_gateway.webhooks import (
    endpoint_health,
    endpoints,
    http_client,
    idempotency,
    proof,
    settings,
)
from sms_gateway.webhooks.attempt import Post, failure_reason, post_signed
from sms_gateway.webhooks.endpoints import Endpoint, EndpointSettings, EndpointState
from sms_gateway.webhooks.http_client import Resolve
from sms_gateway.webhooks.url_policy import (
    MAX_URL_LENGTH,
    UrlError,
    loopback_allowed,
    parse_allowed_url,
)

MAX_BODY_BYTES = 16 * 1024

EventName = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
WEBHOOK_ID = "[0-9A-Z]{26}"


class WebhookBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /webhooks."""

    url: Annotated[str, msgspec.Meta(max_length=MAX_URL_LENGTH)]
    events: Annotated[list[EventName], msgspec.Meta(max_length=len(TENANT_EVENTS))] | None = None
    description: Annotated[str, msgspec.Meta(max_length=200)] | None = None


class RotationBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /webhooks/{id}/rotate, which may be left out."""

    stop_previous: bool = False


def require_enabled() -> None:
    """Raise ConflictError where the stack's webhooks are turned off."""
    if os.environ["EVENTS"] not in ("webhooks", "all"):
        raise ConflictError(
            "Webhooks are turned off: the operator turns them on with the parameter Events.",
            slug="webhooks-off",
        )


def create_webhook(
    tenant: str,
    body: bytes,
    now: datetime,
    key: str | None = None,
    resolver: Resolve = http_client.resolve,
    key_id: str | None = None,
) -> dict[str, Any]:
    """Create a webhook, by the API key `key_id`; its secret is in this answer only.

    With an Idempotency-Key a repeat gets the same answer for a day, until the webhook is deleted or
    rotated. Raise InvalidRequestError for a URL or an event that is not valid, ConflictError when
    there are too many webhooks or the secret was rotated.
    """
    require_enabled()
    wanted = decode_body(check_body_size(body), WebhookBody)
    identifier, record = new_ulid(now), None
    if key is not None:
        record = idempotency.record_key(tenant, key)
        recorded = idempotency.find_webhook(record, body, now)
        existing = endpoints.find_endpoint(tenant, recorded) if recorded else None
        if existing is not None:
            return _repeat_answer(existing)
    _check_url(wanted, resolver)
    if record is not None:
        # Of two concurrent requests both get the first one's id, and one creates the webhook.
        identifier = idempotency.claim(record, body, identifier, now)
    stored = EndpointSettings(wanted.url, wanted.events, wanted.description)
    created = endpoints.create_endpoint(tenant, identifier, stored, now, record, key_id)
    if created is None:
        existing = endpoints.find_endpoint(tenant, identifier)
        if existing is None or record is None:
            raise ServiceUnavailableError("The webhook could not be recorded; try again.")
        return _repeat_answer(existing)
    return _with_secret(created)


def check_body_size(body: bytes) -> bytes:
    """Return the body. Raise TooLargeError."""
    if len(body) > MAX_BODY_BYTES:
        raise TooLargeError(f"This body may have {MAX_BODY_BYTES} bytes, it has {len(body)}.")
    return body


def _repeat_answer(existing: Endpoint) -> dict[str, Any]:
    if existing.generation > 1:
        raise ConflictError(
            f"This Idempotency-Key made the webhook {existing.id}, whose secret was rotated since: "
            "the new one was told to whoever rotated it, and is not told again.",
            slug="webhook-rotated",
        )
    return _with_secret(existing)


def _with_secret(endpoint: Endpoint) -> dict[str, Any]:
    newest, *_ = endpoint.secrets(settings.webhook_key(), endpoint.created)
    return {**endpoint.view(), "secret": newest}


def _check_url(wanted: WebhookBody, resolver: Resolve) -> None:
    for index, event in enumerate(wanted.events or ()):
        if event not in TENANT_EVENTS:
            raise InvalidRequestError(
                f"There is no such event; there are {', '.join(TENANT_EVENTS)}.",
                slug="unknown-event",
                pointer=f"/events/{index}",
            )
    try:
        http_client.resolve_public(
            parse_allowed_url(wanted.url), loopback=loopback_allowed(), resolver=resolver
        )
    except UrlError as error:
        raise InvalidRequestError(
            f"The address can't be called: {error}.", slug="webhook-address", pointer="/url"
        ) from None


def list_endpoints(tenant: str) -> dict[str, Any]:
    """List a tenant's webhooks."""
    return {"webhooks": [each.view() for each in endpoints.load_endpoints(tenant)]}


def get_endpoint(tenant: str, identifier: str) -> Endpoint:
    """Find a webhook. Raise NotFoundError."""
    endpoint = None
    if re.fullmatch(WEBHOOK_ID, identifier):  # DynamoDB refuses a key that is too long
        endpoint = endpoints.find_endpoint(tenant, identifier)
    if endpoint is None:
        raise NotFoundError("There is no such webhook; GET /webhooks lists yours.")
    return endpoint


def delete_webhook(tenant: str, identifier: str) -> dict[str, Any]:
    """Delete a webhook; its waiting deliveries end as failed."""
    endpoint = get_endpoint(tenant, identifier)
    if endpoint.idempotency_record is not None:
        # First: else the Idempotency-Key would lead to the id of a deleted webhook.
        idempotency.release(endpoint.idempotency_record, endpoint.id)
    dynamodb.remove(endpoints.key_of(tenant, identifier))
    return endpoint.view()


def rotate_webhook_secret(
    tenant: str, identifier: str, now: datetime, body: bytes = b""
) -> dict[str, Any]:
    """Give a webhook a new secret.

    Each earlier secret signs on for a day after its own rotation, or stops at once where the body
    asks for it. Raise ConflictError when too many sign.
    """
    require_enabled()
    stop = bool(body) and decode_body(check_body_size(body), RotationBody).stop_previous
    endpoint, seconds = get_endpoint(tenant, identifier), epoch_seconds(now)
    active = endpoint.active_previous_secrets(seconds)
    if len(active) >= endpoints.MAX_SECRETS - 1 and not stop:
        raise ConflictError(
            f"{endpoints.MAX_SECRETS} secrets sign already. Rotate after {_until(active[-1])}, "
            'or with {"stop_previous": true}, which stops all before the new one at once.',
            slug="too-many-secrets",
        )
    rotated = endpoints.rotate_secret(endpoint, seconds, stop_previous=stop)
    if rotated is None:
        raise ConflictError("The webhook was changed meanwhile: look at it and try again.")
    until = None if stop else _until(seconds)
    return {**_with_secret(rotated), "previous_secret_until": until}


def _until(superseded: int) -> str:
    """Return when a secret stops that was superseded at an epoch second."""
    return rfc3339(from_ms((superseded + endpoints.SECRET_OVERLAP_SECONDS) * 1000))


def send_test(
    tenant: str, identifier: str, now: datetime, post: Post = http_client.post
) -> dict[str, Any]:
    """Post a test event at once and return the outcome.

    An answer that repeats its challenge makes a webhook active; an accepted one ends the pause of
    one that is. Raise ConflictError and TooManyRequestsError as `begin_test` does.
    """
    require_enabled()
    endpoint = get_endpoint(tenant, identifier)
    lease = proof.begin_test(endpoint, epoch_seconds(now))
    challenge = secrets.token_urlsafe(proof.CHALLENGE_BYTES)
    data = {"webhook_id": endpoint.id, "challenge": challenge}
    event = Event(f"{new_ulid(now)}-test", EventType.TEST, epoch_ms(now), tenant, data)
    try:
        result = post_signed(
            endpoint, None, event.id, event.to_json(), post, max_body=proof.MAX_ANSWER_BYTES
        )
    except Exception:
        proof.end_test(endpoint, lease)  # else the next one would wait for its end
        raise
    answered = result.accepted and proof.repeats(result.body, challenge)
    proven = answered and proof.prove(endpoint, lease, epoch_seconds(now))
    if not answered:
        proof.end_test(endpoint, lease)
        if result.accepted:
            endpoint_health.record_success(endpoint)
    return {
        "event_id": event.id,
        "delivered": result.accepted,
        "proven": proven,
        "status_code": result.status,
        "milliseconds": int(result.seconds * 1000),
        "problem": None if proven else failure_reason(result) or _not_proven(endpoint, answered),
    }


def _not_proven(endpoint: Endpoint, answered: bool) -> str | None:
    """Say why an accepted answer did not make a webhook active; None for one that is."""
    found = endpoints.find_endpoint(endpoint.tenant, endpoint.id)
    if found is None:
        return "the webhook was deleted meanwhile"
    if found.disabled_by_operator:
        return "the operator disabled the webhook meanwhile: ask the operator"
    if found.state is EndpointState.ACTIVE:
        return None
    if answered:  # within LEASE_SECONDS it would have been proven
        return "the test took too long: test again"
    return 'it did not answer with the challenge, as JSON: {"challenge": "..."}'

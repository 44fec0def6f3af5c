"""What a tenant does with its webhooks: make, list, rotate, test, remove, look at what failed."""

import os
import re
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
from sms_gateway.http_api.json_body import decode_json
from sms_gateway.storage import dynamodb
from sms_gateway.webhooks import endpoints, http_client, idempotency, settings
from sms_gateway.webhooks.attempt import Post, failure_reason, post_signed
from sms_gateway.webhooks.endpoints import Endpoint, EndpointSettings
from sms_gateway.webhooks.http_client import Resolve
from sms_gateway.webhooks.url_policy import MAX_URL_LENGTH, UrlError, parse_url

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
    """Raises Conflict where the stack tells no webhooks."""
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
) -> dict[str, Any]:
    """Makes a webhook; its secret is in this answer only. With an Idempotency-Key a repeat gets the
    same answer for a day, while nobody has deleted or rotated it. Raises Invalid for an address or
    a filter that can't be, Conflict when there are too many, or the secret is another one."""
    require_enabled()
    wanted = decode_json(check_body_size(body), WebhookBody)
    identifier, place = new_ulid(now), None
    if key is not None:
        place = idempotency.record_key(tenant, key)
        before = idempotency.find_webhook(place, body, now)
        known = endpoints.find_endpoint(tenant, before) if before else None
        if known is not None:
            return _repeated(known)
    _check_url(wanted, resolver)
    if len(endpoints.load_endpoints(tenant)) >= endpoints.MAX_ENDPOINTS:
        raise ConflictError(
            f"There are {endpoints.MAX_ENDPOINTS} webhooks already: delete one first.",
            slug="too-many-webhooks",
        )
    if place is not None:
        # Of two requests side by side both make the webhook of the first, and one does.
        identifier = idempotency.claim(place, body, identifier, now)
    stored = EndpointSettings(wanted.url, wanted.events, wanted.description)
    made = endpoints.create_endpoint(tenant, identifier, stored, now, place)
    if made is None:
        known = endpoints.find_endpoint(tenant, identifier)
        if known is None or place is None:
            raise ServiceUnavailableError("The webhook could not be recorded; try again.")
        return _repeated(known)
    return _with_secret(made)


def check_body_size(body: bytes) -> bytes:
    if len(body) > MAX_BODY_BYTES:
        raise TooLargeError(f"This body may have {MAX_BODY_BYTES} bytes, it has {len(body)}.")
    return body


def _repeated(known: Endpoint) -> dict[str, Any]:
    if known.generation > 1:
        raise ConflictError(
            f"This Idempotency-Key made the webhook {known.id}, whose secret was rotated since: "
            "the new one was told to whoever rotated it, and is not told again.",
            slug="webhook-rotated",
        )
    return _with_secret(known)


def _with_secret(made: Endpoint) -> dict[str, Any]:
    newest, *_ = made.secrets(settings.webhook_key(), made.created)
    return {**made.view(), "secret": newest}


def _check_url(wanted: WebhookBody, resolver: Resolve) -> None:
    for number, kind in enumerate(wanted.events or ()):
        if kind not in TENANT_EVENTS:
            raise InvalidRequestError(
                f"There is no such event; there are {', '.join(TENANT_EVENTS)}.",
                slug="unknown-event",
                pointer=f"/events/{number}",
            )
    loopback = os.environ["WEBHOOK_LOOPBACK"] == "true"
    try:
        http_client.resolve_public(
            parse_url(wanted.url, loopback=loopback), loopback=loopback, resolver=resolver
        )
    except UrlError as error:
        raise InvalidRequestError(
            f"The address can't be called: {error}.", slug="webhook-address", pointer="/url"
        ) from None


def list_endpoints(tenant: str) -> dict[str, Any]:
    """A tenant's webhooks."""
    return {"webhooks": [one.view() for one in endpoints.load_endpoints(tenant)]}


def get_endpoint(tenant: str, identifier: str) -> Endpoint:
    """One webhook. Raises NotFound."""
    # What is no id is not asked for: DynamoDB refuses a key that is too long.
    found = (
        endpoints.find_endpoint(tenant, identifier)
        if re.fullmatch(WEBHOOK_ID, identifier)
        else None
    )
    if found is None:
        raise NotFoundError("There is no such webhook; GET /webhooks lists yours.")
    return found


def delete_webhook(tenant: str, identifier: str) -> dict[str, Any]:
    """Removes a webhook; what waits for it ends as failed."""
    found = get_endpoint(tenant, identifier)
    if found.request is not None:
        # First: else its key would lead to its id once it is gone.
        idempotency.release(found.request, found.id)
    dynamodb.remove(endpoints.key_of(tenant, identifier))
    return found.view()


def rotate_webhook_secret(
    tenant: str, identifier: str, now: datetime, body: bytes = b""
) -> dict[str, Any]:
    """Gives a webhook a new secret; each one before signs on for a day after its own rotation, or
    stops at once where the body says so. Raises Conflict when too many sign."""
    require_enabled()
    stop = bool(body) and decode_json(check_body_size(body), RotationBody).stop_previous
    found, seconds = get_endpoint(tenant, identifier), epoch_seconds(now)
    living = found.active_previous_secrets(seconds)
    if len(living) >= endpoints.MAX_SECRETS - 1 and not stop:
        raise ConflictError(
            f"{endpoints.MAX_SECRETS} secrets sign already. Rotate after {_until(living[-1])}, "
            'or with {"stop_previous": true}, which stops all before the new one at once.',
            slug="too-many-secrets",
        )
    changed = endpoints.rotate_secret(found, seconds, stop=stop)
    if changed is None:
        raise ConflictError("The webhook was changed meanwhile: look at it and try again.")
    until = None if stop else _until(seconds)
    return {**_with_secret(changed), "previous_secret_until": until}


def _until(superseded: int) -> str:
    """When a secret stops that was superseded at an epoch second."""
    return rfc3339(from_ms((superseded + endpoints.SECRET_OVERLAP_SECONDS) * 1000))


def send_test(
    tenant: str, identifier: str, now: datetime, post: Post = http_client.post
) -> dict[str, Any]:
    """Posts a test event at once and tells what came of it. One that is taken makes a disabled or
    resting webhook active again."""
    require_enabled()
    found = get_endpoint(tenant, identifier)
    at = epoch_ms(now)
    data = {"webhook_id": found.id}
    event = Event(f"{new_ulid(now)}-test", EventType.TEST, at, tenant, data)
    posted = post_signed(found, None, event.id, event.to_json(), post)
    if posted.accepted:
        endpoints.reactivate(found)
    return {
        "event_id": event.id,
        "delivered": posted.accepted,
        "status_code": posted.status,
        "milliseconds": int(posted.seconds * 1000),
        "problem": failure_reason(posted),
    }

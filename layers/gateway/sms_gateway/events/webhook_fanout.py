"""Enqueue a delivery for each endpoint that wants an event."""

import math
import os
import time
from collections.abc import Sequence

from sms_gateway.aws import sqs
from sms_gateway.core.event import TENANT_EVENTS, Event
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.webhooks.delivery_message import STATUS_SUFFIX, DeliveryMessage, delivery_id
from sms_gateway.webhooks.endpoints import Endpoint, EndpointState, cached_endpoints, owner_of


def enqueue_deliveries(events: Sequence[Event], until: float = math.inf) -> set[str]:
    """Enqueue the deliveries of events; return the ids of those not enqueued.

    When endpoints can't be read, the events behind are returned as well. Begins no call after
    `until` (monotonic seconds). Never raises for AWS errors.
    """
    queue_messages = []
    event_ids = []
    refused: set[str] = set()
    refreshed: set[str] = set()  # tenants whose endpoints were read anew
    for number, event in enumerate(events):
        if event.tenant is None or event.type not in TENANT_EVENTS:
            continue
        try:
            if time.monotonic() > until:
                raise ServiceUnavailableError("There is no time left to read.")
            endpoints = cached_endpoints(event.tenant)
            if (
                event.status_url
                and event.tenant not in refreshed
                and not owner_of(event.status_url, endpoints)
            ):
                # Its endpoint may be newer than the cache.
                endpoints = cached_endpoints(event.tenant, fresh=True)
                refreshed.add(event.tenant)
            for delivery in _delivery_messages(event, endpoints):
                queue_messages.append(delivery.to_queue_message())
                event_ids.append(event.id)
        except ServiceUnavailableError as error:
            logger.error("endpoints not read", extra={"event": event.id, "error": str(error)})
            refused = {unread.id for unread in events[number:]}
            break
    accepted = sqs.send_batch(os.environ["DELIVERY_QUEUE"], queue_messages, until)
    refused |= {event_id for event_id, ok in zip(event_ids, accepted, strict=True) if not ok}
    if refused:
        increment("WebhookDeliveriesNotEnqueued", len(refused))
    return refused


def _delivery_messages(event: Event, endpoints: Sequence[Endpoint]) -> list[DeliveryMessage]:
    tenant, identifier, body = str(event.tenant), delivery_id(event.at, event.id), event.to_json()
    deliveries = [
        DeliveryMessage(tenant, endpoint.id, identifier, event.type, None, body)
        for endpoint in endpoints
        if endpoint.wants(event.type)
        and endpoint.state is EndpointState.ACTIVE
        and endpoint.id != event.data.get("webhook_id")  # disabled since it was cached
    ]
    if event.status_url:
        owner = owner_of(event.status_url, endpoints)
        if owner is not None and event.type.startswith("Message"):
            own_id = f"{identifier}{STATUS_SUFFIX}"
            deliveries.append(
                DeliveryMessage(tenant, owner.id, own_id, event.type, event.status_url, body)
            )
    return deliveries

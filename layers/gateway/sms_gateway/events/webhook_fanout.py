"""Which events go to which webhooks: a letter in the queue of deliveries for each."""

import math
import os
import time
from collections.abc import Sequence

from sms_gateway.aws import sqs
from sms_gateway.core.event import TENANT_EVENTS, Event
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.webhooks.delivery_message import STATUS_SUFFIX, DeliveryMessage, delivery_id
from sms_gateway.webhooks.endpoints import Endpoint, cached_endpoints, owner_of


def enqueue_deliveries(events: Sequence[Event], until: float = math.inf) -> set[str]:
    """Puts events into the queue of deliveries, one letter for each webhook that wants one; the
    ids of those that the queue did not take, or whose webhooks could not be read: then those behind
    are left as well. Begins no call after `until` (monotonic seconds). Never raises for what AWS
    does."""
    letters = []
    owners = []
    refused: set[str] = set()
    read: set[str] = set()  # tenants whose webhooks were read anew
    for number, one in enumerate(events):
        if one.tenant is None or one.type not in TENANT_EVENTS:
            continue
        try:
            if time.monotonic() > until:
                raise ServiceUnavailableError("There is no time left to read.")
            known = cached_endpoints(one.tenant)
            if one.status_url and one.tenant not in read and not owner_of(one.status_url, known):
                # Its webhook may be newer than what is remembered.
                known = cached_endpoints(one.tenant, fresh=True)
                read.add(one.tenant)
            for parcel in _delivery_messages(one, known):
                letters.append(parcel.to_queue_message())
                owners.append(one.id)
        except ServiceUnavailableError as error:
            logger.error("webhooks not read", extra={"event": one.id, "error": str(error)})
            refused = {left.id for left in events[number:]}
            break
    taken = sqs.send_batch(os.environ["DELIVERY_QUEUE"], letters, until)
    refused |= {owner for owner, good in zip(owners, taken, strict=True) if not good}
    if refused:
        increment("DeliveriesNotEnqueued", len(refused))
    return refused


def _delivery_messages(event: Event, known: Sequence[Endpoint]) -> list[DeliveryMessage]:
    tenant, identifier, body = str(event.tenant), delivery_id(event.at, event.id), event.to_json()
    made = [
        DeliveryMessage(tenant, one.id, identifier, event.type, None, body)
        for one in known
        if one.wants(event.type) and not one.disabled
    ]
    if event.status_url:
        owner = owner_of(event.status_url, known)
        if owner is not None and event.type.startswith("Message"):
            own = f"{identifier}{STATUS_SUFFIX}"
            made.append(DeliveryMessage(tenant, owner.id, own, event.type, event.status_url, body))
    return made

"""Which events go to which webhooks: a letter in the queue of deliveries for each."""

import os
from collections.abc import Sequence

from sms_gateway import queues
from sms_gateway.endpoints import Endpoint, owner_of, remembered
from sms_gateway.events import FOR_TENANTS, Event
from sms_gateway.observe import count
from sms_gateway.parcels import STATUS, Parcel, delivery_id


def post(events: Sequence[Event]) -> set[str]:
    """Puts events into the queue of deliveries, one letter for each webhook that wants one; the
    ids of those that the queue did not take."""
    letters = []
    owners = []
    read: set[str] = set()  # tenants whose webhooks were read anew
    for one in events:
        if one.tenant is None or one.kind not in FOR_TENANTS:
            continue
        known = remembered(one.tenant)
        if one.status_url and one.tenant not in read and owner_of(one.status_url, known) is None:
            # Its webhook may be newer than what is remembered.
            known = remembered(one.tenant, fresh=True)
            read.add(one.tenant)
        for parcel in _parcels(one, known):
            letters.append(parcel.letter())
            owners.append(one.id)
    taken = queues.post(os.environ["DELIVERY_QUEUE"], letters)
    refused = {owner for owner, good in zip(owners, taken, strict=True) if not good}
    if refused:
        count("DeliveriesNotEnqueued", len(refused))
    return refused


def _parcels(event: Event, known: Sequence[Endpoint]) -> list[Parcel]:
    tenant, identifier, body = str(event.tenant), delivery_id(event.at, event.id), event.body()
    made = [
        Parcel(tenant, one.id, identifier, event.kind, None, body)
        for one in known
        if one.wants(event.kind) and not one.disabled
    ]
    if event.status_url:
        owner = owner_of(event.status_url, known)
        if owner is not None and event.kind.startswith("Message"):
            own = f"{identifier}{STATUS}"
            made.append(Parcel(tenant, owner.id, own, event.kind, event.status_url, body))
    return made

"""Which events go to which webhooks: a letter in the queue of deliveries for each."""

import math
import os
import time
from collections.abc import Sequence

from sms_gateway.aws import sqs
from sms_gateway.core.event import FOR_TENANTS, Event
from sms_gateway.core.observability import count, log
from sms_gateway.core.problems import Unavailable
from sms_gateway.webhooks.delivery_message import STATUS, Parcel, delivery_id
from sms_gateway.webhooks.endpoints import Endpoint, owner_of, remembered


def post(events: Sequence[Event], until: float = math.inf) -> set[str]:
    """Puts events into the queue of deliveries, one letter for each webhook that wants one; the
    ids of those that the queue did not take, or whose webhooks could not be read: then those behind
    are left as well. Begins no call after `until` (monotonic seconds). Never raises for what AWS
    does."""
    letters = []
    owners = []
    refused: set[str] = set()
    read: set[str] = set()  # tenants whose webhooks were read anew
    for number, one in enumerate(events):
        if one.tenant is None or one.kind not in FOR_TENANTS:
            continue
        try:
            if time.monotonic() > until:
                raise Unavailable("There is no time left to read.")
            known = remembered(one.tenant)
            if one.status_url and one.tenant not in read and not owner_of(one.status_url, known):
                # Its webhook may be newer than what is remembered.
                known = remembered(one.tenant, fresh=True)
                read.add(one.tenant)
            for parcel in _parcels(one, known):
                letters.append(parcel.letter())
                owners.append(one.id)
        except Unavailable as error:
            log.error("webhooks not read", extra={"event": one.id, "error": str(error)})
            refused = {left.id for left in events[number:]}
            break
    taken = sqs.post(os.environ["DELIVERY_QUEUE"], letters, until)
    refused |= {owner for owner, good in zip(owners, taken, strict=True) if not good}
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

"""A delivery worker: takes queued deliveries and posts them, side by side.

Two queues feed it. The fast lane is everybody's; a webhook that failed or was slow lately has its
deliveries moved to the slow lane, so that they hold up nobody else's. One that fails on and on
rests: an attempt that falls into its rest is put off.
"""

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from sms_gateway.aws import sqs
from sms_gateway.core.observability import count, log
from sms_gateway.webhooks import deliveries, endpoints, http_client
from sms_gateway.webhooks.attempt import Post, asked_pause, attempt, fault_of
from sms_gateway.webhooks.deliveries import Delivery, Try
from sms_gateway.webhooks.delivery_message import Parcel
from sms_gateway.webhooks.endpoints import SLOW, Endpoint

MOST_RECORDS = 10  # at once
BUSY = (429, 502, 503, 504)
GONE = 410

_parcel = msgspec.json.Decoder(Parcel)


def work(records: Sequence[Mapping[str, Any]], post: Post = http_client.post) -> dict[str, Any]:
    """Works on one delivery of a queue; answers the records that failed."""
    with ThreadPoolExecutor(MOST_RECORDS) as pool:
        done = list(pool.map(lambda record: _one(record, post), records))
    failed = [r["messageId"] for r, good in zip(records, done, strict=True) if not good]
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failed]}


def _one(record: Mapping[str, Any], post: Post) -> bool:
    try:
        slow_lane = record["eventSourceARN"] == os.environ["DELIVERY_QUEUE_SLOW_ARN"]
        return deliver(_parcel.decode(record["body"]), post, slow_lane=slow_lane)
    except Exception:
        log.exception("not delivered", extra={"queue_message": record["messageId"]})
        count("DeliverFailed")
        return False


def deliver(parcel: Parcel, post: Post = http_client.post, *, slow_lane: bool) -> bool:
    """One attempt; whether the letter is done with."""
    now = int(time.time())
    stored = deliveries.find(parcel) if not parcel.body else None
    if not parcel.body:
        if stored is None or stored.state != "waiting":
            return True  # it arrived meanwhile, or its webhook is gone
        if stored.next is not None and stored.next > now + 1:
            return True  # an older letter: it was put off meanwhile
        parcel = stored.parcel
    endpoint = endpoints.find(parcel.tenant, parcel.webhook)
    if endpoint is None:
        if stored is not None:
            tried = Try(now, None, "the webhook was deleted")
            deliveries.record(parcel, stored, tried, now, last=True)
        return True
    if endpoint.disabled:
        tried = Try(now, None, "not tried: the webhook is disabled")
        deliveries.record(parcel, stored, tried, now, last=True)
        return True
    if not slow_lane and (endpoint.failures or endpoint.slow > now):
        (moved,) = sqs.post(os.environ["DELIVERY_QUEUE_SLOW"], [parcel.letter()])
        return moved
    if endpoint.rest > now:
        deliveries.put_off(parcel, stored, now, endpoint.rest)
        return True
    _attempt(parcel, stored, endpoint, post)
    return True


def _attempt(parcel: Parcel, stored: Delivery | None, endpoint: Endpoint, post: Post) -> None:
    posted = attempt(endpoint, parcel.url, parcel.event_id, parcel.body, post)
    now = int(time.time())
    log.info(
        "webhook",
        extra={
            "webhook": endpoint.id,
            "event_id": parcel.event_id,
            "status_code": posted.status,
            "fault": posted.fault,
            "milliseconds": int(posted.seconds * 1000),
        },
    )
    count("WebhookAttempts", result="taken" if posted.taken else "failed")
    if posted.seconds > SLOW and endpoint.slow <= now + endpoints.SLOW_FOR // 2:
        endpoints.slowed(endpoint, now)
    if posted.taken:
        deliveries.arrived(parcel, stored, now)
        if endpoint.failures and parcel.url is None:
            endpoints.well(endpoint)
        return
    busy, gone = posted.status in BUSY, posted.status == GONE
    asked = asked_pause(posted, now) if busy else None
    if parcel.url is not None:  # what it answers is about that message only
        rest = now + endpoints.pause(1, busy=busy, asked=asked)
    elif gone:
        endpoints.disable(endpoint, "it answered 410 Gone")
        rest = now
    else:
        rest = endpoints.failed(endpoint, now, busy=busy, asked=asked)
    tried = Try(now, posted.status, fault_of(posted))
    deliveries.record(parcel, stored, tried, now, rest, last=gone)

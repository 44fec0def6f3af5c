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
from sms_gateway.core.observability import increment, logger
from sms_gateway.webhooks import deliveries, endpoints, http_client
from sms_gateway.webhooks.attempt import Post, failure_reason, post_signed, retry_after_seconds
from sms_gateway.webhooks.deliveries import Delivery, DeliveryAttempt
from sms_gateway.webhooks.delivery_message import DeliveryMessage
from sms_gateway.webhooks.endpoints import SLOW_SECONDS, Endpoint

MAX_RECORDS = 10  # at once
BUSY = (429, 502, 503, 504)
GONE = 410

_parcel = msgspec.json.Decoder(DeliveryMessage)


def handle_records(
    records: Sequence[Mapping[str, Any]], post: Post = http_client.post
) -> dict[str, Any]:
    """Works on one delivery of a queue; answers the records that failed."""
    with ThreadPoolExecutor(MAX_RECORDS) as pool:
        done = list(pool.map(lambda record: _handle_record(record, post), records))
    failed = [r["messageId"] for r, good in zip(records, done, strict=True) if not good]
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failed]}


def _handle_record(record: Mapping[str, Any], post: Post) -> bool:
    try:
        slow_lane = record["eventSourceARN"] == os.environ["DELIVERY_QUEUE_SLOW_ARN"]
        return deliver(_parcel.decode(record["body"]), post, slow_lane=slow_lane)
    except Exception:
        logger.exception("not delivered", extra={"queue_message": record["messageId"]})
        increment("DeliverFailed")
        return False


def deliver(parcel: DeliveryMessage, post: Post = http_client.post, *, slow_lane: bool) -> bool:
    """One attempt; whether the letter is done with."""
    now = int(time.time())
    stored = deliveries.find_delivery(parcel) if not parcel.body else None
    if not parcel.body:
        if stored is None or stored.state != "waiting":
            return True  # it arrived meanwhile, or its webhook is gone
        if stored.next is not None and stored.next > now + 1:
            return True  # an older letter: it was put off meanwhile
        parcel = stored.message
    endpoint = endpoints.find_endpoint(parcel.tenant, parcel.webhook)
    if endpoint is None:
        if stored is not None:
            tried = DeliveryAttempt(now, None, "the webhook was deleted")
            deliveries.record_failure(parcel, stored, tried, now, last=True)
        return True
    if endpoint.disabled:
        tried = DeliveryAttempt(now, None, "not tried: the webhook is disabled")
        deliveries.record_failure(parcel, stored, tried, now, last=True)
        return True
    if not slow_lane and (endpoint.failures or endpoint.slow_until > now):
        (moved,) = sqs.send_batch(os.environ["DELIVERY_QUEUE_SLOW"], [parcel.to_queue_message()])
        return moved
    if endpoint.paused_until > now:
        deliveries.postpone(parcel, stored, now, endpoint.paused_until)
        return True
    _attempt(parcel, stored, endpoint, post)
    return True


def _attempt(
    parcel: DeliveryMessage, stored: Delivery | None, endpoint: Endpoint, post: Post
) -> None:
    posted = post_signed(endpoint, parcel.url, parcel.event_id, parcel.body, post)
    now = int(time.time())
    logger.info(
        "webhook",
        extra={
            "webhook": endpoint.id,
            "event_id": parcel.event_id,
            "status_code": posted.status,
            "fault": posted.failure,
            "milliseconds": int(posted.seconds * 1000),
        },
    )
    increment("WebhookAttempts", result="taken" if posted.accepted else "failed")
    if (
        posted.seconds > SLOW_SECONDS
        and endpoint.slow_until <= now + endpoints.SLOW_LANE_SECONDS // 2
    ):
        endpoints.mark_slow(endpoint, now)
    if posted.accepted:
        deliveries.record_success(parcel, stored, now)
        if endpoint.failures and parcel.url is None:
            endpoints.record_success(endpoint)
        return
    busy, gone = posted.status in BUSY, posted.status == GONE
    asked = retry_after_seconds(posted, now) if busy else None
    if parcel.url is not None:  # what it answers is about that message only
        rest = now + endpoints.pause_seconds(1, busy=busy, asked=asked)
    elif gone:
        endpoints.disable(endpoint, "it answered 410 Gone")
        rest = now
    else:
        rest = endpoints.record_failure(endpoint, now, busy=busy, asked=asked)
    tried = DeliveryAttempt(now, posted.status, failure_reason(posted))
    deliveries.record_failure(parcel, stored, tried, now, rest, last=gone)

"""Deliver queued deliveries to webhooks, side by side.

Two queues feed the worker. The fast lane is everybody's; deliveries of a webhook that failed or was
slow lately move to the slow lane, so that they delay nobody else's. A webhook that keeps failing is
paused: an attempt within its pause is postponed, and so is one above its host's rate.
"""

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from sms_gateway.aws import sqs
from sms_gateway.config.stopped_tenants import stops
from sms_gateway.core.observability import increment, logger
from sms_gateway.webhooks import deliveries, endpoint_health, endpoints, host_rate, http_client
from sms_gateway.webhooks.attempt import Post, failure_reason, post_signed, retry_after_seconds
from sms_gateway.webhooks.deliveries import Delivery, DeliveryAttempt
from sms_gateway.webhooks.delivery_message import DeliveryMessage
from sms_gateway.webhooks.endpoint_health import SLOW_LANE_SECONDS, SLOW_SECONDS
from sms_gateway.webhooks.endpoints import Endpoint, EndpointState
from sms_gateway.webhooks.http_client import PostResult
from sms_gateway.webhooks.url_policy import host_of

MAX_RECORDS = 10  # of one invocation
BUSY = (429, 502, 503, 504)
GONE = 410
STOPPED_PAUSE_SECONDS = 900  # until the next look whether a stopped tenant has started

_decoder = msgspec.json.Decoder(DeliveryMessage)


def handle_records(
    records: Sequence[Mapping[str, Any]], post: Post = http_client.post
) -> dict[str, Any]:
    """Deliver the records of a queue; the answer names those that failed."""
    with ThreadPoolExecutor(MAX_RECORDS) as pool:
        done = list(pool.map(lambda record: _handle_record(record, post), records))
    failed = [record["messageId"] for record, ok in zip(records, done, strict=True) if not ok]
    return sqs.partial_batch_response(failed)


def _handle_record(record: Mapping[str, Any], post: Post) -> bool:
    try:
        slow_lane = record["eventSourceARN"] == os.environ["DELIVERY_QUEUE_SLOW_ARN"]
        return deliver(_decoder.decode(record["body"]), post, slow_lane=slow_lane)
    except Exception:
        logger.exception("delivery failed", extra={"queue_message": record["messageId"]})
        increment("WebhookDeliveryFailed")
        return False


def deliver(message: DeliveryMessage, post: Post = http_client.post, *, slow_lane: bool) -> bool:
    """Make one attempt, if one is due; return whether the queue message is done with."""
    now = int(time.time())
    stored = None
    if not message.body:
        stored = deliveries.find_delivery(message)
        if stored is None or not _is_due(stored, now):
            return True
        message = stored.message
    if message.tenant in stops():
        # Stored, it waits as for a webhook that rests: four days, and then it can be replayed.
        deliveries.postpone(message, stored, now, now + STOPPED_PAUSE_SECONDS, requeue=False)
        return True
    endpoint = endpoints.find_endpoint(message.tenant, message.webhook)
    if endpoint is None:
        if stored is not None:
            attempt = DeliveryAttempt(now, None, "the webhook was deleted")
            deliveries.record_failure(message, stored, attempt, now, last=True)
        return True
    if endpoint.state is not EndpointState.ACTIVE:
        attempt = DeliveryAttempt(now, None, f"not tried: the webhook is {endpoint.state}")
        deliveries.record_failure(message, stored, attempt, now, last=True)
        return True
    if not slow_lane and (endpoint.failures or endpoint.slow_until > now):
        (sent,) = sqs.send_batch(os.environ["DELIVERY_QUEUE_SLOW"], [message.to_queue_message()])
        return sent
    if endpoint.paused_until > now:
        deliveries.postpone(message, stored, now, endpoint.paused_until)
        return True
    if wait := host_rate.take(message.tenant, host_of(message.url or endpoint.settings.url), now):
        increment("WebhookAttemptsPostponed")
        deliveries.postpone(message, stored, now, now + wait)
        return True
    _attempt(message, stored, endpoint, post)
    return True


def _is_due(stored: Delivery, now: int) -> bool:
    """Whether a stored delivery still waits, and was not postponed since it was enqueued."""
    if stored.state != "waiting":
        return False
    return stored.next_attempt_at is None or stored.next_attempt_at <= now + 1


def _attempt(
    message: DeliveryMessage, stored: Delivery | None, endpoint: Endpoint, post: Post
) -> None:
    result = post_signed(endpoint, message.url, message.event_id, message.body, post)
    now = int(time.time())
    logger.info(
        "webhook attempt",
        extra={
            "webhook": endpoint.id,
            "event_id": message.event_id,
            "status_code": result.status,
            "failure": result.failure,
            "milliseconds": int(result.seconds * 1000),
        },
    )
    increment("WebhookAttempts", result="accepted" if result.accepted else "failed")
    slow = result.seconds > SLOW_SECONDS
    if slow and endpoint.slow_until <= now + SLOW_LANE_SECONDS // 2:
        endpoint_health.mark_slow(endpoint, now)
    if result.accepted:
        deliveries.record_success(message, stored, now)
        if endpoint.failures and message.url is None:
            endpoint_health.record_success(endpoint)
        return
    not_before = _record_endpoint_failure(message, endpoint, result, now)
    attempt = DeliveryAttempt(now, result.status, failure_reason(result))
    last = result.status == GONE
    deliveries.record_failure(message, stored, attempt, now, not_before, last=last)


def _record_endpoint_failure(
    message: DeliveryMessage, endpoint: Endpoint, result: PostResult, now: int
) -> int:
    """Record a failure at its webhook, and return until when the delivery must wait."""
    busy = result.status in BUSY
    retry_after = retry_after_seconds(result, now) if busy else None
    if message.url is not None:  # a status_url's answer is about that message only
        return now + endpoint_health.pause_seconds(1, busy=busy, retry_after=retry_after)
    if result.status == GONE:
        endpoint_health.disable(endpoint, "it answered 410 Gone", now)
        return now
    return endpoint_health.record_failure(endpoint, now, busy=busy, retry_after=retry_after)

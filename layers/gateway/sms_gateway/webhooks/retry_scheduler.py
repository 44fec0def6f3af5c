"""Enqueue the deliveries that are due, once a minute.

The shards take turns in pages, so that one webhook's many deliveries delay the others by seconds. A
delivery whose webhook is paused is postponed here, without a queue message: a worker could only do
the same.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sms_gateway.aws import sqs
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.storage import due_index, dynamodb
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.models import ItemKey
from sms_gateway.vendors.types import chunks
from sms_gateway.webhooks import deliveries, endpoints
from sms_gateway.webhooks.deliveries import REQUEUE_AFTER_SECONDS, SHARDS, Delivery
from sms_gateway.webhooks.delivery_message import DeliveryMessage

PAGE_SIZE = 200  # deliveries read from a shard at a time
DELIVERIES_PER_BATCH = 100  # that are read, written and enqueued together
LEASE_SECONDS = 55

Webhook = tuple[str, str]  # its tenant and its id


def enqueue_due(pool: ThreadPoolExecutor, now: int, time_left: Callable[[], bool]) -> int:
    """Enqueue or postpone what is due at `now` (epoch seconds) while there is time.

    Return the number of deliveries.
    """
    waiting = due_index.query_due(pool, SHARDS, now, PAGE_SIZE)
    leased = due_index.lease(list(waiting), now, LEASE_SECONDS) if waiting else []
    processed = 0
    try:
        waiting = {shard: waiting[shard] for shard in leased}
        while waiting and time_left():
            for keys in chunks(due_index.round_robin(waiting), DELIVERIES_PER_BATCH):
                if time_left():
                    processed += _process_batch(pool, keys, now)
            full = [shard for shard, keys in waiting.items() if len(keys) == PAGE_SIZE]
            waiting = due_index.query_due(pool, full, now, PAGE_SIZE)
    finally:
        if leased:
            due_index.release(leased)
    return processed


def _process_batch(pool: ThreadPoolExecutor, keys: Sequence[ItemKey], now: int) -> int:
    """Enqueue or postpone at most 100 deliveries; what can't be read stays due."""
    try:
        items = dynamodb.get_many(keys)  # read again, since the index lags behind
        read = list(pool.map(lambda key: _read_due(key, items[key], now), items))
        due = [delivery for delivery in read if delivery is not None]
        pauses = endpoints.load_pauses(
            (delivery.message.tenant, delivery.message.webhook) for delivery in due
        )
    except ServiceUnavailableError:
        logger.exception("deliveries not checked", extra={"deliveries": len(keys)})
        increment("WebhookDeliveryCheckFailed", len(keys))
        return 0
    done = list(pool.map(lambda delivery: _claim_or_postpone(delivery, pauses, now), due))
    deliveries.enqueue([each for each in done if isinstance(each, DeliveryMessage)], 0)
    return sum(each is not None for each in done)


def _read_due(key: ItemKey, item: Mapping[str, Any], now: int) -> Delivery | None:
    """Read a delivery; None when it is no longer due."""
    if "due" not in item or int(item["due"]["N"]) > now:
        return None
    try:
        return deliveries.read_delivery(item)
    except Exception:
        _postpone_check(key, now)
        return None


def _claim_or_postpone(
    delivery: Delivery, pauses: Mapping[Webhook, int], now: int
) -> DeliveryMessage | bool | None:
    """Return the message to enqueue; True when postponed, None when another worker was faster."""
    key = deliveries.key_of(delivery.message)
    try:
        pause = pauses.get((delivery.message.tenant, delivery.message.webhook), 0)
        if pause > now:
            deliveries.postpone(delivery.message, delivery, now, pause, requeue=False)
            return True
        # Due again after the queue has had its time, in case the queue message gets lost.
        change = ItemUpdate(key).set("due", now + sqs.MAX_DELAY_SECONDS)
        change.if_in("due", delivery.next_check_at or 0)
        return delivery.message if change.apply() else None
    except Exception:
        _postpone_check(key, now)
        return None


def _postpone_check(key: ItemKey, now: int) -> None:
    """Make a delivery that can't be checked due later, so that it does not block the others."""
    logger.exception("delivery not checked", extra={"delivery": str(key)})
    increment("WebhookDeliveryCheckFailed")
    try:
        ItemUpdate(key).set("due", now + REQUEUE_AFTER_SECONDS).apply()
    except ServiceUnavailableError:
        logger.warning("delivery check not postponed", extra={"delivery": str(key)})

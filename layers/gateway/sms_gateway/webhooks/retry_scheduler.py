"""The clock's part in deliveries: hands over whatever is due.

Many at once and in turn over the partitions, so that one webhook's many cost the others seconds at
most. What is due while its webhook rests is not handed over, since a worker could only put it off:
the clock does so itself, without a letter, and comes back at the rest's end.
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

PAGE_SIZE = 200  # deliveries taken from a partition at a time
DELIVERIES_AT_ONCE = 100  # and read, written and handed over together
LEASE_SECONDS = 55  # seconds

Webhook = tuple[str, str]  # its tenant and its id


def enqueue_due(pool: ThreadPoolExecutor, now: int, time_left: Callable[[], bool]) -> int:
    """Hands over or puts off what is due at `now` (epoch seconds) while there is time; returns how
    many that were."""
    waiting = due_index.query_due(pool, SHARDS, now, PAGE_SIZE)
    held = due_index.lease(list(waiting), now, LEASE_SECONDS) if waiting else []
    woken = 0
    try:
        waiting = {shard: waiting[shard] for shard in held}
        while waiting and time_left():
            for keys in chunks(due_index.round_robin(waiting), DELIVERIES_AT_ONCE):
                if time_left():
                    woken += _process_page(pool, keys, now)
            full = [shard for shard, keys in waiting.items() if len(keys) == PAGE_SIZE]
            waiting = due_index.query_due(pool, full, now, PAGE_SIZE)
    finally:
        if held:
            due_index.release(held)
    return woken


def _process_page(pool: ThreadPoolExecutor, keys: Sequence[ItemKey], now: int) -> int:
    """Takes each of at most 100 deliveries one step further. What can't be read is still due."""
    try:
        found = dynamodb.get_many(keys)  # anew, since the index lags behind
        known = list(pool.map(lambda key: _read(key, found[key], now), found))
        standing = [one for one in known if one is not None]
        rests = endpoints.paused_until(
            (one.message.tenant, one.message.webhook) for one in standing
        )
    except ServiceUnavailableError:
        logger.exception("look failed", extra={"deliveries": len(keys)})
        increment("LookFailed", len(keys))
        return 0
    done = list(pool.map(lambda one: _next_step(one, rests, now), standing))
    deliveries.enqueue([one for one in done if isinstance(one, DeliveryMessage)], 0)
    return sum(one is not None for one in done)


def _read(key: ItemKey, item: Mapping[str, Any], now: int) -> Delivery | None:
    """A delivery that is due still."""
    if "due" not in item or int(item["due"]["N"]) > now:
        return None
    try:
        return deliveries.read_delivery(item)
    except Exception:
        _postpone_failed(key, now)
        return None


def _next_step(
    one: Delivery, rests: Mapping[Webhook, int], now: int
) -> DeliveryMessage | bool | None:
    """What is to be handed over; True where that was put off, None where another was faster."""
    key = deliveries.key_of(one.message)
    try:
        rest = rests.get((one.message.tenant, one.message.webhook), 0)
        if rest > now:
            deliveries.postpone(one.message, one, now, rest, letter=False)
            return True
        # A letter that gets lost is written again, when the queue has had its time.
        change = ItemUpdate(key).set("due", now + sqs.MAX_DELAY_SECONDS)
        return one.message if change.if_in("due", one.due or 0).apply() else None
    except Exception:
        _postpone_failed(key, now)
        return None


def _postpone_failed(key: ItemKey, now: int) -> None:
    """Puts one that can't be looked at behind what is due now: it must not hold up the others."""
    logger.exception("look failed", extra={"delivery": str(key)})
    increment("LookFailed")
    try:
        ItemUpdate(key).set("due", now + REQUEUE_AFTER_SECONDS).apply()
    except ServiceUnavailableError:
        logger.warning("not put off", extra={"delivery": str(key)})

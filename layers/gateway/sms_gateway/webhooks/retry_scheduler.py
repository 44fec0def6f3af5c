"""The clock's part in deliveries: hands over whatever is due.

Many at once and in turn over the partitions, so that one webhook's many cost the others seconds at
most. What is due while its webhook rests is not handed over, since a worker could only put it off:
the clock does so itself, without a letter, and comes back at the rest's end.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sms_gateway.aws import sqs
from sms_gateway.core.observability import count, log
from sms_gateway.core.problems import Unavailable
from sms_gateway.storage import due_index, dynamodb
from sms_gateway.storage.dynamodb import Change
from sms_gateway.storage.models import Key
from sms_gateway.vendors.adapter import chunks
from sms_gateway.webhooks import deliveries, endpoints
from sms_gateway.webhooks.deliveries import GRACE, SHARDS, Delivery
from sms_gateway.webhooks.delivery_message import Parcel

A_LOOK = 200  # deliveries taken from a partition at a time
AT_ONCE = 100  # and read, written and handed over together
LEASE = 55  # seconds

Webhook = tuple[str, str]  # its tenant and its id


def wake(pool: ThreadPoolExecutor, now: int, time_left: Callable[[], bool]) -> int:
    """Hands over or puts off what is due at `now` (epoch seconds) while there is time; returns how
    many that were."""
    waiting = due_index.query_due(pool, SHARDS, now, A_LOOK)
    held = due_index.lease(list(waiting), now, LEASE) if waiting else []
    woken = 0
    try:
        waiting = {shard: waiting[shard] for shard in held}
        while waiting and time_left():
            for keys in chunks(due_index.round_robin(waiting), AT_ONCE):
                if time_left():
                    woken += _look_at(pool, keys, now)
            full = [shard for shard, keys in waiting.items() if len(keys) == A_LOOK]
            waiting = due_index.query_due(pool, full, now, A_LOOK)
    finally:
        if held:
            due_index.release(held)
    return woken


def _look_at(pool: ThreadPoolExecutor, keys: Sequence[Key], now: int) -> int:
    """Takes each of at most 100 deliveries one step further. What can't be read is still due."""
    try:
        found = dynamodb.get_many(keys)  # anew, since the index lags behind
        known = list(pool.map(lambda key: _read(key, found[key], now), found))
        standing = [one for one in known if one is not None]
        rests = endpoints.rests((one.parcel.tenant, one.parcel.webhook) for one in standing)
    except Unavailable:
        log.exception("look failed", extra={"deliveries": len(keys)})
        count("LookFailed", len(keys))
        return 0
    done = list(pool.map(lambda one: _step(one, rests, now), standing))
    deliveries.hand_over([one for one in done if isinstance(one, Parcel)], 0)
    return sum(one is not None for one in done)


def _read(key: Key, item: Mapping[str, Any], now: int) -> Delivery | None:
    """A delivery that is due still."""
    if "due" not in item or int(item["due"]["N"]) > now:
        return None
    try:
        return deliveries.read(item)
    except Exception:
        _look_failed(key, now)
        return None


def _step(one: Delivery, rests: Mapping[Webhook, int], now: int) -> Parcel | bool | None:
    """What is to be handed over; True where that was put off, None where another was faster."""
    key = deliveries.key_of(one.parcel)
    try:
        rest = rests.get((one.parcel.tenant, one.parcel.webhook), 0)
        if rest > now:
            deliveries.put_off(one.parcel, one, now, rest, letter=False)
            return True
        # A letter that gets lost is written again, when the queue has had its time.
        change = Change(key).put("due", now + sqs.LONGEST_DELAY)
        return one.parcel if change.when("due", one.due or 0).apply() else None
    except Exception:
        _look_failed(key, now)
        return None


def _look_failed(key: Key, now: int) -> None:
    """Puts one that can't be looked at behind what is due now: it must not hold up the others."""
    log.exception("look failed", extra={"delivery": str(key)})
    count("LookFailed")
    try:
        Change(key).put("due", now + GRACE).apply()
    except Unavailable:
        log.warning("not put off", extra={"delivery": str(key)})

"""Deliveries to webhooks: their attempts, their schedule of retries, and how they are stored.

A delivery that succeeds at the first attempt is never stored. A failed one is, and stands in shards
of its own in the due index until it is delivered or the last attempt has failed. Failed deliveries
stay stored, to be listed and replayed.
"""

import os
import random
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from zlib import crc32

import msgspec

from sms_gateway.aws import sqs
from sms_gateway.core.observability import increment
from sms_gateway.core.timestamps import DAY_SECONDS, from_ms, rfc3339
from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.items import Item, json_attribute, number_attribute
from sms_gateway.storage.models import ItemKey
from sms_gateway.webhooks.delivery_message import DeliveryMessage

# Seconds between a failed attempt and the next: standardwebhooks.com's own example.
RETRY_SCHEDULE_SECONDS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.1  # of a delay, added at random
MIN_JITTER_SECONDS = 3  # a tenth of a short delay would be none, in whole seconds
SPREAD = 0.5  # of a delivery's age, over which postponed ones come back
MAX_AGE_SECONDS = 4 * DAY_SECONDS  # after which the next attempt is the last
REQUEUE_AFTER_SECONDS = 60  # that the queue has before the scheduler enqueues a delivery again
SHARDS = ("w0", "w1", "w2", "w3")  # of the due index; apart from the messages', not to delay them

State = Literal["waiting", "delivered", "failed"]


class DeliveryAttempt(msgspec.Struct, frozen=True, array_like=True):
    """One attempt, at epoch seconds, and its outcome."""

    at: int
    status: int | None
    failure: str | None


class Delivery(ValueObject, frozen=True):
    """A stored delivery; times are epoch seconds.

    At `next_check_at` the scheduler enqueues it, unless the queue already has.
    """

    message: DeliveryMessage
    state: State
    attempts: tuple[DeliveryAttempt, ...]
    started_at: int
    next_attempt_at: int | None
    next_check_at: int | None

    def view(self) -> dict[str, Any]:
        """Render it for the API."""
        next_attempt = self.next_attempt_at
        return {
            "id": self.message.id,
            "event_id": self.message.event_id,
            "type": self.message.type,
            "url": self.message.url,
            "state": self.state,
            "occurred_at": rfc3339(from_ms(int(self.message.id[:13]))),
            "next_attempt_at": rfc3339(from_ms(next_attempt * 1000)) if next_attempt else None,
            "attempts": [
                {
                    "at": rfc3339(from_ms(attempt.at * 1000)),
                    "status_code": attempt.status,
                    "problem": attempt.failure,
                }
                for attempt in self.attempts
            ],
        }


def key_of(message: DeliveryMessage) -> ItemKey:
    """Return the key of a delivery's item."""
    return ItemKey(f"HOOK#{message.tenant}#{message.webhook}", message.id)


def find_delivery(message: DeliveryMessage) -> Delivery | None:
    """Find a stored delivery."""
    item = dynamodb.get(key_of(message))
    return read_delivery(item) if item else None


def query_deliveries(
    tenant: str, webhook: str, low: str, high: str, limit: int, *, newest_first: bool
) -> list[Delivery]:
    """Query stored deliveries by their ids, from `low` to `high`."""
    found = dynamodb.query_range(
        f"HOOK#{tenant}#{webhook}", low, high, limit, newest_first=newest_first
    )
    return [read_delivery(item) for item in found]


def retry_delay_seconds(attempts: int) -> int | None:
    """Return the delay after so many attempts; None after the last one."""
    if attempts > len(RETRY_SCHEDULE_SECONDS):
        return None
    return _with_jitter(RETRY_SCHEDULE_SECONDS[attempts - 1], 0)


def record_failure(
    message: DeliveryMessage,
    stored: Delivery | None,
    attempt: DeliveryAttempt,
    now: int,
    not_before: int = 0,
    *,
    last: bool = False,
) -> None:
    """Record a failed attempt and schedule the next one, unless this was the `last`.

    Raise ServiceUnavailableError when it can't be written: the queue then delivers again.
    """
    attempts = (*(stored.attempts if stored else ()), attempt)
    started_at = stored.started_at if stored else now
    deadline = started_at + MAX_AGE_SECONDS
    delay = None if last or now >= deadline else retry_delay_seconds(len(attempts))
    due = None
    if delay is not None:
        due = max(not_before, min(max(now + delay, _soon_after(not_before, now)), deadline))
    _write(message, stored, attempts, started_at, due, now)


def postpone(
    message: DeliveryMessage,
    stored: Delivery | None,
    now: int,
    paused_until: int,
    *,
    requeue: bool = True,
) -> None:
    """Schedule an attempt after its webhook's pause, or end a delivery that is too old.

    Without `requeue` the delivery is not enqueued: the scheduler comes back to it. Raise
    ServiceUnavailableError as `record_failure` does.
    """
    started_at = stored.started_at if stored else now
    deadline = started_at + MAX_AGE_SECONDS
    if now >= deadline:
        over = DeliveryAttempt(now, None, "given up: its time is over, and the webhook rests")
        return record_failure(message, stored, over, now, last=True)
    # Old deliveries come back less often: else a long outage would cost by its square.
    spread = SPREAD * (now - started_at)
    due = max(paused_until, min(_soon_after(paused_until, now, spread), deadline))
    attempts = stored.attempts if stored else ()
    _write(message, stored, attempts, started_at, due, now, requeue=requeue)


def _soon_after(when: int, now: int, spread: float = 0) -> int:
    """Return a random time after a pause's end, so that not all deliveries come back at once."""
    return now + _with_jitter(when - now, spread) if when > now else when


def _with_jitter(delay: int, spread: float) -> int:
    """Add up to `spread` seconds to a delay, or up to a tenth of it, or up to some seconds."""
    most = max(spread, JITTER * delay, MIN_JITTER_SECONDS)
    return delay + int(random.uniform(0, most))  # noqa: S311 - spreads load


def _write(
    message: DeliveryMessage,
    stored: Delivery | None,
    attempts: Sequence[DeliveryAttempt],
    started_at: int,
    due: int | None,
    now: int,
    *,
    requeue: bool = True,
) -> None:
    """Store a delivery unless another worker did; enqueue it where it is due soon."""
    if stored is None:
        if not dynamodb.put_new(_item(message, attempts, started_at, due, now)):
            return  # the same event came twice, and the other one is stored
    elif not _update(message, stored, attempts, due, now, requeue=requeue):
        return
    if due is None:
        increment("WebhookDeliveryAbandoned")
    elif requeue and due - now <= sqs.MAX_DELAY_SECONDS:
        enqueue([message], due - now)


def _update(
    message: DeliveryMessage,
    stored: Delivery,
    attempts: Sequence[DeliveryAttempt],
    due: int | None,
    now: int,
    *,
    requeue: bool,
) -> bool:
    change = _set_next_attempt(ItemUpdate(key_of(message)), message, due, now, requeue=requeue)
    change.set("attempts", _attempts_json(attempts)).set("state", "waiting" if due else "failed")
    change.if_in("attempts", _attempts_json(stored.attempts)).if_in("state", "waiting")
    if stored.next_attempt_at is not None:
        change.if_in("next", stored.next_attempt_at)
    return change.apply() is not None


def record_success(message: DeliveryMessage, stored: Delivery | None, now: int) -> None:
    """Record that a stored delivery succeeded; of others nothing is stored."""
    if stored is not None:
        attempts = (*stored.attempts, DeliveryAttempt(now, 200, None))
        change = ItemUpdate(key_of(message)).set("state", "delivered")
        change.set("attempts", _attempts_json(attempts))
        change.remove("due", "shard", "next").apply()


def replay(delivery: Delivery, now: int) -> bool:
    """Start a delivery's attempts anew; False when another request was faster."""
    change = _set_next_attempt(ItemUpdate(key_of(delivery.message)), delivery.message, now, now)
    change.set("state", "waiting").set("attempts", _attempts_json(())).set("started", now)
    if change.if_in("state", delivery.state).apply() is None:
        return False
    enqueue([delivery.message], 0)
    return True


def enqueue(messages: Sequence[DeliveryMessage], delay: int) -> None:
    """Enqueue stored deliveries in the slow lane; the scheduler enqueues again what gets lost."""
    ids_only = [DeliveryMessage(each.tenant, each.webhook, each.id) for each in messages]
    queue_messages = [each.to_queue_message(delay) for each in ids_only]
    sqs.send_batch(os.environ["DELIVERY_QUEUE_SLOW"], queue_messages)


def _set_next_attempt(
    change: ItemUpdate,
    message: DeliveryMessage,
    when: int | None,
    now: int,
    *,
    requeue: bool = True,
) -> ItemUpdate:
    if when is None:
        return change.remove("due", "shard", "next")
    change.set("next", when).set("due", _check_time(when, now) if requeue else when)
    return change.set("shard", shard_of(key_of(message)))


def _check_time(when: int, now: int) -> int:
    """Return when the scheduler checks: later where the queue has the delivery already."""
    return when + REQUEUE_AFTER_SECONDS if when - now <= sqs.MAX_DELAY_SECONDS else when


def _attempts_json(attempts: Sequence[DeliveryAttempt]) -> str:
    return msgspec.json.encode(attempts).decode()


def _item(
    message: DeliveryMessage,
    attempts: Sequence[DeliveryAttempt],
    started_at: int,
    due: int | None,
    now: int,
) -> Item:
    key = key_of(message)
    item: Item = {
        "pk": {"S": key.batch},
        "sk": {"S": key.sort},
        "data": json_attribute(message),
        "state": {"S": "waiting" if due else "failed"},
        "attempts": {"S": _attempts_json(attempts)},
        "started": number_attribute(started_at),
        "ttl": number_attribute(now + int(os.environ["RETENTION_DAYS"]) * DAY_SECONDS),
    }
    if due is not None:
        item["next"] = number_attribute(due)
        item["due"] = number_attribute(_check_time(due, now))
        item["shard"] = {"S": shard_of(key)}
    return item


def shard_of(key: ItemKey) -> str:
    """Return a delivery's shard of the due index."""
    return SHARDS[crc32(key.sort.encode()) % len(SHARDS)]


def read_delivery(item: Mapping[str, Any]) -> Delivery:
    """Read a delivery from its item."""
    return Delivery(
        msgspec.json.decode(item["data"]["S"], type=DeliveryMessage),
        item["state"]["S"],
        tuple(msgspec.json.decode(item["attempts"]["S"], type=list[DeliveryAttempt])),
        int(item["started"]["N"]),
        int(item["next"]["N"]) if "next" in item else None,
        int(item["due"]["N"]) if "due" in item else None,
    )

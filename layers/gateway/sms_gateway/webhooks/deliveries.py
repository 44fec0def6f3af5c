"""Deliveries to webhooks: what is to be told, to whom, and what became of it.

A delivery that arrives at the first attempt is never stored. One that fails is: it then stands in
the due index like everything that waits, in shards of its own, until it has arrived or the last
attempt has failed. Failed ones stay to be listed and sent again.
"""

import os
import random
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from zlib import crc32

import msgspec

from sms_gateway.aws import sqs
from sms_gateway.core.observability import increment
from sms_gateway.core.timestamps import epoch_ms, from_ms, rfc3339
from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.items import DAY_SECONDS, Item, json_attribute, number_attribute
from sms_gateway.storage.models import ItemKey
from sms_gateway.webhooks.delivery_message import DeliveryMessage

# Seconds between an attempt that failed and the next: standardwebhooks.com's own example.
PAUSE_SECONDS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.1  # of a pause, added by chance
MIN_JITTER_SECONDS = 3  # seconds; a tenth of a short pause would be none, in whole seconds
SPREAD = 0.5  # of the time that a delivery has waited, over which those put off come back
MAX_AGE_SECONDS = (
    4 * DAY_SECONDS
)  # seconds after which the next attempt is the last, however few were made
REQUEUE_AFTER_SECONDS = 60  # seconds that the queue has before the clock puts it there again
SHARDS = ("w0", "w1", "w2", "w3")  # of the due index: beside the messages', so as not to delay them

State = Literal["waiting", "delivered", "failed"]


class DeliveryAttempt(msgspec.Struct, frozen=True, array_like=True):
    """One attempt: when (epoch seconds), and what came of it."""

    at: int
    status: int | None
    failure: str | None


class Delivery(ValueObject, frozen=True):
    """A stored delivery; it began at `since`, is tried next at `next`, and the clock looks at `due`
    (epoch seconds)."""

    message: DeliveryMessage
    state: State
    attempts: tuple[DeliveryAttempt, ...]
    since: int
    next: int | None
    due: int | None

    def view(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "id": self.message.id,
            "event_id": self.message.event_id,
            "type": self.message.type,
            "url": self.message.url,
            "state": self.state,
            "occurred_at": rfc3339(from_ms(int(self.message.id[:13]))),
            "next_attempt_at": rfc3339(from_ms(self.next * 1000)) if self.next else None,
            "attempts": [
                {
                    "at": rfc3339(from_ms(one.at * 1000)),
                    "status_code": one.status,
                    "problem": one.failure,
                }
                for one in self.attempts
            ],
        }


def key_of(parcel: DeliveryMessage) -> ItemKey:
    """A delivery's place."""
    return ItemKey(f"HOOK#{parcel.tenant}#{parcel.webhook}", parcel.id)


def find_delivery(parcel: DeliveryMessage) -> Delivery | None:
    """A stored delivery."""
    item = dynamodb.get(key_of(parcel))
    return read_delivery(item) if item else None


def query_deliveries(
    tenant: str, webhook: str, low: str, high: str, limit: int, *, newest_first: bool
) -> list[Delivery]:
    """Stored deliveries whose ids lie from `low` to `high`."""
    found = dynamodb.query_range(
        f"HOOK#{tenant}#{webhook}", low, high, limit, newest_first=newest_first
    )
    return [read_delivery(item) for item in found]


def pause_after(tries: int) -> int | None:
    """Seconds until the next attempt after so many; None after the last one."""
    if tries > len(PAUSE_SECONDS):
        return None
    return _later(PAUSE_SECONDS[tries - 1], 0)


def record_failure(
    parcel: DeliveryMessage,
    stored: Delivery | None,
    tried: DeliveryAttempt,
    now: int,
    rest: int = 0,
    *,
    last: bool = False,
) -> None:
    """Writes that an attempt failed, and when the next one is: not before the end of a `rest`,
    never where this was the `last`. Raises Unavailable when it can't be written: the queue then
    tries again."""
    tries = (*(stored.attempts if stored else ()), tried)
    since = stored.since if stored else now
    pause = None if last or now >= since + MAX_AGE_SECONDS else pause_after(len(tries))
    due = None
    if pause is not None:
        due = max(rest, min(max(now + pause, _after(rest, now)), since + MAX_AGE_SECONDS))
    _write(parcel, stored, tries, since, due, now)


def postpone(
    parcel: DeliveryMessage, stored: Delivery | None, now: int, rest: int, *, letter: bool = True
) -> None:
    """Writes that an attempt was not made, since the webhook rests: it is due after the `rest`, or
    ends where its time is over. Without a `letter` the clock alone comes back to it. Raises
    Unavailable as `record` does."""
    since = stored.since if stored else now
    if now >= since + MAX_AGE_SECONDS:
        over = DeliveryAttempt(now, None, "given up: its time is over, and the webhook rests")
        return record_failure(parcel, stored, over, now, last=True)
    # What has waited long asks less often: else a long outage would cost by its square.
    due = max(rest, min(_after(rest, now, SPREAD * (now - since)), since + MAX_AGE_SECONDS))
    _write(parcel, stored, stored.attempts if stored else (), since, due, now, letter=letter)


def _after(rest: int, now: int, spread: float = 0) -> int:
    """A time after a rest, by chance, so that what waits does not come back all at once."""
    return now + _later(rest - now, spread) if rest > now else rest


def _later(pause: int, spread: float) -> int:
    """A pause, and by chance up to `spread` more, but at least up to a tenth or some seconds."""
    most = max(spread, JITTER * pause, MIN_JITTER_SECONDS)
    return pause + int(random.uniform(0, most))  # noqa: S311 - spreads load


def _write(
    parcel: DeliveryMessage,
    stored: Delivery | None,
    tries: Sequence[DeliveryAttempt],
    since: int,
    due: int | None,
    now: int,
    *,
    letter: bool = True,
) -> None:
    if stored is None:
        if not dynamodb.put_new(_item(parcel, tries, since, due, now)):
            return  # the same event came twice, and the other one is written
    else:
        change = _set_next_attempt(ItemUpdate(key_of(parcel)), parcel, due, now, letter=letter)
        change.set("tries", _attempts_json(tries)).set("state", "waiting" if due else "failed")
        change.if_in("tries", _attempts_json(stored.attempts)).if_in("state", "waiting")
        if stored.next is not None:
            change.if_in("next", stored.next)
        if change.apply() is None:
            return
    if due is None:
        increment("WebhookGaveUp")
    elif letter and due - now <= sqs.MAX_DELAY_SECONDS:
        enqueue([parcel], due - now)


def record_success(parcel: DeliveryMessage, stored: Delivery | None, now: int) -> None:
    """Writes that a stored delivery arrived; of others nothing is kept."""
    if stored is not None:
        tries = (*stored.attempts, DeliveryAttempt(now, 200, None))
        change = (
            ItemUpdate(key_of(parcel)).set("state", "delivered").set("tries", _attempts_json(tries))
        )
        change.remove("due", "shard", "next").apply()


def replay(delivery: Delivery, now: int) -> bool:
    """Starts a delivery's attempts anew; False when another request was faster."""
    change = _set_next_attempt(ItemUpdate(key_of(delivery.message)), delivery.message, now, now)
    change.set("state", "waiting").set("tries", _attempts_json(())).set("since", now)
    if change.if_in("state", delivery.state).apply() is None:
        return False
    enqueue([delivery.message], 0)
    return True


def enqueue(parcels: Sequence[DeliveryMessage], delay: int) -> None:
    """Puts stored deliveries into the slow lane. What does not get there the clock puts there."""
    bare = [DeliveryMessage(one.tenant, one.webhook, one.id) for one in parcels]
    letters = [one.to_queue_message(delay) for one in bare]
    sqs.send_batch(os.environ["DELIVERY_QUEUE_SLOW"], letters)


def _set_next_attempt(
    change: ItemUpdate, parcel: DeliveryMessage, when: int | None, now: int, *, letter: bool = True
) -> ItemUpdate:
    if when is None:
        return change.remove("due", "shard", "next")
    change.set("next", when).set("due", _check_time(when, now) if letter else when)
    return change.set("shard", shard_of(key_of(parcel)))


def _check_time(when: int, now: int) -> int:
    """When the clock looks: what is soon stands in the queue already."""
    return when + REQUEUE_AFTER_SECONDS if when - now <= sqs.MAX_DELAY_SECONDS else when


def _attempts_json(tries: Sequence[DeliveryAttempt]) -> str:
    return msgspec.json.encode(tries).decode()


def _item(
    parcel: DeliveryMessage, tries: Sequence[DeliveryAttempt], since: int, due: int | None, now: int
) -> Item:
    key = key_of(parcel)
    item: Item = {
        "pk": {"S": key.batch},
        "sk": {"S": key.sort},
        "data": json_attribute(parcel),
        "state": {"S": "waiting" if due else "failed"},
        "tries": {"S": _attempts_json(tries)},
        "since": number_attribute(since),
        "ttl": number_attribute(now + int(os.environ["RETENTION_DAYS"]) * DAY_SECONDS),
    }
    if due is not None:
        item["next"] = number_attribute(due)
        item["due"] = number_attribute(_check_time(due, now))
        item["shard"] = {"S": shard_of(key)}
    return item


def shard_of(key: ItemKey) -> str:
    """The partition of the due index that a delivery stands in."""
    return SHARDS[crc32(key.sort.encode()) % len(SHARDS)]


def read_delivery(item: Mapping[str, Any]) -> Delivery:
    """A delivery from its item."""
    return Delivery(
        msgspec.json.decode(item["data"]["S"], type=DeliveryMessage),
        item["state"]["S"],
        tuple(msgspec.json.decode(item["tries"]["S"], type=list[DeliveryAttempt])),
        int(item["since"]["N"]),
        int(item["next"]["N"]) if "next" in item else None,
        int(item["due"]["N"]) if "due" in item else None,
    )


def time_range(start: datetime | None, end: datetime | None) -> tuple[str, str]:
    """The ids between two times, both included."""
    low = f"{_ms(start):013d}" if start else "0"
    high = f"{_ms(end):013d}~" if end else "~"
    return low, high


def _ms(when: datetime) -> int:
    return min(max(0, epoch_ms(when)), 10**13 - 1)

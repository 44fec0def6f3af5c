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
from sms_gateway.core.observability import count
from sms_gateway.core.timestamps import epoch_ms, from_ms, rfc3339
from sms_gateway.core.value_object import Value
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import Change
from sms_gateway.storage.items import DAY, Item, number, text
from sms_gateway.storage.models import Key
from sms_gateway.webhooks.delivery_message import Parcel

# Seconds between an attempt that failed and the next: standardwebhooks.com's own example.
PAUSES = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.1  # of a pause, added by chance
LEAST_JITTER = 3  # seconds; a tenth of a short pause would be none, in whole seconds
SPREAD = 0.5  # of the time that a delivery has waited, over which those put off come back
LONGEST = 4 * DAY  # seconds after which the next attempt is the last, however few were made
GRACE = 60  # seconds that the queue has before the clock puts it there again
SHARDS = ("w0", "w1", "w2", "w3")  # of the due index: beside the messages', so as not to delay them

State = Literal["waiting", "delivered", "failed"]


class Try(msgspec.Struct, frozen=True, array_like=True):
    """One attempt: when (epoch seconds), and what came of it."""

    at: int
    status: int | None
    fault: str | None


class Delivery(Value, frozen=True):
    """A stored delivery; it began at `since`, is tried next at `next`, and the clock looks at `due`
    (epoch seconds)."""

    parcel: Parcel
    state: State
    tries: tuple[Try, ...]
    since: int
    next: int | None
    due: int | None

    def view(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "id": self.parcel.id,
            "event_id": self.parcel.event_id,
            "type": self.parcel.type,
            "url": self.parcel.url,
            "state": self.state,
            "occurred_at": rfc3339(from_ms(int(self.parcel.id[:13]))),
            "next_attempt_at": rfc3339(from_ms(self.next * 1000)) if self.next else None,
            "attempts": [
                {
                    "at": rfc3339(from_ms(one.at * 1000)),
                    "status_code": one.status,
                    "problem": one.fault,
                }
                for one in self.tries
            ],
        }


def key_of(parcel: Parcel) -> Key:
    """A delivery's place."""
    return Key(f"HOOK#{parcel.tenant}#{parcel.webhook}", parcel.id)


def find(parcel: Parcel) -> Delivery | None:
    """A stored delivery."""
    item = dynamodb.get(key_of(parcel))
    return read(item) if item else None


def listed(
    tenant: str, webhook: str, low: str, high: str, limit: int, *, newest_first: bool
) -> list[Delivery]:
    """Stored deliveries whose ids lie from `low` to `high`."""
    found = dynamodb.some(f"HOOK#{tenant}#{webhook}", low, high, limit, newest_first=newest_first)
    return [read(item) for item in found]


def pause_after(tries: int) -> int | None:
    """Seconds until the next attempt after so many; None after the last one."""
    if tries > len(PAUSES):
        return None
    return _later(PAUSES[tries - 1], 0)


def record(
    parcel: Parcel,
    stored: Delivery | None,
    tried: Try,
    now: int,
    rest: int = 0,
    *,
    last: bool = False,
) -> None:
    """Writes that an attempt failed, and when the next one is: not before the end of a `rest`,
    never where this was the `last`. Raises Unavailable when it can't be written: the queue then
    tries again."""
    tries = (*(stored.tries if stored else ()), tried)
    since = stored.since if stored else now
    pause = None if last or now >= since + LONGEST else pause_after(len(tries))
    due = None
    if pause is not None:
        due = max(rest, min(max(now + pause, _after(rest, now)), since + LONGEST))
    _write(parcel, stored, tries, since, due, now)


def put_off(
    parcel: Parcel, stored: Delivery | None, now: int, rest: int, *, letter: bool = True
) -> None:
    """Writes that an attempt was not made, since the webhook rests: it is due after the `rest`, or
    ends where its time is over. Without a `letter` the clock alone comes back to it. Raises
    Unavailable as `record` does."""
    since = stored.since if stored else now
    if now >= since + LONGEST:
        over = Try(now, None, "given up: its time is over, and the webhook rests")
        return record(parcel, stored, over, now, last=True)
    # What has waited long asks less often: else a long outage would cost by its square.
    due = max(rest, min(_after(rest, now, SPREAD * (now - since)), since + LONGEST))
    _write(parcel, stored, stored.tries if stored else (), since, due, now, letter=letter)


def _after(rest: int, now: int, spread: float = 0) -> int:
    """A time after a rest, by chance, so that what waits does not come back all at once."""
    return now + _later(rest - now, spread) if rest > now else rest


def _later(pause: int, spread: float) -> int:
    """A pause, and by chance up to `spread` more, but at least up to a tenth or some seconds."""
    most = max(spread, JITTER * pause, LEAST_JITTER)
    return pause + int(random.uniform(0, most))  # noqa: S311 - spreads load


def _write(
    parcel: Parcel,
    stored: Delivery | None,
    tries: Sequence[Try],
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
        change = _standing(Change(key_of(parcel)), parcel, due, now, letter=letter)
        change.put("tries", _written(tries)).put("state", "waiting" if due else "failed")
        change.when("tries", _written(stored.tries)).when("state", "waiting")
        if stored.next is not None:
            change.when("next", stored.next)
        if change.apply() is None:
            return
    if due is None:
        count("WebhookGaveUp")
    elif letter and due - now <= sqs.LONGEST_DELAY:
        hand_over([parcel], due - now)


def arrived(parcel: Parcel, stored: Delivery | None, now: int) -> None:
    """Writes that a stored delivery arrived; of others nothing is kept."""
    if stored is not None:
        tries = (*stored.tries, Try(now, 200, None))
        change = Change(key_of(parcel)).put("state", "delivered").put("tries", _written(tries))
        change.drop("due", "shard", "next").apply()


def again(delivery: Delivery, now: int) -> bool:
    """Starts a delivery's attempts anew; False when another request was faster."""
    change = _standing(Change(key_of(delivery.parcel)), delivery.parcel, now, now)
    change.put("state", "waiting").put("tries", _written(())).put("since", now)
    if change.when("state", delivery.state).apply() is None:
        return False
    hand_over([delivery.parcel], 0)
    return True


def hand_over(parcels: Sequence[Parcel], delay: int) -> None:
    """Puts stored deliveries into the slow lane. What does not get there the clock puts there."""
    bare = [Parcel(one.tenant, one.webhook, one.id) for one in parcels]
    letters = [one.letter(delay) for one in bare]
    sqs.post(os.environ["DELIVERY_QUEUE_SLOW"], letters)


def _standing(
    change: Change, parcel: Parcel, when: int | None, now: int, *, letter: bool = True
) -> Change:
    if when is None:
        return change.drop("due", "shard", "next")
    change.put("next", when).put("due", _looked_at(when, now) if letter else when)
    return change.put("shard", shard_of(key_of(parcel)))


def _looked_at(when: int, now: int) -> int:
    """When the clock looks: what is soon stands in the queue already."""
    return when + GRACE if when - now <= sqs.LONGEST_DELAY else when


def _written(tries: Sequence[Try]) -> str:
    return msgspec.json.encode(tries).decode()


def _item(parcel: Parcel, tries: Sequence[Try], since: int, due: int | None, now: int) -> Item:
    key = key_of(parcel)
    item: Item = {
        "pk": {"S": key.batch},
        "sk": {"S": key.sort},
        "data": text(parcel),
        "state": {"S": "waiting" if due else "failed"},
        "tries": {"S": _written(tries)},
        "since": number(since),
        "ttl": number(now + int(os.environ["RETENTION_DAYS"]) * DAY),
    }
    if due is not None:
        item["next"] = number(due)
        item["due"] = number(_looked_at(due, now))
        item["shard"] = {"S": shard_of(key)}
    return item


def shard_of(key: Key) -> str:
    """The partition of the due index that a delivery stands in."""
    return SHARDS[crc32(key.sort.encode()) % len(SHARDS)]


def read(item: Mapping[str, Any]) -> Delivery:
    """A delivery from its item."""
    return Delivery(
        msgspec.json.decode(item["data"]["S"], type=Parcel),
        item["state"]["S"],
        tuple(msgspec.json.decode(item["tries"]["S"], type=list[Try])),
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

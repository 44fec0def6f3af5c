"""A tenant's webhooks as they are stored: where to, which events, and how the other side is doing.

`rest` is the time until which nobody calls it, after failures in a row or at its own word; `slow`
the time until which its deliveries take the slow lane, so that they hold up nobody else's.
"""

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from sms_gateway.core.timestamps import epoch_seconds, from_ms, rfc3339
from sms_gateway.core.value_object import Value
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import Change
from sms_gateway.storage.items import DAY, Item, number, text
from sms_gateway.storage.models import Key
from sms_gateway.webhooks import signing
from sms_gateway.webhooks.url_policy import AddressError, read

MOST = 10  # webhooks of a tenant
OVERLAP = DAY  # seconds for which a secret signs on after a rotation
MOST_SECRETS = 5  # that sign at once
PATIENCE = 3  # failures in a row until it rests
FIRST_REST, LONGEST_REST = 30, 900  # seconds
SLOW = 2.0  # seconds; an answer that takes longer leads into the slow lane
SLOW_FOR = 300  # seconds
MAX_AGE = 15  # seconds that a tenant's webhooks are remembered


class Settings(msgspec.Struct, frozen=True, omit_defaults=True):
    """What its owner said of it; `events` None is all."""

    url: str
    events: list[str] | None = None
    description: str | None = None


class Endpoint(Value, frozen=True):
    """One webhook. Times are epoch seconds; `superseded` are those at which the secrets before the
    present one were, the latest first. `request` is the place of the record of the request that
    made it, where that had a key."""

    tenant: str
    id: str
    settings: Settings
    created: int
    generation: int
    superseded: tuple[int, ...]
    failures: int
    rest: int
    slow: int
    disabled: str | None
    nonce: str | None
    request: str | None

    @property
    def origin(self) -> str:
        """Scheme, host and port of its address."""
        return origin_of(self.settings.url) or ""

    def wants(self, kind: str) -> bool:
        """Whether it is to be told of such events."""
        return self.settings.events is None or kind in self.settings.events

    def secrets(self, key: bytes, now: int) -> list[str]:
        """The secrets that sign now, the newest first."""
        living = 1 + len(self.living(now))
        generations = range(self.generation, self.generation - living, -1)
        return [signing.secret(key, self.id, self.nonce, one) for one in generations]

    def living(self, now: int) -> list[int]:
        """Of `superseded`, those of secrets that still sign."""
        return [when for when in self.superseded if now < when + OVERLAP]

    def view(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "id": self.id,
            "url": self.settings.url,
            "events": self.settings.events,
            "description": self.settings.description,
            "state": "disabled" if self.disabled else "active",
            "disabled_because": self.disabled,
            "failures_in_a_row": self.failures,
            "created_at": rfc3339(from_ms(self.created * 1000)),
        }


def origin_of(url: str) -> str | None:
    """Scheme, host and port of an address; None for what is none."""
    try:
        return read(url, loopback=True).origin
    except AddressError:
        return None


def key_of(tenant: str, identifier: str) -> Key:
    """A webhook's place."""
    return Key(f"HOOKS#{tenant}", identifier)


def of_tenant(tenant: str) -> list[Endpoint]:
    """A tenant's webhooks, in the order of their ids."""
    return [_read(item) for item in dynamodb.some(f"HOOKS#{tenant}", "0", "[", MOST * 2)]


def remembered(tenant: str, *, fresh: bool = False) -> list[Endpoint]:
    """A tenant's webhooks as this process last read them, at most MAX_AGE seconds ago; with
    `fresh` they are read now."""
    at, found = _remembered.get(tenant, (0.0, []))
    if fresh or not at or time.monotonic() - at > MAX_AGE:
        found = of_tenant(tenant)
        _remembered[tenant] = (time.monotonic(), found)
    return found


def forget() -> None:
    """Forgets what was read."""
    _remembered.clear()


def owner_of(url: str, known: Sequence[Endpoint]) -> Endpoint | None:
    """The active webhook at the same host, whose secret signs what goes to a status_url."""
    origin = origin_of(url)
    return next((one for one in known if one.origin == origin and not one.disabled), None)


def find(tenant: str, identifier: str) -> Endpoint | None:
    """One webhook."""
    item = dynamodb.get(key_of(tenant, identifier))
    return _read(item) if item else None


def rests(known: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Until when each of at most 100 webhooks, by tenant and id, rests; without those that are
    gone."""
    places = {key_of(*one) for one in known}
    found = [_read(item) for item in dynamodb.get_many(list(places)).values()] if places else []
    return {(one.tenant, one.id): one.rest for one in found}


def create(
    tenant: str, identifier: str, settings: Settings, now: datetime, request: str | None
) -> Endpoint | None:
    """Stores a new one; None when there is one of this id."""
    item: Item = {
        "pk": {"S": f"HOOKS#{tenant}"},
        "sk": {"S": identifier},
        "data": text(settings),
        "created": number(epoch_seconds(now)),
        "generation": number(1),
        "nonce": {"S": secrets.token_hex(16)},
        "rotated": number(0),
        "failures": number(0),
        "rest": number(0),
        "slow": number(0),
    }
    if request is not None:
        item["made_by"] = {"S": request}
    return _read(item) if dynamodb.put_new(item) else None


def rotate(endpoint: Endpoint, now: int, *, stop: bool) -> Endpoint | None:
    """Gives it a new secret; those before sign on for a while, or `stop`. None when it is gone, or
    was rotated meanwhile."""
    earlier = [] if stop else endpoint.living(now)
    change = Change(key_of(endpoint.tenant, endpoint.id)).add("generation", 1)
    change.put("rotated", 0 if stop else now).put("earlier", earlier)
    item = change.when("generation", endpoint.generation).apply()
    return _read(item) if item else None


def well(endpoint: Endpoint) -> None:
    """It took something: what stood against it when it was read is forgotten, unless more came."""
    change = Change(key_of(endpoint.tenant, endpoint.id)).put("failures", 0).put("rest", 0)
    change.when("failures", endpoint.failures).when("rest", endpoint.rest)
    change.when_missing("disabled").apply()


def revive(endpoint: Endpoint) -> None:
    """A test arrived: it is active, whatever stood against it."""
    change = Change(key_of(endpoint.tenant, endpoint.id)).put("failures", 0).put("rest", 0)
    change.drop("disabled").apply()


def pause(failures: int, *, busy: bool, asked: int | None) -> int:
    """Seconds to leave an address alone after so many failures in a row: as long as it asked for,
    else longer and longer from the third on, and at once where it said that it is busy."""
    if asked is not None:
        return asked
    if not busy and failures < PATIENCE:
        return 0
    return int(min(FIRST_REST * 2 ** min(max(failures - PATIENCE, 0), 10), LONGEST_REST))


def failed(endpoint: Endpoint, now: int, *, busy: bool, asked: int | None) -> int:
    """It took nothing. Returns until when it rests. Attempts side by side are one failure in a row:
    the first that ends is counted."""
    place = key_of(endpoint.tenant, endpoint.id)
    failures = endpoint.failures + 1
    Change(place).put("failures", failures).when("failures", endpoint.failures).apply()
    until = now + pause(failures, busy=busy, asked=asked)
    if until > now:
        Change(place).put("rest", until).before("rest", until).apply()
    return until


def slowed(endpoint: Endpoint, now: int) -> None:
    """It took long: for a while its deliveries take the slow lane."""
    Change(key_of(endpoint.tenant, endpoint.id)).put("slow", now + SLOW_FOR).apply()


def disable(endpoint: Endpoint, why: str) -> None:
    """Nothing is sent there any more, until a test arrives."""
    Change(key_of(endpoint.tenant, endpoint.id)).put("disabled", why).apply()


_remembered: dict[str, tuple[float, list[Endpoint]]] = {}


def _read(item: Mapping[str, Any]) -> Endpoint:
    return Endpoint(
        tenant=item["pk"]["S"].removeprefix("HOOKS#"),
        id=item["sk"]["S"],
        settings=msgspec.json.decode(item["data"]["S"], type=Settings),
        created=int(item["created"]["N"]),
        generation=int(item["generation"]["N"]),
        superseded=_superseded(item),
        failures=int(item["failures"]["N"]),
        rest=int(item["rest"]["N"]),
        slow=int(item["slow"]["N"]),
        disabled=item.get("disabled", {}).get("S"),
        nonce=item.get("nonce", {}).get("S"),
        request=item.get("made_by", {}).get("S"),
    )


def _superseded(item: Mapping[str, Any]) -> tuple[int, ...]:
    latest = int(item["rotated"]["N"])
    earlier = msgspec.json.decode(item["earlier"]["S"], type=list[int]) if "earlier" in item else []
    return (latest, *earlier) if latest else ()

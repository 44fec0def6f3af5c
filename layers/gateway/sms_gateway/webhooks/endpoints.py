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
from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.items import DAY_SECONDS, Item, json_attribute, number_attribute
from sms_gateway.storage.models import ItemKey
from sms_gateway.webhooks import signing
from sms_gateway.webhooks.url_policy import UrlError, parse_url

MAX_ENDPOINTS = 10  # webhooks of a tenant
SECRET_OVERLAP_SECONDS = DAY_SECONDS  # seconds for which a secret signs on after a rotation
MAX_SECRETS = 5  # that sign at once
FAILURES_TO_PAUSE = 3  # failures in a row until it rests
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 30, 900  # seconds
SLOW_SECONDS = 2.0  # seconds; an answer that takes longer leads into the slow lane
SLOW_LANE_SECONDS = 300  # seconds
CACHE_SECONDS = 15  # seconds that a tenant's webhooks are remembered


class EndpointSettings(msgspec.Struct, frozen=True, omit_defaults=True):
    """What its owner said of it; `events` None is all."""

    url: str
    events: list[str] | None = None
    description: str | None = None


class Endpoint(ValueObject, frozen=True):
    """One webhook. Times are epoch seconds; `superseded` are those at which the secrets before the
    present one were, the latest first. `request` is the place of the record of the request that
    made it, where that had a key."""

    tenant: str
    id: str
    settings: EndpointSettings
    created: int
    generation: int
    superseded: tuple[int, ...]
    failures: int
    paused_until: int
    slow_until: int
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
        living = 1 + len(self.active_previous_secrets(now))
        generations = range(self.generation, self.generation - living, -1)
        return [signing.derive_secret(key, self.id, self.nonce, one) for one in generations]

    def active_previous_secrets(self, now: int) -> list[int]:
        """Of `superseded`, those of secrets that still sign."""
        return [when for when in self.superseded if now < when + SECRET_OVERLAP_SECONDS]

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
        return parse_url(url, loopback=True).origin
    except UrlError:
        return None


def key_of(tenant: str, identifier: str) -> ItemKey:
    """A webhook's place."""
    return ItemKey(f"HOOKS#{tenant}", identifier)


def load_endpoints(tenant: str) -> list[Endpoint]:
    """A tenant's webhooks, in the order of their ids."""
    return [
        _read(item) for item in dynamodb.query_range(f"HOOKS#{tenant}", "0", "[", MAX_ENDPOINTS * 2)
    ]


def cached_endpoints(tenant: str, *, fresh: bool = False) -> list[Endpoint]:
    """A tenant's webhooks as this process last read them, at most MAX_AGE seconds ago; with
    `fresh` they are read now."""
    at, found = _cache.get(tenant, (0.0, []))
    if fresh or not at or time.monotonic() - at > CACHE_SECONDS:
        found = load_endpoints(tenant)
        _cache[tenant] = (time.monotonic(), found)
    return found


def reset_cache() -> None:
    """Forgets what was read."""
    _cache.clear()


def owner_of(url: str, known: Sequence[Endpoint]) -> Endpoint | None:
    """The active webhook at the same host, whose secret signs what goes to a status_url."""
    origin = origin_of(url)
    return next((one for one in known if one.origin == origin and not one.disabled), None)


def find_endpoint(tenant: str, identifier: str) -> Endpoint | None:
    """One webhook."""
    item = dynamodb.get(key_of(tenant, identifier))
    return _read(item) if item else None


def paused_until(known: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Until when each of at most 100 webhooks, by tenant and id, rests; without those that are
    gone."""
    places = {key_of(*one) for one in known}
    found = [_read(item) for item in dynamodb.get_many(list(places)).values()] if places else []
    return {(one.tenant, one.id): one.paused_until for one in found}


def create_endpoint(
    tenant: str, identifier: str, settings: EndpointSettings, now: datetime, request: str | None
) -> Endpoint | None:
    """Stores a new one; None when there is one of this id."""
    item: Item = {
        "pk": {"S": f"HOOKS#{tenant}"},
        "sk": {"S": identifier},
        "data": json_attribute(settings),
        "created": number_attribute(epoch_seconds(now)),
        "generation": number_attribute(1),
        "nonce": {"S": secrets.token_hex(16)},
        "rotated": number_attribute(0),
        "failures": number_attribute(0),
        "rest": number_attribute(0),
        "slow": number_attribute(0),
    }
    if request is not None:
        item["made_by"] = {"S": request}
    return _read(item) if dynamodb.put_new(item) else None


def rotate_secret(endpoint: Endpoint, now: int, *, stop: bool) -> Endpoint | None:
    """Gives it a new secret; those before sign on for a while, or `stop`. None when it is gone, or
    was rotated meanwhile."""
    earlier = [] if stop else endpoint.active_previous_secrets(now)
    change = ItemUpdate(key_of(endpoint.tenant, endpoint.id)).add("generation", 1)
    change.set("rotated", 0 if stop else now).set("earlier", earlier)
    item = change.if_in("generation", endpoint.generation).apply()
    return _read(item) if item else None


def record_success(endpoint: Endpoint) -> None:
    """It took something: what stood against it when it was read is forgotten, unless more came."""
    change = ItemUpdate(key_of(endpoint.tenant, endpoint.id)).set("failures", 0).set("rest", 0)
    change.if_in("failures", endpoint.failures).if_in("rest", endpoint.paused_until)
    change.if_missing("disabled").apply()


def reactivate(endpoint: Endpoint) -> None:
    """A test arrived: it is active, whatever stood against it."""
    change = ItemUpdate(key_of(endpoint.tenant, endpoint.id)).set("failures", 0).set("rest", 0)
    change.remove("disabled").apply()


def pause_seconds(failures: int, *, busy: bool, asked: int | None) -> int:
    """Seconds to leave an address alone after so many failures in a row: as long as it asked for,
    else longer and longer from the third on, and at once where it said that it is busy."""
    if asked is not None:
        return asked
    if not busy and failures < FAILURES_TO_PAUSE:
        return 0
    return int(
        min(
            FIRST_PAUSE_SECONDS * 2 ** min(max(failures - FAILURES_TO_PAUSE, 0), 10),
            MAX_PAUSE_SECONDS,
        )
    )


def record_failure(endpoint: Endpoint, now: int, *, busy: bool, asked: int | None) -> int:
    """It took nothing. Returns until when it rests. Attempts side by side are one failure in a row:
    the first that ends is counted."""
    place = key_of(endpoint.tenant, endpoint.id)
    failures = endpoint.failures + 1
    ItemUpdate(place).set("failures", failures).if_in("failures", endpoint.failures).apply()
    until = now + pause_seconds(failures, busy=busy, asked=asked)
    if until > now:
        ItemUpdate(place).set("rest", until).if_before("rest", until).apply()
    return until


def mark_slow(endpoint: Endpoint, now: int) -> None:
    """It took long: for a while its deliveries take the slow lane."""
    ItemUpdate(key_of(endpoint.tenant, endpoint.id)).set("slow", now + SLOW_LANE_SECONDS).apply()


def disable(endpoint: Endpoint, why: str) -> None:
    """Nothing is sent there any more, until a test arrives."""
    ItemUpdate(key_of(endpoint.tenant, endpoint.id)).set("disabled", why).apply()


_cache: dict[str, tuple[float, list[Endpoint]]] = {}


def _read(item: Mapping[str, Any]) -> Endpoint:
    return Endpoint(
        tenant=item["pk"]["S"].removeprefix("HOOKS#"),
        id=item["sk"]["S"],
        settings=msgspec.json.decode(item["data"]["S"], type=EndpointSettings),
        created=int(item["created"]["N"]),
        generation=int(item["generation"]["N"]),
        superseded=_superseded(item),
        failures=int(item["failures"]["N"]),
        paused_until=int(item["rest"]["N"]),
        slow_until=int(item["slow"]["N"]),
        disabled=item.get("disabled", {}).get("S"),
        nonce=item.get("nonce", {}).get("S"),
        request=item.get("made_by", {}).get("S"),
    )


def _superseded(item: Mapping[str, Any]) -> tuple[int, ...]:
    latest = int(item["rotated"]["N"])
    earlier = msgspec.json.decode(item["earlier"]["S"], type=list[int]) if "earlier" in item else []
    return (latest, *earlier) if latest else ()

"""A tenant's webhook endpoints as they are stored: settings, secrets and state.

A new endpoint is pending until its host answers a challenge (proof.py); endpoint_health.py pauses
and disables those that fail.
"""

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from sms_gateway.core.problems import ConflictError, ServiceUnavailableError
from sms_gateway.core.timestamps import DAY_SECONDS, epoch_seconds, from_ms, rfc3339
from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.items import Item, json_attribute, number_attribute
from sms_gateway.storage.items import key_of as item_key
from sms_gateway.storage.models import ItemKey
from sms_gateway.webhooks import signing
from sms_gateway.webhooks.url_policy import UrlError, parse_url

MAX_ENDPOINTS = 10  # webhooks of a tenant
SECRET_OVERLAP_SECONDS = DAY_SECONDS  # for which a secret signs on after a rotation
MAX_SECRETS = 5  # that sign at once
REVISION = "revision"  # in lower case, which sorts behind the ids
MAX_CREATIONS_AT_ONCE = 12  # tries to create one while others do
CACHE_SECONDS = 15  # for which a tenant's endpoints are cached


class EndpointState(StrEnum):
    """Whether deliveries go to an endpoint; only to an active one they do."""

    PENDING = "pending"  # its host has not answered a challenge yet
    ACTIVE = "active"
    DISABLED = "disabled"  # until a challenge is answered


class EndpointSettings(msgspec.Struct, frozen=True, omit_defaults=True):
    """The settings that its tenant chose; `events` None is all."""

    url: str
    events: list[str] | None = None
    description: str | None = None


class Endpoint(ValueObject, frozen=True):
    """One webhook endpoint; times are epoch seconds.

    `failing_since` is the first failure of those in a row, or 0. `superseded_at` has the times at
    which earlier secrets were replaced, the latest first. `idempotency_record` is the key of the
    record of the request that created it, if any.
    """

    tenant: str
    id: str
    settings: EndpointSettings
    created: int
    generation: int
    superseded_at: tuple[int, ...]
    failures: int
    failing_since: int
    paused_until: int
    slow_until: int
    state: EndpointState
    disabled_reason: str | None
    disabled_at: int
    disabled_by_operator: bool
    nonce: str | None
    idempotency_record: str | None
    key_id: str | None = None  # of the API key that made it

    @property
    def origin(self) -> str:
        """Scheme, host and port of its URL."""
        return origin_of(self.settings.url) or ""

    def wants(self, kind: str) -> bool:
        """Whether it subscribes to events of a type."""
        return self.settings.events is None or kind in self.settings.events

    def secrets(self, key: bytes, now: int) -> list[str]:
        """Return the secrets that sign now, the newest first."""
        active = 1 + len(self.active_previous_secrets(now))
        generations = range(self.generation, self.generation - active, -1)
        return [
            signing.derive_secret(key, self.id, self.nonce, generation)
            for generation in generations
        ]

    def active_previous_secrets(self, now: int) -> list[int]:
        """Return the times of `superseded_at` whose secrets still sign."""
        return [when for when in self.superseded_at if now < when + SECRET_OVERLAP_SECONDS]

    def view(self) -> dict[str, Any]:
        """Render it for the API."""
        return {
            "id": self.id,
            "url": self.settings.url,
            "events": self.settings.events,
            "description": self.settings.description,
            "state": self.state,
            "disabled_reason": self.disabled_reason,
            "disabled_at": rfc3339(from_ms(self.disabled_at * 1000)) if self.disabled_at else None,
            "failures_in_a_row": self.failures,
            "created_at": rfc3339(from_ms(self.created * 1000)),
            "key_id": self.key_id,
        }


def origin_of(url: str) -> str | None:
    """Return scheme, host and port of a URL; None for one that is not valid."""
    try:
        return parse_url(url, loopback=True).origin
    except UrlError:
        return None


def key_of(tenant: str, identifier: str) -> ItemKey:
    """Return the key of an endpoint's item."""
    return ItemKey(f"HOOKS#{tenant}", identifier)


def load_endpoints(tenant: str) -> list[Endpoint]:
    """Load a tenant's endpoints, in the order of their ids."""
    return [
        _read(item) for item in dynamodb.query_range(f"HOOKS#{tenant}", "0", "[", MAX_ENDPOINTS * 2)
    ]


def cached_endpoints(tenant: str, *, fresh: bool = False) -> list[Endpoint]:
    """Return a tenant's endpoints, at most CACHE_SECONDS old; with `fresh`, load them."""
    at, found = _cache.get(tenant, (0.0, []))
    if fresh or not at or time.monotonic() - at > CACHE_SECONDS:
        found = load_endpoints(tenant)
        _cache[tenant] = (time.monotonic(), found)
    return found


def reset_cache() -> None:
    """Empty the cache."""
    _cache.clear()


def owner_of(url: str, known: Sequence[Endpoint]) -> Endpoint | None:
    """Return the active endpoint at a status_url's origin, whose secret signs its deliveries."""
    origin = origin_of(url)
    active = (each for each in known if each.state is EndpointState.ACTIVE)
    return next((each for each in active if each.origin == origin), None)


def find_endpoint(tenant: str, identifier: str) -> Endpoint | None:
    """Find an endpoint."""
    item = dynamodb.get(key_of(tenant, identifier))
    return _read(item) if item else None


def load_pauses(known: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Load until when each of at most 100 endpoints, by tenant and id, is paused.

    Leave out deleted ones.
    """
    keys = {key_of(tenant, identifier) for tenant, identifier in known}
    found = [_read(item) for item in dynamodb.get_many(list(keys)).values()] if keys else []
    return {(each.tenant, each.id): each.paused_until for each in found}


def create_endpoint(
    tenant: str,
    identifier: str,
    settings: EndpointSettings,
    now: datetime,
    idempotency_record: str | None,
    key_id: str | None = None,
) -> Endpoint | None:
    """Store a new endpoint; None when there is one of this id.

    It is counted and stored within one revision of the tenant's endpoints, so that of two at once
    one counts again. Raise ConflictError when there are too many, ServiceUnavailableError.
    """
    item: Item = {
        "pk": {"S": f"HOOKS#{tenant}"},
        "sk": {"S": identifier},
        "data": json_attribute(settings),
        "created": number_attribute(epoch_seconds(now)),
        "generation": number_attribute(1),
        "nonce": {"S": secrets.token_hex(16)},
        "rotated": number_attribute(0),
        "status": {"S": str(EndpointState.PENDING)},
        "testing": number_attribute(0),
        "failures": number_attribute(0),
        "paused": number_attribute(0),
        "slow": number_attribute(0),
    }
    if idempotency_record is not None:
        item["made_by"] = {"S": idempotency_record}
    if key_id is not None:
        item["key"] = {"S": key_id}
    for _ in range(MAX_CREATIONS_AT_ONCE):
        revision = _revision(tenant)
        if dynamodb.get(key_of(tenant, identifier)) is not None:
            return None
        if len(load_endpoints(tenant)) >= MAX_ENDPOINTS:
            raise ConflictError(
                f"There are {MAX_ENDPOINTS} webhooks already: delete one first.",
                slug="too-many-webhooks",
            )
        change = ItemUpdate(ItemKey(f"HOOKS#{tenant}", REVISION)).set("revision", revision + 1)
        if dynamodb.put_new_with(item, change.if_in("revision", revision)):
            return _read(item)
    raise ServiceUnavailableError("Others are making webhooks too; try again.")


def _revision(tenant: str) -> int:
    """Return the revision of a tenant's endpoints, which each creation changes."""
    key = ItemKey(f"HOOKS#{tenant}", REVISION)
    item = dynamodb.get(key)
    if item is None:
        dynamodb.put_new({**item_key(key), "revision": number_attribute(0)})
        return 0
    return int(item["revision"]["N"])


def rotate_secret(endpoint: Endpoint, now: int, *, stop_previous: bool) -> Endpoint | None:
    """Give an endpoint a new secret; earlier ones sign on for a while, or stop.

    Return None when it was deleted or rotated meanwhile.
    """
    earlier = [] if stop_previous else endpoint.active_previous_secrets(now)
    change = ItemUpdate(key_of(endpoint.tenant, endpoint.id)).add("generation", 1)
    change.set("rotated", 0 if stop_previous else now).set("earlier", earlier)
    item = change.if_in("generation", endpoint.generation).apply()
    return _read(item) if item else None


_cache: dict[str, tuple[float, list[Endpoint]]] = {}


def _read(item: Mapping[str, Any]) -> Endpoint:
    return Endpoint(
        tenant=item["pk"]["S"].removeprefix("HOOKS#"),
        id=item["sk"]["S"],
        settings=msgspec.json.decode(item["data"]["S"], type=EndpointSettings),
        created=int(item["created"]["N"]),
        generation=int(item["generation"]["N"]),
        superseded_at=_superseded(item),
        failures=int(item["failures"]["N"]),
        failing_since=_number(item, "failing_since"),
        paused_until=int(item["paused"]["N"]),
        slow_until=int(item["slow"]["N"]),
        state=EndpointState(item["status"]["S"]),
        disabled_reason=item.get("disabled", {}).get("S"),
        disabled_at=_number(item, "disabled_at"),
        disabled_by_operator="by_operator" in item,
        nonce=item.get("nonce", {}).get("S"),
        idempotency_record=item.get("made_by", {}).get("S"),
        key_id=item.get("key", {}).get("S"),
    )


def _number(item: Mapping[str, Any], name: str) -> int:
    return int(item[name]["N"]) if name in item else 0


def _superseded(item: Mapping[str, Any]) -> tuple[int, ...]:
    latest = int(item["rotated"]["N"])
    earlier = msgspec.json.decode(item["earlier"]["S"], type=list[int]) if "earlier" in item else []
    return (latest, *earlier) if latest else ()

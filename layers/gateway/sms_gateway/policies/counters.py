"""Where counts of a day stand, and for how long."""

import hmac
from datetime import UTC, datetime, timedelta

from sms_gateway.core.derived_keys import Secret, derive_key
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.timestamps import epoch_seconds
from sms_gateway.policies.limits import next_day
from sms_gateway.storage import quotas
from sms_gateway.storage.items import Item
from sms_gateway.storage.models import ItemKey

MAX_WRITES = 50  # each one that fails lost to another request's
KEPT = timedelta(days=1)  # after the day


class CrowdedError(ServiceUnavailableError):
    """Too many others count under the same limit at once; that is no fault of the counter."""


def day_key(tenant: str, now: datetime) -> ItemKey:
    """Return the key of a tenant's day."""
    return ItemKey(f"{quotas.PREFIX}{tenant}", now.astimezone(UTC).date().isoformat())


def number_key(tenant: str, to: str, now: datetime, secret: bytes) -> ItemKey:
    """Return the key of a number's day; only a keyed hash hides it, numbers being few."""
    hidden = hmac.digest(secret, f"{tenant}/{to}".encode(), "sha256").hex()[:32]
    return ItemKey(f"{quotas.PREFIX}{tenant}#{hidden}", day_key(tenant, now).sort)


def number_secret(secret: Secret) -> bytes:
    """Derive the key under which numbers are hashed."""
    return derive_key(secret(), "quota/number")


def ttl_of(now: datetime) -> int:
    """Return when what is counted now may be removed, in epoch seconds."""
    return epoch_seconds(next_day(now) + KEPT)


def numbers_of(item: Item) -> dict[str, int]:
    """Return an item's numbers, by attribute."""
    return {name: int(value["N"]) for name, value in item.items() if "N" in value}

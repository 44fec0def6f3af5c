"""Where counts stand, and for how long.

A month of a tenant is one item: the counts of a day have its two digits before their names, and
are removed by later writes.
"""

import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from sms_gateway.core.derived_keys import Secret, derive_key
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.timestamps import epoch_seconds
from sms_gateway.policies.limits import next_day, next_month
from sms_gateway.storage import quotas
from sms_gateway.storage.items import Item
from sms_gateway.storage.models import ItemKey

MAX_WRITES = 50  # each one that fails lost to another request's
KEPT = timedelta(days=1)  # after the day or month
STRAGGLERS = timedelta(hours=1)  # so long after its day no request counts in it any more


class CrowdedError(ServiceUnavailableError):
    """Too many others count under the same limit at once; that is no fault of the counter."""


def month_key(tenant: str, at: datetime) -> ItemKey:
    """Return the key of what a tenant and its keys sent in a month."""
    return ItemKey(f"{quotas.PREFIX}{tenant}", f"{at.astimezone(UTC):%Y-%m}")


def of_day(counted: str, at: datetime) -> str:
    """Return the attribute that has a count of a day."""
    return f"{at.astimezone(UTC):%d}.{counted}"


def as_of(item: Mapping[str, int], at: datetime) -> dict[str, int]:
    """Return a month's numbers as they are on a day: those of other days are left out."""
    today = of_day("", at)
    return {
        name.removeprefix(today): number
        for name, number in item.items()
        if name.startswith(today) or not _is_of_day(name)
    }


def outdated(names: Iterable[str], at: datetime) -> list[str]:
    """Return which attributes of a month are of days that are over for every request."""
    until = at - STRAGGLERS
    if month_key("", until) != month_key("", at):
        return []
    return [name for name in names if _is_of_day(name) and name < of_day("", until)]


def _is_of_day(name: str) -> bool:
    return name[:2].isdigit()


def number_key(tenant: str, to: str, now: datetime, secret: bytes) -> ItemKey:
    """Return the key of a number's day; only a keyed hash hides it, numbers being few."""
    hidden = hmac.digest(secret, f"{tenant}/{to}".encode(), "sha256").hex()[:32]
    day = now.astimezone(UTC).date().isoformat()
    return ItemKey(f"{quotas.PREFIX}{tenant}#{hidden}", day)


def number_secret(secret: Secret) -> bytes:
    """Derive the key under which numbers are hashed."""
    return derive_key(secret(), "quota/number")


def day_ttl(now: datetime) -> int:
    """Return when what is counted of a day may be removed, in epoch seconds."""
    return epoch_seconds(next_day(now) + KEPT)


def month_ttl(now: datetime) -> int:
    """Return when what is counted of a month may be removed, in epoch seconds."""
    return epoch_seconds(next_month(now) + KEPT)


def numbers_of(item: Item) -> dict[str, int]:
    """Return an item's numbers, by attribute."""
    return {name: int(value["N"]) for name, value in item.items() if "N" in value}

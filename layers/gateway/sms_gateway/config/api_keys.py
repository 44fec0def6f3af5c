"""API keys: shown once when made, kept as SHA-256 only, each for one tenant and some scopes."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import datetime

from sms_gateway.core.timestamps import epoch_seconds, from_ms, rfc3339
from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.items import Item, key_of
from sms_gateway.storage.models import ItemKey

SCOPES = (
    "messages:send",
    "messages:read",
    "balances:read",
    "webhooks:manage",
    "verifications",
    "account",
)
PARTITION = "KEYS"  # the partition in which they stand
PREFIX = "sms_"
TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class ApiKey(ValueObject, frozen=True):
    """What is known of a key: `id` is the beginning of its digest, fit for logs."""

    id: str
    tenant: str
    scopes: tuple[str, ...]
    label: str
    created_at: str
    revoked_at: str | None


def create_key(tenant: str, scopes: Sequence[str], label: str, now: datetime) -> tuple[str, ApiKey]:
    """Makes and stores a key. Returns the key itself, which nothing can show again, and what is
    known of it. Raises ValueError for a tenant or scope that can't be."""
    if not TENANT.fullmatch(tenant):
        raise ValueError("a tenant is 1 to 40 lower-case letters, digits and hyphens")
    strange = sorted(set(scopes) - set(SCOPES))
    if strange or not scopes:
        raise ValueError(f"a scope is one of {', '.join(SCOPES)}")
    key = PREFIX + secrets.token_urlsafe(32)
    item: Item = {
        **key_of(ItemKey(PARTITION, digest(key))),
        "tenant": {"S": tenant},
        "scopes": {"S": " ".join(sorted(set(scopes)))},
        "label": {"S": label},
        "created": {"N": str(epoch_seconds(now))},
    }
    dynamodb.put_new(item)
    return key, _read(item)


def find_key(key: str) -> ApiKey | None:
    """The key that a caller shows, unless it is unknown or revoked."""
    if not key.startswith(PREFIX) or len(key) > 100:
        return None
    item = dynamodb.get(ItemKey(PARTITION, digest(key)))
    known = _read(item) if item else None
    return known if known and known.revoked_at is None else None


def list_keys() -> list[ApiKey]:
    """All keys, oldest first."""
    return sorted((_read(item) for item in _key_items()), key=lambda key: key.created_at)


def revoke_key(identifier: str, now: datetime) -> ApiKey | None:
    """Revokes the key with this id; None when there is none."""
    for item in _key_items():
        if _read(item).id == identifier:
            ItemUpdate(ItemKey(PARTITION, item["sk"]["S"])).set(
                "revoked", epoch_seconds(now)
            ).apply()
            return _read(item)
    return None


def digest(key: str) -> str:
    """SHA-256 in hex. A key has 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(key.encode()).hexdigest()


def _key_items() -> list[Item]:
    return list(dynamodb.query("pk = :pk", {":pk": {"S": PARTITION}}))


def _read(item: Item) -> ApiKey:
    revoked = item.get("revoked")
    return ApiKey(
        id=item["sk"]["S"][:12],
        tenant=item["tenant"]["S"],
        scopes=tuple(item["scopes"]["S"].split()),
        label=item["label"]["S"],
        created_at=rfc3339(from_ms(int(item["created"]["N"]) * 1000)),
        revoked_at=rfc3339(from_ms(int(revoked["N"]) * 1000)) if revoked else None,
    )

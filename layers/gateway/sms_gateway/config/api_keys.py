"""API keys, each of one tenant with some scopes; only their SHA-256 is stored."""

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
PARTITION = "KEYS"
PREFIX = "sms_"
TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class ApiKey(ValueObject, frozen=True):
    """A stored key; `id` is the beginning of its digest, fit for logs.

    `region` (ISO 3166 alpha-2) is the one in which requests without one write national numbers.
    """

    id: str
    tenant: str
    scopes: tuple[str, ...]
    label: str
    created_at: str
    revoked_at: str | None
    region: str | None = None


def create_key(
    tenant: str, scopes: Sequence[str], label: str, now: datetime, region: str | None = None
) -> tuple[str, ApiKey]:
    """Create and store a key; return its text, which nothing can show again, and its record.

    Raises ValueError for a tenant or scope that is not valid.
    """
    if not TENANT.fullmatch(tenant):
        raise ValueError("a tenant is 1 to 40 lower-case letters, digits and hyphens")
    if not scopes or not set(scopes).issubset(SCOPES):
        raise ValueError(f"a scope is one of {', '.join(SCOPES)}")
    key = PREFIX + secrets.token_urlsafe(32)
    item: Item = {
        **key_of(ItemKey(PARTITION, digest(key))),
        "tenant": {"S": tenant},
        "scopes": {"S": " ".join(sorted(set(scopes)))},
        "label": {"S": label},
        "created": {"N": str(epoch_seconds(now))},
        **({"region": {"S": region}} if region else {}),
    }
    dynamodb.put_new(item)
    return key, _from_item(item)


def find_key(key: str) -> ApiKey | None:
    """Find the record of a key's text; None when it is unknown or revoked."""
    if not key.startswith(PREFIX) or len(key) > 100:
        return None
    item = dynamodb.get(ItemKey(PARTITION, digest(key)))
    found = _from_item(item) if item else None
    return found if found and found.revoked_at is None else None


def list_keys() -> list[ApiKey]:
    """Return all keys, oldest first."""
    return sorted((_from_item(item) for item in _key_items()), key=lambda key: key.created_at)


def revoke_key(identifier: str, now: datetime) -> ApiKey | None:
    """Revoke the key with this id; None when there is none."""
    for item in _key_items():
        key = _from_item(item)
        if key.id == identifier:
            change = ItemUpdate(ItemKey(PARTITION, item["sk"]["S"]))
            change.set("revoked", epoch_seconds(now)).apply()
            return key
    return None


def digest(key: str) -> str:
    """Hash a key with SHA-256, in hex; its 256 random bits need no slow hash."""
    return hashlib.sha256(key.encode()).hexdigest()


def _key_items() -> list[Item]:
    return list(dynamodb.query("pk = :pk", {":pk": {"S": PARTITION}}))


def _from_item(item: Item) -> ApiKey:
    revoked = item.get("revoked")
    return ApiKey(
        id=item["sk"]["S"][:12],
        tenant=item["tenant"]["S"],
        scopes=tuple(item["scopes"]["S"].split()),
        label=item["label"]["S"],
        created_at=rfc3339(from_ms(int(item["created"]["N"]) * 1000)),
        revoked_at=rfc3339(from_ms(int(revoked["N"]) * 1000)) if revoked else None,
        region=item["region"]["S"] if "region" in item else None,
    )

"""API keys, each of one tenant with some scopes; only their SHA-256 is stored.

A key is `sms_`, a test key `sms_test_`, and 48 characters: 256 random bits and their CRC-32 in
base64url. So a mistyped or made-up key is told without a read. The idea is GitHub's (github.blog,
"Behind GitHub's new authentication token formats"). The checksum is no secret: the random bits
protect.
"""

import hashlib
import re
import secrets
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

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
PREFIX, TEST_PREFIX = "sms_", "sms_test_"
TEST_SCOPES = ("messages:send", "messages:read", "verifications")  # the others reach vendors
TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
RANDOM_BYTES, CHECKSUM_BYTES = 32, 4
# template.yaml has the same before the authorizer.
FORM = re.compile(r"sms_(test_)?([A-Za-z0-9_-]{48})")


class Refusal(StrEnum):
    """Why a key opens nothing."""

    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    REVOKED = "revoked"
    EXPIRED = "expired"


class ApiKey(ValueObject, frozen=True):
    """A stored key; `id` is the beginning of its digest, fit for logs.

    `region` (ISO 3166 alpha-2) is the one in which requests without one write national numbers.
    `expires` (epoch seconds) is when it ends by itself. A `test` key reaches the sandbox only.
    `policy` (a JSON text) narrows what it sends.
    """

    id: str
    tenant: str
    scopes: tuple[str, ...]
    label: str
    created_at: str
    revoked_at: str | None
    region: str | None = None
    expires: int | None = None
    policy: str | None = None
    test: bool = False

    def refusal(self, now: datetime) -> Refusal | None:
        """Return why it opens nothing at `now`; None for a key in use."""
        if self.revoked_at is not None:
            return Refusal.REVOKED
        expired = self.expires is not None and self.expires <= epoch_seconds(now)
        return Refusal.EXPIRED if expired else None


def create_key(
    tenant: str,
    scopes: Sequence[str],
    label: str,
    now: datetime,
    region: str | None = None,
    expires: datetime | None = None,
    *,
    policy: str | None = None,
    test: bool = False,
) -> tuple[str, ApiKey]:
    """Create and store a key; return its text, which nothing can show again, and its record.

    Raises ValueError for a tenant, scope or end that is not valid.
    """
    if not TENANT.fullmatch(tenant):
        raise ValueError("a tenant is 1 to 40 lower-case letters, digits and hyphens")
    if not scopes or not set(scopes).issubset(SCOPES):
        raise ValueError(f"a scope is one of {', '.join(SCOPES)}")
    if test and not set(scopes).issubset(TEST_SCOPES):
        raise ValueError(f"a scope of a test key is one of {', '.join(TEST_SCOPES)}")
    if expires is not None and expires <= now:
        raise ValueError("a key must expire later than now")
    key = _draw(TEST_PREFIX if test else PREFIX)
    item: Item = {
        **key_of(ItemKey(PARTITION, digest(key))),
        "tenant": {"S": tenant},
        "scopes": {"S": " ".join(sorted(set(scopes)))},
        "label": {"S": label},
        "created": {"N": str(epoch_seconds(now))},
        **({"region": {"S": region}} if region else {}),
        **({"expires": {"N": str(epoch_seconds(expires))}} if expires else {}),
        **({"policy": {"S": policy}} if policy else {}),
        **({"test": {"N": "1"}} if test else {}),
    }
    dynamodb.put_new(item)
    from sms_gateway.storage import search_runs  # the authorizer makes no key: saves start-up time

    search_runs.note_tenant(tenant, now)
    return key, _from_item(item)


def _draw(prefix: str = PREFIX) -> str:
    drawn = secrets.token_bytes(RANDOM_BYTES)
    return prefix + urlsafe_b64encode(drawn + _checksum(drawn)).decode()


def _checksum(drawn: bytes) -> bytes:
    return zlib.crc32(drawn).to_bytes(CHECKSUM_BYTES)


def _is_whole(key: str) -> bool:
    """Whether a text is a key that this code may have made; reads nothing."""
    found = FORM.fullmatch(key)
    if found is None:
        return False
    read = urlsafe_b64decode(found[2])
    return read[RANDOM_BYTES:] == _checksum(read[:RANDOM_BYTES])


def find_key(key: str, now: datetime) -> tuple[ApiKey | None, Refusal | None]:
    """Find the record of a key's text, if there is one, and why it opens nothing, if so."""
    if not _is_whole(key):
        return None, Refusal.MALFORMED
    item = dynamodb.get(ItemKey(PARTITION, digest(key)))
    if item is None:
        return None, Refusal.UNKNOWN
    found = _from_item(item)
    return found, found.refusal(now)


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
        expires=int(item["expires"]["N"]) if "expires" in item else None,
        policy=item["policy"]["S"] if "policy" in item else None,
        test="test" in item,
    )

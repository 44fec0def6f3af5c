"""The records of Idempotency-Keys, kept for a day."""

import hashlib
import re
import zlib
from typing import Any

import msgspec

from sms_gateway.core.problems import Conflict, Invalid
from sms_gateway.core.value_object import Value
from sms_gateway.storage import idempotency_keys
from sms_gateway.storage.dynamodb import get, put
from sms_gateway.storage.items import (
    DAY,
    Item,
    key_of,
    number,
)
from sms_gateway.storage.models import Key


def get_request(key: str) -> Item | None:
    """The record of an Idempotency-Key."""
    return get(Key(key, "REQUEST"))


def put_request(key: str, attributes: Item, now: int, instead_of: str | None) -> Item | None:
    """Writes a record if there is none that lives, or only the one of the batch `instead_of`: None,
    or else the record that stands there instead ({} when it has gone)."""
    if instead_of is None:
        condition, names = "attribute_not_exists(pk) OR #ttl <= :now", {"#ttl": "ttl"}
        values = {":now": number(now)}
    else:
        condition, names = "#batch = :old", {"#batch": "batch"}
        values = {":old": {"S": instead_of}}
    there = put(
        {**key_of(Key(key, "REQUEST")), **attributes},
        condition,
        ExpressionAttributeNames=names,
        ExpressionAttributeValues=values,
    )
    return None if there and there.get("batch") == attributes["batch"] else there


LIFE = DAY  # seconds that a key is remembered


AT_WORK = 60  # seconds after which the function that wrote a record is dead: it stops at 29


_KEY = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")


class Record(Value, frozen=True):
    """What a key stands for; `started` is epoch seconds."""

    key: str
    batch: str
    digest: str
    started: int
    answer: dict[str, Any]

    def take(self, instead_of: "Record | None" = None) -> Item | None:
        """Writes the record, in place of one whose work was never done: None, or else the record
        of another request that was faster."""
        packed = zlib.compress(msgspec.json.encode(self.answer))
        return idempotency_keys.put_request(
            self.key,
            {
                "batch": {"S": self.batch},
                "digest": {"S": self.digest},
                "started": {"N": str(self.started)},
                "answer": {"B": packed},
                "ttl": {"N": str(self.started + LIFE)},
            },
            self.started,
            instead_of.batch if instead_of else None,
        )


def check(key: str) -> str:
    """The key as given. Raises Invalid for one that can't be."""
    if not _KEY.fullmatch(key):
        raise Invalid(
            "An Idempotency-Key is 1 to 255 printable ASCII characters, none of them a space at "
            "either end.",
            slug="invalid-idempotency-key",
        )
    return key


def digest_of(body: bytes) -> str:
    """What tells one request's body from another's."""
    return hashlib.sha256(body).hexdigest()


def name(tenant: str, key: str) -> str:
    """A key's place in the table: keys of different tenants never meet."""
    return f"REQUEST#{tenant}#{hashlib.sha256(key.encode()).hexdigest()}"


def known(place: str, digest: str, now: int) -> Item | None:
    """The living record of a key. Raises Invalid when it stands for another request."""
    item = idempotency_keys.get_request(place)
    if item is None or int(item["ttl"]["N"]) <= now:
        return None
    return _same(item, digest)


def _same(item: Item, digest: str) -> Item:
    if item["digest"]["S"] != digest:
        raise Invalid(
            "This Idempotency-Key was used with another body: use a new key for a new request.",
            slug="idempotency-key-reused",
        )
    return item


def in_progress(seconds: int) -> Conflict:
    """The answer to whoever comes while the first request is still at work."""
    return Conflict(
        "The first request with this Idempotency-Key is still at work; ask again.",
        slug="request-in-progress",
        headers={"Retry-After": str(max(1, min(seconds, 5)))},
        retryable=True,
    )

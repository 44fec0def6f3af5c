"""The records of Idempotency-Keys, kept for a day."""

import hashlib
import re
import zlib
from typing import Any

import msgspec

from sms_gateway.core.problems import ConflictError, InvalidRequestError
from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage import idempotency_keys
from sms_gateway.storage.dynamodb import get, put
from sms_gateway.storage.items import (
    DAY_SECONDS,
    Item,
    key_of,
    number_attribute,
)
from sms_gateway.storage.models import ItemKey


def get_request(key: str) -> Item | None:
    """The record of an Idempotency-Key."""
    return get(ItemKey(key, "REQUEST"))


def put_request(key: str, attributes: Item, now: int, instead_of: str | None) -> Item | None:
    """Writes a record if there is none that lives, or only the one of the batch `instead_of`: None,
    or else the record that stands there instead ({} when it has gone)."""
    if instead_of is None:
        condition, names = "attribute_not_exists(pk) OR #ttl <= :now", {"#ttl": "ttl"}
        values = {":now": number_attribute(now)}
    else:
        condition, names = "#batch = :old", {"#batch": "batch"}
        values = {":old": {"S": instead_of}}
    there = put(
        {**key_of(ItemKey(key, "REQUEST")), **attributes},
        condition,
        ExpressionAttributeNames=names,
        ExpressionAttributeValues=values,
    )
    return None if there and there.get("batch") == attributes["batch"] else there


KEY_SECONDS = DAY_SECONDS  # seconds that a key is remembered
IN_PROGRESS_SECONDS = (
    60  # seconds after which the function that wrote a record is dead: it stops at 29
)
_KEY_PATTERN = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")


class IdempotencyRecord(ValueObject, frozen=True):
    """What a key stands for; `started` is epoch seconds."""

    key: str
    batch: str
    digest: str
    started: int
    answer: dict[str, Any]

    def claim(self, instead_of: "IdempotencyRecord | None" = None) -> Item | None:
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
                "ttl": {"N": str(self.started + KEY_SECONDS)},
            },
            self.started,
            instead_of.batch if instead_of else None,
        )


def check_key(key: str) -> str:
    """The key as given. Raises Invalid for one that can't be."""
    if not _KEY_PATTERN.fullmatch(key):
        raise InvalidRequestError(
            "An Idempotency-Key is 1 to 255 printable ASCII characters, none of them a space at "
            "either end.",
            slug="invalid-idempotency-key",
        )
    return key


def digest_of(body: bytes) -> str:
    """What tells one request's body from another's."""
    return hashlib.sha256(body).hexdigest()


def record_key(tenant: str, key: str) -> str:
    """A key's place in the table: keys of different tenants never meet."""
    return f"REQUEST#{tenant}#{hashlib.sha256(key.encode()).hexdigest()}"


def find_record(place: str, digest: str, now: int) -> Item | None:
    """The living record of a key. Raises Invalid when it stands for another request."""
    item = idempotency_keys.get_request(place)
    if item is None or int(item["ttl"]["N"]) <= now:
        return None
    return check_same_body(item, digest)


def check_same_body(item: Item, digest: str) -> Item:
    if item["digest"]["S"] != digest:
        raise InvalidRequestError(
            "This Idempotency-Key was used with another body: use a new key for a new request.",
            slug="idempotency-key-reused",
        )
    return item


def in_progress(seconds: int) -> ConflictError:
    """The answer to whoever comes while the first request is still at work."""
    return ConflictError(
        "The first request with this Idempotency-Key is still at work; ask again.",
        slug="request-in-progress",
        headers={"Retry-After": str(max(1, min(seconds, 5)))},
        retryable=True,
    )

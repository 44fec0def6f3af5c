"""Records of Idempotency-Keys, which live for a day."""

import hashlib
import hmac
import re
import zlib
from typing import Any

import msgspec

from sms_gateway.core.canonical_json import canonical
from sms_gateway.core.derived_keys import derive_key
from sms_gateway.core.problems import ConflictError, InvalidRequestError
from sms_gateway.core.timestamps import DAY_SECONDS
from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage.dynamodb import get, put
from sms_gateway.storage.items import Item, key_of, number_attribute
from sms_gateway.storage.models import ItemKey

KEY_SECONDS = DAY_SECONDS
LOST = "lost"  # in place of a digest, written by `smsgw restore`
IN_PROGRESS_SECONDS = 60  # the function that wrote a record is dead by then: it stops at 27
_KEY_PATTERN = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")


def get_request(key: str) -> Item | None:
    """Read the record of an Idempotency-Key."""
    return get(ItemKey(key, "REQUEST"))


def put_request(key: str, attributes: Item, now: int, replaces: str | None) -> Item | None:
    """Write a record unless a live one exists, or only in place of batch `replaces`.

    Returns None, or the existing record ({} when it is gone).
    """
    if replaces is None:
        condition, names = "attribute_not_exists(pk) OR #ttl <= :now", {"#ttl": "ttl"}
        values = {":now": number_attribute(now)}
    else:
        condition, names = "#batch = :old", {"#batch": "batch"}
        values = {":old": {"S": replaces}}
    existing = put(
        {**key_of(ItemKey(key, "REQUEST")), **attributes},
        condition,
        ExpressionAttributeNames=names,
        ExpressionAttributeValues=values,
    )
    return None if existing and existing.get("batch") == attributes["batch"] else existing


class IdempotencyRecord(ValueObject, frozen=True):
    """The request that a key stands for, and its answer; `started` is epoch seconds."""

    key: str
    batch: str
    digest: str
    started: int
    answer: dict[str, Any]

    def claim(self, replaces: "IdempotencyRecord | None" = None) -> Item | None:
        """Write the record, or replace one whose work was never done.

        Returns None, or the record of another request that was faster.
        """
        packed = zlib.compress(msgspec.json.encode(self.answer))
        return put_request(
            self.key,
            {
                "batch": {"S": self.batch},
                "digest": {"S": self.digest},
                "started": {"N": str(self.started)},
                "answer": {"B": packed},
                "ttl": {"N": str(self.started + KEY_SECONDS)},
            },
            self.started,
            replaces.batch if replaces else None,
        )


def check_key(key: str) -> str:
    """Return the key; raise InvalidRequestError for a malformed one."""
    if not _KEY_PATTERN.fullmatch(key):
        raise InvalidRequestError(
            "An Idempotency-Key is 1 to 255 printable ASCII characters, none of them a space at "
            "either end.",
            slug="invalid-idempotency-key",
        )
    return key


def digest_of(body: bytes, secret: bytes, subject: str = "") -> str:
    """Return a digest that tells one request from another, by what its body means.

    `subject` distinguishes requests with the same body. Keyed with a secret of the stack: whoever
    reads the table can't try out the codes in a body.
    """
    request = subject.encode() + b"\n" + canonical(body)
    return hmac.digest(derive_key(secret, "idempotency/body"), request, "sha256").hex()


def record_key(tenant: str, key: str, *, test: bool = False) -> str:
    """Return a key's partition in the table: keys of different tenants never collide.

    Nor do those of a tenant's live and test requests.
    """
    kind = "test#" if test else ""
    return f"REQUEST#{tenant}#{kind}{hashlib.sha256(key.encode()).hexdigest()}"


def find_record(place: str, digest: str, now: int) -> Item | None:
    """Return the live record of a key; raise InvalidRequestError if its body differs."""
    item = get_request(place)
    if item is None or int(item["ttl"]["N"]) <= now:
        return None
    return check_same_body(item, digest)


def check_same_body(item: Item, digest: str) -> Item:
    """Return the record; raise InvalidRequestError if it is another body's.

    Or if its request was at work at the moment that the table was restored to.
    """
    if item["digest"]["S"] == LOST:
        raise InvalidRequestError(
            "The gateway was restored to a moment at which this request was at work: it may have "
            "been sent. Send it under another key only if it may arrive twice.",
            slug="outcome-unknown",
        )
    if item["digest"]["S"] != digest:
        raise InvalidRequestError(
            "This Idempotency-Key was used with another body: use a new key for a new request.",
            slug="idempotency-key-reused",
        )
    return item


def in_progress(seconds: int) -> ConflictError:
    """Build the answer to a repeat while the first request is in progress."""
    return ConflictError(
        "The first request with this Idempotency-Key is still at work; ask again.",
        slug="request-in-progress",
        headers={"Retry-After": str(max(1, min(seconds, 5)))},
        retryable=True,
    )

"""Idempotency-Key: one request, one batch, one answer, for a day.

A batch's ids are known before anything is written, so its answer is too. The key's record is
written first, with the batch and the answer in it, by a condition that one request wins. Whether
the work was done is then seen from the batch itself: it is accepted exactly when its own item is
there. A request that meets a record without a batch waits until whoever wrote it must be dead, and
begins again under a new batch; what the dead one left can never become accepted.
"""

import hashlib
import re
import zlib
from typing import Any

import msgspec

from sms_gateway.core.problems import Conflict, Invalid
from sms_gateway.core.value_object import Value
from sms_gateway.storage import dynamodb
from sms_gateway.storage.items import DAY, Item

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
        return dynamodb.put_request(
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
    item = dynamodb.get_request(place)
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


def find(place: str, digest: str, now: int) -> tuple[Record | None, dict[str, Any] | None]:
    """What is known of a send's key: its record if its work was never done, or the answer if it
    was. Raises Invalid when the body is another one, Conflict while the first is at work."""
    item = known(place, digest, now)
    return judge(item, place, digest, now) if item else (None, None)


def judge(
    item: Item, place: str, digest: str, now: int
) -> tuple[Record | None, dict[str, Any] | None]:
    """The same of a living record that another one met, {} when it has gone since."""
    if not item:
        raise in_progress(1)
    _same(item, digest)
    batch, started = item["batch"]["S"], int(item["started"]["N"])
    answer: dict[str, Any] = msgspec.json.decode(zlib.decompress(item["answer"]["B"]))
    if dynamodb.batch(batch) is not None:
        return None, answer
    if now - started < AT_WORK:
        raise in_progress(AT_WORK - (now - started))
    return Record(place, batch, digest, started, answer), None


def in_progress(seconds: int) -> Conflict:
    """The answer to whoever comes while the first request is still at work."""
    return Conflict(
        "The first request with this Idempotency-Key is still at work; ask again.",
        slug="request-in-progress",
        headers={"Retry-After": str(max(1, min(seconds, 5)))},
        retryable=True,
    )

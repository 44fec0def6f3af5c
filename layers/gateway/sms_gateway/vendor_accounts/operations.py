"""Changes at a vendor that must not be made twice: vouchers, and the unlocking of senders.

An errand is one such change. Under an Idempotency-Key its record is written before the vendor is
called, by a condition that one request wins. Afterwards it holds the answer, or that nobody can say
what came of the call (`doubt`); a change that was certainly not made frees its key. A record with
neither, older than any function can be, is a call that was cut short: in doubt as well. Nothing in
doubt is ever done again. No answer in a record holds a code that is worth money.
"""

import hmac
from datetime import datetime
from typing import Any

import msgspec

from sms_gateway.core.observability import logger
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.timestamps import epoch_seconds
from sms_gateway.core.ulids import new_ulid
from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage import dynamodb, idempotency_keys
from sms_gateway.storage.models import ItemKey


class UnknownOutcome(msgspec.Struct, omit_defaults=True):
    """A change of which nobody can say whether it was made. `code` and `text` are the vendor's
    own words, if it had any; `silent` says that it had none, `undocumented` that it answered with
    a code that no document lists."""

    silent: bool = False
    undocumented: bool = False
    code: str | None = None
    text: str | None = None


class Completed(msgspec.Struct):
    """A change that was made, and its answer without what is secret in it."""

    answer: dict[str, Any]


class OneTimeOperation(ValueObject, frozen=True):
    """One change. `reference` is a ULID that no other errand has; `place` is where its record
    stands, None without an Idempotency-Key."""

    reference: str
    record_key: str | None

    def complete(self, answer: dict[str, Any]) -> None:
        """Keeps the answer for whoever repeats the request."""
        self._write("answer", Completed(answer))

    def mark_unknown(self, doubt: UnknownOutcome) -> None:
        """Keeps that nobody can say what came of it."""
        self._write("doubt", doubt)

    def release_key(self, now: datetime) -> None:
        """Frees the key: the change was certainly not made."""
        self._write("ttl", epoch_seconds(now))

    def _write(self, attribute: str, value: msgspec.Struct | int) -> None:
        if self.record_key is None:
            return
        change = dynamodb.ItemUpdate(ItemKey(self.record_key, "REQUEST")).set(attribute, value)
        try:
            change.if_in("batch", self.reference).if_missing("answer").apply()
        except ServiceUnavailableError:
            # The caller must learn what the vendor said all the same. A repeat of the request then
            # finds a call that was cut short, and does not make it again.
            logger.exception("errand not recorded", extra={"reference": self.reference})


def begin_operation(
    tenant: str, key: str | None, subject: str, body: bytes, secret: bytes, now: datetime
) -> tuple[OneTimeOperation, Completed | UnknownOutcome | None]:
    """Begins an errand, or says what came of it when this is a repeat. `subject` tells requests
    with the same body apart. Raises Invalid when the key stands for another request, Conflict while
    the first one is at work."""
    reference, seconds = new_ulid(now), epoch_seconds(now)
    if key is None:
        return OneTimeOperation(reference, None), None
    place = idempotency_keys.record_key(tenant, idempotency_keys.check_key(key))
    # Keyed, unlike that of a send: from a plain digest a short code could be found by trying.
    digest = hmac.digest(secret, subject.encode() + b"\n" + body, "sha256").hex()
    item = idempotency_keys.find_record(place, digest, seconds)
    if item is not None:
        return _repeat(place, item, seconds)
    record = {
        "batch": {"S": reference},
        "digest": {"S": digest},
        "started": {"N": str(seconds)},
        "ttl": {"N": str(seconds + idempotency_keys.KEY_SECONDS)},
    }
    if idempotency_keys.put_request(place, record, seconds, None) is not None:
        raise idempotency_keys.in_progress(1)
    return OneTimeOperation(reference, place), None


def _repeat(
    place: str, item: dict[str, Any], now: int
) -> tuple[OneTimeOperation, Completed | UnknownOutcome]:
    errand = OneTimeOperation(item["batch"]["S"], place)
    if "answer" in item:
        return errand, msgspec.json.decode(item["answer"]["S"], type=Completed)
    if "doubt" in item:
        return errand, msgspec.json.decode(item["doubt"]["S"], type=UnknownOutcome)
    left = idempotency_keys.IN_PROGRESS_SECONDS - (now - int(item["started"]["N"]))
    if left > 0:
        raise idempotency_keys.in_progress(left)
    return errand, UnknownOutcome()

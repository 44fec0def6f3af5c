"""One-time operations at a vendor: vouchers, and the unlocking of senders.

Under an Idempotency-Key an operation's record is written before the vendor is called, by a
condition that one request wins. Afterwards it holds the answer, or that the outcome is unknown
(`in_doubt`); an operation that was certainly not done releases its key. A record with neither,
older than any function can be, is an interrupted call: its outcome is unknown as well. An operation
of unknown outcome is never repeated. No answer in a record holds a code that is worth money.
"""

from datetime import datetime
from typing import Any

import msgspec

from sms_gateway.core.derived_keys import Secret
from sms_gateway.core.observability import logger
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.timestamps import epoch_seconds
from sms_gateway.core.ulids import new_ulid
from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage import dynamodb, idempotency_keys
from sms_gateway.storage.models import ItemKey


class UnknownOutcome(msgspec.Struct, omit_defaults=True):
    """An operation whose outcome is unknown.

    `code` and `text` are the vendor's own, if it gave any; `silent` marks a call without a
    response, `undocumented` a response with a code that no document lists.
    """

    silent: bool = False
    undocumented: bool = False
    code: str | None = None
    text: str | None = None


class Completed(msgspec.Struct):
    """An operation that was done, and its answer without its secrets."""

    answer: dict[str, Any]


class OneTimeOperation(ValueObject, frozen=True):
    """One operation: `reference` is a ULID of its own.

    `record_key` is its record's partition key, None without an Idempotency-Key.
    """

    reference: str
    record_key: str | None

    def complete(self, answer: dict[str, Any]) -> None:
        """Record the answer for a repeated request."""
        self._write("answer", Completed(answer))

    def mark_unknown(self, outcome: UnknownOutcome) -> None:
        """Record that the outcome is unknown."""
        self._write("in_doubt", outcome)

    def release_key(self, now: datetime) -> None:
        """Release the key: the operation was certainly not done."""
        self._write("ttl", epoch_seconds(now))

    def _write(self, attribute: str, value: msgspec.Struct | int) -> None:
        if self.record_key is None:
            return
        change = dynamodb.ItemUpdate(ItemKey(self.record_key, "REQUEST")).set(attribute, value)
        try:
            change.if_in("batch", self.reference).if_missing("answer").apply()
        except ServiceUnavailableError:
            # The caller must get the vendor's answer all the same. A repeated request then finds an
            # interrupted call, and does not make it again.
            logger.exception("operation not recorded", extra={"reference": self.reference})


def begin_operation(
    tenant: str,
    key: str | None,
    subject: str,
    body: bytes,
    secret: Secret,
    now: datetime,
    reference: str | None = None,
) -> tuple[OneTimeOperation, Completed | UnknownOutcome | None]:
    """Begin an operation, or return the outcome of the first one when this is a repeat.

    `subject` distinguishes requests with the same body; `reference` is a new one where its own is
    not just any ULID. Raises InvalidRequestError when the key
    stands for another request, ConflictError while the first one is in progress.
    """
    reference, seconds = reference or new_ulid(now), epoch_seconds(now)
    if key is None:
        return OneTimeOperation(reference, None), None
    record_key = idempotency_keys.record_key(tenant, idempotency_keys.check_key(key))
    digest = idempotency_keys.digest_of(body, secret(), subject)
    item = idempotency_keys.find_record(record_key, digest, seconds)
    if item is not None:
        return _repeat(record_key, item, seconds)
    record = {
        "batch": {"S": reference},
        "digest": {"S": digest},
        "started": {"N": str(seconds)},
        "ttl": {"N": str(seconds + idempotency_keys.KEY_SECONDS)},
    }
    if idempotency_keys.put_request(record_key, record, seconds, None) is not None:
        raise idempotency_keys.in_progress(1)
    return OneTimeOperation(reference, record_key), None


def _repeat(
    record_key: str, item: dict[str, Any], now: int
) -> tuple[OneTimeOperation, Completed | UnknownOutcome]:
    operation = OneTimeOperation(item["batch"]["S"], record_key)
    if "answer" in item:
        return operation, msgspec.json.decode(item["answer"]["S"], type=Completed)
    if "in_doubt" in item:
        return operation, msgspec.json.decode(item["in_doubt"]["S"], type=UnknownOutcome)
    seconds_left = idempotency_keys.IN_PROGRESS_SECONDS - (now - int(item["started"]["N"]))
    if seconds_left > 0:
        raise idempotency_keys.in_progress(seconds_left)
    return operation, UnknownOutcome()

"""Idempotency-Key: one request, one batch, one answer, for a day.

A send first writes the key's record with the batch's id and the answer, by a condition that one
request wins. The send is complete exactly when the batch's head exists. A repeat that finds a
record without a batch is refused until the first request must have ended, and then starts a new
batch; the incomplete one can never become accepted.
"""

import zlib
from typing import Any

import msgspec

from sms_gateway.storage import message_repository
from sms_gateway.storage.idempotency_keys import (
    IN_PROGRESS_SECONDS,
    IdempotencyRecord,
    check_same_body,
    find_record,
    in_progress,
)
from sms_gateway.storage.items import Item


def find_answer(
    key: str, digest: str, now: int
) -> tuple[IdempotencyRecord | None, dict[str, Any] | None]:
    """Find a key's record if its send is incomplete, or the answer if it is complete.

    Raises InvalidRequestError for a different body, ConflictError while the first request is in
    progress.
    """
    item = find_record(key, digest, now)
    return resolve_existing(item, key, digest, now) if item else (None, None)


def claim(record: IdempotencyRecord) -> dict[str, Any] | None:
    """Write a key's record; return None, or the answer of the request that was accepted under it.

    Few requests are repeats: the record is not read first. Raises as `find_answer` does.
    """
    existing = record.claim()
    if existing is None:
        return None
    incomplete, answer = resolve_existing(existing, record.key, record.digest, record.started)
    if answer is None and record.claim(incomplete) is not None:
        raise in_progress(1)
    return answer


def resolve_existing(
    item: Item, key: str, digest: str, now: int
) -> tuple[IdempotencyRecord | None, dict[str, Any] | None]:
    """Do the same for a record's item that a conditional write met ({} when it was deleted)."""
    if not item:
        raise in_progress(1)
    check_same_body(item, digest)
    batch, started = item["batch"]["S"], int(item["started"]["N"])
    answer: dict[str, Any] = msgspec.json.decode(zlib.decompress(item["answer"]["B"]))
    if message_repository.find_batch(batch) is not None:
        return None, answer
    if now - started < IN_PROGRESS_SECONDS:
        raise in_progress(IN_PROGRESS_SECONDS - (now - started))
    return IdempotencyRecord(key, batch, digest, started, answer), None

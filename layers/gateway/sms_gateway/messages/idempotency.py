"""Idempotency-Key: one request, one batch, one answer, for a day.

A batch's ids are known before anything is written, so its answer is too. The key's record is
written first, with the batch and the answer in it, by a condition that one request wins. Whether
the work was done is then seen from the batch itself: it is accepted exactly when its own item is
there. A request that meets a record without a batch waits until whoever wrote it must be dead, and
begins again under a new batch; what the dead one left can never become accepted.
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
    place: str, digest: str, now: int
) -> tuple[IdempotencyRecord | None, dict[str, Any] | None]:
    """What is known of a send's key: its record if its work was never done, or the answer if it
    was. Raises Invalid when the body is another one, Conflict while the first is at work."""
    item = find_record(place, digest, now)
    return resolve_existing(item, place, digest, now) if item else (None, None)


def resolve_existing(
    item: Item, place: str, digest: str, now: int
) -> tuple[IdempotencyRecord | None, dict[str, Any] | None]:
    """The same of a living record that another one met, {} when it has gone since."""
    if not item:
        raise in_progress(1)
    check_same_body(item, digest)
    batch, started = item["batch"]["S"], int(item["started"]["N"])
    answer: dict[str, Any] = msgspec.json.decode(zlib.decompress(item["answer"]["B"]))
    if message_repository.find_batch(batch) is not None:
        return None, answer
    if now - started < IN_PROGRESS_SECONDS:
        raise in_progress(IN_PROGRESS_SECONDS - (now - started))
    return IdempotencyRecord(place, batch, digest, started, answer), None

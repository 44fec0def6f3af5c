"""Which webhook an Idempotency-Key made, for a day.

The record is written before the webhook and is removed with it, so that a key never leads to the
secret, or the deliveries, of one that was deleted.
"""

from datetime import datetime

from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.timestamps import epoch_seconds
from sms_gateway.storage import dynamodb, idempotency_keys
from sms_gateway.storage.models import ItemKey


def record_key(tenant: str, key: str) -> str:
    """Where a key's record stands: beside the webhooks, which is all that their function may write.
    Raises Invalid for a key that can't be."""
    name = idempotency_keys.record_key(tenant, idempotency_keys.check_key(key))
    return f"HOOKS#{name.removeprefix('REQUEST#')}"


def find_webhook(place: str, body: bytes, now: datetime) -> str | None:
    """The id that a key stands for, of a webhook that is there or was to be. Raises Invalid when it
    stands for another request."""
    item = idempotency_keys.find_record(place, idempotency_keys.digest_of(body), epoch_seconds(now))
    return str(item["batch"]["S"]) if item else None


def claim(place: str, body: bytes, identifier: str, now: datetime) -> str:
    """Lets a key stand for a webhook, unless it does for one; the id that it stands for."""
    seconds = epoch_seconds(now)
    record = {
        "batch": {"S": identifier},
        "digest": {"S": idempotency_keys.digest_of(body)},
        "ttl": {"N": str(seconds + idempotency_keys.KEY_SECONDS)},
    }
    if idempotency_keys.put_request(place, record, seconds, None) is None:
        return identifier
    there = find_webhook(place, body, now)
    if there is None:
        raise ServiceUnavailableError("The webhook was just removed; try again.")
    return there


def release(place: str, identifier: str) -> None:
    """Frees a key, unless it stands for another webhook by now."""
    item = idempotency_keys.get_request(place)
    if item is not None and item["batch"]["S"] == identifier:
        dynamodb.remove(ItemKey(place, "REQUEST"))

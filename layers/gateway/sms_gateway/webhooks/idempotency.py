"""Record for a day which webhook was created with an Idempotency-Key.

The record is written before the webhook and removed with it: a key never leads to the secret or the
deliveries of a deleted webhook.
"""

from datetime import datetime

from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.timestamps import epoch_seconds
from sms_gateway.storage import dynamodb, idempotency_keys
from sms_gateway.storage.models import ItemKey
from sms_gateway.webhooks.settings import webhook_key


def record_key(tenant: str, key: str) -> str:
    """Return the partition key of a record, beside the webhooks: their function may write no other.

    Raise InvalidRequestError for an Idempotency-Key that is not valid.
    """
    name = idempotency_keys.record_key(tenant, idempotency_keys.check_key(key))
    return f"HOOKS#{name.removeprefix('REQUEST#')}"


def find_webhook(record_pk: str, body: bytes, now: datetime) -> str | None:
    """Return the webhook id of a record; the webhook itself may not be stored yet.

    Raise InvalidRequestError when the record is of another request.
    """
    item = idempotency_keys.find_record(
        record_pk, idempotency_keys.digest_of(body, webhook_key()), epoch_seconds(now)
    )
    return str(item["batch"]["S"]) if item else None


def claim(record_pk: str, body: bytes, identifier: str, now: datetime) -> str:
    """Record a webhook's id, unless there is a record; return the id that is recorded then."""
    seconds = epoch_seconds(now)
    record = {
        "batch": {"S": identifier},
        "digest": {"S": idempotency_keys.digest_of(body, webhook_key())},
        "ttl": {"N": str(seconds + idempotency_keys.KEY_SECONDS)},
    }
    if idempotency_keys.put_request(record_pk, record, seconds, None) is None:
        return identifier
    recorded = find_webhook(record_pk, body, now)
    if recorded is None:
        raise ServiceUnavailableError("The webhook was just removed; try again.")
    return recorded


def release(record_pk: str, identifier: str) -> None:
    """Remove a record, unless it is of another webhook by now."""
    item = idempotency_keys.get_request(record_pk)
    if item is not None and item["batch"]["S"] == identifier:
        dynamodb.remove(ItemKey(record_pk, "REQUEST"))

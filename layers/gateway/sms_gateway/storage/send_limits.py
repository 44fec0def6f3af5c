"""Count what is sent within a window of time, by conditional writes on one item."""

import secrets
from collections.abc import Sequence
from typing import Any

from sms_gateway.storage import dynamodb
from sms_gateway.storage.items import Item, key_of, number_attribute
from sms_gateway.storage.models import ItemKey

MAX_WRITE_ATTEMPTS = 5  # while other requests count a send under the same key


def count_send(partition: str, now: int, limit: int, window: int) -> int | None:
    """Count a send at `now`, unless there were `limit` in the last `window` seconds.

    `now` is epoch seconds. Returns None, or after how many seconds another one may be sent.
    """
    key, claim = ItemKey(partition, "SENDS"), secrets.token_hex(8)
    for _ in range(MAX_WRITE_ATTEMPTS):
        times, previous_claim = _sends(key)
        recent = [sent_at for sent_at in times if sent_at > now - window]
        if len(recent) >= limit:
            return max(1, recent[-limit] + window - now)
        if _put_sends(key, [*recent, now], claim, previous_claim, now + window):
            return None
    return 1


def take_off_send(partition: str, sent_at: int, window: int) -> None:
    """Take off a send that was counted and did not go; among many others it stays counted.

    Raises ServiceUnavailableError.
    """
    key, claim = ItemKey(partition, "SENDS"), secrets.token_hex(8)
    for _ in range(MAX_WRITE_ATTEMPTS):
        times, previous_claim = _sends(key)
        if previous_claim is None or sent_at not in times:
            return
        times.remove(sent_at)
        if _put_sends(key, times, claim, previous_claim, max([*times, sent_at]) + window):
            return


def _sends(key: ItemKey) -> tuple[list[int], str | None]:
    """Return the times of the sends, and the claim of whoever wrote them."""
    item = dynamodb.get(key)
    if item is None:
        return [], None
    return [int(sent_at["N"]) for sent_at in item["sends"]["L"]], item["claim"]["S"]


def _put_sends(
    key: ItemKey, times: Sequence[int], claim: str, previous: str | None, ttl: int
) -> bool:
    """Write the times unless another request did; by its claim our own lost write is known."""
    condition = "attribute_not_exists(pk)" if previous is None else "claim = :previous"
    item: Item = {
        **key_of(key),
        "sends": {"L": [number_attribute(sent_at) for sent_at in times]},
        "claim": {"S": claim},
        "ttl": number_attribute(ttl),
    }
    values: Any = (
        {} if previous is None else {"ExpressionAttributeValues": {":previous": {"S": previous}}}
    )
    existing = dynamodb.put(item, condition, **values)
    return existing is None or existing.get("claim") == {"S": claim}

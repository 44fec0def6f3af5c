"""Limit the codes that a tenant sends to a number, so that nobody can pump codes."""

import os
import secrets
from collections.abc import Sequence
from typing import Any

from sms_gateway.core.observability import increment
from sms_gateway.core.problems import TooManyRequestsError
from sms_gateway.storage import dynamodb
from sms_gateway.storage.items import Item, key_of, number_attribute
from sms_gateway.storage.models import ItemKey

MAX_WRITE_ATTEMPTS = 5  # while other requests count a send to the same number


def count_send(tenant: str, digest: str, now: int) -> None:
    """Count a send at `now` (epoch seconds) to a number, given by its keyed hash.

    Raise TooManyRequestsError when there were VERIFICATION_SENDS in the last VERIFICATION_WINDOW
    seconds.
    """
    limit, window = int(os.environ["VERIFICATION_SENDS"]), int(os.environ["VERIFICATION_WINDOW"])
    key, claim = ItemKey(f"SENDS#{tenant}#{digest}", "SENDS"), secrets.token_hex(8)
    for _ in range(MAX_WRITE_ATTEMPTS):
        times, previous_claim = _sends(key)
        recent = [sent_at for sent_at in times if sent_at > now - window]
        if len(recent) >= limit:
            raise _too_many(limit, window, recent[-limit] + window - now)
        if _put_sends(key, [*recent, now], claim, previous_claim, now + window):
            return
    raise _too_many(limit, window, 1)


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


def _too_many(limit: int, window: int, wait: int) -> TooManyRequestsError:
    increment("VerificationRateLimited")
    return TooManyRequestsError(
        f"A number gets {limit} codes in {window} seconds: wait, or let its owner try the last "
        "one.",
        slug="too-many-codes",
        headers={"Retry-After": str(max(1, wait))},
    )

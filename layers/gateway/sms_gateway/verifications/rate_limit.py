"""How many codes a number gets in a while, for each tenant: nobody must be able to pump codes."""

import os
import secrets
from collections.abc import Sequence
from typing import Any

from sms_gateway.core.observability import increment
from sms_gateway.core.problems import TooManyRequestsError
from sms_gateway.storage import dynamodb
from sms_gateway.storage.items import Item, key_of, number_attribute
from sms_gateway.storage.models import ItemKey

MAX_WRITE_ATTEMPTS = 5  # requests for one number at the same time that are sorted out


def count_send(tenant: str, digest: str, now: int) -> None:
    """Counts a send (epoch seconds) to a number, of which only the keyed hash (`digest`) is known
    here.
    Raises TooMany when there were VERIFICATION_SENDS in the last VERIFICATION_WINDOW seconds."""
    most, window = int(os.environ["VERIFICATION_SENDS"]), int(os.environ["VERIFICATION_WINDOW"])
    place, claim = f"SENDS#{tenant}#{digest}", secrets.token_hex(8)
    for _ in range(MAX_WRITE_ATTEMPTS):
        times, was = _sends(place)
        recent = [one for one in times if one > now - window]
        if len(recent) >= most:
            raise _too_many(most, window, recent[-most] + window - now)
        if _put_sends(place, [*recent, now], claim, was, now + window):
            return
    raise _too_many(most, window, 1)


def _sends(place: str) -> tuple[list[int], str | None]:
    item = dynamodb.get(ItemKey(place, "SENDS"))
    if item is None:
        return [], None
    return [int(one["N"]) for one in item["sends"]["L"]], item["claim"]["S"]


def _put_sends(place: str, times: Sequence[int], claim: str, was: str | None, ttl: int) -> bool:
    condition = "attribute_not_exists(pk)" if was is None else "claim = :was"
    item: Item = {
        **key_of(ItemKey(place, "SENDS")),
        "sends": {"L": [number_attribute(one) for one in times]},
        "claim": {"S": claim},
        "ttl": number_attribute(ttl),
    }
    values: Any = {} if was is None else {"ExpressionAttributeValues": {":was": {"S": was}}}
    there = dynamodb.put(item, condition, **values)
    return there is None or there.get("claim") == {"S": claim}


def _too_many(most: int, window: int, wait: int) -> TooManyRequestsError:
    increment("CodesRefused")
    return TooManyRequestsError(
        f"A number gets {most} codes in {window} seconds: wait, or let its owner try the last one.",
        slug="too-many-codes",
        headers={"Retry-After": str(max(1, wait))},
    )

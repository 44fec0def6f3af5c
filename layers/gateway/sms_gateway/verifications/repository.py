"""Verifications in the table."""

import msgspec

from sms_gateway.core.ulids import is_ulid
from sms_gateway.storage import dynamodb
from sms_gateway.storage.items import Item, key_of, number, text
from sms_gateway.storage.models import Key
from sms_gateway.verifications.model import Details, Given, Verification

_details = msgspec.json.Decoder(Details)
_answers = msgspec.json.Decoder(dict[str, Given])


def place(identifier: str) -> Key:
    """Where a verification stands."""
    return Key(identifier, "V")


def find(identifier: str) -> Verification | None:
    """A verification by its id, consistently."""
    item = dynamodb.get(place(identifier)) if is_ulid(identifier) else None
    return read(item) if item else None


def item_of(one: Verification, ttl: int) -> Item:
    """A verification's item, beside its message's. What the tenant is called keeps it apart from
    the items that make a batch accepted."""
    return {
        **key_of(place(one.id)),
        "owner": {"S": one.tenant},
        "data": text(one.details),
        "expires": number(one.expires),
        "turn": number(one.turn),
        "checks": number(one.checks),
        "ttl": number(ttl),
    }


def read(item: Item) -> Verification:
    """A verification from its item."""
    return Verification(
        id=item["pk"]["S"],
        tenant=item["owner"]["S"],
        details=_details.decode(item["data"]["S"]),
        expires=int(item["expires"]["N"]),
        turn=int(item["turn"]["N"]),
        checks=int(item["checks"]["N"]),
        approved="approved" in item,
        doubt=tuple(item["doubt"]["S"].split(",")) if "doubt" in item else (),
        busy=int(item["busy"]["N"]) if "busy" in item else 0,
        answers=_answers.decode(item["answers"]["S"]) if "answers" in item else {},
        claim=item["claim"]["S"] if "claim" in item else "",
    )

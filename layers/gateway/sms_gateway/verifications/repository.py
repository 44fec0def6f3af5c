"""Verifications in the table."""

import msgspec

from sms_gateway.core.ulids import is_ulid
from sms_gateway.storage import dynamodb
from sms_gateway.storage.items import Item, json_attribute, key_of, number_attribute
from sms_gateway.storage.models import ItemKey
from sms_gateway.verifications.model import Details, StoredAnswer, Verification

_details = msgspec.json.Decoder(Details)
_answers = msgspec.json.Decoder(dict[str, StoredAnswer])


def verification_key(identifier: str) -> ItemKey:
    """Where a verification stands."""
    return ItemKey(identifier, "V")


def find_verification(identifier: str) -> Verification | None:
    """A verification by its id, consistently."""
    item = dynamodb.get(verification_key(identifier)) if is_ulid(identifier) else None
    return read_verification_item(item) if item else None


def verification_item(one: Verification, ttl: int) -> Item:
    """A verification's item, beside its message's. What the tenant is called keeps it apart from
    the items that make a batch accepted."""
    return {
        **key_of(verification_key(one.id)),
        "owner": {"S": one.tenant},
        "data": json_attribute(one.details),
        "expires": number_attribute(one.expires),
        "turn": number_attribute(one.version),
        "checks": number_attribute(one.checks),
        "ttl": number_attribute(ttl),
    }


def read_verification_item(item: Item) -> Verification:
    """A verification from its item."""
    return Verification(
        id=item["pk"]["S"],
        tenant=item["owner"]["S"],
        details=_details.decode(item["data"]["S"]),
        expires=int(item["expires"]["N"]),
        version=int(item["turn"]["N"]),
        checks=int(item["checks"]["N"]),
        approved="approved" in item,
        unknown_checks=tuple(item["doubt"]["S"].split(",")) if "doubt" in item else (),
        busy_until=int(item["busy"]["N"]) if "busy" in item else 0,
        answers=_answers.decode(item["answers"]["S"]) if "answers" in item else {},
        claim=item["claim"]["S"] if "claim" in item else "",
    )

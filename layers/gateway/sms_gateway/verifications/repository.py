"""Find verifications in the table; make and read their items."""

import msgspec

from sms_gateway.core.ulids import is_ulid
from sms_gateway.storage import dynamodb
from sms_gateway.storage.items import Item, json_attribute, key_of, number_attribute
from sms_gateway.storage.models import ItemKey
from sms_gateway.verifications.model import Details, StoredAnswer, Verification

_details = msgspec.json.Decoder(Details)
_answers = msgspec.json.Decoder(dict[str, StoredAnswer])


def verification_key(identifier: str) -> ItemKey:
    """Return the key of a verification's item."""
    return ItemKey(identifier, "V")


def find_verification(identifier: str) -> Verification | None:
    """Read a verification by its id, consistently."""
    item = dynamodb.get(verification_key(identifier)) if is_ulid(identifier) else None
    return read_verification_item(item) if item else None


def verification_item(verification: Verification, ttl: int) -> Item:
    """Make a verification's item, which stands beside its message's."""
    return {
        **key_of(verification_key(verification.id)),
        # Not "tenant": an item with that attribute makes a batch accepted.
        "owner": {"S": verification.tenant},
        "data": json_attribute(verification.details),
        "expires": number_attribute(verification.expires),
        "version": number_attribute(verification.version),
        "checks": number_attribute(verification.checks),
        "ttl": number_attribute(ttl),
        **({"key": {"S": verification.key_id}} if verification.key_id else {}),
        **({"test": number_attribute(1)} if verification.test else {}),
    }


def read_verification_item(item: Item) -> Verification:
    """Read a verification from its item."""
    return Verification(
        id=item["pk"]["S"],
        tenant=item["owner"]["S"],
        details=_details.decode(item["data"]["S"]),
        expires=int(item["expires"]["N"]),
        version=int(item["version"]["N"]),
        checks=int(item["checks"]["N"]),
        approved="approved" in item,
        unknown_checks=(
            tuple(item["unknown_checks"]["S"].split(",")) if "unknown_checks" in item else ()
        ),
        busy_until=int(item["busy_until"]["N"]) if "busy_until" in item else 0,
        answers=_answers.decode(item["answers"]["S"]) if "answers" in item else {},
        claim=item["claim"]["S"] if "claim" in item else "",
        key_id=item.get("key", {}).get("S"),
        test="test" in item,
    )

"""The messages of vendors' own ids, for callbacks that name nothing else."""

from collections.abc import Sequence

from sms_gateway.storage.dynamodb import get, put_all
from sms_gateway.storage.items import number_attribute
from sms_gateway.storage.models import ItemKey


def put_vendor_ids(vendor: str, ids: Sequence[tuple[str, ItemKey]], ttl: int) -> None:
    """Store the message of each of a vendor's ids; `ttl` is the epoch second of expiry."""
    put_all(
        [
            {
                "pk": {"S": f"V#{vendor}#{vendor_id}"},
                "sk": {"S": "V"},
                "message": {"S": str(key)},
                "ttl": number_attribute(ttl),
            }
            for vendor_id, key in ids
        ]
    )


def find_by_vendor_id(vendor: str, vendor_id: str) -> ItemKey | None:
    """Return the message of a vendor's id."""
    item = get(ItemKey(f"V#{vendor}#{vendor_id}", "V"))
    return ItemKey.parse(item["message"]["S"]) if item else None

"""Which message a vendor's own id means, where its callbacks name nothing else."""

from collections.abc import Sequence

from sms_gateway.storage.dynamodb import get, put_all
from sms_gateway.storage.items import (
    number_attribute,
)
from sms_gateway.storage.models import ItemKey


def put_vendor_ids(vendor: str, pointers: Sequence[tuple[str, ItemKey]], ttl: int) -> None:
    """Remembers which message a vendor's id means, for a vendor whose callbacks name nothing
    else."""
    put_all(
        [
            {
                "pk": {"S": f"V#{vendor}#{vendor_id}"},
                "sk": {"S": "V"},
                "message": {"S": str(key)},
                "ttl": number_attribute(ttl),
            }
            for vendor_id, key in pointers
        ]
    )


def find_by_vendor_id(vendor: str, vendor_id: str) -> ItemKey | None:
    """The message that a vendor's id means."""
    item = get(ItemKey(f"V#{vendor}#{vendor_id}", "V"))
    return ItemKey.parse(item["message"]["S"]) if item else None

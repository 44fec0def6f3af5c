"""Which message a vendor's own id means, where its callbacks name nothing else."""

from collections.abc import Sequence

from sms_gateway.storage.dynamodb import get, put_all
from sms_gateway.storage.items import (
    number,
)
from sms_gateway.storage.models import Key


def point(vendor: str, pointers: Sequence[tuple[str, Key]], ttl: int) -> None:
    """Remembers which message a vendor's id means, for a vendor whose callbacks name nothing
    else."""
    put_all(
        [
            {
                "pk": {"S": f"V#{vendor}#{vendor_id}"},
                "sk": {"S": "V"},
                "message": {"S": str(key)},
                "ttl": number(ttl),
            }
            for vendor_id, key in pointers
        ]
    )


def pointed(vendor: str, vendor_id: str) -> Key | None:
    """The message that a vendor's id means."""
    item = get(Key(f"V#{vendor}#{vendor_id}", "V"))
    return Key.parse(item["message"]["S"]) if item else None

"""What the vendors' circuits look like from outside, for who need not start the breaker itself."""

from collections.abc import Sequence

from sms_gateway.storage import dynamodb
from sms_gateway.storage.items import key_of
from sms_gateway.storage.models import ItemKey

CIRCUITS = "CIRCUIT"  # the partition in which the circuit breaker keeps its states
RECOVERY_SECONDS = 30  # seconds until one call may try whether the vendor is back


def circuit_states(vendors: Sequence[str], now: int) -> dict[str, str]:
    """Each vendor's circuit at an epoch second: `closed` (well), `open` (left alone) or `half_open`
    (its rest is over: one call tries, or the next one will). An open one stays stored until
    somebody calls."""
    found = {
        item["sk"]["S"]: (item["state"]["S"], int(item.get("opened_at", {"N": "0"})["N"]))
        for item in dynamodb.get_all([key_of(ItemKey(CIRCUITS, vendor)) for vendor in vendors])
    }
    return {vendor: _state(*found.get(vendor, ("CLOSED", 0)), now) for vendor in vendors}


def _state(stored: str, opened_at: int, now: int) -> str:
    rested = stored == "OPEN" and now >= opened_at + RECOVERY_SECONDS
    return "half_open" if rested else stored.lower()

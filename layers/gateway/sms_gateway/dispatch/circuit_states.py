"""The vendors' circuit states, readable without starting the breaker."""

from collections.abc import Sequence

from sms_gateway.storage import dynamodb
from sms_gateway.storage.items import key_of
from sms_gateway.storage.models import ItemKey

CIRCUITS = "CIRCUIT"  # the partition of the circuit breaker's states
RECOVERY_SECONDS = 30  # until one call may test whether the vendor is back


def circuit_states(vendors: Sequence[str], now: int) -> dict[str, str]:
    """Return each vendor's circuit state at an epoch second.

    `closed`: calls pass. `open`: calls stop. `half_open`: the next call tests the vendor. An open
    circuit stays stored until somebody calls.
    """
    states = {
        item["sk"]["S"]: (item["state"]["S"], int(item.get("opened_at", {"N": "0"})["N"]))
        for item in dynamodb.get_all([key_of(ItemKey(CIRCUITS, vendor)) for vendor in vendors])
    }
    return {vendor: _state(*states.get(vendor, ("CLOSED", 0)), now) for vendor in vendors}


def _state(stored: str, opened_at: int, now: int) -> str:
    recovering = stored == "OPEN" and now >= opened_at + RECOVERY_SECONDS
    return "half_open" if recovering else stored.lower()

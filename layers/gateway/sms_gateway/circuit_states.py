"""What the vendors' circuits look like from outside, for who need not start the breaker itself."""

from collections.abc import Sequence

from sms_gateway import table

REST = 30  # seconds until one call may try whether the vendor is back


def states(vendors: Sequence[str], now: int) -> dict[str, str]:
    """Each vendor's circuit at an epoch second: `closed` (well), `open` (left alone) or `half_open`
    (its rest is over: one call tries, or the next one will). An open one stays stored until
    somebody calls."""
    found = table.circuits(vendors)
    return {vendor: _state(*found.get(vendor, ("CLOSED", 0)), now) for vendor in vendors}


def _state(stored: str, opened_at: int, now: int) -> str:
    rested = stored == "OPEN" and now >= opened_at + REST
    return "half_open" if rested else stored.lower()

"""Numbers that no subscriber has."""

from local.simulators.registry import vendor_number


def number(vendor: str, nth: int = 0) -> str:
    """Return the nth number that routes to a vendor."""
    return vendor_number(vendor, nth)

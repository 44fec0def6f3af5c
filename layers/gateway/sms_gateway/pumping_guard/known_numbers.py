"""Numbers whose owners typed in a code lately: what is said of their country is not said of them.

They are kept as keyed hashes, by tenant.
"""

from collections.abc import Sequence
from datetime import datetime

from sms_gateway.core.derived_keys import Secret
from sms_gateway.pumping_guard import counters
from sms_gateway.pumping_guard.client import number_hash
from sms_gateway.storage import code_counts


def known_name(tenant: str, number: str, secret: Secret) -> str:
    """Return the name by which a number is remembered when its code is approved."""
    return f"{counters.KNOWN}#{number_hash(number, tenant, secret())}"


def known_among(
    tenant: str, numbers: Sequence[str], now: datetime, secret: Secret
) -> frozenset[str]:
    """Return those of some numbers that are known. Raises ServiceUnavailableError."""
    if not numbers:
        return frozenset()
    names = {known_name(tenant, number, secret): number for number in numbers}
    found = code_counts.find_known([counters.key_at(tenant, name, now) for name in names])
    return frozenset(names[name] for name in found)

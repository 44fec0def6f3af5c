"""Vendors below their account's floor: passed over where another carries the message."""

from collections.abc import Callable, Collection, Sequence

from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.vendors.adapter import DeliveryWarning

BELOW_FLOOR = DeliveryWarning(
    "balance-floor",
    "to",
    "The credit at the vendor is below the operator's floor, and no other vendor of the route "
    "carries this: it may be refused. The operator tops it up.",
)


class BalanceFloorError(ServiceUnavailableError):
    """Only vendors below their floor would carry the message, and it may not go below."""

    slug = "balance-floor"
    title = "The credit is kept for other messages"

    def __init__(self, vendor: str) -> None:
        super().__init__(
            f"The credit at {vendor} is at its balance_floor, below which no campaign goes: the "
            "operator tops it up.",
            vendor=vendor,
        )


def floor_order(
    vendors: Sequence[str], low: Collection[str], carries: Callable[[str], bool]
) -> list[str]:
    """Return the vendors in their order, with those below the floor behind the others.

    Nothing changes where the first is below it and no other carries the message.
    """
    others = [vendor for vendor in vendors if vendor not in low]
    if vendors[0] in low:
        others = [vendor for vendor in others if carries(vendor)]
    if not others:
        return list(vendors)
    return [*others, *(vendor for vendor in vendors if vendor in low)]

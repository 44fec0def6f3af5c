"""A campaign stops before a vendor's floor, so that codes still go.

Vendors tell their balance once an hour, and a campaign is read in minutes. So what campaigns have
planned since then is counted, where the account has a floor and the cost is known.
"""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from sms_gateway.config.balance_floors import LastAmount, amount_of
from sms_gateway.messages.balance_floor import BalanceFloorError
from sms_gateway.messages.planning import PlannedRecipient
from sms_gateway.messages.prices import price_of_number
from sms_gateway.storage.planned_credit import count_planned

Credit = tuple[str, str | None]  # a vendor, and its product


def count_credit(recipients: Sequence[PlannedRecipient]) -> None:
    """Count what these will cost their first vendors, as a whole or not at all.

    Raises BalanceFloorError when one of them would fall below its floor, ServiceUnavailableError.
    """
    costs: dict[Credit, Decimal] = defaultdict(Decimal)
    bounds: dict[Credit, tuple[LastAmount, Decimal]] = {}
    for planned in recipients:
        category = planned.content.category
        last = amount_of(planned.adapter, category)
        if last is not None:
            credit = (planned.adapter.name, planned.adapter.balance_product(category))
            bounds[credit] = last, Decimal(str(planned.adapter.balance_floor))
            costs[credit] += _cost(planned, last.unit)
    counted: list[Credit] = []
    for credit, cost in costs.items():
        last, floor = bounds[credit]
        counted.append(credit)
        if last.amount - count_planned(*credit, last.checked_at, cost) < floor:
            for each in counted:
                count_planned(*each, bounds[each][0].checked_at, -costs[each])
            raise BalanceFloorError(credit[0])


def _cost(planned: PlannedRecipient, unit: str) -> Decimal:
    """Return a message's cost in the balance's unit; none where that is unknown."""
    if unit == "credits":
        return Decimal(planned.content.segments)
    price = price_of_number(planned.adapter, planned.content.to, planned.content.segments)
    return price.amount if price is not None and price.currency == unit else Decimal(0)

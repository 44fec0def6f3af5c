"""What messages cost: as the vendor told, or else by the table that the operator wrote down.

Nothing here asks anybody. A vendor's own price stands in its answer (`Result.price`). For the
others the rows of the table that a submission's numbers fall under are kept beside the answer
(`Result.rates`), so that a later change of the table does not rewrite what was charged.
"""

from collections.abc import Iterable
from decimal import Decimal, localcontext
from typing import Any

from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.price_table import PriceTable
from sms_gateway.vendors.types import Price

PRICE_DIGITS = 80  # digits: a vendor's longest price has 36, and a batch has a thousand of them


def price_of_number(adapter: Adapter, number: str, segments: int) -> Price | None:
    """What `segments` segments to an E.164 number cost by the account's own table; None without a
    table, or without a row for the number."""
    cost = adapter.prices.cost(number, segments) if adapter.prices else None
    return Price(cost, adapter.prices.currency) if adapter.prices and cost is not None else None


def price_rows(adapter: Adapter, numbers: Iterable[str]) -> PriceTable | None:
    """The rows of the account's table that `numbers` fall under: for these numbers the small table
    gives what the whole one gives."""
    if adapter.prices is None:
        return None
    rows = dict(row for row in map(adapter.prices.row, numbers) if row)
    return PriceTable(adapter.prices.currency, rows) if rows else None


def price_view(price: Price | None) -> dict[str, str] | None:
    """A price as the API shows it."""
    return {"amount": f"{price.amount:f}", "currency": price.currency} if price else None


def sum_prices(prices: Iterable[Price | None]) -> list[dict[str, Any]]:
    """The exact sum in each currency, with the number of messages in it; what has no price is in
    none."""
    totals: dict[str, tuple[Decimal, int]] = {}
    with localcontext(prec=PRICE_DIGITS):
        for price in prices:
            if price is not None:
                total, count = totals.get(price.currency, (Decimal(0), 0))
                totals[price.currency] = total + price.amount, count + 1
    return [
        {"amount": f"{total:f}", "currency": currency, "messages": count}
        for currency, (total, count) in sorted(totals.items())
    ]

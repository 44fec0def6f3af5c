"""Message prices: the vendor's own, or those of the operator's price table.

A vendor's own price is in its result (`SubmissionResult.price`). For other vendors the matching
rows of the table are stored with the result (`SubmissionResult.rates`), so that a later change of
the table does not change past prices.
"""

from collections.abc import Iterable
from decimal import Decimal, localcontext
from typing import Any

from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.price_table import PriceTable
from sms_gateway.vendors.types import Price

PRICE_DIGITS = 80  # a vendor's longest price has 36, and a batch has a thousand prices


def price_of_number(adapter: Adapter, number: str, segments: int) -> Price | None:
    """Price `segments` segments to an E.164 number by the account's table.

    None without a table, or without a row for the number.
    """
    cost = adapter.prices.cost(number, segments) if adapter.prices else None
    return Price(cost, adapter.prices.currency) if adapter.prices and cost is not None else None


def price_rows(adapter: Adapter, numbers: Iterable[str]) -> PriceTable | None:
    """Select the rows of the account's table that match `numbers`; None without any."""
    if adapter.prices is None:
        return None
    rows = dict(row for row in map(adapter.prices.row, numbers) if row)
    return PriceTable(adapter.prices.currency, rows) if rows else None


def price_view(price: Price | None) -> dict[str, str] | None:
    """Show a price."""
    return {"amount": f"{price.amount:f}", "currency": price.currency} if price else None


def sum_prices(prices: Iterable[Price | None]) -> list[dict[str, Any]]:
    """Sum prices exactly by currency, with the count of priced messages."""
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

"""Money in a policy: exact, in billionths of its currency's unit, so that counters are integers."""

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated

import msgspec

from sms_gateway.vendors.price_table import PriceTable

DIGITS = 9  # after the point, as in price tables
_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_CURRENCY = re.compile(r"[A-Z]{3}")


def _form(pattern: str) -> msgspec.Meta:
    return msgspec.Meta(extra_json_schema={"pattern": f"^{pattern}$"})


class Money(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An amount, written as text since a JSON number has no exact cents; `currency` is ISO 4217."""

    amount: Annotated[str, _form(_AMOUNT.pattern)]
    currency: Annotated[str, _form(_CURRENCY.pattern)]

    def __post_init__(self) -> None:
        if not _AMOUNT.fullmatch(self.amount):
            raise ValueError('an amount is a text such as "12.50", with 9 digits after the point')
        if not _CURRENCY.fullmatch(self.currency):
            raise ValueError("a currency is three capital letters, such as USD")

    @property
    def billionths(self) -> int:
        """The amount in billionths of the currency's unit."""
        return to_billionths(self.amount)


def to_billionths(amount: str) -> int:
    """Return an amount of at most nine digits after the point in billionths."""
    return int(Decimal(amount).scaleb(DIGITS))


def amount_text(billionths: int) -> str:
    """Write an amount without zeros at its end."""
    whole, part = divmod(billionths, 10**DIGITS)
    return f"{whole}.{part:09}".rstrip("0").rstrip(".")


def segment_price(to: str, tables: Iterable[PriceTable | None], assumed: Money) -> int:
    """Return what a segment to a number (E.164) costs at most, in billionths.

    `tables` are the price tables of the vendors that may carry it. Where one says nothing, or in
    another currency, the `assumed` price takes its place; the dearest counts.
    """
    return max(_price(to, table, assumed) for table in tables)


def _price(to: str, table: PriceTable | None, assumed: Money) -> int:
    row = table.row(to) if table is not None and table.currency == assumed.currency else None
    return assumed.billionths if row is None else to_billionths(row[1])

"""A vendor's prices as its operator wrote them down: for vendors that report none."""

import re
from decimal import Decimal

import msgspec

_PREFIX = re.compile(r"\+([1-9][0-9]{0,14})?")
_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


class PriceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The account setting `prices`: the price of one segment by the number's prefix.

    "+" is every number; the longest prefix wins; all in one `currency` (ISO 4217, such as INR).
    Amounts are written as text, since a JSON number has no exact cents. Raises ValueError that
    names what is wrong and never its value.
    """

    currency: str
    per_segment: dict[str, str]

    def __post_init__(self) -> None:
        if not re.fullmatch("[A-Z]{3}", self.currency):
            raise ValueError("currency must be three capital letters, such as INR")
        if not self.per_segment:
            raise ValueError('per_segment must name a prefix; "+" is every number')
        if not all(_PREFIX.fullmatch(prefix) for prefix in self.per_segment):
            raise ValueError('a prefix in per_segment must be "+" and at most 15 digits')
        if not all(_AMOUNT.fullmatch(amount) for amount in self.per_segment.values()):
            raise ValueError('an amount in per_segment must be a text such as "0.18"')

    def row(self, number: str) -> tuple[str, str] | None:
        """Return the longest prefix of an E.164 number with its amount; None where no row fits."""
        matching = [prefix for prefix in self.per_segment if number.startswith(prefix)]
        prefix = max(matching, key=len, default=None)
        return None if prefix is None else (prefix, self.per_segment[prefix])

    def cost(self, number: str, segments: int) -> Decimal | None:
        """Return the exact price of `segments` segments to an E.164 number, or None."""
        row = self.row(number)
        return Decimal(row[1]) * segments if row else None

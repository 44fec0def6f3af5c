"""Figures: what messages became, summed by hour, vendor, country and category. No I/O."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, localcontext
from typing import Any

import msgspec

from sms_gateway.core.status import Status
from sms_gateway.messages.prices import PRICE_DIGITS
from sms_gateway.vendors.types import Price

# The upper bounds of the buckets of seconds from a vendor's acceptance to its receipt; one more
# bucket has what took longer.
BUCKETS = (
    *(1, 2, 3, 5, 8, 13, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1800),
    *(3600, 10_800, 43_200, 86_400, 259_200),
)

type Place = tuple[int, str, str, str]  # hour of the day, vendor, country, category


class Figures(msgspec.Struct, array_like=True):
    """What the messages of one place became.

    `statuses` counts them by status, `prices` has by currency an exact amount and how many messages
    it is of, `seconds` counts receipts by the index of their bucket.
    """

    statuses: dict[str, int] = {}
    segments: int = 0
    prices: dict[str, tuple[str, int]] = {}
    seconds: dict[str, int] = {}
    codes: int = 0
    approved: int = 0

    def add(self, other: "Figures") -> None:
        """Add another's figures."""
        self.statuses = _sum(self.statuses, other.statuses)
        self.segments += other.segments
        self.seconds = _sum(self.seconds, other.seconds)
        self.codes += other.codes
        self.approved += other.approved
        with localcontext(prec=PRICE_DIGITS):
            for currency, (amount, messages) in other.prices.items():
                total, count = self.prices.get(currency, ("0", 0))
                whole = f"{Decimal(total) + Decimal(amount):f}"
                self.prices[currency] = whole, count + messages

    def view(self) -> dict[str, Any]:
        """Show them as the API does."""
        ended = {str(status): self.statuses.get(status, 0) for status in Status if status.final}
        accepted = sum(self.statuses.values())
        return {
            "accepted": accepted,
            "waiting": accepted - sum(ended.values()),
            **ended,
            "segments": self.segments,
            "price": [
                {"amount": amount, "currency": currency, "messages": messages}
                for currency, (amount, messages) in sorted(self.prices.items())
            ],
            "receipt_seconds": _seconds_view(self.seconds),
            "codes": {"sent": self.codes, "approved": self.approved},
        }


def of_message(
    status: Status,
    segments: int,
    price: Price | None,
    seconds: float | None,
    *,
    code: bool,
    approved: bool,
) -> Figures:
    """Return the figures of one message; `seconds` is what its receipt took, None without one."""
    return Figures(
        {str(status): 1},
        segments,
        {price.currency: (f"{price.amount:f}", 1)} if price else {},
        {str(bisect_left(BUCKETS, seconds)): 1} if seconds is not None else {},
        int(code),
        int(code and approved),
    )


class Sheet:
    """Figures by place."""

    def __init__(self, stored: Iterable[tuple[Place, Figures]] = ()) -> None:
        self._cells: dict[Place, Figures] = dict(stored)

    def add(self, place: Place, figures: Figures) -> None:
        """Add figures at a place."""
        self._cells.setdefault(place, Figures()).add(figures)

    def add_all(self, other: "Sheet") -> None:
        """Add another sheet."""
        for place, figures in other:
            self.add(place, figures)

    def __iter__(self) -> Iterator[tuple[Place, Figures]]:
        return iter(self._cells.items())


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return dict(Counter(one) + Counter(other))


def _seconds_view(seconds: Mapping[str, int]) -> dict[str, Any]:
    counts = [seconds.get(str(nth), 0) for nth in range(len(BUCKETS) + 1)]
    return {
        "p50": _percentile(counts, 50),
        "p95": _percentile(counts, 95),
        "buckets": [
            {"up_to": bound, "messages": count}
            for bound, count in zip((*BUCKETS, None), counts, strict=True)
            if count
        ],
    }


def _percentile(counts: Sequence[int], share: int) -> int | None:
    """Return the bound of the bucket in which a percentile lies; None without any, or past all."""
    wanted, passed = sum(counts) * share / 100, 0
    for bound, count in zip(BUCKETS, counts, strict=False):
        passed += count
        if passed and passed >= wanted:
            return bound
    return None

"""Money in a policy: exact, and nothing but text."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms_gateway.policies.money import Money, amount_text, segment_price, to_billionths
from sms_gateway.vendors.price_table import PriceTable
from testing.numbers import number


@given(st.decimals(0, 999_999_999, places=9))
def test_an_amount_is_read_and_written_exactly(amount: Decimal) -> None:
    written = amount_text(to_billionths(f"{amount:f}"))
    assert Decimal(written) == amount
    assert to_billionths(written) == to_billionths(f"{amount:f}")


@pytest.mark.parametrize(
    ("billionths", "text"),
    [(0, "0"), (1, "0.000000001"), (10**10, "10"), (1_500_000_000, "1.5"), (100 * 10**9, "100")],
)
def test_it_has_no_zeros_at_its_end(billionths: int, text: str) -> None:
    assert amount_text(billionths) == text


@pytest.mark.parametrize("amount", ["", "-1", "1e3", "1.", ".5", "1.0000000001", "1000000000"])
def test_what_is_no_amount_is_refused(amount: str) -> None:
    with pytest.raises(ValueError, match="an amount is a text"):
        Money(amount, "USD")


def test_the_dearest_of_the_route_counts_and_what_is_not_known_is_assumed() -> None:
    to, assumed = number("jst"), Money("0.2", "USD")
    cheap = PriceTable("USD", {"+": "0.1"})
    dear = PriceTable("USD", {to[:4]: "0.3", "+": "0.01"})
    other = PriceTable("INR", {"+": "9"})
    elsewhere = PriceTable("USD", {"+1": "9"})
    cases: list[tuple[list[PriceTable | None], str]] = [
        ([cheap], "0.1"),
        ([cheap, dear], "0.3"),
        ([cheap, None], "0.2"),
        ([cheap, other], "0.2"),
        ([dear, other], "0.3"),
        ([elsewhere], "0.2"),
    ]
    for tables, price in cases:
        assert segment_price(to, tables, assumed) == to_billionths(price)

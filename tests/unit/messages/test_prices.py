"""Prices by the operator's table: the longest prefix, per segment, exact."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms_gateway.messages.prices import price_of_number, price_rows, price_view, sum_prices
from sms_gateway.vendors.registry import VENDORS
from sms_gateway.vendors.types import Price
from testing.vendor_cases import adapter

TABLE = {"currency": "INR", "per_segment": {"+": "0.5", "+91": "0.18", "+9110": "0.2"}}
PREFIXES = st.from_regex(r"\+([1-9][0-9]{0,5})?", fullmatch=True)
AMOUNTS = st.from_regex(r"[0-9]{1,9}(\.[0-9]{1,9})?", fullmatch=True)
NUMBERS = st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True)
TABLES = st.dictionaries(PREFIXES, AMOUNTS, min_size=1, max_size=6)


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_account_without_a_table_knows_no_price(vendor: str) -> None:
    assert price_of_number(adapter(vendor), "+911000000001", 1) is None


@pytest.mark.parametrize(
    ("number", "segments", "amount"),
    [
        ("+911000000001", 1, "0.2"),
        ("+912000000001", 3, "0.54"),
        ("+447700900001", 2, "1.0"),
    ],
)
def test_the_longest_prefix_wins_and_every_segment_counts(
    number: str, segments: int, amount: str
) -> None:
    found = price_of_number(adapter("jst", prices=TABLE), number, segments)
    assert found == Price(Decimal(amount), "INR")


def test_a_number_that_no_row_fits_has_no_price() -> None:
    priced = adapter("server2sms", prices={"currency": "CHF", "per_segment": {"+41": "0.1"}})
    assert price_of_number(priced, "+447700900001", 1) is None


@given(TABLES, NUMBERS, st.integers(1, 30))
def test_a_price_is_exactly_its_row_times_the_segments(
    table: dict[str, str], number: str, segments: int
) -> None:
    found = price_of_number(
        adapter("dinisoft", prices={"currency": "BDT", "per_segment": table}), number, segments
    )
    fitting = [number[:length] for length in range(len(number), 0, -1) if number[:length] in table]
    if not fitting:
        assert found is None
    else:
        assert found is not None
        assert Fraction(found.amount) == Fraction(table[fitting[0]]) * segments


@given(TABLES, st.lists(NUMBERS, min_size=1, max_size=8), st.integers(1, 30))
def test_the_rows_that_are_kept_say_what_the_whole_table_said(
    table: dict[str, str], numbers: list[str], segments: int
) -> None:
    priced = adapter("dinisoft", prices={"currency": "BDT", "per_segment": table})
    kept = price_rows(priced, numbers)
    assert kept is None or kept.per_segment.items() <= table.items()
    for number in numbers:
        whole = price_of_number(priced, number, segments)
        cost = kept.cost(number, segments) if kept else None
        assert cost == (whole.amount if whole else None)


@pytest.mark.parametrize(
    ("prices", "words"),
    [
        ("cheap", "Expected `object"),
        ({}, "currency"),
        ({"currency": "INR"}, "per_segment"),
        ({"currency": "rupees", "per_segment": {"+": "1"}}, "three capital letters"),
        ({"currency": "INR", "per_segment": {}}, "must name a prefix"),
        ({"currency": "INR", "per_segment": {"91": "0.18"}}, "a prefix in per_segment"),
        ({"currency": "INR", "per_segment": {"+0": "0.18"}}, "a prefix in per_segment"),
        ({"currency": "INR", "per_segment": {"+1234567890123456": "1"}}, "a prefix in per_segment"),
        ({"currency": "INR", "per_segment": {"+91": 0.18}}, "Expected `str`"),
        ({"currency": "INR", "per_segment": {"+91": "-0.18"}}, "an amount in per_segment"),
        ({"currency": "INR", "per_segment": {"+91": "0,18"}}, "an amount in per_segment"),
        ({"currency": "INR", "per_segment": {"+91": "1e9"}}, "an amount in per_segment"),
        ({"currency": "INR", "per_segment": {"+91": "٣"}}, "an amount in per_segment"),
        ({"currency": "INR", "per_segment": {"+91": "1"}, "vat": "0.2"}, "vat"),
    ],
)
def test_a_table_that_can_not_work_is_refused_by_name(prices: Any, words: str) -> None:
    with pytest.raises(ValueError, match=r"\$\.prices") as refused:
        adapter("jst", prices=prices)
    assert words in str(refused.value)


def test_sums_are_exact_by_currency_and_say_of_how_many() -> None:
    cents = [Price(Decimal("0.1"), "INR")] * 3
    huge = [Price(Decimal("9" * 18 + "." + "9" * 18), "IDR")] * 1000
    assert sum_prices([*cents, None, *huge]) == [
        {"amount": "999999999999999999999.999999999999999000", "currency": "IDR", "messages": 1000},
        {"amount": "0.3", "currency": "INR", "messages": 3},
    ]
    assert sum_prices([None, None]) == []


def test_a_price_is_shown_as_plain_digits() -> None:
    assert price_view(Price(Decimal("1E+3"), "IDR")) == {"amount": "1000", "currency": "IDR"}
    assert price_view(None) is None

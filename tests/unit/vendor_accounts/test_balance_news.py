"""What is told of a balance: each once, until it is topped up."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from unit.vendor_accounts.test_forecast import NOW

from sms_gateway.vendor_accounts.balance_news import is_short, news, rose_enough
from sms_gateway.vendor_accounts.forecast import Forecast

SECONDS = int(NOW.timestamp())
LOW = Decimal(1000)
BY_USE, BY_EXPIRY = ({"basis": {"ends_by": one}} for one in ("use", "expiry"))


def ends(hours: float | None, per_day: Decimal | None = None) -> Forecast:
    """A forecast of an end in so many hours."""
    at = None if hours is None else NOW + timedelta(hours=hours)
    return Forecast(per_day, at, 24, None if at is None else "use")


def got(
    amounts: list[tuple[str, float | None]], low: Decimal | None = LOW, **fields: Any
) -> list[list[str]]:
    """What is new at each answer: amounts, with the hours to their end."""
    last: dict[str, Any] | None = None
    found = []
    for second, (amount, hours) in enumerate(amounts, SECONDS):
        row = {"amount": amount, "unit": "IDR", "expires_on": None, "forecast": BY_USE} | fields
        before = dict(last["announced"]) if last else {}
        row["announced"] = news(last, row, ends(hours), low, second)
        found.append([name for name, fact in row["announced"].items() if before.get(name) != fact])
        last = row
    return found


def test_a_low_balance_is_told_once_until_it_is_topped_up() -> None:
    falls: list[tuple[str, float | None]] = [(amount, None) for amount in ("1500", "880", "700")]
    assert got(falls) == [[], ["low"], []]
    risen: list[tuple[str, float | None]] = [*falls, ("2000", None), ("999.5", None)]
    assert got(risen) == [[], ["low"], [], ["topped_up"], ["low"]]


def test_a_refund_is_no_top_up() -> None:
    up_and_down = ["1010", "990", "1005", "995", "1005", "995"]
    assert got([(amount, None) for amount in up_and_down]) == [[], ["low"], [], [], [], []]


def test_a_refund_below_zero_is_no_top_up() -> None:
    owed = ["-100", "-99.9", "-100", "-99.9", "-50", "0", "1"]
    assert got([(amount, 0) for amount in owed]) == [
        ["low", "runs_out"],
        *([[]] * 3),
        *([["topped_up", "low", "runs_out"]] * 3),
    ]


def test_a_last_day_that_moves_on_each_day_tells_the_end_by_use_once() -> None:
    row = {"amount": "9000", "unit": "IDR", "expires_on": "2026-12-24", "forecast": BY_USE}
    first = row | {"announced": news(None, row, ends(60), None, SECONDS)}
    later = row | {"expires_on": "2026-12-25"}
    assert news(first, later, ends(60), None, SECONDS + 1) == first["announced"]


def test_a_top_up_that_leaves_it_low_tells_both() -> None:
    assert got([("10", None), ("500", None)]) == [["low"], ["topped_up", "low"]]


def test_the_end_is_told_at_72_hours_and_at_24_and_each_once() -> None:
    hours = [100.0, 71.0, 80.0, 60.0, 23.0, 40.0, 5.0]
    answers: list[tuple[str, float | None]] = [("9000", one) for one in hours]
    out = ["runs_out"]
    assert got(answers) == [[], out, [], [], out, [], []]
    assert got([("9000", 10), ("9000", 70)]) == [out, []]  # the first one is late
    topped_up = [*answers, ("99000", 500.0), ("98000", 70.0)]
    assert got(topped_up)[-2:] == [["topped_up"], out]


def test_a_later_last_day_lets_the_end_be_told_again() -> None:
    row = {
        "amount": "9000",
        "unit": "IDR",
        "expires_on": "2026-11-24",
        "forecast": BY_EXPIRY,
    }
    first = row | {"announced": news(None, row, ends(70), None, SECONDS)}
    assert "runs_out" in first["announced"]
    for later in ({"expires_on": "2027-01-01"}, {"expires_on": None}):
        assert news(first, row | later, ends(None), None, SECONDS + 1) == {}
    earlier = row | {"expires_on": "2026-11-23"}
    assert news(first, earlier, ends(None), None, SECONDS + 1) == first["announced"]


def test_another_unit_is_another_balance() -> None:
    row = {"amount": "10", "unit": "IDR", "expires_on": None}
    first = row | {"announced": news(None, row, ends(10), LOW, SECONDS)}
    other = row | {"unit": "credits", "amount": "5000"}
    assert news(first, other, ends(None), LOW, SECONDS + 1) == {}


@given(st.decimals(-100, 10**6, places=2), st.decimals(-100, 10**6, places=2))
def test_only_a_rise_is_a_top_up(before: Decimal, after: Decimal) -> None:
    assert not (after <= before and rose_enough(before, after, Decimal(1)))
    if 0 < before < after and after - before < before / 10:
        assert rose_enough(before, after, after - before)
        assert not rose_enough(before, after, after - before + 1)
        assert not rose_enough(before, after, None)


@given(st.lists(st.tuples(st.sampled_from(["10", "900", "1100", "1150"]), st.none()), max_size=30))
def test_nothing_is_told_twice_without_a_top_up_between(
    answers: list[tuple[str, float | None]],
) -> None:
    since: list[str] = []
    for new in got(answers):
        if "topped_up" in new:
            since = []
        assert not set(since) & set(new)
        since += new


def test_short_is_low_or_below_the_floor_or_ending_soon() -> None:
    assert not is_short(Decimal(5000), ends(73), LOW, None, SECONDS)
    assert is_short(Decimal(5000), ends(72), None, None, SECONDS)
    assert is_short(Decimal(5000), ends(None), None, Decimal(5001), SECONDS)
    assert is_short(Decimal(999), ends(None), LOW, None, SECONDS)
    assert not is_short(Decimal(999), ends(None), None, None, SECONDS)

"""When a balance ends: whatever was kept, for any use, gap, top-up, last day and unit."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms_gateway.storage.balances import Hours
from sms_gateway.vendor_accounts.forecast import (
    KEPT_HOURS,
    LEAST_HOURS,
    MOST,
    add_amount,
    forecast,
    plain,
    use,
    used_a_day,
)
from sms_gateway.vendors.local_times import WIB

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
HOUR = int(NOW.timestamp()) // 3600
amounts = st.decimals(-1000, 10**9, places=2)
known = st.one_of(st.none(), amounts)


def series(got: list[Decimal | None], unit: str = "IDR", first: int = HOUR) -> Hours:
    """Amounts as they were told hour by hour."""
    found: Hours | None = None
    for hour, amount in enumerate(got, first):
        found = add_amount(found, hour, amount, unit)
    assert found is not None
    return found


def steady(hours: int, an_hour: Decimal, start: Decimal = Decimal(10**9)) -> list[Decimal | None]:
    return [start - an_hour * hour for hour in range(hours + 1)]


@given(st.decimals("0.01", 1000, places=2), st.integers(LEAST_HOURS, 400))
def test_steady_use_is_forecast_to_the_day(an_hour: Decimal, hours: int) -> None:
    per_day, seen = used_a_day(series(steady(hours, an_hour)))
    assert per_day == an_hour * 24
    assert LEAST_HOURS <= seen <= KEPT_HOURS


@given(st.lists(known, min_size=1, max_size=2 * KEPT_HOURS))
def test_a_weeks_amounts_are_kept_and_the_item_stays_small(got: list[Decimal | None]) -> None:
    kept = series(got)
    assert kept.last == HOUR + len(got) - 1
    assert len(kept.amounts) == min(len(got), KEPT_HOURS)
    assert [one if one is None else Decimal(one) for one in kept.amounts] == got[-KEPT_HOURS:]


@given(st.decimals(-MOST * 100, MOST * 100, places=18))
def test_no_amount_takes_more_than_22_characters(amount: Decimal) -> None:
    (text,) = add_amount(None, HOUR, amount, "IDR").amounts
    assert text is None or len(text) <= 22


@given(
    st.decimals("0.01", 1000, places=2),
    st.sets(st.integers(1, 99)),
    st.decimals(1, 10**6, places=2),
    st.integers(1, 99),
)
def test_gaps_and_a_top_up_change_nothing_of_steady_use(
    an_hour: Decimal, gaps: set[int], rise: Decimal, at: int
) -> None:
    got: list[Decimal | None] = [
        None if hour in gaps else amount + (rise + 100 * an_hour) * (hour >= at)
        for hour, amount in enumerate(steady(100, an_hour))
        if amount is not None
    ]
    per_day, seen = used_a_day(series(got))
    assert per_day is None if seen < LEAST_HOURS else per_day == an_hour * 24


@given(st.lists(known, max_size=KEPT_HOURS))
def test_use_is_never_below_nothing_nor_seen_for_longer_than_it_was(
    got: list[Decimal | None],
) -> None:
    used, hours = use([None if one is None else plain(one) for one in got])
    assert used >= 0
    assert 0 <= hours <= max(0, len(got) - 1)


@given(st.integers(0, LEAST_HOURS - 1))
def test_there_is_no_forecast_before_use_was_seen_for_hours(hours: int) -> None:
    assert used_a_day(series(steady(hours, Decimal(5)))) == (None, hours)
    assert used_a_day(None) == (None, 0)


def test_a_day_of_more_use_than_the_week_counts() -> None:
    got = [*steady(120, Decimal(1), Decimal(1000)), *steady(24, Decimal(10), Decimal(880))[1:]]
    assert used_a_day(series(got)) == (Decimal(240), 24)


def test_a_quiet_day_after_a_busy_week_is_no_relief() -> None:
    got = [*steady(120, Decimal(10), Decimal(10_000)), *[Decimal(8800)] * 24]
    assert used_a_day(series(got)) == (Decimal(200), 144)


def test_hours_that_nobody_asked_in_are_a_gap() -> None:
    first = add_amount(None, HOUR, Decimal(100), "IDR")
    later = add_amount(first, HOUR + 10, Decimal(90), "IDR")
    assert later.amounts == ["100", *[None] * 9, "90"]
    assert use(later.amounts) == (Decimal(10), 10)
    assert add_amount(first, HOUR + 10**9, Decimal(1), "IDR").amounts[-1] == "1"


@given(st.integers(-400, 0))
def test_a_clock_that_went_back_replaces_what_is_later(back: int) -> None:
    before = series(steady(200, Decimal(1)))
    after = add_amount(before, before.last + back, Decimal(7), "IDR")
    kept = max(0, KEPT_HOURS - 1 + back)
    assert (after.last, after.amounts) == (before.last + back, [*before.amounts[:kept], "7"])


@given(st.text(max_size=8), st.text(max_size=8))
def test_another_unit_begins_anew_and_any_unit_has_a_forecast(one: str, other: str) -> None:
    before = series(steady(10, Decimal(5)), one)
    assert used_a_day(before)[0] == 120
    after = add_amount(before, before.last + 1, Decimal(3), other)
    assert (len(after.amounts) == 1) == (one != other)


@given(amounts, st.one_of(st.none(), st.decimals(0, 10**6, places=4)), st.dates())
def test_a_balance_ends_by_use_or_by_its_last_day_whatever_is_earlier(
    amount: Decimal, per_day: Decimal | None, last_day: date
) -> None:
    by_use = forecast(amount, per_day, 24, None, UTC, NOW)
    by_day = forecast(amount, None, 0, last_day, UTC, NOW)
    both = forecast(amount, per_day, 24, last_day, UTC, NOW)
    ends = [one.empty_at for one in (by_use, by_day) if one.empty_at is not None]
    assert both.empty_at == min(ends, default=None)
    assert all(end >= NOW for end in ends)
    assert (both.ends_by is None) == (both.empty_at is None)
    assert by_use.ends_by in ("use", None)


@pytest.mark.parametrize("amount", ["0", "-3.5"])
def test_what_is_empty_ends_now(amount: str) -> None:
    found = forecast(Decimal(amount), None, 0, date(2027, 1, 1), UTC, NOW)
    assert (found.empty_at, found.ends_by) == (NOW, "use")


def test_the_last_day_ends_where_the_vendor_is() -> None:
    found = forecast(Decimal(5), None, 0, date(2026, 11, 30), WIB, NOW)
    assert (found.empty_at, found.ends_by) == (datetime(2026, 11, 30, 17, tzinfo=UTC), "expiry")
    assert forecast(Decimal(5), None, 0, date.max, WIB, NOW).empty_at is None


def test_what_lasts_for_ten_years_has_no_end() -> None:
    assert forecast(Decimal(10**9), Decimal("0.0001"), 24, None, UTC, NOW).empty_at is None
    soon = forecast(Decimal(10), Decimal(20), 24, None, UTC, NOW)
    assert soon.empty_at == NOW + timedelta(hours=12)

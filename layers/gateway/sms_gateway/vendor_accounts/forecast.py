"""When a balance ends: hourly amounts, the use a day, and the forecast. Pure.

Use is what an amount fell by. An interval in which it rose tells nothing about use, and counts
neither as use nor as time; so a top-up changes no forecast but by the amount itself.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from itertools import pairwise

from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage.balances import Hours

KEPT_HOURS = 168  # a week
DAY_HOURS = 24
LEAST_HOURS = 6  # of use that was seen, before there is a forecast
MOST = Decimal(10) ** 15  # an amount beyond it is kept as unknown, so that an item stays small
FURTHEST = timedelta(days=3650)
_STEP = Decimal("0.0001")


class Forecast(ValueObject, frozen=True):
    """What is used a day, in the balance's unit, and when the balance ends; None where unknown.

    `hours` is how many hours of use were seen; `ends_by` is `use` or `expiry`.
    """

    per_day: Decimal | None
    empty_at: datetime | None
    hours: int
    ends_by: str | None


def add_amount(series: Hours | None, hour: int, amount: Decimal | None, unit: str) -> Hours:
    """Return the series with this hour's amount, at most KEPT_HOURS long.

    `hour` is hours since 1970. The same hour's is replaced; what is later than it is dropped.
    """
    if series is None or series.unit != unit:
        series = Hours(unit, hour, [])
    length = len(series.amounts)
    before = series.amounts[: max(0, hour - series.last + length - 1)]
    before += [None] * min(max(0, hour - series.last - 1), KEPT_HOURS)
    text = None if amount is None or abs(amount) >= MOST else plain(amount)
    return Hours(unit, hour, [*before, text][-KEPT_HOURS:])


def use(amounts: Sequence[str | None]) -> tuple[Decimal, int]:
    """Return what was used, and in how many hours that was seen; amounts are one an hour."""
    known = [(at, Decimal(amount)) for at, amount in enumerate(amounts) if amount is not None]
    falls = [
        (before - after, to - since)
        for (since, before), (to, after) in pairwise(known)
        if after <= before
    ]
    return sum((fall for fall, _ in falls), Decimal(0)), sum(hours for _, hours in falls)


def used_a_day(series: Hours | None) -> tuple[Decimal | None, int]:
    """Return the larger of the last day's and the last week's use a day, and its hours.

    (None, hours) while fewer than LEAST_HOURS were seen.
    """
    if series is None:
        return None, 0
    week, hours = use(series.amounts)
    if hours < LEAST_HOURS:
        return None, hours
    rates = [(week * DAY_HOURS / hours, hours)]
    day, day_hours = use(series.amounts[-DAY_HOURS - 1 :])
    if day_hours >= LEAST_HOURS:
        rates.append((day * DAY_HOURS / day_hours, day_hours))
    rate, seen = max(rates, key=lambda one: one[0])
    return rate.quantize(_STEP), seen


def forecast(
    amount: Decimal,
    per_day: Decimal | None,
    hours: int,
    expires_on: date | None,
    zone: tzinfo,
    now: datetime,
) -> Forecast:
    """Say when an amount of `now` ends: used up, or at the end of its last day in the zone."""
    ends: list[tuple[datetime, str]] = []
    if amount <= 0:
        ends.append((now, "use"))
    elif per_day and amount / per_day < FURTHEST.days:
        ends.append((now + timedelta(days=float(amount / per_day)), "use"))
    if expires_on is not None and expires_on < date.max:
        end = datetime.combine(expires_on + timedelta(days=1), time.min, zone)
        ends.append((max(end.astimezone(UTC), now), "expiry"))
    empty_at, ends_by = min(ends, default=(None, None))
    return Forecast(per_day, empty_at, hours, ends_by)


def plain(amount: Decimal) -> str:
    """Write an amount as digits, with at most four after the point and no zero at their end."""
    text = f"{amount.quantize(_STEP):f}"
    return text.rstrip("0").rstrip(".")

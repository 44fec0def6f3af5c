"""What is announced of a balance, each once until it is topped up. Pure.

What was announced stands beside the amount, so that one write stores both: the stream's reader
makes an event of what is new there.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from sms_gateway.core.timestamps import HOUR_SECONDS
from sms_gateway.vendor_accounts.forecast import Forecast, plain

WARN_HOURS = (72, 24)  # before the end; the second comes after the first, or in its place
_LEAST_RISE = Decimal("0.1")  # of the amount before: a smaller one may be a refund


def rose_enough(before: Decimal, after: Decimal, per_day: Decimal | None) -> bool:
    """Return whether a rise is a top-up, rather than the refund of some messages."""
    rise = after - before
    if rise <= 0:
        return False
    return rise >= abs(before) * _LEAST_RISE or bool(per_day and rise >= per_day)


def news(
    last: Mapping[str, Any] | None,
    row: Mapping[str, Any],
    forecast: Forecast,
    low: Decimal | None,
    now: int,
) -> dict[str, Any]:
    """Return what was announced of a product, with what is new in its `row`, as of `now`.

    `last` is its row before; `low` the account's `balance_low`; `now` epoch seconds. `low` and
    `topped_up` say when that was announced, `runs_out` also within how many hours the end was.
    """
    announced: dict[str, Any] = dict(last.get("announced", {})) if last else {}
    amount = Decimal(row["amount"])
    if last and last["amount"] is not None and last["unit"] == row["unit"]:
        before = Decimal(last["amount"])
        if rose_enough(before, amount, forecast.per_day):
            announced = {"topped_up": {"at": now, "before": last["amount"]}}
        elif _ended_by_expiry(last) and _later(last["expires_on"], row["expires_on"]):
            announced.pop("runs_out", None)
    elif last and last["unit"] != row["unit"]:
        announced = {}
    if low is not None and amount < low and "low" not in announced:
        announced["low"] = {"at": now, "threshold": plain(low)}
    within = _within(forecast, now)
    if within is not None and (
        "runs_out" not in announced or announced["runs_out"]["hours"] > within
    ):
        announced["runs_out"] = {"at": now, "hours": within}
    return announced


def is_short(
    amount: Decimal, forecast: Forecast, low: Decimal | None, floor: Decimal | None, now: int
) -> bool:
    """Return whether an operator must act now: low, below the floor, or ending within 72 hours."""
    bounds = [bound for bound in (low, floor) if bound is not None]
    return any(amount < bound for bound in bounds) or _within(forecast, now) is not None


def _within(forecast: Forecast, now: int) -> int | None:
    if forecast.empty_at is None:
        return None
    hours = (forecast.empty_at.timestamp() - now) / HOUR_SECONDS
    return min((one for one in WARN_HOURS if hours <= one), default=None)


def _ended_by_expiry(row: Mapping[str, Any]) -> bool:
    """Return whether it was the last day that was announced; use goes on however late that is."""
    return bool(row["forecast"]["basis"]["ends_by"] == "expiry")


def _later(before: str | None, after: str | None) -> bool:
    """Return whether the credit's last day was put off."""
    if before is None or after is None:
        return before is not None
    return date.fromisoformat(after) > date.fromisoformat(before)

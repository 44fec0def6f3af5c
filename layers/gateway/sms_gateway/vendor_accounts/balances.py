"""Balances at the vendors: asked side by side, each within a bound and its vendor's limits.

An answer is kept for a minute. The first one of an hour becomes the hour's amount, from which the
forecast follows.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sms_gateway.core.observability import increment, logger, report
from sms_gateway.core.timestamps import HOUR_SECONDS, epoch_seconds, rfc3339
from sms_gateway.storage import balances as kept_balances
from sms_gateway.storage.balances import Hours, KeptBalances, Row
from sms_gateway.vendor_accounts.balance_news import is_short, news
from sms_gateway.vendor_accounts.forecast import Forecast, add_amount, forecast, plain, used_a_day
from sms_gateway.vendors import http_client
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.redaction import Redaction
from sms_gateway.vendors.types import Balance, BalanceRefusedError, Request, VendorResponse

CACHE_SECONDS = 60  # RajaSMS refuses to be queried more often
LIMITED_SECONDS = 600  # to the next question, after a vendor said that it was asked too often
TIMEOUT_SECONDS = 8.0  # for one vendor's whole response
WAIT_SECONDS = 12.0  # for another's first question to be answered
BALANCE_MINUTES = 5  # of an hour: the later ones are for what the first one could not store

Send = Callable[[Request, float], VendorResponse]
Use = tuple[Decimal | None, int]  # a day, and the hours in which it was seen


def get_balances(
    adapters: Mapping[str, Adapter], now: datetime, send: Send = http_client.send
) -> list[Row]:
    """Return a row for each product of each vendor, as the API shows it.

    A vendor's failure is its rows' `problem`, beside the amount last known. Raises
    ServiceUnavailableError.
    """
    seconds = epoch_seconds(now)
    known = kept_balances.read_balances(adapters)
    rows = {vendor: known.get(vendor, KeptBalances()).rows for vendor in adapters}
    stale = [
        vendor
        for vendor in adapters
        if vendor not in known or seconds - known[vendor].at >= CACHE_SECONDS
    ]
    if stale:
        with ThreadPoolExecutor(len(stale)) as pool:
            asked = pool.map(lambda vendor: ask(adapters[vendor], now, send), stale)
            for vendor, answer in zip(stale, asked, strict=True):
                rows[vendor] = answer or rows[vendor] or _others_answer(vendor)
    return [_shown(row) for vendor in adapters for row in rows[vendor]]


def ask_hourly(adapters: Mapping[str, Adapter], now: datetime, send: Send) -> None:
    """Ask the vendors that nobody asked in this hour. Raises ServiceUnavailableError."""
    hour = epoch_seconds(now) // HOUR_SECONDS
    known = kept_balances.read_balances(adapters)
    late = [
        adapter
        for vendor, adapter in adapters.items()
        if vendor not in known or known[vendor].hour < hour
    ]
    if late:
        with ThreadPoolExecutor(len(late)) as pool:
            list(pool.map(lambda adapter: ask(adapter, now, send), late))


def last_known(vendors: Iterable[str]) -> dict[str, list[Row]]:
    """Return the rows that each vendor had when it was last queried; calls no vendor."""
    return {
        vendor: [_shown(row) for row in kept.rows]
        for vendor, kept in kept_balances.read_balances(vendors).items()
    }


def ask(adapter: Adapter, now: datetime, send: Send) -> tuple[Row, ...]:
    """Ask a vendor, and return and keep what it tells; nothing while nobody may ask it."""
    seconds = epoch_seconds(now)
    claimed = seconds + CACHE_SECONDS
    known = kept_balances.claim_question(adapter.name, seconds, claimed)
    if known is None:
        return ()
    last = {row["product"]: row for row in known.rows}
    requests = adapter.balance()
    with ThreadPoolExecutor(len(requests)) as pool:
        answers = dict(
            zip(
                requests,
                pool.map(
                    lambda product: _query(adapter, product, requests[product], send), requests
                ),
                strict=True,
            )
        )
    hour = seconds // HOUR_SECONDS
    if known.hour < hour:
        uses = _keep_hour(adapter.name, hour, answers)
    else:
        uses = {product: _known_use(row) for product, row in last.items()}
    rows = tuple(
        _failed(adapter, product, last.get(product), answer)
        if isinstance(answer, BalanceRefusedError)
        else _row(adapter, last.get(product), answer, uses.get(product, (None, 0)), now)
        for product, answer in answers.items()
    )
    limited = any(isinstance(one, BalanceRefusedError) and one.limited for one in answers.values())
    following = seconds + LIMITED_SECONDS if limited else claimed
    kept = KeptBalances(rows, at=seconds, hour=hour, next_question=following)
    kept_balances.keep_answer(adapter.name, claimed, kept)
    return rows


def _others_answer(vendor: str) -> tuple[Row, ...]:
    """Wait for the answer to another's question, the first one ever."""
    until = time.monotonic() + WAIT_SECONDS
    rows: tuple[Row, ...] = ()
    while not rows and time.monotonic() < until:
        time.sleep(0.25)
        kept = kept_balances.read_balances([vendor]).get(vendor)
        rows = kept.rows if kept else ()
    return rows


def _query(
    adapter: Adapter, product: str | None, request: Request, send: Send
) -> Balance | BalanceRefusedError:
    try:
        response = send(request, min(adapter.timeout, TIMEOUT_SECONDS))
        return adapter.parse_balance(response, product)
    except BalanceRefusedError as refusal:
        return refusal
    except (http_client.VendorConnectionFailedError, http_client.VendorOutcomeUnknownError):
        return BalanceRefusedError(f"{adapter.title} did not answer.", retryable=True)


def _keep_hour(
    vendor: str, hour: int, answers: Mapping[str | None, Balance | BalanceRefusedError]
) -> dict[str | None, Use]:
    """Add the hour's amounts to those before; return each product's use a day."""
    before, kept_in = kept_balances.read_hours(vendor)
    hours: dict[str, Hours] = {}
    for product, answer in answers.items():
        series = before.get(product or "")
        if isinstance(answer, Balance):
            hours[product or ""] = add_amount(series, hour, answer.amount, answer.unit)
        elif series is not None:
            hours[product or ""] = add_amount(series, hour, None, series.unit)
    if hours and kept_in < hour:
        kept_balances.keep_hours(vendor, hour, hours)
    return {product: used_a_day(hours.get(product or "")) for product in answers}


def _known_use(row: Row) -> Use:
    found = row["forecast"] or {"per_day": None, "basis": {"hours": 0}}
    per_day = found["per_day"]
    return (None if per_day is None else Decimal(per_day)), found["basis"]["hours"]


def _row(adapter: Adapter, last: Row | None, balance: Balance, use: Use, now: datetime) -> Row:
    report(
        "balance",
        vendor=adapter.name,
        product=balance.product or "all",
        amount=float(balance.amount),
        unit=balance.unit,
    )
    if last and last["unit"] != balance.unit:
        use = (None, 0)
    seconds = epoch_seconds(now)
    ends = forecast(balance.amount, *use, balance.expires_on, adapter.zone, now)
    row: Row = {
        "vendor": adapter.name,
        "product": balance.product,
        "amount": f"{balance.amount:f}",
        "unit": balance.unit,
        "expires_on": balance.expires_on.isoformat() if balance.expires_on else None,
        "checked_at": rfc3339(now),
        "forecast": _forecast_view(ends),
        "problem": None,
    }
    low, floor = _decimal(adapter.balance_low), _decimal(adapter.balance_floor)
    row["announced"] = news(last, row, ends, low, seconds)
    if is_short(balance.amount, ends, low, floor, seconds):
        shown = ("vendor", "product", "amount", "unit")
        logger.warning("balance short", extra={name: row[name] for name in shown} | row["forecast"])
        increment("BalanceShort")
    return row


def _forecast_view(ends: Forecast) -> dict[str, Any]:
    return {
        "per_day": None if ends.per_day is None else plain(ends.per_day),
        "empty_at": rfc3339(ends.empty_at.astimezone(UTC)) if ends.empty_at else None,
        "basis": {"hours": ends.hours, "ends_by": ends.ends_by},
    }


def _failed(
    adapter: Adapter, product: str | None, last: Row | None, refusal: BalanceRefusedError
) -> Row:
    increment("BalanceFailed", vendor=adapter.name)
    empty: Row = {
        "vendor": adapter.name,
        "product": product,
        "amount": None,
        "unit": None,
        "expires_on": None,
        "checked_at": None,
        "forecast": None,
    }
    redaction = Redaction(adapter)
    problem = {
        "type": "/problems/balance-unavailable",
        "title": "The vendor did not tell its balance",
        "detail": redaction.words(refusal.text) or "",
        "vendor": adapter.name,
        "vendor_code": redaction.code(refusal.code),
        "retryable": refusal.retryable,
    }
    return (last or empty) | {"problem": problem}


def _decimal(setting: float | None) -> Decimal | None:
    return None if setting is None else Decimal(str(setting))


def _shown(row: Row) -> Row:
    """Return what the API shows of a row."""
    return {name: value for name, value in row.items() if name != "announced"}

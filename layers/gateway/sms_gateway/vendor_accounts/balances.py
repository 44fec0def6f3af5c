"""Balances at the vendors: queried side by side, each within a bound, cached for a minute."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from sms_gateway.core.observability import increment, report
from sms_gateway.core.timestamps import epoch_seconds, rfc3339
from sms_gateway.storage import cache
from sms_gateway.vendors import http_client
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.redaction import Redaction
from sms_gateway.vendors.types import BalanceRefusedError, Request, VendorResponse

CACHE_SECONDS = 60  # RajaSMS refuses to be queried more often
TIMEOUT_SECONDS = 8.0  # for one vendor's whole response

Row = dict[str, Any]
Send = Callable[[Request, float], VendorResponse]


def get_balances(
    adapters: Mapping[str, Adapter], now: datetime, send: Send = http_client.send
) -> list[Row]:
    """Return a row for each product of each vendor.

    A vendor's failure is its rows' `problem`, beside the amount last known.
    """
    seconds = epoch_seconds(now)
    cached = cache.cache_get([f"BALANCE#{vendor}" for vendor in adapters])
    stale = []
    rows: dict[str, list[Row]] = {}
    for vendor in adapters:
        cached_at, known = cached.get(f"BALANCE#{vendor}", (0, []))
        rows[vendor] = known
        if seconds - cached_at >= CACHE_SECONDS:
            stale.append(vendor)
    if stale:
        with ThreadPoolExecutor(len(stale)) as pool:
            queried = pool.map(
                lambda vendor: _query_vendor(adapters[vendor], rows[vendor], now, send), stale
            )
            rows |= dict(zip(stale, queried, strict=True))
        for vendor in stale:
            cache.cache_put(f"BALANCE#{vendor}", seconds, rows[vendor])
    return [row for vendor in adapters for row in rows[vendor]]


def last_known(vendors: Iterable[str]) -> dict[str, list[Row]]:
    """Return the rows that each vendor had when it was last queried; calls no vendor."""
    cached = cache.cache_get([f"BALANCE#{vendor}" for vendor in vendors])
    return {name.removeprefix("BALANCE#"): rows for name, (_, rows) in cached.items()}


def _query_vendor(adapter: Adapter, known: list[Row], now: datetime, send: Send) -> list[Row]:
    last = {row["product"]: row for row in known}
    requests = adapter.balance()
    with ThreadPoolExecutor(len(requests)) as pool:
        return list(
            pool.map(
                lambda product: _row(
                    adapter, product, requests[product], last.get(product), now, send
                ),
                requests,
            )
        )


def _row(
    adapter: Adapter,
    product: str | None,
    request: Request,
    last: Row | None,
    now: datetime,
    send: Send,
) -> Row:
    try:
        response = send(request, min(adapter.timeout, TIMEOUT_SECONDS))
        balance = adapter.parse_balance(response, product)
    except BalanceRefusedError as refusal:
        redaction = Redaction(adapter)
        words = redaction.words(refusal.text) or ""
        code = redaction.code(refusal.code)
        return _failed(adapter, product, last, words, code, refusal.retryable)
    except (http_client.VendorConnectionFailedError, http_client.VendorOutcomeUnknownError):
        return _failed(adapter, product, last, f"{adapter.title} did not answer.", None, True)
    report(
        "balance",
        vendor=adapter.name,
        product=product or "all",
        amount=float(balance.amount),
        unit=balance.unit,
    )
    return {
        "vendor": adapter.name,
        "product": product,
        "amount": f"{balance.amount:f}",
        "unit": balance.unit,
        "expires_on": balance.expires_on.isoformat() if balance.expires_on else None,
        "checked_at": rfc3339(now),
        "problem": None,
    }


def _failed(
    adapter: Adapter,
    product: str | None,
    last: Row | None,
    detail: str,
    code: str | None,
    retryable: bool,
) -> Row:
    increment("BalanceFailed", vendor=adapter.name)
    empty: Row = {
        "vendor": adapter.name,
        "product": product,
        "amount": None,
        "unit": None,
        "expires_on": None,
        "checked_at": None,
    }
    problem = {
        "type": "/problems/balance-unavailable",
        "title": "The vendor did not tell its balance",
        "detail": detail,
        "vendor": adapter.name,
        "vendor_code": code,
        "retryable": retryable,
    }
    return (last or empty) | {"problem": problem}

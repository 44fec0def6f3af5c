"""What is left at the vendors: asked side by side, each within a bound, kept for a minute."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from sms_gateway.core.observability import increment
from sms_gateway.core.timestamps import epoch_seconds, rfc3339
from sms_gateway.storage import cache
from sms_gateway.vendors import http_client
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.types import BalanceRefusedError, Request, VendorResponse

CACHE_SECONDS = 60  # seconds; RajaSMS refuses to be asked more often
TIMEOUT_SECONDS = 8.0  # seconds for one vendor's answer

Row = dict[str, Any]
Send = Callable[[Request, float], VendorResponse]


def get_balances(
    adapters: Mapping[str, Adapter], now: datetime, send: Send = http_client.send
) -> list[Row]:
    """A row for each product of each vendor; a vendor's failure is its rows' `problem`, beside
    the amount last known."""
    seconds = epoch_seconds(now)
    kept = cache.cache_get([f"BALANCE#{vendor}" for vendor in adapters])
    stale = []
    rows: dict[str, list[Row]] = {}
    for vendor in adapters:
        at, known = kept.get(f"BALANCE#{vendor}", (0, []))
        rows[vendor] = known
        if seconds - at >= CACHE_SECONDS:
            stale.append(vendor)
    if stale:
        with ThreadPoolExecutor(len(stale)) as pool:
            asked = pool.map(
                lambda vendor: _ask_vendor(adapters[vendor], rows[vendor], now, send), stale
            )
            rows |= dict(zip(stale, asked, strict=True))
        for vendor in stale:
            cache.cache_put(f"BALANCE#{vendor}", seconds, rows[vendor])
    return [row for vendor in adapters for row in rows[vendor]]


def last_known(vendors: Iterable[str]) -> dict[str, list[Row]]:
    """The rows that each vendor had when it was last asked; nobody is asked now."""
    kept = cache.cache_get([f"BALANCE#{vendor}" for vendor in vendors])
    return {name.removeprefix("BALANCE#"): rows for name, (_, rows) in kept.items()}


def _ask_vendor(adapter: Adapter, known: list[Row], now: datetime, send: Send) -> list[Row]:
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
        reply = send(request, min(adapter.timeout, TIMEOUT_SECONDS))
        credit = adapter.parse_balance(reply, product)
    except BalanceRefusedError as refusal:
        return _failed(adapter, product, last, refusal.text, refusal.code, refusal.retryable)
    except (http_client.VendorConnectionFailedError, http_client.VendorOutcomeUnknownError):
        return _failed(adapter, product, last, f"{adapter.title} did not answer.", None, True)
    return {
        "vendor": adapter.name,
        "product": product,
        "amount": f"{credit.amount:f}",
        "unit": credit.unit,
        "expires_on": credit.expires_on.isoformat() if credit.expires_on else None,
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

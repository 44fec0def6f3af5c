"""Vendors that tell balances, one answer after the other."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from sms_gateway.storage.balances import Row
from sms_gateway.vendor_accounts.balances import get_balances
from sms_gateway.vendors.types import Request, VendorResponse
from testing.vendor_cases import adapter

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def on_the_hour() -> datetime:
    """Return the begin of this hour."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def says(amount: str, expires: str | None = None) -> Callable[[Request, float], VendorResponse]:
    """Return a transport that answers as Dinisoft or RajaSMS does, each product alike."""

    def answer(request: Request, timeout: float) -> VendorResponse:
        assert timeout > 0
        if "rajasms" not in request.url:
            return VendorResponse(200, amount.encode())
        row = {"globalstatus": 10, "Balance": amount, "Expired": expires}
        return VendorResponse(200, json.dumps({"balance_respon": [row]}).encode())

    return answer


def tell(
    vendor: str,
    amounts: Sequence[str],
    at: datetime,
    step: timedelta = MINUTE,
    expires: str | None = None,
    **settings: object,
) -> list[Row]:
    """Ask a vendor that tells these amounts, the first one at `at`; return the last rows."""
    account = adapter(vendor, **settings)
    rows: list[Row] = []
    for number, amount in enumerate(amounts):
        rows = get_balances({vendor: account}, at + number * step, says(amount, expires))
    return rows

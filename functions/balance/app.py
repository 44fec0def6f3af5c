"""GET /balances, /balances/{vendor} and /vendors."""

from typing import Any

from sms_gateway.config.vendor_accounts import accounts
from sms_gateway.core.problems import NotFoundError
from sms_gateway.core.timestamps import utc_now
from sms_gateway.http_api.responses import json_response, require_scope, router
from sms_gateway.http_api.router import Response
from sms_gateway.vendor_accounts.balances import get_balances
from sms_gateway.vendor_accounts.overview import vendors_view
from sms_gateway.vendors.registry import VENDORS

app = router()


@app.get("/balances")
def get_all_balances() -> Response:
    """What is left at every configured vendor."""
    require_scope(app, "balances:read")
    return json_response({"balances": get_balances(accounts().adapters, utc_now())})


@app.get("/balances/<vendor>")
def get_balance(vendor: str) -> Response:
    """What is left at one vendor."""
    require_scope(app, "balances:read")
    adapter = accounts().adapters.get(vendor) if vendor in VENDORS else None
    if adapter is None:
        raise NotFoundError("There is no such vendor, or it is not configured; see GET /vendors.")
    return json_response({"balances": get_balances({vendor: adapter}, utc_now())})


@app.get("/vendors")
def get_vendors() -> Response:
    """What each vendor can do, and whether it is configured."""
    require_scope(app, "balances:read")
    return json_response({"vendors": vendors_view(accounts(), utc_now())})


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The Lambda entry point."""
    return app.resolve(event, context)

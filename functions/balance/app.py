"""GET /balances, /balances/{vendor} and /vendors; and a check by direct invocation."""

from typing import Any

from sms_gateway.config.vendor_accounts import accounts
from sms_gateway.core.problems import NotFoundError
from sms_gateway.core.timestamps import utc_now
from sms_gateway.http_api.request import Request, require_scope
from sms_gateway.http_api.responses import json_response, router
from sms_gateway.http_api.router import Response
from sms_gateway.policies.door import admit
from sms_gateway.vendor_accounts.account_check import check_account
from sms_gateway.vendor_accounts.balances import get_balances
from sms_gateway.vendor_accounts.overview import vendors_view

SCOPE = "balances:read"

app = router(admit)


@app.get("/balances")
def get_all_balances(request: Request) -> Response:
    """Show the balance at every configured vendor."""
    require_scope(request, SCOPE)
    return json_response({"balances": get_balances(accounts().adapters, utc_now())})


@app.get("/balances/<vendor>")
def get_balance(request: Request, vendor: str) -> Response:
    """Show the balance at one vendor."""
    require_scope(request, SCOPE)
    adapter = accounts().adapters.get(vendor)
    if adapter is None:
        raise NotFoundError("There is no such vendor, or it is not configured; see GET /vendors.")
    return json_response({"balances": get_balances({vendor: adapter}, utc_now())})


@app.get("/vendors")
def get_vendors(request: Request) -> Response:
    """Show what each vendor can do, and whether it is configured."""
    require_scope(request, SCOPE)
    return json_response({"vendors": vendors_view(accounts(), utc_now())})


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer API Gateway, or a direct invocation that IAM allows."""
    if "httpMethod" not in event:
        return check_account(event, accounts(), utc_now())
    return app.resolve(event, context)

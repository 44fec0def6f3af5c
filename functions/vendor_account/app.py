"""The routes /vendors/{vendor}/originators, vouchers, version and status-codes."""

from typing import Any

from sms_gateway.config.vendor_accounts import accounts
from sms_gateway.core.timestamps import utc_now
from sms_gateway.http_api.request import Request, require_scope
from sms_gateway.http_api.responses import json_response, router
from sms_gateway.http_api.router import Response
from sms_gateway.policies.door import admit
from sms_gateway.vendor_accounts import interface_info, senders, vouchers
from sms_gateway.vendor_accounts.calls import Caller

READ_SCOPE = "balances:read"
CHANGE_SCOPE = "account"

app = router(admit)


def _caller(request: Request, vendor: str, scope: str) -> Caller:
    tenant = require_scope(request, scope)
    return Caller(vendor, tenant, utc_now(), request.idempotency_key)


@app.get("/vendors/<vendor>/originators/<originator>")
def get_originator(request: Request, vendor: str, originator: str) -> Response:
    """Show whether a sender is authorized."""
    caller = _caller(request, vendor, READ_SCOPE)
    return json_response(senders.get_sender(caller, accounts(), originator))


@app.post("/vendors/<vendor>/originators/<originator>/unlock-code")
def post_unlock_code(request: Request, vendor: str, originator: str) -> Response:
    """Have the vendor send an unlock code to the sender's handset."""
    caller = _caller(request, vendor, CHANGE_SCOPE)
    return json_response(senders.send_unlock_code(caller, accounts(), originator), 202)


@app.post("/vendors/<vendor>/originators/<originator>/unlock")
def post_unlock(request: Request, vendor: str, originator: str) -> Response:
    """Unlock a sender."""
    caller = _caller(request, vendor, CHANGE_SCOPE)
    return json_response(senders.unlock(caller, accounts(), originator, request.body))


@app.get("/vendors/<vendor>/vouchers")
def get_vouchers(request: Request, vendor: str) -> Response:
    """List the account's vouchers."""
    return json_response(vouchers.list_vouchers(_caller(request, vendor, CHANGE_SCOPE), accounts()))


@app.post("/vendors/<vendor>/vouchers")
def post_vouchers(request: Request, vendor: str) -> Response:
    """Create vouchers."""
    caller = _caller(request, vendor, CHANGE_SCOPE)
    return json_response(vouchers.create(caller, accounts(), request.body), 201)


@app.post("/vendors/<vendor>/vouchers/redeem")
def post_redeem(request: Request, vendor: str) -> Response:
    """Redeem a voucher."""
    caller = _caller(request, vendor, CHANGE_SCOPE)
    return json_response(vouchers.redeem(caller, accounts(), request.body))


@app.get("/vendors/<vendor>/version")
def get_version(request: Request, vendor: str) -> Response:
    """Show the version of the vendor's interface."""
    return json_response(interface_info.version(_caller(request, vendor, READ_SCOPE), accounts()))


@app.get("/vendors/<vendor>/status-codes")
def get_status_codes(request: Request, vendor: str) -> Response:
    """List the codes of the vendor's interface."""
    caller = _caller(request, vendor, READ_SCOPE)
    return json_response(interface_info.status_codes(caller, accounts()))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer API Gateway."""
    return app.resolve(event, context)

"""What vendors offer beside messages: /vendors/{vendor}/originators, vouchers, version and
status-codes."""

from typing import Any

from sms_gateway.config.vendor_accounts import accounts
from sms_gateway.core.timestamps import utc_now
from sms_gateway.http_api.request import raw_body
from sms_gateway.http_api.responses import json_response, require_scope, router
from sms_gateway.http_api.router import Response
from sms_gateway.vendor_accounts import interface_info, senders, vouchers
from sms_gateway.vendor_accounts.calls import Caller

app = router()


def _by(vendor: str, scope: str) -> Caller:
    tenant = require_scope(app, scope)
    key = app.current_event.headers.get("Idempotency-Key")
    return Caller(vendor, tenant, utc_now(), key)


@app.get("/vendors/<vendor>/originators/<originator>")
def get_originator(vendor: str, originator: str) -> Response:
    """Whether a sender is authorized."""
    return json_response(senders.get_sender(_by(vendor, "balances:read"), accounts(), originator))


@app.post("/vendors/<vendor>/originators/<originator>/unlock-code")
def post_unlock_code(vendor: str, originator: str) -> Response:
    """Has an unlock code sent to the sender's handset."""
    return json_response(
        senders.send_unlock_code(_by(vendor, "account"), accounts(), originator), 202
    )


@app.post("/vendors/<vendor>/originators/<originator>/unlock")
def post_unlock(vendor: str, originator: str) -> Response:
    """Unlocks a sender."""
    by, body = _by(vendor, "account"), raw_body(app.current_event.raw_event)
    return json_response(senders.unlock(by, accounts(), originator, body))


@app.get("/vendors/<vendor>/vouchers")
def get_vouchers(vendor: str) -> Response:
    """Every voucher of the account."""
    return json_response(vouchers.list_vouchers(_by(vendor, "account"), accounts()))


@app.post("/vendors/<vendor>/vouchers")
def post_vouchers(vendor: str) -> Response:
    """Creates vouchers."""
    by, body = _by(vendor, "account"), raw_body(app.current_event.raw_event)
    return json_response(vouchers.create(by, accounts(), body), 201)


@app.post("/vendors/<vendor>/vouchers/redeem")
def post_redeem(vendor: str) -> Response:
    """Redeems a voucher."""
    by, body = _by(vendor, "account"), raw_body(app.current_event.raw_event)
    return json_response(vouchers.redeem(by, accounts(), body))


@app.get("/vendors/<vendor>/version")
def get_version(vendor: str) -> Response:
    """The interface's version."""
    return json_response(interface_info.version(_by(vendor, "balances:read"), accounts()))


@app.get("/vendors/<vendor>/status-codes")
def get_status_codes(vendor: str) -> Response:
    """Every code that the vendor answers with."""
    return json_response(interface_info.status_codes(_by(vendor, "balances:read"), accounts()))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The Lambda entry point."""
    return app.resolve(event, context)

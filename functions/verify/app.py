"""POST /verifications, GET /verifications/{id} and POST /verifications/{id}/checks."""

from typing import Any

from sms_gateway.core.timestamps import utc_now
from sms_gateway.http_api.request import raw_body
from sms_gateway.http_api.responses import json_response, require_scope, router
from sms_gateway.http_api.router import Response
from sms_gateway.verifications.check import check_code
from sms_gateway.verifications.start import show_verification, start_verification

SCOPE = "verifications"

app = router()


@app.post("/verifications")
def post_verifications() -> Response:
    """Sends a code."""
    tenant, event = require_scope(app, SCOPE), app.current_event
    key = event.headers.get("Idempotency-Key")
    return json_response(start_verification(tenant, raw_body(event.raw_event), utc_now(), key), 201)


@app.get("/verifications/<identifier>")
def get_verification(identifier: str) -> Response:
    """What a verification has come to."""
    return json_response(show_verification(require_scope(app, SCOPE), identifier, utc_now()))


@app.post("/verifications/<identifier>/checks")
def post_checks(identifier: str) -> Response:
    """Checks a code."""
    tenant, event = require_scope(app, SCOPE), app.current_event
    key, body = event.headers.get("Idempotency-Key"), raw_body(event.raw_event)
    return json_response(check_code(tenant, identifier, body, utc_now(), key))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The Lambda entry point."""
    return app.resolve(event, context)

"""POST /verifications, GET /verifications/{id} and POST /verifications/{id}/checks."""

from typing import Any

from sms_gateway.core.timestamps import utc_now
from sms_gateway.http_api.request import Request, require_scope
from sms_gateway.http_api.responses import json_response, router
from sms_gateway.http_api.router import Response
from sms_gateway.policies.door import admit, rate_limit_headers
from sms_gateway.verifications.check import check_code
from sms_gateway.verifications.start import show_verification, start_verification

SCOPE = "verifications"

app = router(admit)


@app.post("/verifications")
def post_verifications(request: Request) -> Response:
    """Send a code."""
    tenant, now = require_scope(request, SCOPE, tests=True), utc_now()
    headers: dict[str, str] = {}
    started = start_verification(
        tenant,
        request.body,
        now,
        request.idempotency_key,
        request.region,
        request.key_id,
        key_policy=request.policy,
        test=request.test,
        on_counted=lambda counted: headers.update(rate_limit_headers(counted, now)),
    )
    return json_response(started, 201, headers=headers)


@app.get("/verifications/<identifier>")
def get_verification(request: Request, identifier: str) -> Response:
    """Show a verification."""
    tenant = require_scope(request, SCOPE, tests=True)
    return json_response(show_verification(tenant, identifier, utc_now(), test=request.test))


@app.post("/verifications/<identifier>/checks")
def post_checks(request: Request, identifier: str) -> Response:
    """Check a code."""
    tenant = require_scope(request, SCOPE, tests=True)
    checked = check_code(
        tenant,
        identifier,
        request.body,
        utc_now(),
        request.idempotency_key,
        test=request.test,
    )
    return json_response(checked)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer API Gateway."""
    return app.resolve(event, context)

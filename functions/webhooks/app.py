"""The routes under /webhooks."""

from typing import Any

from sms_gateway.core.timestamps import utc_now
from sms_gateway.http_api.request import Request, require_scope
from sms_gateway.http_api.responses import json_response, router
from sms_gateway.http_api.router import Response
from sms_gateway.policies.door import admit
from sms_gateway.webhooks import delivery_log, management

SCOPE = "webhooks:manage"

app = router(admit)


@app.post("/webhooks")
def post_webhook(request: Request) -> Response:
    """Create a webhook; only this response shows its secret."""
    tenant = require_scope(request, SCOPE)
    created = management.create_webhook(
        tenant, request.body, utc_now(), request.idempotency_key, key_id=request.key_id
    )
    return json_response(created, 201)


@app.get("/webhooks")
def list_webhooks(request: Request) -> Response:
    """List the tenant's webhooks."""
    return json_response(management.list_endpoints(require_scope(request, SCOPE)))


@app.get("/webhooks/<identifier>")
def get_webhook(request: Request, identifier: str) -> Response:
    """Show one webhook."""
    return json_response(management.get_endpoint(require_scope(request, SCOPE), identifier).view())


@app.delete("/webhooks/<identifier>")
def delete_webhook(request: Request, identifier: str) -> Response:
    """Delete a webhook."""
    return json_response(management.delete_webhook(require_scope(request, SCOPE), identifier))


@app.post("/webhooks/<identifier>/rotate")
def rotate_webhook(request: Request, identifier: str) -> Response:
    """Replace a webhook's secret."""
    tenant = require_scope(request, SCOPE)
    return json_response(
        management.rotate_webhook_secret(tenant, identifier, utc_now(), request.body)
    )


@app.post("/webhooks/<identifier>/test")
def test_webhook(request: Request, identifier: str) -> Response:
    """Post a test event at once."""
    return json_response(management.send_test(require_scope(request, SCOPE), identifier, utc_now()))


@app.get("/webhooks/<identifier>/deliveries")
def list_deliveries(request: Request, identifier: str) -> Response:
    """List the deliveries whose first attempt failed."""
    tenant = require_scope(request, SCOPE)
    return json_response(delivery_log.list_deliveries(tenant, identifier, request.query))


@app.post("/webhooks/<identifier>/replay")
def replay_deliveries(request: Request, identifier: str) -> Response:
    """Send stored deliveries again."""
    tenant = require_scope(request, SCOPE)
    return json_response(delivery_log.replay(tenant, identifier, request.body, utc_now()), 202)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer API Gateway."""
    return app.resolve(event, context)

"""The routes under /webhooks."""

from typing import Any

from sms_gateway.core.timestamps import utc_now
from sms_gateway.http_api.request import query, raw_body
from sms_gateway.http_api.responses import json_response, require_scope, router
from sms_gateway.http_api.router import Response
from sms_gateway.webhooks import delivery_log, management

SCOPE = "webhooks:manage"

app = router()


@app.post("/webhooks")
def post_webhook() -> Response:
    """Makes a webhook; the answer has its secret."""
    tenant, event = require_scope(app, SCOPE), app.current_event
    key = event.headers.get("Idempotency-Key")
    return json_response(
        management.create_webhook(tenant, raw_body(event.raw_event), utc_now(), key), 201
    )


@app.get("/webhooks")
def list_webhooks() -> Response:
    """The tenant's webhooks."""
    return json_response(management.list_endpoints(require_scope(app, SCOPE)))


@app.get("/webhooks/<identifier>")
def get_webhook(identifier: str) -> Response:
    """One webhook."""
    return json_response(management.get_endpoint(require_scope(app, SCOPE), identifier).view())


@app.delete("/webhooks/<identifier>")
def delete_webhook(identifier: str) -> Response:
    """Removes a webhook."""
    return json_response(management.delete_webhook(require_scope(app, SCOPE), identifier))


@app.post("/webhooks/<identifier>/rotate")
def rotate_webhook(identifier: str) -> Response:
    """Gives a webhook a new secret."""
    tenant, body = require_scope(app, SCOPE), raw_body(app.current_event.raw_event)
    return json_response(management.rotate_webhook_secret(tenant, identifier, utc_now(), body))


@app.post("/webhooks/<identifier>/test")
def test_webhook(identifier: str) -> Response:
    """Posts a test event at once."""
    return json_response(management.send_test(require_scope(app, SCOPE), identifier, utc_now()))


@app.get("/webhooks/<identifier>/deliveries")
def list_deliveries(identifier: str) -> Response:
    """Deliveries that did not arrive at once."""
    tenant = require_scope(app, SCOPE)
    return json_response(
        delivery_log.list_deliveries(tenant, identifier, query(app.current_event.raw_event))
    )


@app.post("/webhooks/<identifier>/replay")
def replay_deliveries(identifier: str) -> Response:
    """Sends stored deliveries again."""
    tenant, body = require_scope(app, SCOPE), raw_body(app.current_event.raw_event)
    return json_response(delivery_log.replay(tenant, identifier, body, utc_now()), 202)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The Lambda entry point."""
    return app.resolve(event, context)

"""The routes under /webhooks."""

from typing import Any

from sms_gateway.core.timestamps import utc_now
from sms_gateway.http_api.request import query, raw_body
from sms_gateway.http_api.responses import answer, caller, router
from sms_gateway.http_api.router import Response
from sms_gateway.webhooks import management

SCOPE = "webhooks:manage"

app = router()


@app.post("/webhooks")
def post_webhook() -> Response:
    """Makes a webhook; the answer has its secret."""
    tenant, event = caller(app, SCOPE), app.current_event
    key = event.headers.get("Idempotency-Key")
    return answer(management.create(tenant, raw_body(event.raw_event), utc_now(), key), 201)


@app.get("/webhooks")
def list_webhooks() -> Response:
    """The tenant's webhooks."""
    return answer(management.every(caller(app, SCOPE)))


@app.get("/webhooks/<identifier>")
def get_webhook(identifier: str) -> Response:
    """One webhook."""
    return answer(management.one(caller(app, SCOPE), identifier).view())


@app.delete("/webhooks/<identifier>")
def delete_webhook(identifier: str) -> Response:
    """Removes a webhook."""
    return answer(management.delete(caller(app, SCOPE), identifier))


@app.post("/webhooks/<identifier>/rotate")
def rotate_webhook(identifier: str) -> Response:
    """Gives a webhook a new secret."""
    tenant, body = caller(app, SCOPE), raw_body(app.current_event.raw_event)
    return answer(management.rotate(tenant, identifier, utc_now(), body))


@app.post("/webhooks/<identifier>/test")
def test_webhook(identifier: str) -> Response:
    """Posts a test event at once."""
    return answer(management.try_out(caller(app, SCOPE), identifier, utc_now()))


@app.get("/webhooks/<identifier>/deliveries")
def list_deliveries(identifier: str) -> Response:
    """Deliveries that did not arrive at once."""
    tenant = caller(app, SCOPE)
    return answer(management.stored(tenant, identifier, query(app.current_event.raw_event)))


@app.post("/webhooks/<identifier>/replay")
def replay_deliveries(identifier: str) -> Response:
    """Sends stored deliveries again."""
    tenant, body = caller(app, SCOPE), raw_body(app.current_event.raw_event)
    return answer(management.replay(tenant, identifier, body, utc_now()), 202)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The Lambda entry point."""
    return app.resolve(event, context)

"""POST /messages, POST /messages/preview and DELETE /messages/{id}; and direct invocation."""

from typing import Any

from sms_gateway.core.timestamps import utc_now
from sms_gateway.http_api.request import raw_body
from sms_gateway.http_api.responses import json_response, require_scope, router
from sms_gateway.http_api.router import Response
from sms_gateway.messages.cancel import cancel_message
from sms_gateway.messages.send import send

app = router()


@app.post("/messages")
def post_messages() -> Response:
    """Accepts one message or many."""
    tenant = require_scope(app, "messages:send")
    event = app.current_event
    key = event.headers.get("Idempotency-Key")
    accepted = send(tenant, raw_body(event.raw_event), utc_now(), key)
    return json_response(accepted, 202)


@app.post("/messages/preview")
def post_preview() -> Response:
    """Says what a send would do."""
    from sms_gateway.messages.preview import preview  # a send needs none of it

    tenant = require_scope(app, "messages:send")
    return json_response(preview(tenant, raw_body(app.current_event.raw_event), utc_now()))


@app.delete("/messages/<identifier>")
def delete_message(identifier: str) -> Response:
    """Cancels a message that has not left."""
    return json_response(cancel_message(require_scope(app, "messages:send"), identifier, utc_now()))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The Lambda entry point: API Gateway's, or that of whoever IAM lets invoke it."""
    if "httpMethod" not in event:
        from sms_gateway.triggers.direct_invocation import (
            handle_invocation,  # a request needs none of it
        )

        return handle_invocation(event, utc_now())
    return app.resolve(event, context)

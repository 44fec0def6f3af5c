"""POST /messages, POST /messages/preview and DELETE /messages/{id}; and direct invocation."""

from typing import Any

from sms_gateway.core.timestamps import utc_now
from sms_gateway.http_api.request import raw_body
from sms_gateway.http_api.responses import answer, caller, router
from sms_gateway.http_api.router import Response
from sms_gateway.messages.cancel import cancel
from sms_gateway.messages.send import send

app = router()


@app.post("/messages")
def post_messages() -> Response:
    """Accepts one message or many."""
    tenant = caller(app, "messages:send")
    event = app.current_event
    key = event.headers.get("Idempotency-Key")
    accepted = send(tenant, raw_body(event.raw_event), utc_now(), key)
    return answer(accepted, 202)


@app.post("/messages/preview")
def post_preview() -> Response:
    """Says what a send would do."""
    from sms_gateway.messages.preview import preview  # a send needs none of it

    tenant = caller(app, "messages:send")
    return answer(preview(tenant, raw_body(app.current_event.raw_event), utc_now()))


@app.delete("/messages/<identifier>")
def delete_message(identifier: str) -> Response:
    """Cancels a message that has not left."""
    return answer(cancel(caller(app, "messages:send"), identifier, utc_now()))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The Lambda entry point: API Gateway's, or that of whoever IAM lets invoke it."""
    if "httpMethod" not in event:
        from sms_gateway.triggers.direct_invocation import invoked  # a request needs none of it

        return invoked(event, utc_now())
    return app.resolve(event, context)

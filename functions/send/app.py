"""What sends and takes back: /messages, DELETE /batches/{id}, POST /campaigns/{id}/test."""

from typing import Any

from sms_gateway.core.timestamps import utc_now
from sms_gateway.http_api.request import Request, require_scope
from sms_gateway.http_api.responses import json_response, router
from sms_gateway.http_api.router import Response
from sms_gateway.messages.cancel import cancel_message
from sms_gateway.messages.request import Options
from sms_gateway.messages.send import send
from sms_gateway.policies.door import admit, rate_limit_headers

SCOPE, READ_SCOPE = "messages:send", "messages:read"

app = router(admit)


@app.post("/messages")
def post_messages(request: Request) -> Response:
    """Accept one message or many."""
    tenant, now = require_scope(request, SCOPE, tests=True), utc_now()
    headers: dict[str, str] = {}
    answer = send(
        tenant,
        request.body,
        now,
        request.idempotency_key,
        _defaults(request),
        key_id=request.key_id,
        key_policy=request.policy,
        test=request.test,
        on_counted=lambda counted: headers.update(rate_limit_headers(counted, now)),
    )
    return json_response(answer, 202, headers=headers)


@app.post("/messages/preview")
def post_preview(request: Request) -> Response:
    """Show what a send would do."""
    from sms_gateway.messages.preview import preview  # saves start-up time: a send needs none of it

    tenant = require_scope(request, SCOPE, tests=True)
    plan = preview(
        tenant,
        request.body,
        utc_now(),
        _defaults(request),
        key_policy=request.policy,
        test=request.test,
    )
    return json_response(plan)


@app.delete("/messages/<identifier>")
def delete_message(request: Request, identifier: str) -> Response:
    """Cancel a message that was not submitted yet."""
    tenant, may_read = require_scope(request, SCOPE, tests=True), READ_SCOPE in request.scopes
    cancelled = cancel_message(tenant, identifier, utc_now(), show_text=may_read, test=request.test)
    return json_response(cancelled)


@app.post("/messages/<identifier>/feedback")
def post_feedback(request: Request, identifier: str) -> Response:
    """Take whether a code of the caller's own was used."""
    from sms_gateway.messages.feedback import take_feedback  # saves start-up time, as above

    tenant = require_scope(request, SCOPE, tests=True)
    taken = take_feedback(tenant, identifier, request.body, utc_now(), test=request.test)
    return json_response(taken)


@app.delete("/batches/<identifier>")
def delete_batch(request: Request, identifier: str) -> Response:
    """Cancel what has not left of a batch."""
    from sms_gateway.messages.cancel_batch import cancel_batch  # saves start-up time, as above

    tenant = require_scope(request, SCOPE, tests=True)
    return json_response(cancel_batch(tenant, identifier, utc_now(), test=request.test))


@app.post("/campaigns/<identifier>/test")
def test_campaign(request: Request, identifier: str) -> Response:
    """Send a campaign's first row to colleagues."""
    tenant = require_scope(request, "campaigns")
    from sms_gateway.campaigns.trial import send_first_row  # saves start-up time, as above

    return json_response(send_first_row(tenant, identifier, request, utc_now()), 202)


def _defaults(request: Request) -> Options | None:
    return Options(region=request.region) if request.region else None


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer API Gateway."""
    return app.resolve(event, context)

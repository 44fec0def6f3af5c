"""POST /verifications, GET /verifications/{id} and POST /verifications/{id}/checks."""

from datetime import UTC, datetime
from typing import Any

from sms_gateway.http_api.request import raw_body
from sms_gateway.http_api.responses import answer, caller, router
from sms_gateway.http_api.router import Response
from sms_gateway.verifications.start import check, show, start

SCOPE = "verifications"

app = router()


@app.post("/verifications")
def post_verifications() -> Response:
    """Sends a code."""
    tenant, event = caller(app, SCOPE), app.current_event
    key = event.headers.get("Idempotency-Key")
    return answer(start(tenant, raw_body(event.raw_event), datetime.now(UTC), key), 201)


@app.get("/verifications/<identifier>")
def get_verification(identifier: str) -> Response:
    """What a verification has come to."""
    return answer(show(caller(app, SCOPE), identifier, datetime.now(UTC)))


@app.post("/verifications/<identifier>/checks")
def post_checks(identifier: str) -> Response:
    """Checks a code."""
    tenant, event = caller(app, SCOPE), app.current_event
    key, body = event.headers.get("Idempotency-Key"), raw_body(event.raw_event)
    return answer(check(tenant, identifier, body, datetime.now(UTC), key))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The Lambda entry point."""
    return app.resolve(event, context)

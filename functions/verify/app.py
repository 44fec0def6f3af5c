"""POST /verifications, GET /verifications/{id} and POST /verifications/{id}/checks."""

from typing import Any

from sms_gateway.core.timestamps import utc_now
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
    return answer(start(tenant, raw_body(event.raw_event), utc_now(), key), 201)


@app.get("/verifications/<identifier>")
def get_verification(identifier: str) -> Response:
    """What a verification has come to."""
    return answer(show(caller(app, SCOPE), identifier, utc_now()))


@app.post("/verifications/<identifier>/checks")
def post_checks(identifier: str) -> Response:
    """Checks a code."""
    tenant, event = caller(app, SCOPE), app.current_event
    key, body = event.headers.get("Idempotency-Key"), raw_body(event.raw_event)
    return answer(check(tenant, identifier, body, utc_now(), key))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The Lambda entry point."""
    return app.resolve(event, context)

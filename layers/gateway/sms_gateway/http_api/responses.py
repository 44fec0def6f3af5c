"""JSON responses, and a router that answers errors with problem documents."""

from collections.abc import Callable

import msgspec

from sms_gateway.core.observability import logger
from sms_gateway.core.problems import GatewayError, NotFoundError
from sms_gateway.http_api.request import Request
from sms_gateway.http_api.router import Response, Router

JSON = "application/json"
PROBLEM = "application/problem+json"


def router(admit: Callable[[Request], None]) -> Router:
    """Make a router whose errors are problem documents; `admit` raises to refuse a request."""
    return Router(_error_response, _no_route, admit)


def json_response(
    body: object,
    status: int = 200,
    content_type: str = JSON,
    headers: dict[str, str] | None = None,
) -> Response:
    """Make a JSON response that no cache stores."""
    return Response(
        status_code=status,
        content_type=content_type,
        body=msgspec.json.encode(body).decode(),
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def _error_response(error: Exception, request_id: str | None) -> Response:
    if isinstance(error, GatewayError):
        return problem_response(error, request_id)
    logger.error("unexpected error", exc_info=error)
    unexpected = GatewayError("Something went wrong on our side; it is in the logs.")
    return problem_response(unexpected, request_id)


def problem_response(error: GatewayError, request_id: str | None) -> Response:
    """Answer with a problem; `request_id` finds it in the logs (RFC 9457, 3.2: an extension)."""
    if error.http_status >= 500:
        logger.error("request failed", extra={"problem": error.slug, "detail": error.detail})
    document = error.to_dict() | ({"request_id": request_id} if request_id else {})
    return json_response(document, error.http_status, PROBLEM, error.headers)


def _no_route(request_id: str | None) -> Response:
    # API Gateway's path parameters match characters that no route here does.
    return problem_response(
        NotFoundError("There is nothing here; GET /openapi.json lists the routes."), request_id
    )

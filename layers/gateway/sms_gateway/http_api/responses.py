"""What the HTTP functions share: their router, their answers, who is asking."""

from typing import Any

import msgspec

from sms_gateway.core.observability import logger
from sms_gateway.core.problems import ForbiddenError, GatewayError, NotFoundError, UnauthorizedError
from sms_gateway.http_api.router import Response, Router

JSON = "application/json"
PROBLEM = "application/problem+json"


def router() -> Router:
    """A router whose errors are problem documents."""
    return Router(_log_failure, _no_route)


def _log_failure(error: Exception) -> Response:
    if isinstance(error, GatewayError):
        return _problem_response(error)
    logger.error("unforeseen", exc_info=error)
    return _problem_response(GatewayError("Something went wrong on our side; it is in the logs."))


def _problem_response(error: GatewayError) -> Response:
    if error.http_status >= 500:
        logger.error("refused", extra={"problem": error.slug, "detail": error.detail})
    return json_response(error.to_dict(), error.http_status, PROBLEM, error.headers)


def _no_route() -> Response:
    # A path that API Gateway lets through, but no route here reads: an id with strange characters.
    return _problem_response(
        NotFoundError("There is nothing here; GET /openapi.json lists the routes.")
    )


def json_response(
    body: object,
    status: int = 200,
    content_type: str = JSON,
    headers: dict[str, str] | None = None,
) -> Response:
    """A JSON answer; nothing of it may be kept by caches on the way."""
    return Response(
        status_code=status,
        content_type=content_type,
        body=msgspec.json.encode(body).decode(),
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def require_scope(app: Router, scope: str) -> str:
    """The tenant that is asking. Raises Unauthorized without the authorizer's word, Forbidden
    when its key lacks the scope."""
    known: dict[str, Any] = app.current_event.raw_event["requestContext"].get("authorizer") or {}
    tenant, scopes = known.get("tenant"), known.get("scopes")
    if not tenant or scopes is None:
        raise UnauthorizedError("Send a valid key as Authorization: Bearer <key>.")
    if scope not in scopes.split():
        raise ForbiddenError(
            f"This key does not have the scope {scope}; its operator can make one."
        )
    return str(tenant)

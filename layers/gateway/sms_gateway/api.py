"""What the HTTP functions share: their router, their answers, who is asking."""

from typing import Any

import msgspec
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response

from sms_gateway.observe import log
from sms_gateway.problems import Forbidden, GatewayError, NotFound, Unauthorized

JSON = "application/json"
PROBLEM = "application/problem+json"


def router() -> APIGatewayRestResolver:
    """A router whose errors are problem documents."""
    app = APIGatewayRestResolver(serializer=_serialize)

    app.exception_handler(GatewayError)(_problem)
    app.exception_handler(Exception)(_unforeseen)
    app.not_found(_no_route)
    return app


def _problem(error: GatewayError) -> Response[str]:
    if error.http_status >= 500:
        log.error("refused", extra={"problem": error.slug, "detail": error.detail})
    return answer(error.document(), error.http_status, PROBLEM, error.headers)


def _no_route(_error: Exception) -> Response[str]:
    # A path that API Gateway lets through, but no route here reads: an id with strange characters.
    return _problem(NotFound("There is nothing here; GET /openapi.json lists the routes."))


def _unforeseen(error: Exception) -> Response[str]:
    log.error("unforeseen", exc_info=error)
    return _problem(GatewayError("Something went wrong on our side; it is in the logs."))


def answer(
    body: object,
    status: int = 200,
    content_type: str = JSON,
    headers: dict[str, str] | None = None,
) -> Response[str]:
    """A JSON answer; nothing of it may be kept by caches on the way."""
    return Response(
        status_code=status,
        content_type=content_type,
        body=_serialize(body),
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def _serialize(body: object) -> str:
    return msgspec.json.encode(body).decode()


def caller(app: APIGatewayRestResolver, scope: str) -> str:
    """The tenant that is asking. Raises Unauthorized without the authorizer's word, Forbidden
    when its key lacks the scope."""
    known: dict[str, Any] = app.current_event.raw_event["requestContext"].get("authorizer") or {}
    tenant, scopes = known.get("tenant"), known.get("scopes")
    if not tenant or scopes is None:
        raise Unauthorized("Send a valid key as Authorization: Bearer <key>.")
    if scope not in scopes.split():
        raise Forbidden(f"This key does not have the scope {scope}; its operator can make one.")
    return str(tenant)

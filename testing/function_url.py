"""Events of a Lambda function URL."""

import base64
from typing import Any
from urllib.parse import urlencode


def url_event(
    method: str, path: str, query: Any = None, body: bytes | None = None
) -> dict[str, Any]:
    """Return a vendor's call to the function URL: payload format 2.0, a body as base64."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": urlencode(query or {}),
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": method, "path": path}},
        "isBase64Encoded": body is not None,
    }
    if query:
        event["queryStringParameters"] = query
    if body is not None:
        event["body"] = base64.b64encode(body).decode()
    return event

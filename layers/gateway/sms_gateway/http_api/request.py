"""What stands in the event of an HTTP request, without a web framework."""

import base64
from typing import Any


def raw_body(event: dict[str, Any]) -> bytes:
    """The body's bytes as they were sent."""
    body = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()


def callback_route(event: dict[str, Any]) -> tuple[str, str, str]:
    """The method, the vendor and the token of a request to /callbacks/{vendor}/{token}, from API
    Gateway or from the function's own URL (payload format 2.0, which knows no routes); empty texts
    for another path."""
    if event.get("version") != "2.0":
        path = event.get("pathParameters") or {}
        return event["httpMethod"], str(path.get("vendor", "")), str(path.get("token", ""))
    route, vendor, token = (*event["rawPath"].strip("/").split("/"), "", "", "")[:3]
    method = event["requestContext"]["http"]["method"]
    return (method, vendor, token) if route == "callbacks" else (method, "", "")


def query(event: dict[str, Any]) -> dict[str, str]:
    """The query string's parameters; of one given twice, the last."""
    return dict(event.get("queryStringParameters") or {})

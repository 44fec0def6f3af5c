"""What stands in an API Gateway event, without a web framework."""

import base64
from typing import Any


def raw_body(event: dict[str, Any]) -> bytes:
    """The body's bytes as they were sent."""
    body = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()


def query(event: dict[str, Any]) -> dict[str, str]:
    """The query string's parameters; of one given twice, the last."""
    return dict(event.get("queryStringParameters") or {})

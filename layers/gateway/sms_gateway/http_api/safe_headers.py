"""Headers that every answer has; template.yaml gives them to API Gateway's own answers."""

from typing import Final

SAFE_HEADERS: Final = {
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
}
CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="sms-gateway"'}  # of a 401: RFC 9110, 11.6.1

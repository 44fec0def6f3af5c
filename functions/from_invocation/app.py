"""Send what an invocation asks for, which IAM allows instead of an API key."""

from typing import Any

from sms_gateway.core.timestamps import utc_now
from sms_gateway.triggers.direct_invocation import handle_invocation


def handler(event: Any, _context: object) -> dict[str, Any]:
    """Answer a direct invocation; its payload may be any JSON."""
    return handle_invocation(event, utc_now())

"""GET /console, /docs, /console/{file}: the built console and reference, without key or secret."""

import os
from pathlib import Path
from typing import Any

from sms_gateway.http_api.static_files import StaticFiles

FILES = StaticFiles(Path(__file__).parent / "files", os.environ.get("UPLOADS", ""))


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Answer API Gateway."""
    return FILES.answer(event).to_proxy_result()

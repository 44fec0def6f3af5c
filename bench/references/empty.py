"""A handler that does nothing: the runtime's own share of a cold start."""

from typing import Any


def handler(_event: dict[str, Any], _context: object) -> dict[str, str]:
    """Answers at once."""
    return {"status": "ok"}

"""A transport in place of the network."""

import json
import threading
from typing import Any

from sms_gateway.vendors.http_client import VendorConnectionFailedError, VendorOutcomeUnknownError
from sms_gateway.vendors.types import Request, VendorResponse


class Wire:
    """A transport in place of the network: answers by vendor and operation, and remembers.

    `answers[path ending]` is a Reply's body, an exception, or what makes one from a request.
    """

    def __init__(self) -> None:
        self.sent: list[Request] = []
        self.answers: dict[str, Any] = {}
        self._lock = threading.Lock()

    def __call__(self, request: Request, timeout: float) -> VendorResponse:
        """Answer a request."""
        assert timeout > 0
        with self._lock:
            self.sent.append(request)
        path = request.url.partition("?")[0]
        for ending, answer in self.answers.items():
            if path.endswith(ending):
                said = answer(request) if callable(answer) else answer
                if isinstance(said, Exception):
                    raise said
                return (
                    said if isinstance(said, VendorResponse) else VendorResponse(200, _bytes(said))
                )
        raise AssertionError(f"nobody answers {path}")

    def count(self, ending: str) -> int:
        """How many requests went to a path with this ending."""
        return sum(one.url.partition("?")[0].endswith(ending) for one in self.sent)


def _bytes(said: Any) -> bytes:
    if isinstance(said, bytes):
        return said
    return (said if isinstance(said, str) else json.dumps(said)).encode()


UNREACHABLE = VendorConnectionFailedError("NewConnectionError")
SILENT = VendorOutcomeUnknownError("ReadTimeoutError")

"""Acme (nowhere): JSON over POST, one message a call, states that can be asked for again."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from local.simulators.state import Message, digest
from local.simulators.vendor import Answer, Operation, Request, Vendor, as_json

ACCOUNT = {"token": "local-token", "sender": "LOCAL"}
NUMBER = re.compile(r"1202555\d{4}")


class Acme(Vendor):
    """Acme's only platform."""

    name = "acme"
    first_number = 12025550101
    methods = frozenset({"POST"})
    operations: ClassVar[Mapping[str, Operation]] = {
        "send": "submit",
        "state": "poll",
        "balance": "balance",
    }

    @classmethod
    def account(cls, base: str) -> dict[str, Any]:
        """Make the account settings."""
        return {"base_url": base, "allow_http": True, **ACCOUNT}

    def answer(self, request: Request) -> Answer:
        """Answer any of the three calls."""
        data = request.data() or {}
        if data.get("token") != ACCOUNT["token"]:
            return as_json({"code": 401})
        if request.path == "balance":
            return as_json({"credit": "1500.00"})
        return self._state(data) if request.path == "state" else self._send(request, data)

    def refusal(self, request: Request, operation: Operation, *, temporary: bool) -> Answer:
        """Return 503, or 422."""
        del request, operation
        return as_json({"code": 503 if temporary else 422})

    def unknown_code(self, request: Request, operation: Operation) -> Answer:
        """Return a code, or a state, that no table lists."""
        del request
        return as_json({"state": "LOST"} if operation == "poll" else {"code": 742})

    def wrong_type(self, operation: Operation) -> Answer:
        """Return lists where words belong."""
        del operation
        return as_json({"code": [], "id": {}, "state": [], "credit": []})

    def _send(self, request: Request, data: Mapping[str, Any]) -> Answer:
        to, text = str(data.get("to", "")), str(data.get("text", ""))
        if not text or not NUMBER.fullmatch(to):
            return as_json({"code": 422})
        vendor_id = self.state.next_id()
        message = Message(to, digest(text), vendor_id=str(vendor_id), plain=text)
        self.state.accept(self.name, "send", [message], request.answered)
        return as_json({"code": 201, "id": str(vendor_id)})

    def _state(self, data: Mapping[str, Any]) -> Answer:
        found = self.state.find(self.name, str(data.get("id", "")))
        if not found:
            return as_json({"code": 422})
        words = {"pending": "QUEUED", "delivered": "DELIVERED"}
        return as_json({"state": words.get(found[0].state, "FAILED")})

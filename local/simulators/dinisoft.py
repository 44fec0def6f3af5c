"""Dinisoft (Bangladesh): GET only, every JSON value a string, answers without a Content-Type."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from local.simulators.state import Message, digest
from local.simulators.vendor import Answer, Operation, Request, Vendor, as_json

ACCOUNT = {
    "api_key": "0123456789abcdef",
    "secret_key": "01234567",
    "client": "local-client",
    "sender": "LOCAL",
}
BALANCE_PATH = "login/sms/smsConfiguration/smsClientBalance.jsp"
BALANCE = "1500.000000"
NUMBER = re.compile(r"8801\d{9}")

UNREADABLE = {"Status": "114", "Text": "REJECTD", "Message_ID": "", "Delivery Time": "0"}


class Dinisoft(Vendor):
    """The REVE platform as Dinisoft runs it."""

    name = "dinisoft"
    first_number = 8801000000001
    methods = frozenset({"GET"})
    operations: ClassVar[Mapping[str, Operation]] = {
        "sendtext": "submit",
        "getstatus": "poll",
        BALANCE_PATH: "balance",
    }

    @classmethod
    def account(cls, base: str) -> dict[str, Any]:
        """Make the account settings."""
        urls = {"base_url": base, "balance_url": f"{base}/{BALANCE_PATH}"}
        return {**urls, "allow_http": True, **ACCOUNT}

    def answer(self, request: Request) -> Answer:
        """Answer any of the three calls."""
        fields = request.fields
        if request.path.endswith(".jsp"):  # no secret: the client's name is enough
            known = fields.get("client") == ACCOUNT["client"]
            return Answer(BALANCE.encode() if known else b"Client not found")
        sending = request.path == "sendtext"
        if fields.get("apikey") != ACCOUNT["api_key"]:
            return coded("109", "User not found or deleted" if sending else "REJECTD")
        if fields.get("secretkey") != ACCOUNT["secret_key"]:
            return coded("108", "REJECTD")
        return self._send(request) if sending else self._status(request)

    def refusal(self, request: Request, operation: Operation, *, temporary: bool) -> Answer:
        """Return 101, the vendor's internal error, or 1, its plain refusal."""
        del request
        if operation == "balance":
            return Answer(b"Service unavailable" if temporary else b"Client not found")
        return coded("101" if temporary else "1", "REJECTD")

    def unknown_code(self, request: Request, operation: Operation) -> Answer:
        """Return a status that no table lists."""
        del request
        if operation == "balance":
            return Answer(b"E742")
        return as_json({"Status": "742", "Text": "RELAYED", "Message_ID": ""}, None)

    def wrong_type(self, operation: Operation) -> Answer:
        """Return anything but strings."""
        if operation == "balance":
            return as_json({"Balance": [None]}, None)
        return as_json({"Status": {"code": 0}, "Text": None, "Message_ID": []}, None)

    def _send(self, request: Request) -> Answer:
        fields = request.fields
        text = fields.get("messageContent", "")
        if not text:
            return coded("114", "REJECTD")
        # One number is documented; this deployment takes a comma list too, as some do.
        numbers = fields.get("toUser", "").split(",")
        if not fields.get("callerID") or not all(map(NUMBER.fullmatch, numbers)):
            return coded("1", "REJECTD")
        sha = digest(text)
        ids = [self.state.next_id() for _ in numbers]
        self.state.accept(
            self.name,
            "sendtext",
            [
                Message(to, sha, vendor_id=str(i), plain=text)
                for to, i in zip(numbers, ids, strict=True)
            ],
            request.answered,
        )
        word = "Acceptd" if ids[0] % 2 else "ACCEPTD"  # its spelling drifts
        return as_json({"Status": "0", "Text": word, "Message_ID": ",".join(map(str, ids))}, None)

    def _status(self, request: Request) -> Answer:
        key = request.fields.get("messageid", "")
        messages = self.state.find(self.name, key)
        if not messages:
            return as_json(UNREADABLE, None)
        message = messages[0]
        if message.state == "pending":
            if int(key) % 2 == 0:
                return Answer()
            return coded("4", "SENT") if message.in_flight else coded("2", "PENDING")
        if not self.state.take(message, peek=request.peek):
            return as_json(UNREADABLE, None)
        delivered = message.state == "delivered"
        at = int((message.final_at or 0) * 1000) if delivered else 0
        return as_json(
            {
                "Status": "0",  # also for a failure: the Text is to be believed
                "Text": "DELIVRD" if delivered else "UNDELIV",
                "Message_ID": key,
                "Delivery Time": str(at),
            },
            None,
        )


def coded(status: str, text: str) -> Answer:
    """Return the short answer form."""
    return as_json({"Status": status, "Text": text}, None)

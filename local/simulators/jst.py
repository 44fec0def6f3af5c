"""JST (India): form fields in, JSON out, one job id for all the numbers of a call.

Behind it stand the operators: a text that names a template and does not match it is accepted here
and dropped there. A text that names none passes, so that plain texts can be tried.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar

from local.simulators.state import Message, digest
from local.simulators.vendor import HTML, Answer, Operation, Request, Vendor, as_json

# What the operators have registered for the account: texts by DLT template id.
TEMPLATES: Mapping[str, str] = {
    "1107100000000000001": "Your code is {#var#}",
    "1107100000000000002": "Dear {#var#}, your order {#var#} is on its way.",
    "1107100000000000003": "Hello through {#var#}",
}
ACCOUNT: Mapping[str, Any] = {
    "username": "local-user",
    "password": "local-password",
    "sender": "LOCALS",
    "templates": [{"id": key, "text": text} for key, text in TEMPLATES.items()],
}
INDIA = timezone(timedelta(hours=5, minutes=30))
BALANCES = {"1": 5000, "2": 12500}  # by sms_type: 1 promotional, 2 transactional
STATES = {"pending": "Submitted", "delivered": "DELIVRD", "undelivered": "UNDELIV"}
DROPPED = "FAILED: TEMPLATE NOT MATCHED"

NUMBER = re.compile(r"(?:91)?(\d{10})")
SENDER = re.compile(r"[A-Za-z]{6}")
REGISTERED = {
    template: re.compile(".{0,30}".join(map(re.escape, text.split("{#var#}"))), re.S)
    for template, text in TEMPLATES.items()
}


class Jst(Vendor):
    """The Metamorph platform as JST runs it."""

    name = "jst"
    first_number = 911000000001
    methods = frozenset({"GET", "POST"})
    operations: ClassVar[Mapping[str, Operation]] = {
        "index.php/api/get-balance": "balance",
        "index.php/api/bulk-sms": "submit",
        "index.php/api/customized-sms": "submit",
        "index.php/api/get-dlr-report": "poll",
    }

    @classmethod
    def account(cls, base: str) -> dict[str, Any]:
        """Make the account settings."""
        return {"base_url": f"{base}/index.php/api", "allow_http": True, **ACCOUNT}

    def answer(self, request: Request) -> Answer:
        """Answer any of the four calls."""
        fields = request.fields
        if any(fields.get(name) != ACCOUNT[name] for name in ("username", "password")):
            return refused("Invalid username or password")
        sms_type = fields.get("sms_type", "1")
        if sms_type not in BALANCES:
            return refused("Invalid sms_type")
        operation = request.path.rpartition("/")[2]
        if operation == "get-balance":
            return as_json({"sms_type": sms_type, "balance": BALANCES[sms_type]}, HTML)
        if operation == "get-dlr-report":
            return self._report(fields)
        return self._send(request, operation)

    def refusal(self, request: Request, operation: Operation, *, temporary: bool) -> Answer:
        """Return a text beside a failing status."""
        del request
        if temporary:
            return refused("Service temporarily unavailable, please try again later")
        return refused("Invalid sender id" if operation == "submit" else "Request not permitted")

    def unknown_code(self, request: Request, operation: Operation) -> Answer:
        """Return a new code, or for a report a new state."""
        if operation == "poll":
            job = request.fields.get("job_id", "")
            rows = [row(m, "STATE-742") for m in self.state.find(self.name, job)]
            return as_json({"job_id": job, "report": rows}, HTML)
        return as_json({"code": "G742", "note": "Queued at relay"}, HTML)

    def wrong_type(self, operation: Operation) -> Answer:
        """Return objects where plain values belong."""
        key = {"submit": "job_id", "poll": "report", "balance": "balance"}[operation]
        return as_json({"status": {}, key: {"value": [None]}}, HTML)

    def _send(self, request: Request, operation: str) -> Answer:
        fields = request.fields
        if not SENDER.fullmatch(fields.get("from", "")):
            return refused("Invalid sender id")
        for flag in ("flash_sms", "scheduled_sms", "filter_dnd"):
            if fields.get(flag, "0") not in ("0", "1"):
                return refused(f"Invalid {flag}")
        send_at = None
        if fields.get("scheduled_sms") == "1":
            try:
                wanted = datetime.strptime(fields.get("scheduled_datetime", ""), "%Y-%m-%d %H:%M")
            except ValueError:
                return refused("Invalid scheduled_datetime")
            send_at = wanted.replace(tzinfo=INDIA).timestamp()
        pairs = parse_recipients(fields, operation)
        template = fields.get("template_id")
        job = str(self.state.next_id())
        messages = []
        for to, text in pairs:
            number = NUMBER.fullmatch(to)
            if number is None:
                return refused("Invalid mobile number")
            if not text:
                return refused("Invalid message: text is empty")
            to = "91" + number[1]
            message = Message(to, digest(text), vendor_id=job, send_at=send_at, plain=text)
            message.dropped = template is not None and not registered(template, text)
            messages.append(message)
        self.state.accept(self.name, operation, messages, request.answered)
        if operation == "bulk-sms":
            return as_json({"status": "success", "job_id": job}, HTML)
        # Here the id is a number: the two calls do not agree on its type.
        return as_json({"status": "success", "NoOfSMS": len(messages), "job_id": int(job)}, HTML)

    def _report(self, fields: Mapping[str, str]) -> Answer:
        job = fields.get("job_id", "")
        messages = self.state.find(self.name, job)
        if not messages:
            return refused("Invalid job id")
        return as_json({"job_id": job, "report": [row(m, STATES[m.state]) for m in messages]}, HTML)


def parse_recipients(fields: Mapping[str, str], operation: str) -> list[tuple[str, str]]:
    """Return the numbers of a call, each with its text."""
    if operation == "bulk-sms":
        return [(to, fields.get("message", "")) for to in fields.get("to", "").split(",")]
    # No escape is known: a text with ^ or ~ in it is cut, as at the vendor.
    parts = (part.partition("^") for part in fields.get("mobile_msg", "").split("~"))
    return [(to, text) for to, _, text in parts]


def row(message: Message, state: str) -> dict[str, str]:
    """Return one line of a report: ten digits, without the country code, and India time."""
    at = message.final_at or message.submitted_at
    time = datetime.fromtimestamp(at, UTC).astimezone(INDIA).strftime("%Y-%m-%d %H:%M:%S")
    if message.dropped and message.state == "undelivered":
        state = DROPPED
    return {"mobile": message.number[2:], "status": state, "time": time}


def registered(template: str, text: str) -> bool:
    """Return whether an operator accepts a text for the template that it names."""
    pattern = REGISTERED.get(template)
    return pattern is not None and pattern.fullmatch(text) is not None


def refused(error: str) -> Answer:
    """Return a refusal: HTTP 200 like everything else."""
    return as_json({"status": "error", "error": error}, HTML)

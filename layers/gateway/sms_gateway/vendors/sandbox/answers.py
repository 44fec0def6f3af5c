"""What the sandbox's vendors answer, in place of the HTTP client: no connection is opened.

Nothing is stored: an answer follows from the number and the clock, and the time at which a message
was taken is its job.
"""

import msgspec

from sms_gateway.core.sandbox import SANDBOX
from sms_gateway.vendors.sandbox.adapter import Answer
from sms_gateway.vendors.sandbox.outcomes import LATE_SECONDS, SLOW_SECONDS, Outcome, outcome_of
from sms_gateway.vendors.types import Request, VendorResponse

FIRST_ONLY = {Outcome.REFUSED_ONCE: "refused", Outcome.NO_CREDIT: "no-credit"}
NO_RECEIPT = float("inf")
WAITS = {
    Outcome.SLOW: SLOW_SECONDS,
    Outcome.LATE: LATE_SECONDS,
    Outcome.SILENT: NO_RECEIPT,
}


class SilenceError(Exception):
    """There is no answer, as of a vendor that took a request and kept silent."""


def answer(request: Request, now: float) -> VendorResponse:
    """Answer a request of the sandbox's adapters at once; `now` is epoch seconds.

    Raises SilenceError where there is no answer, ValueError for a request of another vendor.
    """
    scheme, _, rest = request.url.partition(":")
    vendor, _, operation = rest.partition("/")
    if scheme != "sandbox" or vendor not in SANDBOX:
        raise ValueError("the sandbox answers its own adapters only")
    asked = msgspec.json.decode(request.body, type=dict[str, str])
    given = _submitted(vendor, asked, now) if operation == "submit" else _receipts(asked, now)
    return VendorResponse(200, msgspec.json.encode(given), "application/json")


def _submitted(vendor: str, numbers: dict[str, str], now: float) -> Answer:
    outcomes = {message: outcome_of(number) for message, number in numbers.items()}
    if Outcome.SILENT in outcomes.values():
        raise SilenceError("the sandbox keeps silent")
    codes = {message: _code(vendor, outcome) for message, outcome in outcomes.items()}
    return Answer(codes, job=f"{now * 1000:.0f}")


def _code(vendor: str, outcome: Outcome) -> str:
    if outcome is Outcome.REFUSED:
        return "refused"
    return FIRST_ONLY.get(outcome, "ok") if vendor == SANDBOX[0] else "ok"


def _receipts(asked: dict[str, str], now: float) -> Answer:
    codes = {}
    for message, subject in asked.items():
        number, _, job = subject.partition(" ")
        outcome = outcome_of(number)
        taken = int(job) / 1000 if job.isdecimal() else now
        if now >= taken + WAITS.get(outcome, 0):
            codes[message] = "undelivered" if outcome is Outcome.UNDELIVERED else "delivered"
    return Answer(codes)

"""Make a simulator of a description's text, and try it before anybody relies on it."""

from urllib.parse import parse_qsl

from local.simulators.described.answers import UnplayableError
from local.simulators.described.vendor import Described, play
from local.simulators.state import Message, State
from sms_gateway.core.status import Status
from sms_gateway.vendors.declared.door import declare
from sms_gateway.vendors.registry import VENDORS
from sms_gateway.vendors.types import (
    CallbackRequest,
    OutgoingMessage,
    SubmitVerdict,
    VendorResponse,
)

REFERENCE = "01J8Z3K4M5N6P7Q8R9S0T1V2W3001"


def played(written: bytes, state: State, base: str) -> Described:
    """Return the simulator of a description, whose answers are read as they are meant.

    Raises ValueError, which UnplayableError is.
    """
    cls = declare(written)
    if cls.name in VENDORS:
        raise ValueError(f"{cls.name} is built in, and has a simulator: choose another name")
    vendor = play(cls)(state, f"{base}/{cls.name}")
    _try(vendor)
    return vendor


def _try(vendor: Described) -> None:
    only = vendor.description.numbers.only
    to = f"{only[0] if only else '+447700900'}001"
    sent = OutgoingMessage(REFERENCE, to, "Hello")
    (call,) = vendor.adapter.submit([sent], None)
    message = Message(to.removeprefix("+"), "", REFERENCE, "7")
    answer = vendor.submitted("accepted", [message])
    response = VendorResponse(answer.status, answer.body)
    (outcome,) = vendor.adapter.submitted(response, call)
    if outcome.verdict is not SubmitVerdict.ACCEPTED:
        raise UnplayableError("/send/answer: what its rules look for is not read as accepted")
    if vendor.description.callback is not None:
        message.state = "delivered"
        callback = vendor.notice(vendor.description.callback, message, "https://x.example")
        query = dict(parse_qsl(callback.url.partition("?")[2]))
        reports = vendor.adapter.callback(CallbackRequest(callback.method, query, callback.body))
        if [one.status for one in reports] != [Status.DELIVERED]:
            raise UnplayableError("/callback/answer: what its rules look for is not read")

"""Dinisoft (Bangladesh), a REVE SMS platform. vendor-docs: SMS API 1.03, 21-01-2021.

`Status` decides, and what `Text` adds differs from call to call: on a send it only varies in
spelling, on a receipt it names the state, and REJECTD to a query refuses the query itself.
"""

import re
from collections.abc import Mapping, Sequence
from copy import replace
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from urllib.parse import parse_qsl, quote, urlencode

from sms_gateway.core.status import Status
from sms_gateway.vendors.adapter import Adapter, Capabilities
from sms_gateway.vendors.parsing import (
    Record,
    as_decimal,
    as_text,
    decode_json,
    normalize_keys,
    only_object,
)
from sms_gateway.vendors.types import (
    Balance,
    BalanceRefusedError,
    CallbackRequest,
    DeliveryReport,
    OutgoingMessage,
    PendingReceipt,
    PollCall,
    Request,
    SubmitCall,
    SubmitOutcome,
    SubmitVerdict,
    VendorResponse,
)

OK = "0"
SUBMIT_CODES: Mapping[str, SubmitOutcome] = {
    "0": SubmitOutcome(SubmitVerdict.ACCEPTED, text="request successful"),  # ACCEPTD, or Acceptd
    "1": SubmitOutcome(SubmitVerdict.REFUSED, text="request failed"),
    # Nothing was accepted, since it says REJECTD: a later try may succeed.
    "101": SubmitOutcome(SubmitVerdict.RETRY, text="internal server error"),
    "108": SubmitOutcome(SubmitVerdict.REFUSED, text="wrong password or none", account_fault=True),
    # Text may be a sentence here.
    "109": SubmitOutcome(
        SubmitVerdict.REFUSED, text="user not provided or deleted", account_fault=True
    ),
    "114": SubmitOutcome(SubmitVerdict.REFUSED, text="content not provided"),
    "5400": SubmitOutcome(SubmitVerdict.REFUSED, text="source IP not allowed", account_fault=True),
}
UNKNOWN_CODE = SubmitOutcome(SubmitVerdict.UNKNOWN)

DELIVERY_CODES: Mapping[str, DeliveryReport] = {
    "0": DeliveryReport(None, text="request successful"),  # DELIVERY_TEXTS has its Text
    "1": DeliveryReport(None, text="request failed"),
    "2": DeliveryReport(None, text="request pending"),
    "4": DeliveryReport(None, text="request sent"),
    "101": DeliveryReport(None, text="internal server error"),
    "108": DeliveryReport(None, text="wrong password or none", account_fault=True),
    "109": DeliveryReport(None, text="api key not provided", account_fault=True),
    "114": DeliveryReport(None, text="message id missing, not valid or read before"),
    "-42": DeliveryReport(None, text="authorization failed", account_fault=True),
}
UNKNOWN_DELIVERY = DeliveryReport(None, unknown_status=True)

# `Text` of a receipt of Status 0 and of a status push, in capitals.
DELIVERY_TEXTS: Mapping[str, DeliveryReport] = {
    "DELIVRD": DeliveryReport(Status.DELIVERED),
    "UNDELIV": DeliveryReport(Status.UNDELIVERED),
    "REJECTD": DeliveryReport(Status.UNDELIVERED),
    "DELETED": DeliveryReport(Status.UNDELIVERED),
    "EXPIRED": DeliveryReport(Status.EXPIRED),
    # Whole words, as other platforms of the kind write them.
    "DELIVERED": DeliveryReport(Status.DELIVERED),
    "UNDELIVERED": DeliveryReport(Status.UNDELIVERED),
    "FAILED": DeliveryReport(Status.UNDELIVERED),
    "REJECTED": DeliveryReport(Status.UNDELIVERED),
    "ACCEPTED": DeliveryReport(None),
    "PENDING": DeliveryReport(None),
    "SENT": DeliveryReport(None),
    "ACCEPTD": DeliveryReport(None),
    "ENROUTE": DeliveryReport(None),
    "UNKNOWN": DeliveryReport(None),  # no state is known, yet
}
UNKNOWN_TEXT = DeliveryReport(None, unknown_status=True)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dinisoft(Adapter):
    """An account at Dinisoft.

    `client` opens the balance page, which asks for no secret; `message_type` is the `type` of some
    resellers (1 English, 3 Bengali).
    """

    name: ClassVar[str] = "dinisoft"
    title: ClassVar[str] = "Dinisoft"
    capabilities: ClassVar[Capabilities] = Capabilities(
        bulk=False,
        personalised=False,
        flash=False,
        schedule=False,
        unicode=True,
        filter_dnd=False,
        template_id=False,
        receipts_poll=True,
        receipts_callback=True,
        own_reference=False,
    )
    unregistered_address: ClassVar[str | None] = "5400"

    api_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    sender: str
    client: str = field(repr=False)
    base_url: str = "https://sms.dinisoftbd.com:7790"
    balance_url: str = "https://sms.dinisoftbd.com/login/sms/smsConfiguration/smsClientBalance.jsp"
    message_type: str | None = None
    status_push: bool = False
    currency: str = "BDT"
    submission_size: int = 50

    def __post_init__(self) -> None:
        Adapter.__post_init__(self)
        self.check_url("balance_url", self.balance_url)
        for name in ("api_key", "secret_key", "sender", "client"):
            if not getattr(self, name):
                raise ValueError(f"{name} must not be empty")

    @property
    def account_callbacks(self) -> bool:
        """Whether the account's status push is set up."""
        return self.status_push

    def calls(self, messages: int) -> int:
        """Return one call a message."""
        return messages

    def submit(
        self, messages: Sequence[OutgoingMessage], callback_url: str | None
    ) -> list[SubmitCall]:
        """Return one call a message: each receipt needs an id of its own."""
        del callback_url  # the account has one address
        return [SubmitCall(self._send(message), (message,)) for message in messages]

    def _send(self, message: OutgoingMessage) -> Request:
        params = {
            "callerID": message.sender or self.sender,
            "toUser": message.to.removeprefix("+"),
            "messageContent": message.text,
        }
        if self.message_type:
            params["type"] = self.message_type
        return self._request("sendtext", params)

    def _request(self, path: str, params: dict[str, str]) -> Request:
        keys = {"apikey": self.api_key, "secretkey": self.secret_key}
        return _get(f"{self.base_url.rstrip('/')}/{path}", keys | params)

    def submitted(self, response: VendorResponse, call: SubmitCall) -> list[SubmitOutcome]:
        """Parse the status of the one message."""
        answer = _fold_keys(decode_json(response.body))
        code, text = as_text(answer.get("status")), as_text(answer.get("text"))
        row = SUBMIT_CODES.get(code or "", UNKNOWN_CODE)
        vendor_id = as_text(answer.get("messageid"))
        outcome = replace(row, vendor_id=vendor_id, code=code, text=text or row.text)
        return [outcome] * len(call.members)

    def balance(self) -> Mapping[str | None, Request]:
        """Return the request for the balance page."""
        return {None: _get(self.balance_url, {"client": self.client})}

    def parse_balance(self, response: VendorResponse, product: str | None) -> Balance:
        """Parse a bare number, or an object with `Balance`."""
        answer = _fold_keys(decode_json(response.body))
        amount = as_decimal(answer.get("balance", response.body.decode(errors="replace")))
        if amount is not None:
            return Balance(product, amount, self.currency)
        code, text = as_text(answer.get("status")), as_text(answer.get("text"))
        if code in (None, OK):
            raise BalanceRefusedError("unreadable answer")
        row = SUBMIT_CODES.get(code, UNKNOWN_CODE)
        retryable = row.verdict is SubmitVerdict.RETRY
        raise BalanceRefusedError(text or row.text or "unknown code", code, retryable=retryable)

    def poll(self, pending: Sequence[PendingReceipt]) -> list[PollCall]:
        """Return one call for each message that has a vendor id."""
        return [
            PollCall(self._request("getstatus", {"messageid": receipt.vendor_id}), (receipt,))
            for receipt in pending
            if receipt.vendor_id
        ]

    def reports(self, response: VendorResponse, call: PollCall) -> list[DeliveryReport]:
        """Parse a receipt: final ones can be read once; an empty body is none yet."""
        answer = _fold_keys(decode_json(response.body))
        code, text = as_text(answer.get("status")), as_text(answer.get("text"))
        about = as_text(answer.get("messageid"))
        if not code or (about and any(about != one.vendor_id for one in call.pending)):
            return []  # nothing, or no news of the message that was asked for
        row = DELIVERY_CODES.get(code, UNKNOWN_DELIVERY)
        found = _state(text) if code == OK else row
        report = replace(
            found,
            code=code,
            text=text or row.text,
            at=_parse_time(as_text(answer.get("deliverytime"))),
            read_once=found.status is not None,
        )
        return [replace(report, message_id=receipt.id) for receipt in call.pending]

    def repeated_secrets(self, request: CallbackRequest) -> Mapping[str, str]:
        """Return the keys of a push, where it has any: one with others than ours is dropped."""
        answer, keys = _pushed(request), {"apikey": "api_key", "secretkey": "secret_key"}
        return {
            setting: as_text(answer[name]) or "" for name, setting in keys.items() if name in answer
        }

    def callback(self, request: CallbackRequest) -> list[DeliveryReport]:
        """Parse the platform's status push, which the document leaves out."""
        answer = _pushed(request)
        vendor_id, text = as_text(answer.get("messageid")), as_text(answer.get("text"))
        if not vendor_id:
            return []
        at = _parse_time(as_text(answer.get("donedate")))
        return [replace(_state(text), vendor_id=vendor_id, text=text, at=at)]


def _pushed(request: CallbackRequest) -> Record:
    """Read a status push: GET, or POST of a form or of JSON."""
    form = dict(parse_qsl(request.body.decode(errors="replace")))
    document = decode_json(request.body)
    return _fold_keys(request.query) | _fold_keys(document if document is not None else form)


def _get(url: str, params: dict[str, str]) -> Request:
    return Request("GET", f"{url}?{urlencode(params, quote_via=quote)}")


def _fold_keys(value: object) -> Record:
    """Return an object's members by the letters of their keys: `Delivery Time` is deliverytime.

    The object may stand alone in a list.
    """
    members = normalize_keys(only_object(value))
    return {re.sub("[^a-z]", "", key): item for key, item in members.items()}


def _state(text: str | None) -> DeliveryReport:
    return DELIVERY_TEXTS.get((text or "").upper(), UNKNOWN_TEXT)


def _parse_time(written: str | None) -> datetime | None:
    """Return a time from epoch milliseconds; None for "0" and for anything else."""
    plain = re.fullmatch("[1-9][0-9]{11,13}", written or "")
    return EPOCH + timedelta(milliseconds=int(plain[0])) if plain else None

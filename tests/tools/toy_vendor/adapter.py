"""Acme (nowhere), a platform of its own; JSON over POST. vendor-docs: none, it is invented.

An accepted message is answered with 201 inside a 200, everything else with a code of its own.
"""

from collections.abc import Mapping, Sequence
from copy import replace
from dataclasses import dataclass, field
from typing import ClassVar

import msgspec

from sms_gateway.core.status import Status
from sms_gateway.vendors.adapter import Adapter, Capabilities
from sms_gateway.vendors.parsing import as_decimal, as_text, decode_object
from sms_gateway.vendors.types import (
    Balance,
    BalanceRefusedError,
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

OK = "201"
SUBMIT_CODES: Mapping[str, SubmitOutcome] = {
    "201": SubmitOutcome(SubmitVerdict.ACCEPTED, text="accepted"),
    "401": SubmitOutcome(SubmitVerdict.REFUSED, text="token unknown", account_fault=True),
    "402": SubmitOutcome(SubmitVerdict.REFUSED, text="no credit", account_fault=True),
    "422": SubmitOutcome(SubmitVerdict.REFUSED, text="number or text not valid"),
    "503": SubmitOutcome(SubmitVerdict.RETRY, text="nothing taken, try later"),
}
UNKNOWN_CODE = SubmitOutcome(SubmitVerdict.UNKNOWN)

DELIVERY_STATES: Mapping[str, DeliveryReport] = {
    "QUEUED": DeliveryReport(None),
    "DELIVERED": DeliveryReport(Status.DELIVERED),
    "FAILED": DeliveryReport(Status.UNDELIVERED),
}
UNKNOWN_STATE = DeliveryReport(None, unknown_status=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acme(Adapter):
    """An account at Acme."""

    name: ClassVar[str] = "acme"
    title: ClassVar[str] = "Acme"
    capabilities: ClassVar[Capabilities] = Capabilities(
        bulk=False,
        personalised=False,
        flash=False,
        schedule=False,
        unicode=True,
        filter_dnd=False,
        template_id=False,
        receipts_poll=True,
        receipts_callback=False,
        own_reference=False,
    )

    token: str = field(repr=False)
    sender: str
    currency: str = "EUR"
    submission_size: int = 50

    def __post_init__(self) -> None:
        Adapter.__post_init__(self)
        for name in ("token", "sender"):
            if not getattr(self, name):
                raise ValueError(f"{name} must not be empty")

    def calls(self, messages: int) -> int:
        """Return one call a message."""
        return messages

    def submit(
        self, messages: Sequence[OutgoingMessage], callback_url: str | None
    ) -> list[SubmitCall]:
        """Return one call a message."""
        del callback_url
        return [
            SubmitCall(
                self._request(
                    "send",
                    {
                        "from": one.sender or self.sender,
                        "to": one.to.removeprefix("+"),
                        "text": one.text,
                    },
                ),
                (one,),
            )
            for one in messages
        ]

    def submitted(self, response: VendorResponse, call: SubmitCall) -> list[SubmitOutcome]:
        """Parse the code and the id of the one message."""
        answer = decode_object(response.body)
        code, text = as_text(answer.get("code")), as_text(answer.get("text"))
        row = SUBMIT_CODES.get(code or "", UNKNOWN_CODE)
        vendor_id = as_text(answer.get("id"))
        outcome = replace(row, vendor_id=vendor_id, code=code, text=text or row.text)
        return [outcome] * len(call.members)

    def balance(self) -> Mapping[str | None, Request]:
        """Return the request for the balance."""
        return {None: self._request("balance", {})}

    def parse_balance(self, response: VendorResponse, product: str | None) -> Balance:
        """Parse `credit`."""
        answer = decode_object(response.body)
        amount = as_decimal(answer.get("credit"))
        if amount is not None:
            return Balance(product, amount, self.currency)
        code, text = as_text(answer.get("code")), as_text(answer.get("text"))
        row = SUBMIT_CODES.get(code or "", UNKNOWN_CODE)
        retryable = row.verdict is SubmitVerdict.RETRY
        raise BalanceRefusedError(
            text or row.text or "unreadable answer", code, retryable=retryable
        )

    def poll(self, pending: Sequence[PendingReceipt]) -> list[PollCall]:
        """Return one call for each message that has a vendor id."""
        return [
            PollCall(self._request("state", {"id": one.vendor_id}), (one,))
            for one in pending
            if one.vendor_id
        ]

    def reports(self, response: VendorResponse, call: PollCall) -> list[DeliveryReport]:
        """Parse a state."""
        state = as_text(decode_object(response.body).get("state"))
        if state is None:
            return []
        found = replace(DELIVERY_STATES.get(state, UNKNOWN_STATE), code=state)
        return [replace(found, message_id=one.id) for one in call.pending]

    def _request(self, path: str, fields: dict[str, str]) -> Request:
        return Request(
            "POST",
            f"{self.base_url.rstrip('/')}/{path}",
            {"Content-Type": "application/json"},
            msgspec.json.encode({"token": self.token} | fields),
        )

"""The sandbox: two vendors that answer from within the process, and carry test messages nowhere.

Their address is none that could be called. docs/guides/testing.md is their document.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from sms_gateway.core.status import Status
from sms_gateway.vendors.adapter import Adapter, Capabilities
from sms_gateway.vendors.sandbox.outcomes import Outcome, outcome_of
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

SUBMIT_CODES: Mapping[str, SubmitOutcome] = {
    "ok": SubmitOutcome(SubmitVerdict.ACCEPTED, text="accepted by the sandbox"),
    "refused": SubmitOutcome(SubmitVerdict.REFUSED, text="refused by the sandbox"),
    "no-credit": SubmitOutcome(
        SubmitVerdict.RETRY, text="the account is empty", account_fault=True
    ),
}
UNKNOWN_CODE = SubmitOutcome(SubmitVerdict.UNKNOWN)
RECEIPT_CODES: Mapping[str, Status] = {
    "delivered": Status.DELIVERED,
    "undelivered": Status.UNDELIVERED,
}


class Answer(msgspec.Struct, frozen=True):
    """An answer of the sandbox: a code by message id, and the `job` in which it took them."""

    codes: dict[str, str]
    job: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox(Adapter):
    """The vendor that carries each test message first. It has no settings."""

    name: ClassVar[str] = "sandbox"
    title: ClassVar[str] = "Sandbox"
    capabilities: ClassVar[Capabilities] = Capabilities(
        bulk=True,
        personalised=True,
        flash=True,
        schedule=False,
        unicode=True,
        filter_dnd=True,
        template_id=True,
        receipts_poll=True,
        receipts_callback=False,
        own_reference=False,
    )

    base_url: str = "sandbox:"
    poll_after: int = 5

    def __post_init__(self) -> None:
        """Check nothing: the address is none, on purpose."""

    def submit(
        self, messages: Sequence[OutgoingMessage], callback_url: str | None
    ) -> list[SubmitCall]:
        """Return a call with those that get an answer, and one with those that get none."""
        del callback_url
        silent = [one for one in messages if outcome_of(one.to) is Outcome.SILENT]
        answered = [one for one in messages if outcome_of(one.to) is not Outcome.SILENT]
        return [
            SubmitCall(self._request("submit", {one.id: one.to for one in members}), tuple(members))
            for members in (answered, silent)
            if members
        ]

    def submitted(self, response: VendorResponse, call: SubmitCall) -> list[SubmitOutcome]:
        """Return one outcome for each member."""
        answer = msgspec.json.decode(response.body, type=Answer)
        return [self._outcome(answer, member.id) for member in call.members]

    def _outcome(self, answer: Answer, message: str) -> SubmitOutcome:
        code = answer.codes.get(message, "")
        outcome = SUBMIT_CODES.get(code, UNKNOWN_CODE)
        job = answer.job if outcome.verdict is SubmitVerdict.ACCEPTED else None
        return msgspec.structs.replace(outcome, code=code, vendor_id=job)

    def poll(self, pending: Sequence[PendingReceipt]) -> list[PollCall]:
        """Return one call for all."""
        asked = {one.id: f"{one.to} {one.vendor_id or ''}" for one in pending}
        return [PollCall(self._request("poll", asked), tuple(pending))]

    def reports(self, response: VendorResponse, call: PollCall) -> list[DeliveryReport]:
        """Return the reports of those that have one."""
        del call
        answer = msgspec.json.decode(response.body, type=Answer)
        return [
            DeliveryReport(RECEIPT_CODES[code], message_id=message, code=code)
            for message, code in answer.codes.items()
        ]

    def balance(self) -> Mapping[str | None, Request]:
        """Return no request: there is no balance."""
        return {}

    def parse_balance(self, response: VendorResponse, product: str | None) -> Balance:
        """Refuse, since there is no balance."""
        del response, product
        raise BalanceRefusedError("the sandbox has no balance")

    def _request(self, operation: str, body: Mapping[str, str]) -> Request:
        url = f"{self.base_url}{self.name}/{operation}"
        return Request(method="POST", url=url, body=msgspec.json.encode(body))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox2(Sandbox):
    """The vendor that carries what the first one does not."""

    name: ClassVar[str] = "sandbox2"
    title: ClassVar[str] = "Sandbox 2"


ADAPTERS: Mapping[str, Adapter] = {one.name: one for one in (Sandbox(), Sandbox2())}

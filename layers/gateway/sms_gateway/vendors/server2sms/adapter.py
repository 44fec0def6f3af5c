"""server2sms: Switzerland, a white label of ASPSMS; JSON over https.

The only vendor that carries our own reference, so that a poll settles a send without a response.
Codes are those of the vendor's document and of public integrations of ASPSMS.
"""

import re
from collections.abc import Mapping, Sequence
from copy import replace
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar

import msgspec

from sms_gateway.vendors.adapter import (
    Adapter,
    Capabilities,
    CodeMaker,
    DeliveryWarning,
    UnsupportedMessageError,
)
from sms_gateway.vendors.local_times import SECOND, ZURICH, to_local_ceil, unambiguous
from sms_gateway.vendors.parsing import as_decimal, as_text, decode_object, normalize_rows
from sms_gateway.vendors.server2sms.notifications import notification_url
from sms_gateway.vendors.server2sms.responses import (
    OK,
    RETRYABLE,
    STATUS_CODES,
    parse_code_check,
    parse_delivery,
    parse_outcome,
    parse_time,
    swiss_time,
)
from sms_gateway.vendors.types import (
    Balance,
    BalanceRefusedError,
    CallbackRequest,
    CodeCheck,
    DeliveryReport,
    OneTimeCode,
    OutgoingMessage,
    PendingReceipt,
    PollCall,
    Request,
    SubmitCall,
    SubmitOutcome,
    SubmitVerdict,
    VendorResponse,
    chunks,
)

PLACEHOLDER = "<VERIFICATIONCODE>"


SIMPLE_FIELDS = frozenset({"Originator", "Recipients", "MessageText", "ForceGSM7bit"})
SENDER = re.compile(r"\+?[0-9]{1,15}|[A-Za-z0-9]{1,11}")
NUMERIC = re.compile(r"\+?[0-9]+")
MAY_BE_LOCKED = DeliveryWarning(
    "sender-not-unlocked",
    "from",
    "The vendor refuses a numeric sender until it is unlocked for the account: have the operator"
    " unlock it, or leave `from` out.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server2sms(CodeMaker):
    """An account at server2sms.

    `sender` is the Originator of messages that name none; `simple` uses SendSimpleTextSMS where
    nothing of SendTextSMS is needed; `poll_size` is references; `own_codes` gives the vendor our
    code (VerificationCode) instead of a mask.
    """

    name: ClassVar[str] = "server2sms"
    title: ClassVar[str] = "server2sms"
    capabilities: ClassVar[Capabilities] = Capabilities(
        bulk=True,
        personalised=False,
        flash=True,
        schedule=True,
        unicode=True,
        filter_dnd=False,
        template_id=False,
        receipts_poll=True,
        receipts_callback=True,
        own_reference=True,
        tokens=True,
        senders=True,
        vouchers=True,
    )

    base_url: str = "https://json.server2sms.com"
    user_key: str = field(repr=False)
    password: str = field(repr=False)
    sender: str
    affiliate_id: str | None = None
    callbacks: bool = True
    simple: bool = False
    poll_size: int = 100
    own_codes: bool = False

    def __post_init__(self) -> None:
        Adapter.__post_init__(self)  # super() finds no class under slots before Python 3.14
        if not SENDER.fullmatch(self.sender):
            raise ValueError("sender must be at most 15 digits or 11 letters and digits")
        if self.poll_size < 1:
            raise ValueError("poll_size must be at least 1")

    def check(self, message: OutgoingMessage) -> None:
        """Refuse also a sender that is no Originator."""
        Adapter.check(self, message)
        if message.sender and not SENDER.fullmatch(message.sender):
            detail = f"{self.title} takes a sender of at most 15 digits or 11 letters and digits."
            raise UnsupportedMessageError("bad-sender", "from", detail)

    def delivery_warnings(self, message: OutgoingMessage, at: datetime) -> list[DeliveryWarning]:
        """Warn of a number other than the account's sender: codes 29 and 30 lock it."""
        del at
        own = message.sender in (None, self.sender)
        return [] if own or not NUMERIC.fullmatch(message.sender or "") else [MAY_BE_LOCKED]

    def holds(self, send_at: datetime) -> bool:
        """Return False in the hour that comes twice when summer time ends.

        DeferredDeliveryTime has no offset, and the wrong one of the two could be an hour early.
        """
        return unambiguous(to_local_ceil(send_at, ZURICH, SECOND))

    def pack(self, messages: Sequence[OutgoingMessage]) -> list[list[OutgoingMessage]]:
        """Split messages into calls within which only number and reference differ."""
        groups: dict[tuple[object, ...], list[OutgoingMessage]] = {}
        for message in messages:
            shared = (
                message.text,
                message.sender or self.sender,
                message.flash,
                message.encoding,
                message.send_at,
            )
            alone = (
                message.id if message.one_time_code else None
            )  # SendTokenSMS takes one recipient
            groups.setdefault((*shared, alone), []).append(message)
        return [part for group in groups.values() for part in chunks(group, self.submission_size)]

    def submit(
        self, messages: Sequence[OutgoingMessage], callback_url: str | None
    ) -> list[SubmitCall]:
        """Return one call for each group of `pack`."""
        notify = notification_url(callback_url) if self.callbacks and callback_url else None
        return [
            SubmitCall(self._send(group, notify), tuple(group)) for group in self.pack(messages)
        ]

    def _send(self, group: Sequence[OutgoingMessage], notify: str | None) -> Request:
        first = group[0]
        if first.one_time_code:
            return self._send_token(first, first.one_time_code, notify)
        payload = {
            "Originator": first.sender or self.sender,
            "Recipients": [f"{message.to}:{message.id}" for message in group],
            "MessageText": first.text,
            "ForceGSM7bit": first.encoding == "gsm7",
            "FlashingSMS": first.flash or None,
            "DeferredDeliveryTime": swiss_time(first.send_at) if first.send_at else None,
            "URLBufferedMessageNotification": notify,
            "URLDeliveryNotification": notify,
            "URLNonDeliveryNotification": notify,
            "AffiliateID": self.affiliate_id,
        }
        fields = {key: value for key, value in payload.items() if value is not None}
        simple = self.simple and fields.keys() <= SIMPLE_FIELDS
        return self._request("SendSimpleTextSMS" if simple else "SendTextSMS", fields)

    def _send_token(
        self, message: OutgoingMessage, token: OneTimeCode, notify: str | None
    ) -> Request:
        payload = {
            "Originator": message.sender or self.sender,
            "Recipients": f"{message.to}:{message.id}",
            "MessageData": token.template.replace("{code}", PLACEHOLDER),
            "TokenReference": message.id,
            "TokenValidity": str(-(-token.ttl // 60)),  # minutes, rounded up: ours ends first
            "TokenMask": None if token.code else token.mask,
            "VerificationCode": token.code,
            "TokenCaseSensitive": "1" if token.case_sensitive else "0",
            "URLBufferedMessageNotification": notify,
            "URLDeliveryNotification": notify,
            "URLNonDeliveryNotification": notify,
            "AffiliateID": self.affiliate_id,
        }
        fields = {key: value for key, value in payload.items() if value is not None}
        return self._request("SendTokenSMS", fields)

    @property
    def makes_codes(self) -> bool:
        """Whether SendTokenSMS makes the code by a mask."""
        return not self.own_codes

    def verify(self, to: str, message_id: str, code: str) -> Request:
        """Return the VerifyToken call."""
        payload = {"PhoneNumber": to, "TokenReference": message_id, "VerificationCode": code}
        return self._request("VerifyToken", payload)

    def verified(self, response: VendorResponse) -> CodeCheck:
        """Parse the response to VerifyToken."""
        return parse_code_check(decode_object(response.body))

    def _request(self, operation: str, payload: Mapping[str, object]) -> Request:
        body = {"UserName": self.user_key, "Password": self.password, **payload}
        return Request(
            "POST",
            f"{self.base_url.rstrip('/')}/{operation}",
            {"Content-Type": "application/json"},
            msgspec.json.encode(body),
        )

    def submitted(self, response: VendorResponse, call: SubmitCall) -> list[SubmitOutcome]:
        """Apply the one StatusCode to the whole call; there is no id but our own reference."""
        outcome = parse_outcome(decode_object(response.body))
        if outcome.verdict is not SubmitVerdict.ACCEPTED:
            return [outcome] * len(call.members)
        return [replace(outcome, vendor_id=member.id) for member in call.members]

    def balance(self) -> Mapping[str | None, Request]:
        """Return the CheckCredits call."""
        return {None: self._request("CheckCredits", {})}

    def parse_balance(self, response: VendorResponse, product: str | None) -> Balance:
        """Parse a count of credits."""
        answer = decode_object(response.body)
        outcome, credits_left = parse_outcome(answer), as_decimal(answer.get("credits"))
        if outcome.code == OK and credits_left is not None:
            return Balance(product, credits_left, "credits")
        if outcome.code in (None, OK):
            raise BalanceRefusedError("unreadable answer")
        retryable = outcome.code in RETRYABLE
        raise BalanceRefusedError(outcome.text or "unknown code", outcome.code, retryable=retryable)

    def poll(self, pending: Sequence[PendingReceipt]) -> list[PollCall]:
        """Join references across submissions, `poll_size` a call."""
        calls = []
        for part in chunks(pending, self.poll_size):
            references = ";".join(receipt.id for receipt in part)
            payload = {"TransactionReferenceNumbers": references}
            request = self._request("InquireDeliveryNotifications", payload)
            calls.append(PollCall(request, tuple(part)))
        return calls

    def reports(self, response: VendorResponse, call: PollCall) -> list[DeliveryReport]:
        """Parse rows; the last of a reference counts. A refused query changes no message."""
        answer, polled = (
            decode_object(response.body),
            {receipt.id for receipt in call.pending},
        )
        found = {}
        for row in normalize_rows(answer.get("deliverynotifications")):
            reference = as_text(row.get("transactionreferencenumber"))
            status = as_text(row.get("deliverystatus"))
            if reference in polled and status:
                found[reference] = replace(
                    parse_delivery(
                        status,
                        as_text(row.get("reasoncode")),
                        as_text(row.get("deliverystatusdescription")),
                        as_text(row.get("reasoncodedescription")),
                    ),
                    message_id=reference,
                    at=parse_time(as_text(row.get("notificationdate")), ZURICH),
                    accepted=True,
                )
        outcome = parse_outcome(answer)
        if found or outcome.code in (None, OK):
            return list(found.values())
        refused = DeliveryReport(
            None,
            code=outcome.code,
            text=outcome.text,
            account_fault=outcome.account_fault,
            unknown_status=outcome.code not in STATUS_CODES,
        )
        return [replace(refused, message_id=receipt.id) for receipt in call.pending]

    def callback(self, request: CallbackRequest) -> list[DeliveryReport]:
        # A tag without a value at the vendor may stay as it was.
        """Parse a notification URL's filled tags."""
        filled = {key: item for key, item in request.query.items() if not item.startswith("<")}
        query = {key: as_text(item) for key, item in filled.items()}
        reference = query.get("ID") or query.get("TRN")
        number = re.sub(r"[^0-9]", "", query.get("RCPNT") or "") or None
        status = query.get("DST")
        if not status or not (reference or number):
            return []
        report = parse_delivery(status, query.get("RSN"))
        at = parse_time(query.get("DSCTSUTC"), UTC)
        return [replace(report, message_id=reference, number=number, at=at)]

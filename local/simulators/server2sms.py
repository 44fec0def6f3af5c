"""server2sms (Switzerland): JSON posts, our references, notification URLs fetched with GET."""

import itertools
import re
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from local.simulators.callbacks import Callback
from local.simulators.server2sms_reports import DELIVERY, deferred, filled, row
from local.simulators.server2sms_tokens import PLACEHOLDER, Token, by_mask
from local.simulators.state import Message, State, digest
from local.simulators.vendor import Answer, Operation, Request, Vendor, as_json

ACCOUNT = {"user_key": "LOCALKEY", "password": "local-password", "sender": "Local"}

CODES = {
    "1": "OK",
    "3": "Authorization failed.",
    "5": "Not enough Credits available to fulfill request.",
    "8": "Invalid UserKey.",
    "9": "Invalid Password.",
    "10": "Invalid Originator. A maximum of 11 characters is allowed for alphanumeric originators.",
    "11": "Invalid message data.",
    "17": "Invalid URL for buffered message notification.",
    "18": "Invalid URL for delivery notification.",
    "19": "Invalid URL for non-delivery notification.",
    "20": "Missing Recipient.",
    "22": "Invalid deferred delivery time.",
    "23": "Missing TransactionReferenceNumber.",
    "24": "Service temporarily not available.",
    "28": "No Originator Restrictions.",
    "29": "Originator Authorization pending.",
    "30": "Originator not authorized.",
    "31": "Originator already authorized.",
    "36": "Token authorization pending.",
    "37": "Token not authorized.",
    "38": "Token not found.",
    "39": "Token already authorized.",
}
VERSION = {"Version": "1.0.0.0", "Date": "2026-11-01"}
URLS = {  # parameter: the refusal's code, the state it is notified of
    "URLBufferedMessageNotification": ("17", "pending"),
    "URLDeliveryNotification": ("18", "delivered"),
    "URLNonDeliveryNotification": ("19", "undelivered"),
}
URL_LENGTH = 200
ORIGINATOR = re.compile(r"[A-Za-z0-9]{1,11}|\+\d{5,15}")
NUMBER = re.compile(r"\+?([1-9]\d{6,14})")


class Server2Sms(Vendor):
    """The ASPSMS JSON interface under its white label."""

    name = "server2sms"
    first_number = 447700900001
    methods = frozenset({"POST"})
    operations: ClassVar[Mapping[str, Operation]] = {
        "SendTextSMS": "submit",
        "SendSimpleTextSMS": "submit",
        "SendTokenSMS": "submit",
        "VerifyToken": "verify",
        "CheckCredits": "balance",
        "InquireDeliveryNotifications": "poll",
        "CheckOriginatorAuthorization": "inquiry",
        "SendOriginatorUnlockCode": "change",
        "UnlockOriginator": "change",
        "CreateVoucher": "change",
        "GetVoucherTransactions": "inquiry",
        "RedeemVoucher": "change",
        "VersionInfo": "inquiry",
        "ListAllStatusCodes": "inquiry",
    }
    sends_callbacks = True
    _without_rows = itertools.count()

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self._tokens: dict[tuple[str, str], Token] = {}
        self._token_lock = threading.Lock()

    @classmethod
    def account(cls, base: str) -> dict[str, Any]:
        """Make the account settings."""
        return {"base_url": base, "allow_http": True, **ACCOUNT}

    def answer(self, request: Request) -> Answer:
        """Answer any call of the interface."""
        if request.path == "VersionInfo":
            return as_json(VERSION)
        if request.path == "ListAllStatusCodes":
            return as_json([{"StatusCode": code, "StatusInfo": CODES[code]} for code in CODES])
        data = request.data()
        if data is None:
            return coded("11")
        user = data.get("UserName") == ACCOUNT["user_key"]
        password = data.get("Password") == ACCOUNT["password"]
        if not (user and password):
            return coded("9" if user else "8" if password else "3")
        if request.path == "InquireDeliveryNotifications":
            return self._inquire(data)
        if request.path == "VerifyToken":
            return self._verify(data)
        if request.path == "SendTokenSMS":
            return self._send_token(request, data)
        if self.operations[request.path] == "submit":
            return self._send(request, data)
        code, members = self.state.account.answer(request.path, data)
        return as_json({**members, "StatusCode": code, "StatusInfo": CODES[code]})

    def refusal(self, request: Request, operation: Operation, *, temporary: bool) -> Answer:
        """Return 24, which may be retried, or 11 and 3, which may not."""
        del request
        return coded("24" if temporary else "11" if operation == "submit" else "3")

    def unknown_code(self, request: Request, operation: Operation) -> Answer:
        """Return a StatusCode, or for a poll a DeliveryStatus, that no table lists."""
        if operation == "poll":
            rows = [
                row(message, ("7", "Relayed", "742", "Relayed"))
                for reference in references(request.data() or {})
                for message in self.state.find(self.name, reference)
            ]
            return as_json({"StatusCode": "1", "StatusInfo": "OK", "DeliveryNotifications": rows})
        return as_json({"StatusCode": "742", "StatusInfo": "Relayed"})

    def wrong_type(self, operation: Operation) -> Answer:
        """Return no value as a string and no list of rows."""
        del operation
        return as_json(
            {
                "StatusCode": [None],
                "StatusInfo": 0,
                "Credits": {},
                "DeliveryNotifications": "none",
                "vouchers": 7,
            }
        )

    def notices(self, messages: Sequence[Message], *, stale: bool = False) -> list[Callback]:
        """Return one GET for each message whose sender polled to be notified of this state."""
        callbacks = []
        for message in messages:
            state = "pending" if stale else message.state
            if url := message.urls.get(state):
                callbacks.append(Callback(self.name, filled(url, message, state)))
        return callbacks

    def _send(self, request: Request, data: Mapping[str, Any]) -> Answer:
        originator = data.get("Originator")
        if not isinstance(originator, str) or not ORIGINATOR.fullmatch(originator):
            return coded("10")
        text = data.get("MessageText")
        flags = (data.get(name, False) for name in ("FlashingSMS", "ForceGSM7bit"))
        if not isinstance(text, str) or not text or not all(map(is_flag, flags)):
            return coded("11")
        simple = request.path == "SendSimpleTextSMS"
        urls: dict[str, str] = {}
        send_at = None
        if not simple:
            if fault := notification_urls(data, urls):
                return coded(fault)
            try:
                send_at = deferred(data.get("DeferredDeliveryTime") or "")
            except (TypeError, ValueError):
                return coded("22")
        recipients = recipients_of(data, simple)
        if not recipients:
            return coded("20")
        sha = digest(text)
        messages = []
        for recipient in recipients:
            found = parse_recipient(str(recipient), simple)
            if isinstance(found, str):
                return coded(found)
            number, reference = found
            messages.append(Message(number, sha, reference, urls=urls, send_at=send_at, plain=text))
        self.state.accept(self.name, request.path, messages, request.answered)
        return coded("1")  # no id: only the sender's own reference leads to the message

    def _send_token(self, request: Request, data: Mapping[str, Any]) -> Answer:
        originator = data.get("Originator")
        if not isinstance(originator, str) or not ORIGINATOR.fullmatch(originator):
            return coded("10")
        names = ("MessageData", "TokenReference", "TokenMask", "VerificationCode")
        fields = {name: data.get(name) or "" for name in names}
        if not all(isinstance(value, str) for value in fields.values()):
            return coded("11")
        case, validity = data.get("TokenCaseSensitive") or "0", data.get("TokenValidity") or "5"
        if str(case) not in ("0", "1") or not re.fullmatch(r"[1-9]\d{0,4}", str(validity)):
            return coded("11")
        urls: dict[str, str] = {}
        if fault := notification_urls(data, urls):
            return coded(fault)
        recipient = data.get("Recipients")
        if not isinstance(recipient, str) or not recipient:
            return coded("20")  # one text, not a list
        to, _, reference = recipient.partition(":")
        number = NUMBER.fullmatch(to)
        if number is None or (reference and not (reference.isascii() and reference.isalnum())):
            return coded("11")
        code = fields["VerificationCode"] or by_mask(fields["TokenMask"] or "NNNN")
        text = fields["MessageData"]
        text = text.replace(PLACEHOLDER, code) if PLACEHOLDER in text else code
        key = (number[1], fields["TokenReference"])
        with self._token_lock:
            previous = self._tokens.get(key)
            if previous is not None and previous.verified and previous.until > time.time():
                return coded("39")
            until = time.time() + 60 * int(validity)
            self._tokens[key] = Token(code, str(case) == "1", until)
        message = Message(number[1], digest(text), reference or None, urls=urls, plain=text)
        self.state.accept(self.name, request.path, [message], request.answered)
        return coded("1")

    def _verify(self, data: Mapping[str, Any]) -> Answer:
        to, reference = data.get("PhoneNumber"), data.get("TokenReference") or ""
        code = data.get("VerificationCode")
        number = NUMBER.fullmatch(to) if isinstance(to, str) else None
        if number is None or not isinstance(code, str) or not isinstance(reference, str):
            return coded("11")
        with self._token_lock:
            token = self._tokens.get((number[1], reference))
            if token is None or token.until <= time.time():
                return coded("38")
            if token.fits(code):
                token.verified = True
                return coded("1")
        arrived = any(m.state == "delivered" for m in self.state.find(self.name, reference))
        return coded("37" if arrived else "36")

    def _inquire(self, data: Mapping[str, Any]) -> Answer:
        polled = references(data)
        if not polled:
            return coded("23")
        rows = []
        for reference in polled:
            for message in self.state.find(self.name, reference):
                state = message.state
                if state != "pending" and message.number[-1] in "02468":
                    rows.append(
                        row(message, DELIVERY["pending"])
                    )  # an earlier row; the last counts
                known = state != "pending" or message.in_flight
                rows.append(row(message, DELIVERY[state if known else "queued"]))
        answer: dict[str, object] = {"StatusCode": "1", "StatusInfo": "OK"}
        if rows:
            answer["DeliveryNotifications"] = rows
        elif next(self._without_rows) % 2 == 0:  # without rows sometimes null, sometimes missing
            answer["DeliveryNotifications"] = None
        return as_json(answer)


def is_flag(value: object) -> bool:
    """Return whether a value is true, false or, as some senders write it, an empty text."""
    return isinstance(value, bool) or value == ""


def recipients_of(data: Mapping[str, Any], simple: bool) -> list[Any]:
    """Return a call's recipients; none where one is missing."""
    recipients = data.get("Recipients")
    if simple and isinstance(recipients, str):
        recipients = [recipients]
    return recipients if isinstance(recipients, list) and all(recipients) else []


def parse_recipient(recipient: str, simple: bool) -> tuple[str, str | None] | str:
    """Return the number and the reference of `number:reference`; else the code that refuses it."""
    to, _, reference = recipient.partition(":")
    number = NUMBER.fullmatch(to)
    if number is None:
        return "11"
    if not reference and not simple:
        return "23"
    if reference and not (reference.isascii() and reference.isalnum()):
        return "11"
    return number[1], reference or None


def notification_urls(data: Mapping[str, Any], urls: dict[str, str]) -> str | None:
    """Put the notification URLs by state into `urls`; return the code that refuses one, if any."""
    for name, (code, state) in URLS.items():
        url = data.get(name) or ""
        if not isinstance(url, str) or len(url) > URL_LENGTH:
            return code
        if url and not url.startswith(("http://", "https://")):
            return code
        urls[state] = url
    return None


def coded(code: str) -> Answer:
    """Return an answer that is only a status; StatusCode is a string."""
    return as_json({"StatusCode": code, "StatusInfo": CODES[code]})


def references(data: Mapping[str, Any]) -> list[str]:
    """Return the references polled, which come joined with semicolons."""
    polled = data.get("TransactionReferenceNumbers")
    return [part for part in polled.split(";") if part] if isinstance(polled, str) else []

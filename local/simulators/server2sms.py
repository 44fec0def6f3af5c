"""server2sms (Switzerland): JSON posts, our references, notification URLs fetched with GET."""

import itertools
import re
import secrets
import string
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar
from urllib.parse import quote

from local.simulators.callbacks import Callback
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
URLS = {  # parameter: the refusal's code, the state it is told of
    "URLBufferedMessageNotification": ("17", "pending"),
    "URLDeliveryNotification": ("18", "delivered"),
    "URLNonDeliveryNotification": ("19", "undelivered"),
}
URL_LENGTH = 200
DELIVERY = {  # state: DeliveryStatus, its description, reason code, its description
    "queued": ("-1", "Not yet submitted", "", ""),
    "pending": ("1", "Buffered", "107", "Absent Subscriber"),
    "delivered": ("0", "Delivered", "000", ""),
    "undelivered": ("2", "Not delivered", "101", "Unknown Subscriber"),
}

PLACEHOLDER = "<VERIFICATIONCODE>"
MASKS = {
    "#": string.digits,
    "A": string.ascii_letters,
    "N": string.ascii_letters + string.digits,
}

ORIGINATOR = re.compile(r"[A-Za-z0-9]{1,11}|\+\d{5,15}")
NUMBER = re.compile(r"\+?([1-9]\d{6,14})")
TAG = re.compile(r"<(?:DST|RSN|TRN|RCPNT|D?SCTS(?:UTC|CET)?)>")


@dataclass(slots=True)
class Token:
    """A code that was sent; `until` is seconds since 1970."""

    code: str = field(repr=False)
    case_sensitive: bool
    until: float
    verified: bool = False

    def fits(self, code: str) -> bool:
        """Whether the code is right; once one was, each is (as seen at the vendor)."""
        if self.case_sensitive:
            return self.verified or code == self.code
        return self.verified or code.lower() == self.code.lower()


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
        """Answers any call of the interface."""
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
        code, told = self.state.account.answer(request.path, data)
        return as_json({**told, "StatusCode": code, "StatusInfo": CODES[code]})

    def refusal(self, request: Request, operation: Operation, *, temporary: bool) -> Answer:
        """24 asks to come again, 11 and 3 do not."""
        return coded("24" if temporary else "11" if operation == "submit" else "3")

    def unknown_code(self, request: Request, operation: Operation) -> Answer:
        """A StatusCode, or for a poll a DeliveryStatus, that no table has."""
        if operation == "poll":
            rows = [
                row(message, ("7", "Relayed", "742", "Relayed"))
                for reference in references(request.data() or {})
                for message in self.state.find(self.name, reference)
            ]
            return as_json({"StatusCode": "1", "StatusInfo": "OK", "DeliveryNotifications": rows})
        return as_json({"StatusCode": "742", "StatusInfo": "Relayed"})

    def wrong_type(self, operation: Operation) -> Answer:
        """Nothing is a string, nothing a list of rows."""
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
        """One GET for each message whose sender asked for news of this state."""
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
        if not isinstance(text, str) or not text:
            return coded("11")
        for flag in ("FlashingSMS", "ForceGSM7bit"):
            if not isinstance(data.get(flag, False), bool) and data[flag] != "":
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
        recipients = data.get("Recipients")
        if simple and isinstance(recipients, str):
            recipients = [recipients]
        if not isinstance(recipients, list) or not recipients or not all(recipients):
            return coded("20")
        sha = digest(text)
        messages = []
        for recipient in recipients:
            to, _, reference = str(recipient).partition(":")
            number = NUMBER.fullmatch(to)
            if number is None:
                return coded("11")
            if not reference and not simple:
                return coded("23")
            if reference and not (reference.isascii() and reference.isalnum()):
                return coded("11")
            messages.append(
                Message(number[1], sha, reference or None, urls=urls, send_at=send_at, plain=text)
            )
        self.state.accept(self.name, request.path, messages, request.answered)
        return coded("1")  # no id: only the sender's own reference leads to the message

    def _send_token(self, request: Request, data: Mapping[str, Any]) -> Answer:
        originator = data.get("Originator")
        if not isinstance(originator, str) or not ORIGINATOR.fullmatch(originator):
            return coded("10")
        names = ("MessageData", "TokenReference", "TokenMask", "VerificationCode")
        given = {name: data.get(name) or "" for name in names}
        if not all(isinstance(value, str) for value in given.values()):
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
        code = given["VerificationCode"] or by_mask(given["TokenMask"] or "NNNN")
        text = given["MessageData"]
        text = text.replace(PLACEHOLDER, code) if PLACEHOLDER in text else code
        key = (number[1], given["TokenReference"])
        with self._token_lock:
            before = self._tokens.get(key)
            if before is not None and before.verified and before.until > time.time():
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
        asked = references(data)
        if not asked:
            return coded("23")
        rows = []
        for reference in asked:
            for message in self.state.find(self.name, reference):
                state = message.state
                if state != "pending" and message.number[-1] in "02468":
                    rows.append(row(message, DELIVERY["pending"]))  # earlier news; the last counts
                known = state != "pending" or message.in_flight
                rows.append(row(message, DELIVERY[state if known else "queued"]))
        answer: dict[str, object] = {"StatusCode": "1", "StatusInfo": "OK"}
        if rows:
            answer["DeliveryNotifications"] = rows
        elif next(self._without_rows) % 2 == 0:  # without rows sometimes null, sometimes missing
            answer["DeliveryNotifications"] = None
        return as_json(answer)


def notification_urls(data: Mapping[str, Any], urls: dict[str, str]) -> str | None:
    """Puts the notification URLs by state into `urls`; the code that refuses one, if any."""
    for name, (code, state) in URLS.items():
        url = data.get(name) or ""
        if not isinstance(url, str) or len(url) > URL_LENGTH:
            return code
        if url and not url.startswith(("http://", "https://")):
            return code
        urls[state] = url
    return None


def by_mask(mask: str) -> str:
    """A code by a TokenMask: # a digit, A a letter, N either, all else as it is."""
    return "".join(secrets.choice(MASKS[each]) if each in MASKS else each for each in mask)


def coded(code: str) -> Answer:
    """An answer that is only a status; StatusCode is a string."""
    return as_json({"StatusCode": code, "StatusInfo": CODES[code]})


def references(data: Mapping[str, Any]) -> list[str]:
    """The references asked for, which come joined with semicolons."""
    asked = data.get("TransactionReferenceNumbers")
    return [part for part in asked.split(";") if part] if isinstance(asked, str) else []


def row(message: Message, told: tuple[str, str, str, str]) -> dict[str, str]:
    """One line of InquireDeliveryNotifications, in the dates of the SOAP sibling."""
    status, description, reason, why = told
    final = message.final_at
    return {
        "TransactionReferenceNumber": message.reference or "",
        "DeliveryStatus": status,
        "DeliveryStatusDescription": description,
        "SubmissionDate": plain(swiss(message.submitted_at)),
        "NotificationDate": "" if final is None else plain(swiss(final)),
        "Reasoncode": reason,
        "ReasoncodeDescription": why,
    }


def filled(url: str, message: Message, state: str) -> str:
    """The URL with its tags replaced; without any tag the reference is appended."""
    reference = message.reference or ""
    if not TAG.search(url):
        return url + quote(reference, safe="")
    status, _, reason, _ = DELIVERY[state]
    submitted = swiss(message.submitted_at)
    told = swiss(message.final_at or message.submitted_at)
    values = {
        "DST": status,
        "RSN": reason,
        "TRN": reference,
        "RCPNT": f"+{message.number}",
        "SCTS": plain(submitted),
        "DSCTS": plain(told),
        "SCTSUTC": submitted.astimezone(UTC).isoformat(timespec="seconds"),
        "DSCTSUTC": told.astimezone(UTC).isoformat(timespec="seconds"),
        "SCTSCET": submitted.isoformat(timespec="seconds"),
        "DSCTSCET": told.isoformat(timespec="seconds"),
    }
    return TAG.sub(lambda tag: quote(values[tag[0][1:-1]], safe=""), url)


def deferred(value: str) -> float | None:
    """Seconds since 1970 of `ddmmyyyyhhmmss` in Swiss time, None for empty. Raises ValueError."""
    if not value:
        return None
    if not re.fullmatch(r"\d{14}", value):
        raise ValueError("not ddmmyyyyhhmmss")
    wanted = datetime.strptime(value, "%d%m%Y%H%M%S").replace(tzinfo=UTC)
    # Near a change of the clocks the hour may be off by one: no test depends on it.
    return (wanted - swiss_offset(wanted - timedelta(hours=1))).timestamp()


def swiss(seconds: float) -> datetime:
    """A moment in Swiss time, by the European rule: not every machine has a zone database."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.astimezone(timezone(swiss_offset(moment)))


def swiss_offset(moment: datetime) -> timedelta:
    """Two hours from the last Sunday of March to that of October, 01:00 UTC; else one."""
    start, end = (
        last - timedelta(days=(last.weekday() + 1) % 7)
        for last in (datetime(moment.year, month, 31, 1, tzinfo=UTC) for month in (3, 10))
    )
    return timedelta(hours=2 if start <= moment < end else 1)


def plain(moment: datetime) -> str:
    """`ddmmyyyyhhmmss`, without a zone."""
    return moment.strftime("%d%m%Y%H%M%S")

"""server2sms: Switzerland, a white label of ASPSMS; JSON over https.

The only vendor that carries our own reference, so that a send without an answer can be settled by
asking. Codes are those of the vendor's document and of public integrations of ASPSMS.
"""

import re
from collections.abc import Mapping, Sequence
from copy import replace
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import ClassVar

import msgspec

from sms_gateway.core.status import Status
from sms_gateway.vendors.adapter import (
    Adapter,
    BalanceRefusedError,
    Call,
    CallbackRequest,
    Capabilities,
    Caution,
    Checked,
    Credit,
    Judgement,
    Outcome,
    Outgoing,
    Pending,
    PollCall,
    Refusal,
    Reply,
    Report,
    Request,
    Token,
    Verdict,
    chunks,
)
from sms_gateway.vendors.local_times import SECOND, ZURICH, local, unambiguous
from sms_gateway.vendors.parsing import amount, decoded, record, records, word

OK = "1"
STATUS_CODES: Mapping[str, Outcome] = {
    "1": Outcome(Verdict.ACCEPTED, text="ok"),
    "2": Outcome(Verdict.RETRY, text="connect failed"),
    "3": Outcome(Verdict.REFUSED, text="authorization failed", account=True),
    "4": Outcome(Verdict.REFUSED, text="binary file not found"),
    "5": Outcome(Verdict.REFUSED, text="not enough credits", account=True),
    # The vendor calls both retryable, but the message may have left: ask by reference first.
    "6": Outcome(Verdict.UNKNOWN, text="time-out"),
    "7": Outcome(Verdict.UNKNOWN, text="transmission error"),
    "8": Outcome(Verdict.REFUSED, text="invalid user key", account=True),
    "9": Outcome(Verdict.REFUSED, text="invalid password", account=True),
    "10": Outcome(Verdict.REFUSED, text="invalid originator"),
    "11": Outcome(Verdict.REFUSED, text="invalid message data"),
    "12": Outcome(Verdict.REFUSED, text="invalid binary data"),
    "13": Outcome(Verdict.REFUSED, text="invalid binary file"),
    "14": Outcome(Verdict.REFUSED, text="invalid MCC"),
    "15": Outcome(Verdict.REFUSED, text="invalid MNC"),
    "16": Outcome(Verdict.REFUSED, text="invalid XSer"),
    "17": Outcome(Verdict.REFUSED, text="invalid buffered notification URL"),
    "18": Outcome(Verdict.REFUSED, text="invalid delivery notification URL"),
    "19": Outcome(Verdict.REFUSED, text="invalid non-delivery notification URL"),
    "20": Outcome(Verdict.REFUSED, text="missing recipient"),
    "21": Outcome(Verdict.REFUSED, text="missing binary data"),
    "22": Outcome(Verdict.REFUSED, text="invalid deferred delivery time"),
    "23": Outcome(Verdict.REFUSED, text="missing transaction reference number"),
    "24": Outcome(Verdict.RETRY, text="service temporarily not available"),
    "25": Outcome(Verdict.REFUSED, text="user access denied", account=True),
    "28": Outcome(Verdict.REFUSED, text="no originator restrictions"),
    "29": Outcome(Verdict.REFUSED, text="originator authorization pending"),
    "30": Outcome(Verdict.REFUSED, text="originator not authorized"),
    "31": Outcome(Verdict.REFUSED, text="originator already authorized"),
    "32": Outcome(Verdict.REFUSED, text="no notification recipient restrictions"),
    "33": Outcome(Verdict.REFUSED, text="notification recipient authorization pending"),
    "34": Outcome(Verdict.REFUSED, text="notification recipient not authorized"),
    "35": Outcome(Verdict.REFUSED, text="notification recipient already authorized"),
    "36": Outcome(Verdict.REFUSED, text="token authorization pending"),
    "37": Outcome(Verdict.REFUSED, text="token not authorized"),
    "38": Outcome(Verdict.REFUSED, text="token not found"),
    "39": Outcome(Verdict.REFUSED, text="token already authorized"),
}
UNKNOWN_CODE = Outcome(Verdict.UNKNOWN)
RETRYABLE = frozenset({"2", "6", "7", "24"})  # of a question, which asked twice does no harm

# VerifyToken: a code of the table above that is not here says that no token was looked at.
TOKEN_CODES: Mapping[str, Judgement] = {
    "1": Judgement.RIGHT,
    "6": Judgement.UNKNOWN,
    "7": Judgement.UNKNOWN,
    "36": Judgement.WRONG,
    "37": Judgement.WRONG,
    "38": Judgement.WRONG,  # also when the token is over; counted, or it could be guessed for free
    "39": Judgement.ALREADY,
}
PLACEHOLDER = "<VERIFICATIONCODE>"

DELIVERY_STATUSES: Mapping[str, Report] = {
    "-1": Report(None, text="not yet submitted or rejected"),
    "0": Report(Status.DELIVERED, text="delivered"),  # with reason 000, which then means nothing
    "1": Report(None, text="buffered"),
    "2": Report(Status.UNDELIVERED, text="not delivered"),
}
UNKNOWN_STATUS = Report(None, unknown_word=True)

REASONS: Mapping[str, str] = {
    "000": "unknown subscriber",
    "010": "network time-out",
    "101": "unknown subscriber",
    "103": "call barred",
    "105": "service centre congestion",
    "107": "absent subscriber",
    "108": "delivery failed or validity expired",
    "109": "service centre congestion",
    "110": "protocol error",
    "111": "handset not equipped",
    "113": "service centre congestion",
    "117": "lower layer not provisioned",
    "118": "system failure",
    "119": "network system failure",
    "120": "home register failure",
    "121": "visitor register failure",
    "206": "invalid destination address",
    "207": "duplicate message",
}

# The tags go literally. <RCPNT> is left out: it would write people's numbers into access logs.
NOTIFICATION_QUERIES = (
    "?DST=<DST>&RSN=<RSN>&DSCTSUTC=<DSCTSUTC>&ID=<TRN>",
    "?DST=<DST>&RSN=<RSN>&ID=<TRN>",
    "?DST=<DST>&ID=<TRN>",
)
NOTIFICATION_URL_LIMIT = 200
SIMPLE_FIELDS = frozenset({"Originator", "Recipients", "MessageText", "ForceGSM7bit"})
SENDER = re.compile(r"\+?[0-9]{1,15}|[A-Za-z0-9]{1,11}")
NUMERIC = re.compile(r"\+?[0-9]+")
MAY_BE_LOCKED = Caution(
    "sender-not-unlocked",
    "from",
    "The vendor refuses a numeric sender until it is unlocked for the account: have the operator"
    " unlock it, or leave `from` out.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server2sms(Adapter):
    """An account at server2sms. `sender` is the Originator of messages that name none; `simple`
    uses SendSimpleTextSMS where nothing of SendTextSMS is needed; `poll_size` is references;
    `own_codes` gives the vendor our code (VerificationCode) instead of a mask."""

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

    def check(self, message: Outgoing) -> None:
        """Raises Refusal also for a sender that is no Originator."""
        Adapter.check(self, message)
        if message.sender and not SENDER.fullmatch(message.sender):
            detail = f"{self.title} takes a sender of at most 15 digits or 11 letters and digits."
            raise Refusal("bad-sender", "from", detail)

    def cautions(self, message: Outgoing, at: datetime) -> list[Caution]:
        """A number that is not the account's own sender may be locked (codes 29 and 30)."""
        own = message.sender in (None, self.sender)
        return [] if own or not NUMERIC.fullmatch(message.sender or "") else [MAY_BE_LOCKED]

    def holds(self, send_at: datetime) -> bool:
        """Not in the hour that comes twice when summer time ends: DeferredDeliveryTime names no
        offset, and the wrong one of the two could be an hour early."""
        return unambiguous(local(send_at, ZURICH, SECOND))

    def pack(self, messages: Sequence[Outgoing]) -> list[list[Outgoing]]:
        """Submissions of one call each: all that differs within is number and reference."""
        groups: dict[tuple[object, ...], list[Outgoing]] = {}
        for one in messages:
            shared = (one.text, one.sender or self.sender, one.flash, one.encoding, one.send_at)
            alone = one.id if one.token else None  # SendTokenSMS takes one recipient
            groups.setdefault((*shared, alone), []).append(one)
        return [part for group in groups.values() for part in chunks(group, self.submission_size)]

    def submit(self, messages: Sequence[Outgoing], callback_url: str | None) -> list[Call]:
        notify = _notification_url(callback_url) if self.callbacks and callback_url else None
        return [Call(self._send(group, notify), tuple(group)) for group in self.pack(messages)]

    def _send(self, group: Sequence[Outgoing], notify: str | None) -> Request:
        one = group[0]
        if one.token:
            return self._send_token(one, one.token, notify)
        payload = {
            "Originator": one.sender or self.sender,
            "Recipients": [f"{each.to}:{each.id}" for each in group],
            "MessageText": one.text,
            "ForceGSM7bit": one.encoding == "gsm7",
            "FlashingSMS": one.flash or None,
            "DeferredDeliveryTime": _swiss_time(one.send_at) if one.send_at else None,
            "URLBufferedMessageNotification": notify,
            "URLDeliveryNotification": notify,
            "URLNonDeliveryNotification": notify,
            "AffiliateID": self.affiliate_id,
        }
        given = {key: value for key, value in payload.items() if value is not None}
        simple = self.simple and given.keys() <= SIMPLE_FIELDS
        return self._request("SendSimpleTextSMS" if simple else "SendTextSMS", given)

    def _send_token(self, one: Outgoing, token: Token, notify: str | None) -> Request:
        payload = {
            "Originator": one.sender or self.sender,
            "Recipients": f"{one.to}:{one.id}",
            "MessageData": token.template.replace("{code}", PLACEHOLDER),
            "TokenReference": one.id,
            "TokenValidity": str(-(-token.ttl // 60)),  # minutes, rounded up: ours ends first
            "TokenMask": None if token.code else token.mask,
            "VerificationCode": token.code,
            "TokenCaseSensitive": "1" if token.case_sensitive else "0",
            "URLBufferedMessageNotification": notify,
            "URLDeliveryNotification": notify,
            "URLNonDeliveryNotification": notify,
            "AffiliateID": self.affiliate_id,
        }
        given = {key: value for key, value in payload.items() if value is not None}
        return self._request("SendTokenSMS", given)

    @property
    def makes_codes(self) -> bool:
        return not self.own_codes

    def verify(self, to: str, message_id: str, code: str) -> Request:
        payload = {"PhoneNumber": to, "TokenReference": message_id, "VerificationCode": code}
        return self._request("VerifyToken", payload)

    def verified(self, reply: Reply) -> Checked:
        outcome = _answered(record(decoded(reply.body)))
        known = Judgement.FAILED if outcome.code in STATUS_CODES else Judgement.UNKNOWN
        return Checked(
            TOKEN_CODES.get(outcome.code or "", known),
            outcome.code,
            outcome.text,
            outcome.account,
            outcome.code in RETRYABLE,
        )

    def _request(self, operation: str, payload: Mapping[str, object]) -> Request:
        body = {"UserName": self.user_key, "Password": self.password, **payload}
        return Request(
            "POST",
            f"{self.base_url.rstrip('/')}/{operation}",
            {"Content-Type": "application/json"},
            msgspec.json.encode(body),
        )

    def submitted(self, reply: Reply, call: Call) -> list[Outcome]:
        """One StatusCode speaks for the whole call; there is no id but our own reference."""
        outcome = _answered(record(decoded(reply.body)))
        if outcome.verdict is not Verdict.ACCEPTED:
            return [outcome] * len(call.members)
        return [replace(outcome, vendor_id=member.id) for member in call.members]

    def balance(self) -> Mapping[str | None, Request]:
        return {None: self._request("CheckCredits", {})}

    def credit(self, reply: Reply, product: str | None) -> Credit:
        answer = record(decoded(reply.body))
        outcome, credits_left = _answered(answer), amount(answer.get("credits"))
        if outcome.code == OK and credits_left is not None:
            return Credit(product, credits_left, "credits")
        if outcome.code in (None, OK):
            raise BalanceRefusedError("unreadable answer")
        retryable = outcome.code in RETRYABLE
        raise BalanceRefusedError(outcome.text or "unknown code", outcome.code, retryable=retryable)

    def poll(self, pending: Sequence[Pending]) -> list[PollCall]:
        """References are joined across submissions, `poll_size` a call."""
        calls = []
        for part in chunks(pending, self.poll_size):
            references = ";".join(one.id for one in part)
            payload = {"TransactionReferenceNumbers": references}
            request = self._request("InquireDeliveryNotifications", payload)
            calls.append(PollCall(request, tuple(part)))
        return calls

    def reports(self, reply: Reply, call: PollCall) -> list[Report]:
        """The last row of a reference counts. A refused question is no news of any message."""
        answer, asked = record(decoded(reply.body)), {one.id for one in call.pending}
        found = {}
        for row in records(answer.get("deliverynotifications")):
            reference = word(row.get("transactionreferencenumber"))
            status = word(row.get("deliverystatus"))
            if reference in asked and status:
                found[reference] = replace(
                    _delivery(
                        status,
                        word(row.get("reasoncode")),
                        word(row.get("deliverystatusdescription")),
                        word(row.get("reasoncodedescription")),
                    ),
                    message_id=reference,
                    at=_moment(word(row.get("notificationdate")), ZURICH),
                    taken=True,
                )
        outcome = _answered(answer)
        if found or outcome.code in (None, OK):
            return list(found.values())
        refused = Report(
            None,
            code=outcome.code,
            text=outcome.text,
            alarm=outcome.account,
            unknown_word=outcome.code not in STATUS_CODES,
        )
        return [replace(refused, message_id=one.id) for one in call.pending]

    def callback(self, request: CallbackRequest) -> list[Report]:
        # A tag that the vendor had nothing for may stay as it was.
        filled = {key: item for key, item in request.query.items() if not item.startswith("<")}
        query = {key: word(item) for key, item in filled.items()}
        reference = query.get("ID") or query.get("TRN")
        number = re.sub(r"[^0-9]", "", query.get("RCPNT") or "") or None
        status = query.get("DST")
        if not status or not (reference or number):
            return []
        report = _delivery(status, query.get("RSN"))
        at = _moment(query.get("DSCTSUTC"), UTC)
        return [replace(report, message_id=reference, number=number, at=at)]


def _notification_url(callback_url: str) -> str | None:
    """`callback_url` with as many tags as the vendor's limit leaves room for; None without room
    for status and reference, which leaves polling."""
    urls = (callback_url + query for query in NOTIFICATION_QUERIES)
    return next((url for url in urls if len(url) <= NOTIFICATION_URL_LIMIT), None)


def _answered(answer: Mapping[str, object]) -> Outcome:
    """What an answer's StatusCode says."""
    code, text = word(answer.get("statuscode")), word(answer.get("statusinfo"))
    row = STATUS_CODES.get(code or "", UNKNOWN_CODE)
    return replace(row, code=code, text=text or row.text)


def _delivery(
    status: str, reason: str | None, said: str | None = None, why: str | None = None
) -> Report:
    """A DeliveryStatus with its reason, as code `status/reason`; the vendor's words come first."""
    row = DELIVERY_STATUSES.get(status, UNKNOWN_STATUS)
    if row.status is Status.DELIVERED or not reason:
        return replace(row, code=status, text=said or row.text)
    reason = reason.zfill(3)
    text = why or REASONS.get(reason) or said or row.text
    return replace(row, code=f"{status}/{reason}", text=text)


def _moment(written: str | None, zone: tzinfo) -> datetime | None:
    """A ddmmyyyyhhmmss or ISO 8601 time in UTC; `zone` is that of a time without one."""
    # A plus sign in a query string arrives as a space.
    text = re.sub(r"(:\d\d(?:\.\d+)?) (\d\d:?\d\d)$", r"\1+\2", written or "")
    compact = re.fullmatch(r"(\d\d)(\d\d)(\d{4})(\d{6})", text)
    try:
        when = datetime.fromisoformat(
            "{2}{1}{0}T{3}".format(*compact.groups()) if compact else text
        )
        return (when if when.tzinfo else when.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _swiss_time(when: datetime) -> str:
    return local(when, ZURICH, SECOND).strftime("%d%m%Y%H%M%S")

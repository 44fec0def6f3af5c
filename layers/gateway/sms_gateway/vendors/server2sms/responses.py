"""What server2sms answers: its codes, delivery statuses, reasons and times. No I/O."""

import re
from collections.abc import Mapping
from copy import replace
from datetime import UTC, datetime, tzinfo

from sms_gateway.core.status import Status
from sms_gateway.vendors.local_times import SECOND, ZURICH, local
from sms_gateway.vendors.parsing import word
from sms_gateway.vendors.types import (
    Judgement,
    Outcome,
    Report,
    Verdict,
)

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

"""Parse server2sms's responses: codes, delivery statuses, reasons and times. No I/O."""

import re
from collections.abc import Mapping
from copy import replace
from datetime import UTC, datetime, tzinfo

from sms_gateway.core.status import Status
from sms_gateway.vendors.local_times import SECOND, ZURICH, to_local_ceil
from sms_gateway.vendors.parsing import as_text
from sms_gateway.vendors.types import (
    CodeCheck,
    CodeVerdict,
    DeliveryReport,
    SubmitOutcome,
    SubmitVerdict,
)

OK = "1"
STATUS_CODES: Mapping[str, SubmitOutcome] = {
    "1": SubmitOutcome(SubmitVerdict.ACCEPTED, text="ok"),
    "2": SubmitOutcome(SubmitVerdict.RETRY, text="connect failed"),
    "3": SubmitOutcome(SubmitVerdict.REFUSED, text="authorization failed", account_fault=True),
    "4": SubmitOutcome(SubmitVerdict.REFUSED, text="binary file not found"),
    "5": SubmitOutcome(SubmitVerdict.REFUSED, text="not enough credits", account_fault=True),
    # The vendor calls both retryable, but the message may have left: poll by reference first.
    "6": SubmitOutcome(SubmitVerdict.UNKNOWN, text="time-out"),
    "7": SubmitOutcome(SubmitVerdict.UNKNOWN, text="transmission error"),
    "8": SubmitOutcome(SubmitVerdict.REFUSED, text="invalid user key", account_fault=True),
    "9": SubmitOutcome(SubmitVerdict.REFUSED, text="invalid password", account_fault=True),
    "10": SubmitOutcome(SubmitVerdict.REFUSED, text="invalid originator"),
    "11": SubmitOutcome(SubmitVerdict.REFUSED, text="invalid message data"),
    "12": SubmitOutcome(SubmitVerdict.REFUSED, text="invalid binary data"),
    "13": SubmitOutcome(SubmitVerdict.REFUSED, text="invalid binary file"),
    "14": SubmitOutcome(SubmitVerdict.REFUSED, text="invalid MCC"),
    "15": SubmitOutcome(SubmitVerdict.REFUSED, text="invalid MNC"),
    "16": SubmitOutcome(SubmitVerdict.REFUSED, text="invalid XSer"),
    "17": SubmitOutcome(SubmitVerdict.REFUSED, text="invalid buffered notification URL"),
    "18": SubmitOutcome(SubmitVerdict.REFUSED, text="invalid delivery notification URL"),
    "19": SubmitOutcome(SubmitVerdict.REFUSED, text="invalid non-delivery notification URL"),
    "20": SubmitOutcome(SubmitVerdict.REFUSED, text="missing recipient"),
    "21": SubmitOutcome(SubmitVerdict.REFUSED, text="missing binary data"),
    "22": SubmitOutcome(SubmitVerdict.REFUSED, text="invalid deferred delivery time"),
    "23": SubmitOutcome(SubmitVerdict.REFUSED, text="missing transaction reference number"),
    "24": SubmitOutcome(SubmitVerdict.RETRY, text="service temporarily not available"),
    "25": SubmitOutcome(SubmitVerdict.REFUSED, text="user access denied", account_fault=True),
    "28": SubmitOutcome(SubmitVerdict.REFUSED, text="no originator restrictions"),
    "29": SubmitOutcome(SubmitVerdict.REFUSED, text="originator authorization pending"),
    "30": SubmitOutcome(SubmitVerdict.REFUSED, text="originator not authorized"),
    "31": SubmitOutcome(SubmitVerdict.REFUSED, text="originator already authorized"),
    "32": SubmitOutcome(SubmitVerdict.REFUSED, text="no notification recipient restrictions"),
    "33": SubmitOutcome(SubmitVerdict.REFUSED, text="notification recipient authorization pending"),
    "34": SubmitOutcome(SubmitVerdict.REFUSED, text="notification recipient not authorized"),
    "35": SubmitOutcome(SubmitVerdict.REFUSED, text="notification recipient already authorized"),
    "36": SubmitOutcome(SubmitVerdict.REFUSED, text="token authorization pending"),
    "37": SubmitOutcome(SubmitVerdict.REFUSED, text="token not authorized"),
    "38": SubmitOutcome(SubmitVerdict.REFUSED, text="token not found"),
    "39": SubmitOutcome(SubmitVerdict.REFUSED, text="token already authorized"),
}
UNKNOWN_CODE = SubmitOutcome(SubmitVerdict.UNKNOWN)
RETRYABLE = frozenset({"2", "6", "7", "24"})  # of a query, which may be repeated
# VerifyToken: a code of the table above that is not here says that no token was checked.
TOKEN_CODES: Mapping[str, CodeVerdict] = {
    "1": CodeVerdict.RIGHT,
    "6": CodeVerdict.UNKNOWN,
    "7": CodeVerdict.UNKNOWN,
    "36": CodeVerdict.WRONG,
    "37": CodeVerdict.WRONG,
    "38": CodeVerdict.WRONG,  # also when the token has expired; counted, or guesses would be free
    "39": CodeVerdict.ALREADY,
}
DELIVERY_STATUSES: Mapping[str, DeliveryReport] = {
    "-1": DeliveryReport(None, text="not yet submitted or rejected"),
    "0": DeliveryReport(
        Status.DELIVERED, text="delivered"
    ),  # with reason 000, which then means nothing
    "1": DeliveryReport(None, text="buffered"),
    "2": DeliveryReport(Status.UNDELIVERED, text="not delivered"),
}
UNKNOWN_STATUS = DeliveryReport(None, unknown_status=True)
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


def parse_outcome(answer: Mapping[str, object]) -> SubmitOutcome:
    """Return the outcome of an answer's StatusCode."""
    code, text = as_text(answer.get("statuscode")), as_text(answer.get("statusinfo"))
    row = STATUS_CODES.get(code or "", UNKNOWN_CODE)
    return replace(row, code=code, text=text or row.text)


def parse_code_check(answer: Mapping[str, object]) -> CodeCheck:
    """Return what the StatusCode of VerifyToken says of a code."""
    outcome = parse_outcome(answer)
    known = CodeVerdict.FAILED if outcome.code in STATUS_CODES else CodeVerdict.UNKNOWN
    return CodeCheck(
        TOKEN_CODES.get(outcome.code or "", known),
        outcome.code,
        outcome.text,
        outcome.account_fault,
        outcome.code in RETRYABLE,
    )


def parse_delivery(
    status: str,
    reason: str | None,
    status_text: str | None = None,
    reason_text: str | None = None,
) -> DeliveryReport:
    """Return the report of a DeliveryStatus and its reason, as code `status/reason`.

    The vendor's own texts come first.
    """
    row = DELIVERY_STATUSES.get(status, UNKNOWN_STATUS)
    if row.status is Status.DELIVERED or not reason:
        return replace(row, code=status, text=status_text or row.text)
    reason = reason.zfill(3)
    text = reason_text or REASONS.get(reason) or status_text or row.text
    return replace(row, code=f"{status}/{reason}", text=text)


def parse_time(written: str | None, zone: tzinfo) -> datetime | None:
    """Return a ddmmyyyyhhmmss or ISO 8601 time in UTC; `zone` is that of a time without one."""
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


def swiss_time(when: datetime) -> str:
    """Return a time as DeferredDeliveryTime has it: Swiss, ddmmyyyyhhmmss, rounded up."""
    return to_local_ceil(when, ZURICH, SECOND).strftime("%d%m%Y%H%M%S")

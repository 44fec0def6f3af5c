"""server2sms beside messages: originators, vouchers, VersionInfo and ListAllStatusCodes.

The document gives the parameters; of the responses it shows only StatusCode and StatusInfo. Which
code answers which mistake is not documented where a row says so.
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from copy import replace
from dataclasses import dataclass
from itertools import islice

from sms_gateway.vendors.account_services import (
    Authorization,
    Authorized,
    InterfaceInfo,
    Listing,
    OperationResult,
    RawAnswer,
    Senders,
    Voucher,
    Vouchers,
)
from sms_gateway.vendors.parsing import (
    as_decimal,
    as_text,
    decode_json,
    decode_object,
    normalize_keys,
)
from sms_gateway.vendors.server2sms.adapter import SENDER, Server2sms
from sms_gateway.vendors.server2sms.responses import OK, STATUS_CODES, parse_outcome
from sms_gateway.vendors.types import Request, SubmitOutcome, SubmitVerdict, VendorResponse

# CheckOriginatorAuthorization answers with one of these, never with 1.
AUTHORIZED: Mapping[str, Authorized] = {
    "31": Authorized.YES,  # originator already authorized
    "28": Authorized.YES,  # no originator restrictions
    "30": Authorized.NO,  # originator not authorized
    "29": Authorized.PENDING,  # originator authorization pending
}

# SendOriginatorUnlockCode: refusals with a name of their own.
UNLOCK_CODE_PROBLEMS: Mapping[str, str] = {
    "10": "malformed-originator",
    "28": "already-authorized",
    "31": "already-authorized",
}

# UnlockOriginator: 28 and 31 say that there is nothing left to unlock, so that it is done. The code
# of a wrong unlock code is not documented: 30 and 29 both leave the originator locked.
UNLOCKED = frozenset({OK, "28", "31"})
UNLOCK_PROBLEMS: Mapping[str, str] = {
    "10": "malformed-originator",
    "29": "wrong-unlock-code",
    "30": "wrong-unlock-code",
}

CREATE_PROBLEMS: Mapping[str, str] = {"5": "not-enough-credits"}

# RedeemVoucher: the code of an unknown or used voucher is not documented; 11 (invalid data) is the
# only row that can mean it.
REDEEM_PROBLEMS: Mapping[str, str] = {"11": "unknown-voucher"}

# Keys under which a row of GetVoucherTransactions may have its values; its shape is not documented.
CODE_KEYS = ("code", "vouchercode", "redeemcode", "voucher")
CREDITS_KEYS = ("credits", "amountcreditspervoucher", "amountcredits", "amount", "value")
REMARKS_KEYS = ("remarks", "remark", "comment")
_PLAIN_CODE = re.compile(r"[A-Za-z0-9-]{4,64}")

# ListAllStatusCodes: how a code and its text may stand side by side in JSON, in text and in XML.
NUMBER_KEYS = ("statuscode", "code", "status", "id", "key", "number")
TEXT_KEYS = ("statusinfo", "statusdescription", "description", "text", "info", "message", "value")
_LINE = re.compile(r"^\W*(?:status ?code\W*)?(\d{1,3})\b[ \t]*[-:=;,|\t. ][ \t]*(\S.*?)\W*$", re.I)
_TAGGED = re.compile(r">\s*(\d{1,3})\s*</[^<>]*>\s*<[^<>/]*>\s*([^<>\s][^<>]{0,400})<")
MAX_CODES = 1000


@dataclass(frozen=True, slots=True)
class Server2smsAccount(Senders, Vouchers, InterfaceInfo):
    """An account at server2sms beside its messages."""

    adapter: Server2sms

    def is_sender(self, originator: str) -> bool:
        """Return whether a text has the form of an Originator."""
        return SENDER.fullmatch(originator) is not None

    def ask_sender(self, originator: str) -> Request:
        """Return the CheckOriginatorAuthorization call."""
        return self._call("CheckOriginatorAuthorization", Originator=originator)

    def sender(self, response: VendorResponse) -> Authorization:
        """Parse an authorization."""
        outcome = _outcome(response)
        return Authorization(AUTHORIZED.get(outcome.code or ""), outcome)

    def send_unlock_code(self, originator: str) -> Request:
        """Return the SendOriginatorUnlockCode call."""
        return self._call("SendOriginatorUnlockCode", Originator=originator)

    def unlock_code_sent(self, response: VendorResponse) -> OperationResult:
        """Parse the response to SendOriginatorUnlockCode."""
        return _operation_result(response, UNLOCK_CODE_PROBLEMS)

    def unlock(self, originator: str, code: str, affiliate_id: str | None) -> Request:
        """Return the UnlockOriginator call."""
        affiliate = affiliate_id or self.adapter.affiliate_id
        more = {"AffiliateID": affiliate} if affiliate else {}
        return self._call("UnlockOriginator", Originator=originator, UnlockCode=code, **more)

    def unlocked(self, response: VendorResponse) -> OperationResult:
        """Parse the response to UnlockOriginator."""
        result = _operation_result(response, UNLOCK_PROBLEMS)
        if result.outcome.code in UNLOCKED:
            return OperationResult(replace(result.outcome, verdict=SubmitVerdict.ACCEPTED))
        return result

    def create(self, number: int, credits_each: int, remarks: str) -> Request:
        """Return the CreateVoucher call."""
        return self._call(
            "CreateVoucher",
            NumberOfVouchers=str(number),
            AmountCreditsPerVoucher=str(credits_each),
            Remarks=remarks,
        )

    def created(self, response: VendorResponse) -> OperationResult:
        """Parse the response to CreateVoucher."""
        return _operation_result(response, CREATE_PROBLEMS)

    def ask_vouchers(self) -> Request:
        """Return the GetVoucherTransactions call."""
        return self._call("GetVoucherTransactions")

    def vouchers(self, response: VendorResponse) -> Listing:
        """Parse rows: texts or objects, one or many, or missing."""
        value = decode_json(response.body)
        answer, outcome = normalize_keys(value), _outcome(response)
        rows = value if isinstance(value, list) else answer.get("vouchers")
        if outcome.code not in (None, OK) or (rows is None and outcome.code is None):
            return Listing(None, outcome)
        items = rows if isinstance(rows, list) else [] if rows in (None, "") else [rows]
        accepted = replace(outcome, verdict=SubmitVerdict.ACCEPTED)
        return Listing([_voucher(row) for row in items if row not in (None, "")], accepted)

    def redeem(self, code: str) -> Request:
        """Return the RedeemVoucher call."""
        return self._call("RedeemVoucher", RedeemCode=code)

    def redeemed(self, response: VendorResponse) -> OperationResult:
        """Parse the response to RedeemVoucher."""
        return _operation_result(response, REDEEM_PROBLEMS)

    def ask_version(self) -> Request:
        """Return the VersionInfo call."""
        return self._open("VersionInfo")

    def ask_status_codes(self) -> Request:
        """Return the ListAllStatusCodes call."""
        return self._open("ListAllStatusCodes")

    def refusal(self, response: VendorResponse) -> SubmitOutcome | None:
        """Return a StatusCode at the top that is not 1; a list of codes has none there."""
        value = decode_json(response.body)
        outcome = _outcome(response)
        if outcome.code in (None, OK) or len(normalize_keys(value)) > 2:
            return None
        return outcome

    def status_codes(self, answer: RawAnswer) -> dict[str, str]:
        """Parse a list of codes in JSON, text or XML."""
        if isinstance(answer.data, str):
            pairs = _TAGGED.findall(answer.data) if "<" in answer.data else _lines(answer.data)
        else:
            pairs = list(islice(_pairs(answer.data), MAX_CODES))
        return {code.lstrip("0") or "0": text.strip()[:200] for code, text in pairs[:MAX_CODES]}

    def our_codes(self) -> Mapping[str, SubmitOutcome]:
        """Return STATUS_CODES."""
        return STATUS_CODES

    def _call(self, operation: str, **payload: str) -> Request:
        return self.adapter._request(operation, payload)

    def _open(self, operation: str) -> Request:
        """Return a call that takes no credentials, and therefore gets none."""
        return Request(
            "POST",
            f"{self.adapter.base_url.rstrip('/')}/{operation}",
            {"Content-Type": "application/json"},
            b"{}",
        )


def _outcome(response: VendorResponse) -> SubmitOutcome:
    return parse_outcome(decode_object(response.body))


def _operation_result(response: VendorResponse, problems: Mapping[str, str]) -> OperationResult:
    outcome = _outcome(response)
    undocumented = outcome.code is not None and outcome.code not in STATUS_CODES
    return OperationResult(outcome, problems.get(outcome.code or ""), undocumented)


def _voucher(row: object) -> Voucher:
    if isinstance(row, str):
        code = row.strip()
        return Voucher(code if _PLAIN_CODE.fullmatch(code) else None, None, None, row)
    fields = normalize_keys(row)
    return Voucher(
        code=_first(fields, CODE_KEYS),
        credits=as_decimal(_first(fields, CREDITS_KEYS)),
        remarks=_first(fields, REMARKS_KEYS),
        data=row,
    )


def _first(fields: Mapping[str, object], keys: tuple[str, ...]) -> str | None:
    return next((found for key in keys if (found := as_text(fields.get(key)))), None)


def _lines(text: str) -> list[tuple[str, str]]:
    found = (_LINE.match(line[:500]) for line in text.splitlines()[: 2 * MAX_CODES])
    return [(match[1], match[2]) for match in found if match]


def _pairs(value: object) -> Iterator[tuple[str, str]]:
    """Yield codes with their texts, wherever they stand: `{"1": "OK"}`, rows of both, `"1: OK"`."""
    queue = deque([value])
    while queue:
        item = queue.popleft()
        if isinstance(item, str):
            yield from _lines(item)
        elif isinstance(item, list):
            queue += item
        elif isinstance(item, dict):
            fields = normalize_keys(item)
            number, text = _first(fields, NUMBER_KEYS), _first(fields, TEXT_KEYS)
            if number and text and number.isdecimal():
                yield number, text
                continue
            for key, value in item.items():
                if str(key).isdecimal() and isinstance(value, str) and value:
                    yield str(key), value
                elif isinstance(value, list | dict):
                    queue.append(value)

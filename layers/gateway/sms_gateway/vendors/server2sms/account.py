"""server2sms beside messages: originators, vouchers, VersionInfo and ListAllStatusCodes.

The document gives the parameters; of the answers it shows no more than StatusCode and StatusInfo.
Which code answers which mistake is not documented where a row says so.
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
from sms_gateway.vendors.parsing import as_decimal, as_text, decode_json, normalize_keys
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
_BARE_CODE = re.compile(r"[A-Za-z0-9-]{4,64}")

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
        return SENDER.fullmatch(originator) is not None

    def ask_sender(self, originator: str) -> Request:
        return self._call("CheckOriginatorAuthorization", Originator=originator)

    def sender(self, reply: VendorResponse) -> Authorization:
        outcome = _outcome(reply)
        return Authorization(AUTHORIZED.get(outcome.code or ""), outcome)

    def send_unlock_code(self, originator: str) -> Request:
        return self._call("SendOriginatorUnlockCode", Originator=originator)

    def unlock_code_sent(self, reply: VendorResponse) -> OperationResult:
        return _operation_result(reply, UNLOCK_CODE_PROBLEMS)

    def unlock(self, originator: str, code: str, affiliate_id: str | None) -> Request:
        affiliate = affiliate_id or self.adapter.affiliate_id
        more = {"AffiliateID": affiliate} if affiliate else {}
        return self._call("UnlockOriginator", Originator=originator, UnlockCode=code, **more)

    def unlocked(self, reply: VendorResponse) -> OperationResult:
        deed = _operation_result(reply, UNLOCK_PROBLEMS)
        if deed.outcome.code in UNLOCKED:
            return OperationResult(replace(deed.outcome, verdict=SubmitVerdict.ACCEPTED))
        return deed

    def create(self, number: int, credits_each: int, remarks: str) -> Request:
        return self._call(
            "CreateVoucher",
            NumberOfVouchers=str(number),
            AmountCreditsPerVoucher=str(credits_each),
            Remarks=remarks,
        )

    def created(self, reply: VendorResponse) -> OperationResult:
        return _operation_result(reply, CREATE_PROBLEMS)

    def ask_vouchers(self) -> Request:
        return self._call("GetVoucherTransactions")

    def vouchers(self, reply: VendorResponse) -> Listing:
        """Rows may be texts or objects, one or many, and missing where there is none."""
        value = decode_json(reply.body)
        answer, outcome = normalize_keys(value), _outcome(reply)
        rows = value if isinstance(value, list) else answer.get("vouchers")
        if outcome.code not in (None, OK) or (rows is None and outcome.code is None):
            return Listing(None, outcome)
        every = rows if isinstance(rows, list) else [] if rows in (None, "") else [rows]
        taken = replace(outcome, verdict=SubmitVerdict.ACCEPTED)
        return Listing([_voucher(row) for row in every if row not in (None, "")], taken)

    def redeem(self, code: str) -> Request:
        return self._call("RedeemVoucher", RedeemCode=code)

    def redeemed(self, reply: VendorResponse) -> OperationResult:
        return _operation_result(reply, REDEEM_PROBLEMS)

    def ask_version(self) -> Request:
        return self._open("VersionInfo")

    def ask_status_codes(self) -> Request:
        return self._open("ListAllStatusCodes")

    def refusal(self, reply: VendorResponse) -> SubmitOutcome | None:
        """A StatusCode at the top that is not 1; a list of codes has none there."""
        value = decode_json(reply.body)
        outcome = _outcome(reply)
        if outcome.code in (None, OK) or len(normalize_keys(value)) > 2:
            return None
        return outcome

    def status_codes(self, told: RawAnswer) -> dict[str, str]:
        if isinstance(told.data, str):
            pairs = _TAGGED.findall(told.data) if "<" in told.data else _lines(told.data)
        else:
            pairs = list(islice(_pairs(told.data), MAX_CODES))
        return {code.lstrip("0") or "0": text.strip()[:200] for code, text in pairs[:MAX_CODES]}

    def our_codes(self) -> Mapping[str, SubmitOutcome]:
        return STATUS_CODES

    def _call(self, operation: str, **payload: str) -> Request:
        return self.adapter._request(operation, payload)

    def _open(self, operation: str) -> Request:
        """A call that takes no credentials, and therefore gets none."""
        return Request(
            "POST",
            f"{self.adapter.base_url.rstrip('/')}/{operation}",
            {"Content-Type": "application/json"},
            b"{}",
        )


def _outcome(reply: VendorResponse) -> SubmitOutcome:
    return parse_outcome(normalize_keys(decode_json(reply.body)))


def _operation_result(reply: VendorResponse, problems: Mapping[str, str]) -> OperationResult:
    outcome = _outcome(reply)
    undocumented = outcome.code is not None and outcome.code not in STATUS_CODES
    return OperationResult(outcome, problems.get(outcome.code or ""), undocumented)


def _voucher(row: object) -> Voucher:
    if isinstance(row, str):
        bare = row.strip()
        return Voucher(bare if _BARE_CODE.fullmatch(bare) else None, None, None, row)
    told = normalize_keys(row)
    return Voucher(
        code=_first(told, CODE_KEYS),
        credits=as_decimal(_first(told, CREDITS_KEYS)),
        remarks=_first(told, REMARKS_KEYS),
        data=row,
    )


def _first(told: Mapping[str, object], keys: tuple[str, ...]) -> str | None:
    return next((found for key in keys if (found := as_text(told.get(key)))), None)


def _lines(text: str) -> list[tuple[str, str]]:
    found = (_LINE.match(line[:500]) for line in text.splitlines()[: 2 * MAX_CODES])
    return [(one[1], one[2]) for one in found if one]


def _pairs(value: object) -> Iterator[tuple[str, str]]:
    """Codes with their texts, wherever they stand: `{"1": "OK"}`, rows of both, `"1: OK"`."""
    waiting = deque([value])
    while waiting:
        one = waiting.popleft()
        if isinstance(one, str):
            yield from _lines(one)
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            told = normalize_keys(one)
            number, text = _first(told, NUMBER_KEYS), _first(told, TEXT_KEYS)
            if number and text and number.isdecimal():
                yield number, text
                continue
            for key, item in one.items():
                if str(key).isdecimal() and isinstance(item, str):
                    yield str(key), item
                elif isinstance(item, list | dict):
                    waiting.append(item)

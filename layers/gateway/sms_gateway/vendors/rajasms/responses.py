"""What RajaSMS answers: its code tables, and how an answer is read. No I/O."""

from collections.abc import Mapping
from copy import replace
from datetime import date

from sms_gateway.core.status import Status
from sms_gateway.vendors.parsing import (
    Record,
    as_decimal,
    as_text,
    decode_json,
    normalize_keys,
    normalize_rows,
)
from sms_gateway.vendors.types import (
    DeliveryReport,
    Price,
    SubmitOutcome,
    SubmitVerdict,
)

OK = "10"
GLOBAL_CODES: Mapping[str, SubmitOutcome] = {
    # Of the request: even a refused number comes under it, and a message without a packet of its
    # own has no outcome.
    "10": SubmitOutcome(SubmitVerdict.UNKNOWN, text="Success"),
    "20": SubmitOutcome(SubmitVerdict.REFUSED, text="Json Post Error"),
    "30": SubmitOutcome(SubmitVerdict.REFUSED, text="ApiKey not register", account_fault=True),
    "40": SubmitOutcome(SubmitVerdict.REFUSED, text="Ip address not register", account_fault=True),
    "50": SubmitOutcome(SubmitVerdict.REFUSED, text="Expired Balance", account_fault=True),
    "55": SubmitOutcome(SubmitVerdict.REFUSED, text="Maximum Data"),
}
SENDING_CODES: Mapping[str, SubmitOutcome] = {
    "10": SubmitOutcome(SubmitVerdict.ACCEPTED, text="Success"),
    "60": SubmitOutcome(SubmitVerdict.REFUSED, text="Invalid Number"),
    "70": SubmitOutcome(SubmitVerdict.REFUSED, text="Invalid Message"),
    "80": SubmitOutcome(SubmitVerdict.REFUSED, text="Minimum Balance", account_fault=True),
    # Certainly not accepted only with sendingid 0.
    "90": SubmitOutcome(SubmitVerdict.RETRY, text="System Error"),
}
UNKNOWN_CODE = SubmitOutcome(SubmitVerdict.UNKNOWN)
BALANCE_CODES: Mapping[str, tuple[str, bool]] = {  # the text, and whether a later query may succeed
    "10": ("Success", False),
    "20": ("Json Post Error", False),
    "25": ("Error Check Balance", True),
    "30": ("ApiKey not register", False),
    "35": ("Check Balance Limit", True),  # queried too often
    "40": ("Ip address not register", False),
}
BALANCE_LIMIT = "35"
UNKNOWN_BALANCE_CODE = ("unknown code", False)
DELIVERY_CODES: Mapping[str, DeliveryReport] = {
    "1": DeliveryReport(None, text="Schedule"),
    "2": DeliveryReport(None, text="Sent"),
    "3": DeliveryReport(Status.DELIVERED, text="Delivered Success"),
    "4": DeliveryReport(Status.UNDELIVERED, text="Delivered Error"),
    "5": DeliveryReport(Status.UNDELIVERED, text="System Failed"),
    # Our own balance.
    "6": DeliveryReport(Status.UNDELIVERED, text="Saldo Minus/Expired", account_fault=True),
    "7": DeliveryReport(Status.UNDELIVERED, text="Reject"),
    "8": DeliveryReport(Status.UNDELIVERED, text="System Error"),
    "9": DeliveryReport(Status.UNDELIVERED, text="Duplicate message"),  # of an earlier one
    "10": DeliveryReport(Status.DELIVERED, text="Delivered Success Backup"),
}
UNKNOWN_DELIVERY = DeliveryReport(None, unknown_status=True)


def rows_of(document: object, key: str) -> list[Record]:
    """Return the objects under `key` (letters only), else the document itself."""
    return unwrap(normalize_keys(document).get(key, document))


def row_of(body: bytes, key: str) -> Record:
    """Return the first object under `key`; empty where there is none."""
    return next(iter(rows_of(decode_json(body), key)), {})


def unwrap(value: object) -> list[Record]:
    """Return the objects of a list, or the only one, out of their `packet` if any."""
    return [normalize_keys(item.get("packet", item)) for item in normalize_rows(value)]


def outcome_of(table: Mapping[str, SubmitOutcome], answer: Record, key: str) -> SubmitOutcome:
    """Return the outcome of the code under `key`; the vendor's text stands under `<key>text`."""
    code, vendor_text = as_text(answer.get(key)), as_text(answer.get(f"{key}text"))
    row = table.get(code or "", UNKNOWN_CODE)
    return replace(row, code=code, text=vendor_text or row.text)


def packet_outcome(packet: Record) -> SubmitOutcome:
    """Return the outcome of a packet's message."""
    found = outcome_of(SENDING_CODES, packet, "sendingstatus")
    vendor_id, price = sending_id(packet), as_decimal(packet.get("price"))
    if found.verdict is SubmitVerdict.RETRY and as_text(packet.get("sendingid")) != "0":
        return replace(found, verdict=SubmitVerdict.UNKNOWN, vendor_id=vendor_id)
    if found.verdict is not SubmitVerdict.ACCEPTED:
        return replace(found, vendor_id=vendor_id)
    paid = Price(price, "IDR") if price is not None else None
    return replace(found, vendor_id=vendor_id, price=paid)


def sending_id(row: Record) -> str | None:
    """Return the vendor's id, which may exceed 32 bits; 0 is none."""
    found = as_text(row.get("sendingid"))
    return None if found == "0" else found


def parse_day(written: str | None) -> date | None:
    """Return a day (YYYY-MM-DD); None for anything else."""
    try:
        return date.fromisoformat((written or "")[:10])
    except ValueError:
        return None

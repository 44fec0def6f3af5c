"""RajaSMS: Indonesia, an ADSMedia system; JSON over POST, a host and four products per account.

Each kind of answer has its own code table: 10 is success on a send and delivered-by-backup in a
callback, 8 and 90 are both system errors. Codes and words are those of the vendor's document.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import replace
from dataclasses import dataclass, field
from datetime import date
from typing import ClassVar, Literal
from urllib.parse import parse_qsl, quote

import msgspec

from sms_gateway.core.status import Status
from sms_gateway.vendors.adapter import Adapter, Capabilities, Refusal
from sms_gateway.vendors.local_times import SECOND, WIB, local
from sms_gateway.vendors.parsing import Record, amount, decoded, record, records, word
from sms_gateway.vendors.types import (
    BalanceRefusedError,
    Call,
    CallbackRequest,
    Category,
    Credit,
    Outcome,
    Outgoing,
    Price,
    Reply,
    Report,
    Request,
    Verdict,
    chunks,
)

OK = "10"
GLOBAL_CODES: Mapping[str, Outcome] = {
    # Speaks of the request: even a refused number comes under it, and a message without a packet
    # of its own has no answer.
    "10": Outcome(Verdict.UNKNOWN, text="Success"),
    "20": Outcome(Verdict.REFUSED, text="Json Post Error"),
    "30": Outcome(Verdict.REFUSED, text="ApiKey not register", account=True),
    "40": Outcome(Verdict.REFUSED, text="Ip address not register", account=True),
    "50": Outcome(Verdict.REFUSED, text="Expired Balance", account=True),
    "55": Outcome(Verdict.REFUSED, text="Maximum Data"),
}
SENDING_CODES: Mapping[str, Outcome] = {
    "10": Outcome(Verdict.ACCEPTED, text="Success"),
    "60": Outcome(Verdict.REFUSED, text="Invalid Number"),
    "70": Outcome(Verdict.REFUSED, text="Invalid Message"),
    "80": Outcome(Verdict.REFUSED, text="Minimum Balance", account=True),
    "90": Outcome(Verdict.RETRY, text="System Error"),  # not taken only with sendingid 0
}
UNKNOWN_CODE = Outcome(Verdict.UNKNOWN)

BALANCE_CODES: Mapping[str, tuple[str, bool]] = {  # the word, and whether asking later may help
    "10": ("Success", False),
    "20": ("Json Post Error", False),
    "25": ("Error Check Balance", True),
    "30": ("ApiKey not register", False),
    "35": ("Check Balance Limit", True),  # asked too often
    "40": ("Ip address not register", False),
}
UNKNOWN_BALANCE_CODE = ("unknown code", False)

DELIVERY_CODES: Mapping[str, Report] = {
    "1": Report(None, text="Schedule"),
    "2": Report(None, text="Sent"),
    "3": Report(Status.DELIVERED, text="Delivered Success"),
    "4": Report(Status.UNDELIVERED, text="Delivered Error"),
    "5": Report(Status.UNDELIVERED, text="System Failed"),
    "6": Report(Status.UNDELIVERED, text="Saldo Minus/Expired", alarm=True),  # our balance
    "7": Report(Status.UNDELIVERED, text="Reject"),
    "8": Report(Status.UNDELIVERED, text="System Error"),
    "9": Report(Status.UNDELIVERED, text="Duplicate message"),  # of an earlier one
    "10": Report(Status.DELIVERED, text="Delivered Success Backup"),
}
UNKNOWN_DELIVERY = Report(None, unknown_word=True)

Product = Literal["reguler", "masking", "otp", "bulk"]
CATEGORIES: frozenset[Category] = frozenset({"otp", "transactional", "promotional"})
TEXT_LIMIT = 480


@dataclass(frozen=True, slots=True, kw_only=True)
class RajaSms(Adapter):
    """An account at RajaSMS. The product, and with it the sender, follows from the category;
    `url_encode` is for hosts that want texts percent-encoded inside the JSON."""

    name: ClassVar[str] = "rajasms"
    title: ClassVar[str] = "RajaSMS"
    capabilities: ClassVar[Capabilities] = Capabilities(
        bulk=True,
        personalised=True,
        flash=False,
        schedule=True,
        unicode=True,
        filter_dnd=False,
        template_id=False,
        receipts_poll=False,
        receipts_callback=True,
        own_reference=False,
    )

    api_key: str = field(repr=False)
    products: Mapping[Category, Product] = field(
        default_factory=lambda: {
            "otp": "otp",
            "transactional": "masking",
            "promotional": "reguler",
        }
    )
    bulk_send_path: str = "/sms/api_sms_bulk_send_json.php"  # by the others' pattern: undocumented
    bulk_balance_path: str = "/sms/api_sms_bulk_balance_json.php"
    url_encode: bool = False
    callbacks: bool = True

    def __post_init__(self) -> None:
        Adapter.__post_init__(self)  # super() finds no class under slots before Python 3.14
        if CATEGORIES - set(self.products):
            raise ValueError("products must name otp, transactional and promotional")
        for name in ("bulk_send_path", "bulk_balance_path"):
            if not getattr(self, name).startswith("/"):
                raise ValueError(f"{name} must begin with a slash")

    def check(self, message: Outgoing) -> None:
        """Raises Refusal also for a sender, which the product decides, and for a long text."""
        Adapter.check(self, message)
        if not message.to.startswith("+62"):
            raise Refusal("bad-number", "to", f"{self.title} reaches Indonesian numbers only.")
        if message.sender:
            detail = f"{self.title} has no way to express from: the product decides the sender."
            raise Refusal("unsupported-field", "from", detail)
        if len(message.text) > TEXT_LIMIT:
            detail = f"{self.title} takes at most {TEXT_LIMIT} characters."
            raise Refusal("text-too-long", "text", detail)

    def pack(self, messages: Sequence[Outgoing]) -> list[list[Outgoing]]:
        """Submissions of one call each: one product, and no number twice, since the answer and
        the callbacks name messages by number."""
        groups: dict[tuple[Product, int], list[Outgoing]] = {}
        earlier: Counter[tuple[Product, str]] = Counter()
        for one in messages:
            product = self.products[one.category]
            target = product, _international(one.to)
            groups.setdefault((product, earlier[target]), []).append(one)
            earlier[target] += 1
        return [part for group in groups.values() for part in chunks(group, self.submission_size)]

    def submit(self, messages: Sequence[Outgoing], callback_url: str | None) -> list[Call]:
        callback = callback_url if self.callbacks and callback_url else ""
        return [Call(self._send(group, callback), tuple(group)) for group in self.pack(messages)]

    def _send(self, group: Sequence[Outgoing], callback_url: str) -> Request:
        payload = {
            "apikey": self.api_key,
            "callbackurl": callback_url,
            "datapacket": [
                {
                    "number": _international(one.to),
                    "message": quote(one.text, safe="") if self.url_encode else one.text,
                    "sendingdatetime": f"{local(one.send_at, WIB, SECOND):%Y-%m-%d %H:%M:%S}"
                    if one.send_at
                    else "",
                }
                for one in group
            ],
        }
        product = self.products[group[0].category]
        bulk = product == "bulk"
        path = self.bulk_send_path if bulk else f"/sms/api_sms_{product}_send_json.php"
        return self._request(path, payload)

    def _request(self, path: str, payload: Mapping[str, object]) -> Request:
        return Request(
            "POST",
            self.base_url.rstrip("/") + path,
            {"Content-Type": "application/json"},
            msgspec.json.encode(payload),
        )

    def submitted(self, reply: Reply, call: Call) -> list[Outcome]:
        """Packets are matched by number, and by position only where they name none."""
        answer = _response(reply.body, "sendingrespon")
        whole = _outcome(GLOBAL_CODES, answer, "globalstatus")
        packets = _unwrapped(answer.get("datapacket"))
        numbers = [_international(word(packet.get("number"))) for packet in packets]
        named = dict(zip(numbers, packets, strict=True))
        outcomes = []
        for position, member in enumerate(call.members):
            packet = named.get(_international(member.to), {})
            if not packet and len(packets) == len(call.members) and not numbers[position]:
                packet = packets[position]
            outcomes.append(_sent(packet) if word(packet.get("sendingstatus")) else whole)
        return outcomes

    def balance(self) -> Mapping[str | None, Request]:
        """One request for each product in use."""
        paths = {
            product: f"/sms/api_sms_{product}_balance_json.php"
            for product in self.products.values()
        }
        if "bulk" in paths:
            paths["bulk"] = self.bulk_balance_path
        payload = {"apikey": self.api_key}
        return {product: self._request(path, payload) for product, path in paths.items()}

    def credit(self, reply: Reply, product: str | None) -> Credit:
        answer = _response(reply.body, "balancerespon")
        code, rupiah = word(answer.get("globalstatus")), amount(answer.get("balance"))
        if code == OK and rupiah is not None:
            return Credit(product, rupiah, "IDR", _day(word(answer.get("expired"))))
        if code in (None, OK):
            raise BalanceRefusedError("unreadable answer")
        text, retryable = BALANCE_CODES.get(code, UNKNOWN_BALANCE_CODE)
        said = word(answer.get("globalstatustext"))
        raise BalanceRefusedError(said or text, code, retryable=retryable)

    def callback(self, request: CallbackRequest) -> list[Report]:
        """A JSON body, a form with the JSON in a field, or the fields themselves as a form."""
        document = decoded(request.body)
        if document is None:
            form = dict(parse_qsl(request.body.decode(errors="replace")))
            values = (decoded(field.encode(errors="replace")) for field in form.values())
            document = next((each for each in values if isinstance(each, dict | list)), form)
        reports = []
        for row in _responses(document, "statusrespon"):
            code, vendor_id = word(row.get("deliverystatus")), _sending_id(row)
            number = _international(word(row.get("number"))) or None
            if code and (vendor_id or number):
                found = DELIVERY_CODES.get(code, UNKNOWN_DELIVERY)
                text = word(row.get("deliverystatustext")) or found.text
                reports.append(
                    replace(found, vendor_id=vendor_id, number=number, code=code, text=text)
                )
        return reports


def _responses(document: object, key: str) -> list[Record]:
    """The objects under `key` (letters only), a list or a single one; the bare document without."""
    return _unwrapped(record(document).get(key, document))


def _response(body: bytes, key: str) -> Record:
    return next(iter(_responses(decoded(body), key)), {})


def _unwrapped(value: object) -> list[Record]:
    """The objects of a list, or the only one, each with or without its `packet` around it."""
    return [record(each.get("packet", each)) for each in records(value)]


def _outcome(table: Mapping[str, Outcome], answer: Record, key: str) -> Outcome:
    """What the code under `key` says, by `table`; the vendor's word stands under `<key>text`."""
    code, said = word(answer.get(key)), word(answer.get(f"{key}text"))
    row = table.get(code or "", UNKNOWN_CODE)
    return replace(row, code=code, text=said or row.text)


def _sent(packet: Record) -> Outcome:
    """What a packet of the answer says of its message."""
    found = _outcome(SENDING_CODES, packet, "sendingstatus")
    vendor_id, price = _sending_id(packet), amount(packet.get("price"))
    if found.verdict is Verdict.RETRY and word(packet.get("sendingid")) != "0":
        return replace(found, verdict=Verdict.UNKNOWN, vendor_id=vendor_id)
    if found.verdict is not Verdict.ACCEPTED:
        return replace(found, vendor_id=vendor_id)
    paid = Price(price, "IDR") if price is not None else None
    return replace(found, vendor_id=vendor_id, price=paid)


def _sending_id(row: Record) -> str | None:
    """The vendor's id, which may exceed 32 bits; 0 is none."""
    found = word(row.get("sendingid"))
    return None if found == "0" else found


def _international(number: str | None) -> str:
    """The digits of 081…, 6281… or +6281… as 6281…; '' for none."""
    digits = re.sub(r"[^0-9]", "", number or "")
    return f"62{digits[1:]}" if re.match("0[1-9]", digits) else digits.removeprefix("00")


def _day(written: str | None) -> date | None:
    try:
        return date.fromisoformat((written or "")[:10])
    except ValueError:
        return None

"""RajaSMS: Indonesia, an ADSMedia system; JSON over POST, a host and four products per account.

Each kind of response has its own code table: 10 is success on a send and delivered-by-backup in a
callback, 8 and 90 are both system errors. Codes and texts are those of the vendor's document.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import replace
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import ClassVar, Literal
from urllib.parse import parse_qsl, quote

import msgspec

from sms_gateway.vendors.adapter import Adapter, Capabilities, UnsupportedMessageError
from sms_gateway.vendors.local_times import SECOND, WIB, to_local_ceil
from sms_gateway.vendors.parsing import (
    as_decimal,
    as_text,
    decode_json,
)
from sms_gateway.vendors.rajasms.responses import (
    BALANCE_CODES,
    BALANCE_LIMIT,
    DELIVERY_CODES,
    GLOBAL_CODES,
    OK,
    UNKNOWN_BALANCE_CODE,
    UNKNOWN_DELIVERY,
    outcome_of,
    packet_outcome,
    parse_day,
    row_of,
    rows_of,
    sending_id,
    unwrap,
)
from sms_gateway.vendors.types import (
    Balance,
    BalanceRefusedError,
    CallbackRequest,
    Category,
    DeliveryReport,
    OutgoingMessage,
    Request,
    SubmitCall,
    SubmitOutcome,
    VendorResponse,
    chunks,
)

Product = Literal["reguler", "masking", "otp", "bulk"]
CATEGORIES: frozenset[Category] = frozenset({"otp", "transactional", "promotional"})
TEXT_LIMIT = 480


@dataclass(frozen=True, slots=True, kw_only=True)
class RajaSms(Adapter):
    """An account at RajaSMS. The product, and with it the sender, follows from the category.

    `url_encode` is for hosts that want texts percent-encoded inside the JSON.
    """

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
    unregistered_address: ClassVar[str | None] = "40"
    zone: ClassVar[tzinfo] = WIB

    api_key: str = field(repr=False)
    products: Mapping[Category, Product] = field(
        default_factory=lambda: {
            "otp": "otp",
            "transactional": "masking",
            "promotional": "reguler",
        }
    )
    bulk_send_path: str = (
        "/sms/api_sms_bulk_send_json.php"  # undocumented: by the pattern of the others
    )
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

    def check(self, message: OutgoingMessage) -> None:
        """Refuse also a sender, which the product decides, a foreign number and a long text."""
        Adapter.check(self, message)
        if not message.to.startswith("+62"):
            raise UnsupportedMessageError(
                "bad-number", "to", f"{self.title} reaches Indonesian numbers only."
            )
        if message.sender:
            detail = f"{self.title} has no way to express from: the product decides the sender."
            raise UnsupportedMessageError("unsupported-field", "from", detail)
        if len(message.text) > TEXT_LIMIT:
            detail = f"{self.title} takes at most {TEXT_LIMIT} characters."
            raise UnsupportedMessageError("text-too-long", "text", detail)

    def pack(self, messages: Sequence[OutgoingMessage]) -> list[list[OutgoingMessage]]:
        """Split messages into submissions of one call item: one product, and no number twice.

        The response and the callbacks name messages by number.
        """
        groups: dict[tuple[Product, int], list[OutgoingMessage]] = {}
        earlier: Counter[tuple[Product, str]] = Counter()
        for message in messages:
            product = self.products[message.category]
            recipient = product, _international(message.to)
            groups.setdefault((product, earlier[recipient]), []).append(message)
            earlier[recipient] += 1
        return [part for group in groups.values() for part in chunks(group, self.submission_size)]

    def submit(
        self, messages: Sequence[OutgoingMessage], callback_url: str | None
    ) -> list[SubmitCall]:
        """Return one call for item group of `pack`."""
        callback = callback_url if self.callbacks and callback_url else ""
        return [
            SubmitCall(self._send(group, callback), tuple(group)) for group in self.pack(messages)
        ]

    def _send(self, group: Sequence[OutgoingMessage], callback_url: str) -> Request:
        payload = {
            "apikey": self.api_key,
            "callbackurl": callback_url,
            "datapacket": [
                {
                    "number": _international(message.to),
                    "message": quote(message.text, safe="") if self.url_encode else message.text,
                    "sendingdatetime": _sending_time(message.send_at),
                }
                for message in group
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

    def submitted(self, response: VendorResponse, call: SubmitCall) -> list[SubmitOutcome]:
        """Match packets by number, and by position only where they name none."""
        answer = row_of(response.body, "sendingrespon")
        overall = outcome_of(GLOBAL_CODES, answer, "globalstatus")
        packets = unwrap(answer.get("datapacket"))
        numbers = [_international(as_text(packet.get("number"))) for packet in packets]
        named = dict(zip(numbers, packets, strict=True))
        outcomes = []
        for position, member in enumerate(call.members):
            packet = named.get(_international(member.to), {})
            if not packet and len(packets) == len(call.members) and not numbers[position]:
                packet = packets[position]
            outcomes.append(
                packet_outcome(packet) if as_text(packet.get("sendingstatus")) else overall
            )
        return outcomes

    def balance(self) -> Mapping[str | None, Request]:
        """Return one request for item product in use."""
        paths = {
            product: f"/sms/api_sms_{product}_balance_json.php"
            for product in self.products.values()
        }
        if "bulk" in paths:
            paths["bulk"] = self.bulk_balance_path
        payload = {"apikey": self.api_key}
        return {product: self._request(path, payload) for product, path in paths.items()}

    def parse_balance(self, response: VendorResponse, product: str | None) -> Balance:
        """Parse a balance in rupiah."""
        answer = row_of(response.body, "balancerespon")
        code, rupiah = as_text(answer.get("globalstatus")), as_decimal(answer.get("balance"))
        if code == OK and rupiah is not None:
            return Balance(product, rupiah, "IDR", parse_day(as_text(answer.get("expired"))))
        if code in (None, OK):
            raise BalanceRefusedError("unreadable answer")
        text, retryable = BALANCE_CODES.get(code, UNKNOWN_BALANCE_CODE)
        vendor_text = as_text(answer.get("globalstatustext"))
        raise BalanceRefusedError(
            vendor_text or text, code, retryable=retryable, limited=code == BALANCE_LIMIT
        )

    def balance_product(self, category: Category) -> str | None:
        """Return the product whose credit a category uses."""
        return self.products[category]

    def callback(self, request: CallbackRequest) -> list[DeliveryReport]:
        """Parse a JSON body, a form with JSON in a field, or a form of the fields."""
        document = decode_json(request.body)
        if document is None:
            form = dict(parse_qsl(request.body.decode(errors="replace")))
            values = (decode_json(field.encode(errors="replace")) for field in form.values())
            document = next((item for item in values if isinstance(item, dict | list)), form)
        reports = []
        for row in rows_of(document, "statusrespon"):
            code, vendor_id = as_text(row.get("deliverystatus")), sending_id(row)
            number = _international(as_text(row.get("number"))) or None
            if code and (vendor_id or number):
                found = DELIVERY_CODES.get(code, UNKNOWN_DELIVERY)
                text = as_text(row.get("deliverystatustext")) or found.text
                reports.append(
                    replace(found, vendor_id=vendor_id, number=number, code=code, text=text)
                )
        return reports


def _sending_time(send_at: datetime | None) -> str:
    return f"{to_local_ceil(send_at, WIB, SECOND):%Y-%m-%d %H:%M:%S}" if send_at else ""


def _international(number: str | None) -> str:
    """Return the digits of 081…, 6281… or +6281… as 6281…; '' for none."""
    digits = re.sub(r"[^0-9]", "", number or "")
    return f"62{digits[1:]}" if re.match("0[1-9]", digits) else digits.removeprefix("00")

"""RajaSMS (Indonesia): JSON packets in, an id and a price for each number, callbacks only."""

import json
import re
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar

from local.simulators.callbacks import Callback
from local.simulators.state import Message, State, digest
from local.simulators.vendor import HTML, Answer, Operation, Request, Vendor, as_json

ACCOUNT = {"api_key": "local-api-key"}
PRODUCTS = ("reguler", "masking", "otp", "bulk")
WIB = timezone(timedelta(hours=7))
BALANCES = {"reguler": 880000, "masking": 640000, "otp": 320000, "bulk": 160000}  # rupiah
PRICE = 320  # rupiah a message
MAX_PACKETS = 1000
MAX_CHARACTERS = 480
PACKETS_A_CALLBACK = 100

GLOBAL = {
    10: "Success",
    20: "Json Post Error",
    25: "Error Check Balance",
    30: "ApiKey not register",
    35: "Check Balance Limit",
    55: "Maximum Data",
    77: "Relay",  # for the fault: no document lists it
}
SENDING = {10: "success", 60: "Invalid Number", 70: "Invalid Message", 90: "System Error"}
DELIVERY = {"2": "Sent", "3": "Delivered Success", "4": "Delivered Error"}
BACKUP = ("10", "Delivered Success Backup")

NUMBER = re.compile(r"(?:\+?62|0)(8\d{6,12})")


class RajaSms(Vendor):
    """The ADSMedia platform as RajaSMS runs it."""

    name = "rajasms"
    first_number = 628000000001
    methods = frozenset({"POST"})
    operations: ClassVar[Mapping[str, Operation]] = {
        **{f"sms/api_sms_{product}_send_json.php": "submit" for product in PRODUCTS},
        **{f"sms/api_sms_{product}_balance_json.php": "balance" for product in PRODUCTS},
    }
    sends_callbacks = True

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self._lock = threading.Lock()
        self._queried_at: dict[str, float] = {}

    @classmethod
    def account(cls, base: str) -> dict[str, Any]:
        """Make the account settings."""
        return {"base_url": base, "allow_http": True, **ACCOUNT}

    def answer(self, request: Request) -> Answer:
        """Answer a send or a balance of any product."""
        data = request.data()
        _, _, product, call, _ = request.path.split("_")
        if call == "balance":
            return self._balance(data, product)
        if data is None:
            return sending(20)
        if data.get("apikey") != ACCOUNT["api_key"]:
            return sending(30)
        return self._send(request, data, f"{product}_send")

    def refusal(self, request: Request, operation: Operation, *, temporary: bool) -> Answer:
        """Refuse each packet under a global success; a balance globally."""
        if operation == "balance":
            return balance(25 if temporary else 30)
        found = (request.data() or {}).get("datapacket")
        if not isinstance(found, list):
            return sending(20)
        numbers = [p.get("number", "") if isinstance(p, dict) else "" for p in found]
        return sending(10, [packet(number, 0, 90 if temporary else 70) for number in numbers])

    def unknown_code(self, request: Request, operation: Operation) -> Answer:
        """Return a globalstatus that no table lists."""
        del request
        return balance(77) if operation == "balance" else sending(77)

    def wrong_type(self, operation: Operation) -> Answer:
        """Return a text where the list of answers belongs."""
        key = "balance_respon" if operation == "balance" else "sending_respon"
        return as_json({key: "ok"}, HTML)

    def notices(self, messages: Sequence[Message], *, stale: bool = False) -> list[Callback]:
        """Return the first message alone, then up to a hundred a call: both shapes occur."""
        notified = [message for message in messages if message.urls.get("any")]
        if not notified:
            return []
        groups = [notified[:1]]
        groups += [
            notified[start : start + PACKETS_A_CALLBACK]
            for start in range(1, len(notified), PACKETS_A_CALLBACK)
        ]
        return [
            Callback(
                self.name,
                group[0].urls["any"],
                "POST",
                json.dumps({"status_respon": [status(m, stale) for m in group]}).encode(),
            )
            for group in groups
        ]

    def _send(self, request: Request, data: Mapping[str, Any], operation: str) -> Answer:
        packets = data.get("datapacket")
        if not isinstance(packets, list) or not packets:
            return sending(20)
        if len(packets) > MAX_PACKETS:
            return sending(55)
        urls = {"any": url} if isinstance(url := data.get("callbackurl"), str) and url else {}
        accepted = []
        answers = []
        for item in packets:
            try:
                number, text, send_at = parse_packet(item)
            except (TypeError, ValueError):
                return sending(20)
            matched = NUMBER.fullmatch(number)
            if matched is None:
                answers.append(packet(number, 0, 60))
                continue
            number = "62" + matched[1]
            if not 0 < len(text) <= MAX_CHARACTERS:
                answers.append(packet(number, 0, 70))
                continue
            sendingid = self.state.next_id()
            accepted.append(
                Message(
                    number,
                    digest(text),
                    vendor_id=str(sendingid),
                    urls=urls,
                    send_at=send_at,
                    plain=text,
                )
            )
            answers.append(packet(number, sendingid, 10))
        if accepted:
            self.state.accept(self.name, operation, accepted, request.answered)
        return sending(10, answers)

    def _balance(self, data: Mapping[str, Any] | None, product: str) -> Answer:
        if data is None:
            return balance(20)
        if data.get("apikey") != ACCOUNT["api_key"]:
            return balance(30)
        now = time.monotonic()
        with self._lock:
            last = self._queried_at.get(product)
            if last is not None and now - last < self.state.balance_interval:
                return balance(35)
            self._queried_at[product] = now
        expired = (datetime.now(WIB) + timedelta(days=300)).date().isoformat()
        return balance(10, Balance=BALANCES[product], Expired=expired)


def parse_packet(item: Any) -> tuple[str, str, float | None]:
    """Return number, text and time of a packet. Raises TypeError or ValueError if it is none."""
    if not isinstance(item, dict):
        raise TypeError("a packet is an object")
    number, text = item.get("number"), item.get("message")
    if not isinstance(number, str | int) or not isinstance(text, str):
        raise TypeError("a packet has a number and a message")
    sending_time = item.get("sendingdatetime") or ""
    if not sending_time:
        return str(number), text, None
    moment = datetime.strptime(sending_time, "%Y-%m-%d %H:%M:%S").replace(tzinfo=WIB)
    return str(number), text, moment.astimezone(UTC).timestamp()


def packet(number: object, sendingid: int, code: int) -> dict[str, object]:
    """Return one number's part of an answer; a refused one costs nothing."""
    inner = {
        "number": number,
        "sendingid": sendingid,
        "sendingstatus": code,
        "sendingstatustext": SENDING[code],
        "price": PRICE if code == 10 else 0,
    }
    return {"packet": inner}


def sending(code: int, packets: Sequence[object] = ()) -> Answer:
    """Return the answer to a send."""
    inner = {
        "globalstatus": code,
        "globalstatustext": GLOBAL[code],
        "datapacket": list(packets),
    }
    return as_json({"sending_respon": [inner]}, HTML)


def balance(code: int, **more: object) -> Answer:
    """Return the answer to a balance."""
    inner = {"globalstatus": code, "globalstatustext": GLOBAL[code], **more}
    return as_json({"balance_respon": [inner]}, HTML)


def status(message: Message, stale: bool) -> dict[str, object]:
    """Return one message's part of a callback; deliverystatus is a string, sendingid a number."""
    sendingid = int(message.vendor_id or 0)
    if message.state == "pending" or stale:
        code = "2"
    else:
        code = "3" if message.state == "delivered" else "4"
    text = DELIVERY[code]
    if code == "3" and sendingid % 5 == 0:
        code, text = BACKUP
    return {
        "sendingid": sendingid,
        "number": message.number,
        "deliverystatus": code,
        "deliverystatustext": text,
    }

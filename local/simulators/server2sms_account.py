"""server2sms beside messages: credit that vouchers move, originators that must be unlocked.

Only parameters, StatusCode and StatusInfo are documented; the rows of a voucher list, and the code
that refuses a wrong unlock code or voucher, are made up here.
"""

import random
import re
import string
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

CREDITS = Decimal("2480.5")
ORIGINATOR = re.compile(r"\+?[0-9]{1,15}|[A-Za-z0-9]{1,11}")
ALPHABET = string.ascii_uppercase + string.digits
MAX_VOUCHERS = 1000  # vouchers in one call

type Answer = dict[str, object]


@dataclass(slots=True)
class Voucher:
    """A voucher of the simulated vendor; times are seconds since 1970."""

    code: str = field(repr=False)
    credits: Decimal
    remarks: str
    created_at: float
    redeemed_at: float | None = None

    def row(self) -> Answer:
        """Return the voucher as GetVoucherTransactions lists it."""
        return {
            "VoucherCode": self.code,
            "Credits": f"{self.credits:f}",
            "Remarks": self.remarks,
            "CreationDate": _plain(self.created_at),
            "RedeemDate": "" if self.redeemed_at is None else _plain(self.redeemed_at),
        }


class Account:
    """The account's credit, vouchers and originators.

    Every operation answers with a StatusCode and members beside it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._random = random.SystemRandom()
        self.clear()

    def clear(self) -> None:
        """Reset the account to its first day."""
        with self._lock:
            self._credits = CREDITS
            self._vouchers: dict[str, Voucher] = {}
            self._codes: dict[str, str] = {}
            self._unlocked: set[str] = set()

    def view(self) -> Answer:
        """Return what only the control route shows: above all the unlock codes."""
        with self._lock:
            return {
                "credits": f"{self._credits:f}",
                "vouchers": [voucher.row() for voucher in self._vouchers.values()],
                "originators": {
                    name: {
                        "authorized": name in self._unlocked,
                        "unlock_code": self._codes.get(name),
                    }
                    for name in sorted(self._unlocked | self._codes.keys())
                },
            }

    def answer(self, operation: str, data: Mapping[str, Any]) -> tuple[str, Answer]:
        """Return the StatusCode of an operation, and the members beside it."""
        with self._lock:
            return self._operations()[operation](data)

    def _operations(self) -> dict[str, Callable[[Mapping[str, Any]], tuple[str, Answer]]]:
        return {
            "CheckCredits": self._check_credits,
            "CheckOriginatorAuthorization": self._check,
            "SendOriginatorUnlockCode": self._send_code,
            "UnlockOriginator": self._unlock,
            "CreateVoucher": self._create,
            "GetVoucherTransactions": self._list,
            "RedeemVoucher": self._redeem,
        }

    def _check_credits(self, _data: Mapping[str, Any]) -> tuple[str, Answer]:
        return "1", {"Credits": f"{self._credits:f}"}

    def _check(self, data: Mapping[str, Any]) -> tuple[str, Answer]:
        name = _originator(data)
        if name is None:
            return "10", {}
        if not name.lstrip("+").isdigit():
            return "28", {}  # only numbers must be unlocked
        return ("31" if name in self._unlocked else "29" if name in self._codes else "30"), {}

    def _send_code(self, data: Mapping[str, Any]) -> tuple[str, Answer]:
        name = _originator(data)
        if name is None or not name.lstrip("+").isdigit():
            return "10", {}
        if name in self._unlocked:
            return "31", {}
        self._codes[name] = "".join(self._random.choices(ALPHABET, k=8))
        return "1", {}

    def _unlock(self, data: Mapping[str, Any]) -> tuple[str, Answer]:
        name, code = _originator(data), data.get("UnlockCode")
        if name is None:
            return "10", {}
        if name in self._unlocked:
            return "31", {}
        sent = self._codes.get(name)
        if sent is None or not isinstance(code, str) or code != sent:
            return "30", {}
        self._unlocked.add(name)
        del self._codes[name]
        return "1", {}

    def _create(self, data: Mapping[str, Any]) -> tuple[str, Answer]:
        number, each = _whole(data.get("NumberOfVouchers")), data.get("AmountCreditsPerVoucher")
        worth = _whole(each)
        if number is None or worth is None or not 1 <= number <= MAX_VOUCHERS or worth < 1:
            return "11", {}
        if number * worth > self._credits:
            return "5", {}
        self._credits -= number * worth
        for _ in range(number):
            code = "-".join("".join(self._random.choices(ALPHABET, k=4)) for _ in range(3))
            remarks = str(data.get("Remarks") or "")
            self._vouchers[code] = Voucher(code, Decimal(worth), remarks, time.time())
        return "1", {}

    def _list(self, _data: Mapping[str, Any]) -> tuple[str, Answer]:
        return "1", {"vouchers": [voucher.row() for voucher in self._vouchers.values()]}

    def _redeem(self, data: Mapping[str, Any]) -> tuple[str, Answer]:
        found = self._vouchers.get(str(data.get("RedeemCode")))
        if found is None or found.redeemed_at is not None:
            return "11", {}
        found.redeemed_at = time.time()
        self._credits += found.credits
        return "1", {}


def _originator(data: Mapping[str, Any]) -> str | None:
    originator = data.get("Originator")
    return originator if isinstance(originator, str) and ORIGINATOR.fullmatch(originator) else None


def _whole(value: object) -> int | None:
    text = str(value)
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def _plain(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%d%m%Y%H%M%S")

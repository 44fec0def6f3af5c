"""What a vendor may offer beside messages: senders, vouchers, and facts about itself. No I/O.

`Senders`, `Vouchers` and `Facts` describe requests and understand replies as an `Adapter` does. A
vendor's class in ACCOUNTS is built from its adapter and fills in those that its interface has; what
it does not fill in, the vendor does not have.
"""

import codecs
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from importlib import import_module

import msgspec

from sms_gateway.core.value_object import ValueObject
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.parsing import decode_json
from sms_gateway.vendors.types import Request, SubmitOutcome, VendorResponse

ACCOUNTS: Mapping[str, tuple[str, str]] = {  # vendor: module and class
    "server2sms": ("server2sms.account", "Server2smsAccount"),
}


class Authorized(StrEnum):
    """Whether a vendor lets messages leave under a sender."""

    YES = "yes"
    NO = "no"
    PENDING = "pending"


class Authorization(ValueObject, frozen=True):
    """What a vendor says of a sender; `authorized` is None where it did not say it."""

    authorized: Authorized | None
    outcome: SubmitOutcome


class OperationResult(ValueObject, frozen=True):
    """What came of a change: ACCEPTED it is done, REFUSED or RETRY it certainly is not, UNKNOWN
    nobody can say. `problem` is the slug of a refusal that has a name of its own; `undocumented`
    marks a whole answer whose code no document lists."""

    outcome: SubmitOutcome
    problem: str | None = None
    undocumented: bool = False


class Voucher(ValueObject, frozen=True):
    """A voucher as a vendor lists it: `code` is worth money. `credits` is what it adds, in the
    vendor's own count; `data` is the whole row as the vendor wrote it."""

    hidden = frozenset({"code", "remarks", "data"})

    code: str | None
    credits: Decimal | None
    remarks: str | None
    data: object

    def mentions(self, said: str) -> bool:
        """Whether `said` stands anywhere in the row, in capitals or not."""
        return said.casefold() in msgspec.json.encode(self.data).decode().casefold()


class Listing(ValueObject, frozen=True):
    """A list of vouchers; None where the vendor refused to tell it, or can't be understood."""

    hidden = frozenset({"vouchers"})

    vouchers: list[Voucher] | None
    outcome: SubmitOutcome

    @property
    def every(self) -> list[Voucher]:
        """The rows that there are."""
        return self.vouchers or []


class RawAnswer(ValueObject, frozen=True):
    """An answer of any shape: a JSON value, or the text of all else."""

    content_type: str
    data: object


class Senders(ABC):
    """The senders of an account, which the vendor lets through one by one."""

    @abstractmethod
    def is_sender(self, originator: str) -> bool:
        """Whether a text has the form of a sender."""

    @abstractmethod
    def ask_sender(self, originator: str) -> Request:
        """Asks whether a sender is authorized."""

    @abstractmethod
    def sender(self, reply: VendorResponse) -> Authorization:
        """What the answer says. Never raises."""

    @abstractmethod
    def send_unlock_code(self, originator: str) -> Request:
        """Has the vendor send a code to the sender's own handset."""

    @abstractmethod
    def unlock_code_sent(self, reply: VendorResponse) -> OperationResult:
        """What came of it. Never raises."""

    @abstractmethod
    def unlock(self, originator: str, code: str, affiliate_id: str | None) -> Request:
        """Shows the code that arrived there."""

    @abstractmethod
    def unlocked(self, reply: VendorResponse) -> OperationResult:
        """What came of it. Never raises."""


class Vouchers(ABC):
    """Credit as codes that can be given away."""

    @abstractmethod
    def create(self, number: int, credits_each: int, remarks: str) -> Request:
        """Makes `number` vouchers of `credits_each`, paid from the account's credit."""

    @abstractmethod
    def created(self, reply: VendorResponse) -> OperationResult:
        """What came of it. Never raises."""

    @abstractmethod
    def ask_vouchers(self) -> Request:
        """Asks for all vouchers that were created or redeemed."""

    @abstractmethod
    def vouchers(self, reply: VendorResponse) -> Listing:
        """What the answer says. Never raises."""

    @abstractmethod
    def redeem(self, code: str) -> Request:
        """Adds a voucher's credits to the account."""

    @abstractmethod
    def redeemed(self, reply: VendorResponse) -> OperationResult:
        """What came of it. Never raises."""


class InterfaceInfo(ABC):
    """What a vendor says of its own interface."""

    @abstractmethod
    def ask_version(self) -> Request:
        """Asks for the interface's version."""

    @abstractmethod
    def ask_status_codes(self) -> Request:
        """Asks for every code that the interface answers with."""

    @abstractmethod
    def refusal(self, reply: VendorResponse) -> SubmitOutcome | None:
        """The refusal that the answer is, if it is one. Never raises."""

    @abstractmethod
    def status_codes(self, told: RawAnswer) -> dict[str, str]:
        """The texts of the codes in a list of any shape, as far as they can be made out."""

    @abstractmethod
    def our_codes(self) -> Mapping[str, SubmitOutcome]:
        """What our own table says of each code."""


def vendors_with(part: type) -> list[str]:
    """The vendors that have a part: `Senders`, `Vouchers` or `Facts`."""
    return [vendor for vendor in ACCOUNTS if issubclass(_account_class(vendor), part)]


def service_of[T](adapter: Adapter, part: type[T]) -> T | None:
    """The part of an adapter's vendor, or None where it has none."""
    if adapter.name not in vendors_with(part):
        return None
    made: T = _account_class(adapter.name)(adapter)
    return made


def _account_class(vendor: str) -> type:
    module, name = ACCOUNTS[vendor]
    found: type = getattr(import_module(f"sms_gateway.vendors.{module}"), name)
    return found


def raw_answer(reply: VendorResponse) -> RawAnswer:
    """An answer as it is, whatever its shape. Never raises."""
    data = decode_json(reply.body)
    named = "".join(re.findall("[ -~]", reply.content_type))[:100]
    if data is not None or reply.body.strip() == b"null":
        return RawAnswer(named or "application/json", data)
    found = re.search(r"charset=\"?([\w-]+)", named)
    try:
        codec = codecs.lookup(found[1] if found else "utf-8")
        text = reply.body.decode(codec.name, "replace")
    except (LookupError, ValueError):  # no such charset, or one that is not for texts
        text = reply.body.decode("utf-8", "replace")
    return RawAnswer(named or "text/plain", text)

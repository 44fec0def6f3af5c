"""What a vendor may offer beside messages: senders, vouchers, interface info. No I/O.

`Senders`, `Vouchers` and `InterfaceInfo` describe requests and parse responses as an `Adapter`
does. A vendor's class in ACCOUNTS is built from its adapter and implements the services that its
interface has; a service that it does not implement, the vendor does not offer.
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
    """A sender's authorization at a vendor; `authorized` is None where the response has none."""

    authorized: Authorized | None
    outcome: SubmitOutcome


class OperationResult(ValueObject, frozen=True):
    """The result of a one-time operation.

    ACCEPTED: it was done. REFUSED, RETRY: it certainly was not. UNKNOWN: the outcome is unknown.
    `problem` is the slug of a refusal that has a name of its own; `undocumented` marks a complete
    response whose code no document lists.
    """

    outcome: SubmitOutcome
    problem: str | None = None
    undocumented: bool = False


class Voucher(ValueObject, frozen=True):
    """A voucher as a vendor lists it: `code` is worth money.

    `credits` is what it adds, in the vendor's own count; `data` is the whole row as the vendor
    wrote it.
    """

    hidden = frozenset({"code", "remarks", "data"})

    code: str | None
    credits: Decimal | None
    remarks: str | None
    data: object

    def mentions(self, text: str) -> bool:
        """Return whether `text` stands anywhere in the row, in capitals or not."""
        return text.casefold() in msgspec.json.encode(self.data).decode().casefold()


class Listing(ValueObject, frozen=True):
    """A list of vouchers; None where the vendor refused it, or it can't be parsed."""

    hidden = frozenset({"vouchers"})

    vouchers: list[Voucher] | None
    outcome: SubmitOutcome

    @property
    def every(self) -> list[Voucher]:
        """The rows, none where there is no list."""
        return self.vouchers or []


class RawAnswer(ValueObject, frozen=True):
    """An answer of any shape: a JSON value, or the text of anything else."""

    content_type: str
    data: object


class Senders(ABC):
    """The senders of an account, which the vendor unlocks one by one."""

    @abstractmethod
    def is_sender(self, originator: str) -> bool:
        """Return whether a text has the form of a sender."""

    @abstractmethod
    def ask_sender(self, originator: str) -> Request:
        """Return the request that asks whether a sender is authorized."""

    @abstractmethod
    def sender(self, response: VendorResponse) -> Authorization:
        """Parse the response to `ask_sender`. Never raises."""

    @abstractmethod
    def send_unlock_code(self, originator: str) -> Request:
        """Return the request that sends a code to the sender's own handset."""

    @abstractmethod
    def unlock_code_sent(self, response: VendorResponse) -> OperationResult:
        """Parse the response to `send_unlock_code`. Never raises."""

    @abstractmethod
    def unlock(self, originator: str, code: str, affiliate_id: str | None) -> Request:
        """Return the request that presents the code that arrived there."""

    @abstractmethod
    def unlocked(self, response: VendorResponse) -> OperationResult:
        """Parse the response to `unlock`. Never raises."""


class Vouchers(ABC):
    """Credit as codes that can be given away."""

    @abstractmethod
    def create(self, number: int, credits_each: int, remarks: str) -> Request:
        """Return the request that creates `number` vouchers of `credits_each`."""

    @abstractmethod
    def created(self, response: VendorResponse) -> OperationResult:
        """Parse the response to `create`. Never raises."""

    @abstractmethod
    def ask_vouchers(self) -> Request:
        """Return the request for all vouchers that were created or redeemed."""

    @abstractmethod
    def vouchers(self, response: VendorResponse) -> Listing:
        """Parse the response to `ask_vouchers`. Never raises."""

    @abstractmethod
    def redeem(self, code: str) -> Request:
        """Return the request that adds a voucher's credits to the account."""

    @abstractmethod
    def redeemed(self, response: VendorResponse) -> OperationResult:
        """Parse the response to `redeem`. Never raises."""


class InterfaceInfo(ABC):
    """What a vendor publishes about its own interface."""

    @abstractmethod
    def ask_version(self) -> Request:
        """Return the request for the interface's version."""

    @abstractmethod
    def ask_status_codes(self) -> Request:
        """Return the request for every code that the interface uses."""

    @abstractmethod
    def refusal(self, response: VendorResponse) -> SubmitOutcome | None:
        """Return the refusal in a response; None where it is none. Never raises."""

    @abstractmethod
    def status_codes(self, answer: RawAnswer) -> dict[str, str]:
        """Return the texts of the codes in a list of any shape, as far as they can be parsed."""

    @abstractmethod
    def our_codes(self) -> Mapping[str, SubmitOutcome]:
        """Return what our own table says of each code."""


def vendors_with(service: type) -> list[str]:
    """Return the vendors that offer a service: `Senders`, `Vouchers` or `InterfaceInfo`."""
    return [vendor for vendor in ACCOUNTS if issubclass(_account_class(vendor), service)]


def service_of[T](adapter: Adapter, service: type[T]) -> T | None:
    """Return a service of an adapter's vendor, or None where it has none."""
    if adapter.name not in vendors_with(service):
        return None
    found: T = _account_class(adapter.name)(adapter)
    return found


def _account_class(vendor: str) -> type:
    module, name = ACCOUNTS[vendor]
    account: type = getattr(import_module(f"sms_gateway.vendors.{module}"), name)
    return account


def raw_answer(response: VendorResponse) -> RawAnswer:
    """Return a response's content as it is, whatever its shape. Never raises."""
    data = decode_json(response.body)
    content_type = "".join(re.findall("[ -~]", response.content_type))[:100]
    if data is not None or response.body.strip() == b"null":
        return RawAnswer(content_type or "application/json", data)
    found = re.search(r"charset=\"?([\w-]+)", content_type)
    try:
        codec = codecs.lookup(found[1] if found else "utf-8")
        text = response.body.decode(codec.name, "replace")
    except (LookupError, ValueError):  # no such charset, or one that is not for texts
        text = response.body.decode("utf-8", "replace")
    return RawAnswer(content_type or "text/plain", text)

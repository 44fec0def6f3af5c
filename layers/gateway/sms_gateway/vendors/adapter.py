"""The interface of a vendor adapter: values in, values out, no I/O.

An adapter is a frozen dataclass built from the account's settings. It describes requests (`submit`,
`balance`, `poll`) and parses responses (`submitted`, `parse_balance`, `reports`, `callback`). What
it can't parse changes nothing: it is never a failure and never an exception.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from sms_gateway.core.value_object import ValueObject
from sms_gateway.vendors.price_table import PriceTable
from sms_gateway.vendors.types import (
    Balance,
    CallbackRequest,
    Category,
    CodeCheck,
    DeliveryReport,
    OutgoingMessage,
    PendingReceipt,
    PollCall,
    Request,
    SubmitCall,
    SubmitOutcome,
    VendorResponse,
    chunks,
)

MAX_OTP_SHARE = 0.9  # of the calls at once: the others need some
MAX_BALANCE = 10**15  # as large as amounts that are kept


class Capabilities(ValueObject, frozen=True):
    """What a vendor's interface can do, as `GET /vendors` and docs/vendors/README.md show it."""

    bulk: bool  # one text to many numbers in one call
    personalised: bool  # different texts in one call
    flash: bool
    schedule: bool  # the vendor itself can hold a message until a time
    unicode: bool
    filter_dnd: bool
    template_id: bool
    receipts_poll: bool
    receipts_callback: bool
    own_reference: bool  # carries our reference, which settles a send without a response
    tokens: bool = False  # makes and checks one-time codes itself
    senders: bool = False  # shows and unlocks the senders of an account
    vouchers: bool = False  # creates, lists and redeems vouchers


class UnsupportedMessageError(Exception):
    """This vendor can't carry the message as asked: `field` of the send body, and why."""

    def __init__(self, slug: str, field: str, detail: str) -> None:
        super().__init__(detail)
        self.slug = slug
        self.field = field
        self.detail = detail


class DeliveryWarning(ValueObject, frozen=True):
    """Why a message may not arrive although this vendor can carry it.

    `field` is of the send body; `detail` says what to do. Never holds a text or a number.
    """

    slug: str
    field: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter(ABC):
    """The settings all vendors share, and the methods each one implements.

    Times are seconds. `timeout` is for a response's headers and body together; connecting has 3
    seconds more. `concurrency` bounds the calls at once over all workers, of which `otp_share` is
    kept for codes; `rate` the messages or segments (`rate_unit`) a second over all workers (None:
    no bound); `poll_after` is the wait before receipts are first polled; `schedule_at_vendor`
    leaves a send_at to a vendor that supports it; `prices` is for vendors that report none.
    Raises ValueError from `__post_init__` for settings that can't work. Subclasses call
    `Adapter.check(self, …)`: in a dataclass with slots, `super()` does not work in Python 3.13.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    # The code with which the vendor refuses an address that it has not registered, if it has one.
    unregistered_address: ClassVar[str | None] = None
    zone: ClassVar[tzinfo] = UTC  # in which a balance's last day ends

    base_url: str
    allow_http: bool = False
    timeout: float = 10.0
    concurrency: int = 50
    otp_share: float = 0.2
    rate: float | None = None
    rate_unit: Literal["messages", "segments"] = "messages"
    submission_size: int = 1000
    poll_after: int = 60
    schedule_at_vendor: bool = False
    prices: PriceTable | None = None
    balance_low: float | None = None  # in the balance's unit; below it BalanceLow is emitted
    balance_floor: float | None = None  # in the same; below it other vendors go first

    def __post_init__(self) -> None:
        self.check_url("base_url", self.base_url)
        for name in ("concurrency", "submission_size", "poll_after"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.submission_size > 1000:
            raise ValueError("submission_size must be at most 1000")
        if not 0 < self.timeout <= 25:
            raise ValueError("timeout must be over 0 and at most 25 seconds")
        if self.rate is not None and self.rate <= 0:
            raise ValueError("rate must be over 0")
        if not 0 <= self.otp_share <= MAX_OTP_SHARE:
            raise ValueError(f"otp_share must be from 0 to {MAX_OTP_SHARE}")
        for name in ("balance_low", "balance_floor"):
            bound: float | None = getattr(self, name)
            if bound is not None and not 0 <= bound <= MAX_BALANCE:
                raise ValueError(f"{name} must be from 0 to 1000000000000000")

    def check_url(self, name: str, url: str) -> None:
        """Raise ValueError unless `url` is https, or http and the account allows it.

        A URL that can't be called would look like a call without a response, time and again.
        """
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").encode("idna"), parts.port
        except ValueError:  # no number as a port; a part of a name that is empty or too long
            host, port = b"", None
        plain = url.isascii() and url.isprintable() and " " not in url
        if not host or port == 0 or not plain or parts.scheme not in ("https", "http"):
            raise ValueError(f"{name} must be an http or https address, in ASCII without spaces")
        if "@" in parts.netloc:  # an address is published, and nobody would send what it names
            raise ValueError(f"{name} must be without a user and a password: these are settings")
        if parts.scheme == "http" and not self.allow_http:
            raise ValueError(f"{name} is plain http: set allow_http to true to accept that")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What an operator should know about this account, in sentences."""
        if self.base_url.startswith("http:"):
            return ("Plain http: credentials and texts cross the network unencrypted.",)
        return ()

    @property
    def own_senders(self) -> tuple[str, ...]:
        """The account's own senders, which every tenant may name: `sender`, where it has one."""
        own: str | None = getattr(self, "sender", None)
        return (own,) if own else ()

    @property
    def account_callbacks(self) -> bool:
        """Whether the vendor calls one address for the whole account, naming its own ids."""
        return False

    @property
    def makes_codes(self) -> bool:
        """Whether the vendor, not the gateway, makes the code of a verification."""
        return False

    def calls_at_once(self, *, codes: bool) -> int:
        """Return how many calls the workers for codes, or those for all else, may make at once."""
        kept = round(self.concurrency * self.otp_share)
        return kept if codes else self.concurrency - kept

    def seconds(self, messages: int, segments: int = 0) -> float:
        """Return what messages take of the account's rate; 0 without one.

        `segments` are those of all of them, 0 where nobody counted them.
        """
        units = segments if self.rate_unit == "segments" and segments else messages
        return units / self.rate if self.rate else 0.0

    def calls(self, messages: int) -> int:
        """Return how many calls a submission of so many messages takes at most."""
        del messages
        return 1

    def check(self, message: OutgoingMessage) -> None:
        """Raise UnsupportedMessageError when this vendor can't carry `message`."""
        for name in ("flash", "filter_dnd", "template_id"):
            if getattr(message, name) and not getattr(self.capabilities, name):
                raise UnsupportedMessageError(
                    "unsupported-field", name, f"{self.title} has no way to express {name}."
                )

    def delivery_warnings(self, message: OutgoingMessage, at: datetime) -> list[DeliveryWarning]:
        """Return why `message`, leaving at `at`, may not arrive although `check` passes."""
        del message, at
        return []

    def template_of(self, message: OutgoingMessage) -> str | None:
        """Return the template id that goes with `message`; None where the vendor knows none."""
        del message
        return None

    def holds(self, send_at: datetime) -> bool:
        """Return whether the vendor can hold a message until exactly `send_at`."""
        del send_at
        return self.capabilities.schedule

    def pack(self, messages: Sequence[OutgoingMessage]) -> list[list[OutgoingMessage]]:
        """Split messages into submissions, each at most `submission_size`, in order."""
        return chunks(messages, self.submission_size)

    @abstractmethod
    def submit(
        self, messages: Sequence[OutgoingMessage], callback_url: str | None
    ) -> list[SubmitCall]:
        """Return the calls that send one submission.

        `callback_url` is the submission's own, unguessable callback address, at most 140 characters
        (150 of a described vendor) and without a query, or None for no callbacks.
        """

    @abstractmethod
    def submitted(self, response: VendorResponse, call: SubmitCall) -> list[SubmitOutcome]:
        """Return one outcome for each of `call.members`, in their order. Never raises."""

    @abstractmethod
    def balance(self) -> Mapping[str | None, Request]:
        """Return a request for each product with a balance; key None for the only one."""

    @abstractmethod
    def parse_balance(self, response: VendorResponse, product: str | None) -> Balance:
        """Parse a balance. Raises BalanceRefusedError, also for an unreadable response."""

    def balance_product(self, category: Category) -> str | None:
        """Return the product, as in `balance`, whose credit a message of a category uses."""
        del category
        return None

    def poll(self, pending: Sequence[PendingReceipt]) -> list[PollCall]:
        """Return the calls that ask for receipts, in the vendor's own unit."""
        del pending
        return []

    def reports(self, response: VendorResponse, call: PollCall) -> list[DeliveryReport]:
        """Parse a poll's response into reports by `message_id`, only for messages it mentions.

        Never raises.
        """
        del response, call
        return []

    def repeated_secrets(self, request: CallbackRequest) -> Mapping[str, str]:
        """Return what a callback says our secret settings are, by name; where it does."""
        del request
        return {}

    def callback(self, request: CallbackRequest) -> list[DeliveryReport]:
        """Parse a callback into reports. Never raises; an unreadable one gives an empty list."""
        del request
        return []


class CodeMaker(Adapter):
    """A vendor that can make the codes of verifications; whether it does, `makes_codes` says."""

    __slots__ = ()

    @abstractmethod
    def verify(self, to: str, message_id: str, code: str) -> Request:
        """Return the call that checks the code of a message."""

    @abstractmethod
    def verified(self, response: VendorResponse) -> CodeCheck:
        """Parse the response to `verify`. Never raises for what a vendor may answer."""

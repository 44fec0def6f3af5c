"""Values that vendor adapters take and return. No I/O."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from sms_gateway.core.status import Status
from sms_gateway.core.value_object import ValueObject

Category = Literal["otp", "transactional", "promotional"]
Encoding = Literal["gsm7", "ucs2"]


class Request(ValueObject, frozen=True):
    """An HTTP request to a vendor. `repr` shows no URL and no body: they carry secrets.

    One for `public_only` reaches no address inside a network, whatever its host's name leads to.
    """

    hidden = frozenset({"url", "headers", "body"})

    method: Literal["GET", "POST"]
    url: str
    headers: Mapping[str, str] = {}
    body: bytes = b""
    public_only: bool = False


class VendorResponse(ValueObject, frozen=True):
    """A vendor's complete response. The HTTP status says little: vendors refuse inside a 200."""

    hidden = frozenset({"body"})

    status: int
    body: bytes
    content_type: str = ""


class CallbackRequest(ValueObject, frozen=True):
    """A vendor's request to the callback route; query values are already percent-decoded."""

    hidden = frozenset({"body"})

    method: str
    query: Mapping[str, str]
    body: bytes
    content_type: str = ""


class OneTimeCode(ValueObject, frozen=True):
    """The one-time code of a verification's message.

    `template` is the text with `{code}` in it; `code` is ours, or None where the vendor makes one
    by `mask`; `ttl` is seconds.
    """

    hidden = frozenset({"template", "code"})

    template: str
    mask: str
    ttl: int
    case_sensitive: bool = False
    code: str | None = None


class OutgoingMessage(ValueObject, frozen=True):
    """One message as a vendor must send it.

    `id` is 29 letters and digits; `to` is E.164. With a `one_time_code`, `text` has our code in it;
    where the vendor makes the code it is the template.
    """

    hidden = frozenset({"to", "text"})

    id: str
    to: str
    text: str
    sender: str | None = None
    category: Category = "transactional"
    encoding: Encoding = "gsm7"
    flash: bool = False
    filter_dnd: bool = False
    template_id: str | None = None
    send_at: datetime | None = None  # only where the vendor itself holds the message
    one_time_code: OneTimeCode | None = None


class SubmitCall(ValueObject, frozen=True):
    """One HTTP call that carries `members`, in the order in which the response names them."""

    request: Request
    members: tuple[OutgoingMessage, ...]


class SubmitVerdict(StrEnum):
    """What the response to a submission means for one message."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # certainly not sent, and trying again will not help
    RETRY = "retry"  # certainly not sent; trying later may help
    UNKNOWN = "unknown"  # may have been sent: never send it again blindly


class Price(ValueObject, frozen=True):
    """What a vendor charged for one message; `currency` is ISO 4217."""

    amount: Decimal
    currency: str


class SubmitOutcome(ValueObject, frozen=True):
    """The outcome of a submission for one message.

    `account_fault` marks a fault of our account, not of the message (credentials, address, credit):
    an operator must act, another vendor may succeed.
    """

    verdict: SubmitVerdict
    vendor_id: str | None = None
    code: str | None = None
    text: str | None = None
    price: Price | None = None
    account_fault: bool = False
    note: str | None = None  # our own text, where the vendor gave none


class PendingReceipt(ValueObject, frozen=True):
    """A submitted message that awaits its delivery receipt.

    `vendor_id` is the vendor's id of the message, or of the whole job (JST); None when the vendor
    gave none.
    """

    hidden = frozenset({"to"})

    id: str
    to: str
    vendor_id: str | None = None
    category: Category = "transactional"


class PollCall(ValueObject, frozen=True):
    """One HTTP call that asks for the receipts of `pending`."""

    request: Request
    pending: tuple[PendingReceipt, ...]


class DeliveryReport(ValueObject, frozen=True):
    """What a vendor reports on one message's delivery; `status` None changes nothing.

    A poll names the message by `message_id`; a callback by what the vendor gave: `message_id` (our
    reference), `vendor_id` or `number` (digits as the vendor wrote them). `read_once` marks a
    response that can't be read again; `account_fault` a fault that an operator must see;
    `unknown_status` a status that no document of the vendor lists; `accepted` that the vendor has
    the message under our reference, so that a submission without a response did arrive.
    """

    hidden = frozenset({"number"})

    status: Status | None
    message_id: str | None = None
    vendor_id: str | None = None
    number: str | None = None
    code: str | None = None
    text: str | None = None
    at: datetime | None = None
    read_once: bool = False
    account_fault: bool = False
    unknown_status: bool = False
    accepted: bool = False


class CodeVerdict(StrEnum):
    """A vendor's verdict on a code that it made itself."""

    RIGHT = "right"
    WRONG = "wrong"
    ALREADY = "already"  # found right before: it no longer checks the code
    FAILED = "failed"  # it did not check the code
    UNKNOWN = "unknown"  # it may have checked the code


class CodeCheck(ValueObject, frozen=True):
    """A vendor's response to a code check.

    `account_fault` marks a fault of our account, `retryable` that a later check may succeed.
    """

    verdict: CodeVerdict
    code: str | None = None
    text: str | None = None
    account_fault: bool = False
    retryable: bool = False


class Balance(ValueObject, frozen=True):
    """A balance: `unit` is a currency (ISO 4217), or `credits` where the vendor counts its own."""

    product: str | None
    amount: Decimal
    unit: str
    expires_on: date | None = None


class BalanceRefusedError(Exception):
    """The vendor refused the balance, or its response can't be parsed (`code` is None).

    `limited`: it was asked too often, and must be asked less.
    """

    def __init__(
        self,
        text: str,
        code: str | None = None,
        *,
        retryable: bool = False,
        limited: bool = False,
    ) -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.retryable = retryable
        self.limited = limited


def chunks[T](items: Iterable[T], size: int) -> list[list[T]]:
    """Return consecutive lists of at most `size`."""
    whole = list(items)
    return [whole[start : start + size] for start in range(0, len(whole), size)]

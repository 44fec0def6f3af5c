"""The table's values: batches, submissions, messages; docs/data-model.md draws them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal, Self

import msgspec

from sms_gateway.core.status import Status
from sms_gateway.core.ulids import is_ulid
from sms_gateway.core.value_object import ValueObject
from sms_gateway.vendors.price_table import PriceTable
from sms_gateway.vendors.types import Category, Encoding, OneTimeCode, OutgoingMessage, Price

Source = Literal["api", "dispatch", "callback", "poll", "clock", "operator"]


class CodeSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How to make a verification's code; nothing in it reveals the code.

    Without a `nonce` the vendor makes it. `ttl` is seconds.
    """

    mask: str
    ttl: int
    case_sensitive: bool = False
    nonce: str | None = None


class MessageContent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The accepted content of one message.

    A batch stores what its messages share, each message only what is its own.
    """

    to: str = ""
    text: str = ""
    sender: str | None = None
    category: Category = "transactional"
    send_at: datetime | None = None
    flash: bool = False
    encoding: Encoding = "gsm7"
    segments: int = 1
    filter_dnd: bool = False
    template_id: str | None = None
    reference: str | None = None
    metadata: dict[str, str] | None = None
    on_unknown: Literal["hold", "resend"] = "hold"
    at_vendor: bool = False  # the vendor schedules the message
    code_spec: CodeSpec | None = None  # a verification's; the text has {code} in it
    status_url: str | None = None  # gets each event, besides the endpoints

    @property
    def withheld(self) -> bool:
        """Whether the text may be a code: it is sealed, and neither answered nor told."""
        return self.category == "otp"

    def outgoing(self, message_id: str, now: datetime | None = None) -> OutgoingMessage:
        """Return the message for a vendor adapter, without a verification's code.

        After `send_at` no time is passed on: no vendor documents what it does with a past one.
        """
        in_future = self.send_at is not None and (now is None or self.send_at > now)
        return OutgoingMessage(
            message_id,
            self.to,
            self.text,
            self.sender,
            self.category,
            self.encoding,
            self.flash,
            self.filter_dnd,
            self.template_id,
            self.send_at if self.at_vendor and in_future else None,
            self._token(),
        )

    def _token(self) -> OneTimeCode | None:
        spec = self.code_spec
        return OneTimeCode(self.text, spec.mask, spec.ttl, spec.case_sensitive) if spec else None


class TimelineEntry(msgspec.Struct, frozen=True, array_like=True):
    """One step of a timeline; `at` is epoch milliseconds.

    `code` and `text` are the vendor's, `note` is ours: why this vendor, or what went wrong.
    """

    at: int
    status: str
    source: str
    vendor: str | None = None
    attempt: int = 0
    code: str | None = None
    text: str | None = None
    note: str | None = None


OutcomeDetail = tuple[str | None, str | None, str | None]  # the vendor's code and text, our note
ALL_MESSAGES = -1  # the offset of a detail that all messages share


class VerdictLetter(StrEnum):
    """A vendor's verdict on one message, as SubmissionResult stores it."""

    ACCEPTED = "A"
    REFUSED = "R"
    RETRY = "T"
    UNKNOWN = "U"
    CANCELLED = "C"  # before the call


class SubmissionResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """A vendor's answer to a submission, by the position of the message in it.

    `verdicts` has a VerdictLetter a message and is empty when all were accepted. With `own_ids` the
    vendor knows the messages by our ids; else `vendor_id` or `price` is set when all messages have
    the same. `rates` are the rows of the account's price table for messages without a price.
    """

    verdicts: str = ""
    own_ids: bool = False
    vendor_id: str | None = None
    vendor_ids: list[str | None] | None = None
    price: tuple[str, str] | None = None
    prices: list[tuple[str, str] | None] | None = None
    details: dict[int, OutcomeDetail] | None = None  # of messages not accepted
    rates: PriceTable | None = None

    def verdict(self, offset: int) -> VerdictLetter:
        """Return the verdict on the message at `offset`."""
        return VerdictLetter(self.verdicts[offset]) if self.verdicts else VerdictLetter.ACCEPTED

    def detail_of(self, offset: int) -> OutcomeDetail:
        """Return the vendor's words on the message at `offset`, if it was not accepted."""
        details = self.details or {}
        return details.get(offset) or details.get(ALL_MESSAGES) or (None, None, None)

    def vendor_id_of(self, offset: int) -> str | None:
        """Return the vendor's id of the message at `offset`, or of the whole job."""
        return self.vendor_ids[offset] if self.vendor_ids else self.vendor_id

    def price_of(self, offset: int) -> Price | None:
        """Return what the vendor charged for the message at `offset`."""
        price = self.prices[offset] if self.prices else self.price
        return Price(Decimal(price[0]), price[1]) if price else None

    def result_of(self, offset: int) -> "SubmissionResult":
        """Return the result of the message at `offset`, without its details and its own price."""
        return SubmissionResult(
            verdicts=self.verdict(offset),
            own_ids=self.own_ids,
            vendor_id=self.vendor_id_of(offset),
            rates=self.rates,
        )


class ItemKey(ValueObject, frozen=True):
    """A submission's or message's key: the batch and the sort key."""

    batch: str
    sort: str

    @property
    def position(self) -> int:
        """Return the position of the (first) message in its batch."""
        return int(self.sort[2:5])

    def __str__(self) -> str:
        return f"{self.batch}/{self.sort}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse what str() writes; raise ValueError for anything else."""
        batch, slash, sort = text.partition("/")
        if not slash or sort[:2] not in ("M#", "S#") or not sort[2:].isdigit():
            raise ValueError("not a submission's key")
        return cls(batch, sort)


class SealedText(ValueObject, frozen=True):
    """The text of an `otp`: `seed` from its submission's item, `data` from its own."""

    hidden = frozenset({"seed", "data"})

    seed: bytes
    data: bytes


class Submission(ValueObject, frozen=True):
    """The unit of work: `count` messages from `key.position` on, sent to one vendor at once.

    Times are epoch seconds, except `created` (ms). A batch of one keeps its message in the same
    item: then `content` and `tenant` are set, a campaign's `campaign` and a key's `key_id`.
    `seed` opens the texts of category `otp` while they wait; `sealed` is that of a batch of one.
    """

    hidden = frozenset({"content", "seed", "sealed"})

    key: ItemKey
    count: int
    vendor: str
    vendors: tuple[str, ...]
    status: Status
    attempt: int
    created: int
    expires: int
    due: int | None
    polls: int
    changed: int  # when the status last changed
    result: SubmissionResult | None
    timeline: tuple[TimelineEntry, ...]
    refused: tuple[str, ...] = ()  # vendors that refused it
    outcome_unknown: bool = False  # of the last attempt
    sent_again_in_doubt: bool = False  # sent again after an attempt with an unknown outcome
    tenant: str | None = None
    content: MessageContent | None = None
    campaign: str | None = None
    key_id: str | None = None
    held: int | None = None  # no queue has it: its place in the vendor's line, 0 for none
    seed: bytes | None = None
    sealed: bytes | None = None
    test: bool = False  # of a test key: it reaches the sandbox only
    counted: str = ""  # under whose limits, as `policies.quota` writes it
    segments: int = 0  # of all messages, where the vendor's rate counts them

    @property
    def remaining_vendors(self) -> set[str]:
        """The route's other vendors that have not refused it."""
        return set(self.vendors) - {self.vendor, *self.refused}

    @property
    def is_code(self) -> bool:
        """Whether it is one message with a one-time code."""
        sealed = self.seed is not None or (self.content is not None and self.content.withheld)
        return sealed and self.count == 1

    @property
    def is_single(self) -> bool:
        """Whether the submission is stored in its only message's item."""
        return self.key.sort.startswith("M#")


class Message(ValueObject, frozen=True):
    """A message's own item; `status` is None while its submission's applies.

    `sealed` is the text of an `otp`, where it was read to be sent.
    """

    hidden = frozenset({"content", "sealed"})

    key: ItemKey
    content: MessageContent
    status: Status | None
    timeline: tuple[TimelineEntry, ...]
    sealed: SealedText | None = None

    @property
    def id(self) -> str:
        """The id that callers and vendors know."""
        return message_id(self.key.batch, self.key.position)


class Batch(ValueObject, frozen=True):
    """One request's batch: its tenant, and what its messages share."""

    hidden = frozenset({"shared"})

    id: str
    tenant: str
    count: int
    shared: Mapping[str, Any] = {}
    campaign: str | None = None  # its id
    key_id: str | None = None  # of the API key that sent it; a trigger or a campaign has none
    test: bool = False  # whether that is a test key

    def shown_to(self, tenant: str, *, test: bool) -> bool:
        """Return whether a tenant's key sees it: a `test` key sees test messages only."""
        return self.tenant == tenant and (self.test or not test)


def message_id(batch: str, position: int) -> str:
    """Return a message's id: its batch's ULID and three digits.

    Letters and digits only, so that it serves as a vendor reference.
    """
    return f"{batch}{position:03d}"


def split_id(identifier: str) -> ItemKey | None:
    """Return the key of a message's item, or None for a malformed id."""
    batch, position = identifier[:26], identifier[26:]
    if is_ulid(batch) and len(position) == 3 and position.isascii() and position.isdigit():
        return ItemKey(batch, f"M#{position}")
    return None

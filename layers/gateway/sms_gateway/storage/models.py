"""What the table holds, as values: batches, submissions, messages. docs/data-model.md draws it."""

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
    """How the code of a verification's message is made; nothing in it tells the code. Without a
    `nonce` the vendor makes it. `ttl` is seconds."""

    mask: str
    ttl: int
    case_sensitive: bool = False
    nonce: str | None = None


class MessageContent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was accepted for one message. A batch keeps what its messages share; each message
    keeps what is its own. Times are RFC 3339, `validity` is seconds."""

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
    at_vendor: bool = False  # the vendor holds the message until send_at
    code_spec: CodeSpec | None = None  # of a verification, whose text has {code} in it
    status_url: str | None = None  # told of each change, besides the tenant's webhooks

    def outgoing(self, message_id: str, now: datetime | None = None) -> OutgoingMessage:
        """The message as a vendor adapter takes it; the code of a verification is not in it. A call
        that comes after `send_at` names no time any more: what a vendor does with one that is
        over, no document says."""
        ahead = self.send_at is not None and (now is None or self.send_at > now)
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
            self.send_at if self.at_vendor and ahead else None,
            self._token(),
        )

    def _token(self) -> OneTimeCode | None:
        made = self.code_spec
        return OneTimeCode(self.text, made.mask, made.ttl, made.case_sensitive) if made else None


class TimelineEntry(msgspec.Struct, frozen=True, array_like=True):
    """One step of a timeline; `at` is epoch milliseconds. `code` and `text` are the vendor's own
    words, `note` is ours: why this vendor, what went wrong without the vendor's word."""

    at: int
    status: str
    source: str
    vendor: str | None = None
    attempt: int = 0
    code: str | None = None
    text: str | None = None
    note: str | None = None


Words = tuple[str | None, str | None, str | None]  # a vendor's code and text, our note
ALL_MESSAGES = -1  # the offset under which a word stands that is the same for all


class VerdictLetter(StrEnum):
    """What a vendor's answer says of one message, as SubmissionResult stores it."""

    ACCEPTED = "A"
    REFUSED = "R"
    RETRY = "T"
    UNKNOWN = "U"
    CANCELLED = "C"  # before the call


class SubmissionResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a vendor answered to a submission, by the position of the message in it.

    `verdicts` has a VerdictLetter a message and is empty when all were accepted. `own` says that
    the vendor knows the messages by our ids; else `vendor_id` or `price` stand once when they are
    the same for all. `rates` are the rows of the account's price table for those of which the
    vendor told no price.
    """

    verdicts: str = ""
    own: bool = False
    vendor_id: str | None = None
    vendor_ids: list[str | None] | None = None
    price: tuple[str, str] | None = None
    prices: list[tuple[str, str] | None] | None = None
    words: dict[int, Words] | None = None  # of those that were not accepted
    rates: PriceTable | None = None

    def verdict(self, offset: int) -> VerdictLetter:
        """The verdict on the message at `offset`."""
        return VerdictLetter(self.verdicts[offset]) if self.verdicts else VerdictLetter.ACCEPTED

    def words_for(self, offset: int) -> Words:
        """What was said of the message at `offset`, if it was not accepted."""
        words = self.words or {}
        return words.get(offset) or words.get(ALL_MESSAGES) or (None, None, None)

    def vendor_id_of(self, offset: int) -> str | None:
        """The vendor's id for the message at `offset`, or of the whole job."""
        return self.vendor_ids[offset] if self.vendor_ids else self.vendor_id

    def price_of(self, offset: int) -> Price | None:
        """What the vendor charged for the message at `offset`."""
        told = self.prices[offset] if self.prices else self.price
        return Price(Decimal(told[0]), told[1]) if told else None

    def part_for(self, offset: int) -> "SubmissionResult":
        """The part that speaks of the message at `offset`, but for its words and its own price."""
        return SubmissionResult(
            verdicts=self.verdict(offset),
            own=self.own,
            vendor_id=self.vendor_id_of(offset),
            rates=self.rates,
        )


class ItemKey(ValueObject, frozen=True):
    """A submission's or message's place in the table: the batch and the sort key."""

    batch: str
    sort: str

    @property
    def position(self) -> int:
        """The position of the (first) message in its batch."""
        return int(self.sort[2:5])

    def __str__(self) -> str:
        return f"{self.batch}/{self.sort}"

    @classmethod
    def parse(cls, written: str) -> Self:
        """The inverse of str(); ValueError for anything else."""
        batch, slash, sort = written.partition("/")
        if not slash or sort[:2] not in ("M#", "S#") or not sort[2:].isdigit():
            raise ValueError("not a submission's key")
        return cls(batch, sort)


class Submission(ValueObject, frozen=True):
    """The unit of work: `count` messages from `key.position` on, handed to one vendor at once.

    Times are epoch seconds but for `created` (ms). A batch of one keeps its message in the same
    item: `content` and `tenant` are then set, and `campaign` where it is a campaign's.
    """

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
    changed: int  # when the status last changed, epoch seconds
    result: SubmissionResult | None
    timeline: tuple[TimelineEntry, ...]
    refused: tuple[str, ...] = ()  # vendors that refused for good
    outcome_unknown: bool = False  # the vendor's answer to the attempt is not known
    sent_again_in_doubt: bool = (
        False  # nor is that to an earlier one, after which it was sent again
    )
    tenant: str | None = None
    content: MessageContent | None = None
    campaign: str | None = None

    @property
    def remaining_vendors(self) -> set[str]:
        """The vendors of its route that have not refused it, beside the one that it is with."""
        return set(self.vendors) - {self.vendor, *self.refused}

    @property
    def is_single(self) -> bool:
        """Whether the submission stands in its only message's item."""
        return self.key.sort.startswith("M#")


class Message(ValueObject, frozen=True):
    """A message's own item. `status` is None while its submission's speaks for it."""

    key: ItemKey
    content: MessageContent
    status: Status | None
    timeline: tuple[TimelineEntry, ...]

    @property
    def id(self) -> str:
        """The id that callers and vendors know."""
        return message_id(self.key.batch, self.key.position)


class Batch(ValueObject, frozen=True):
    """One request's batch: who sent it, and what its messages share."""

    hidden = frozenset({"shared"})

    id: str
    tenant: str
    count: int
    shared: Mapping[str, Any] = {}
    campaign: str | None = None  # the id of the campaign whose rows these are


def message_id(batch: str, position: int) -> str:
    """A message's id: its batch's ULID and three digits, letters and digits only, so that it
    serves as a vendor reference."""
    return f"{batch}{position:03d}"


def split_id(identifier: str) -> ItemKey | None:
    """The key of a message's item, or None when the id can't be one."""
    batch, position = identifier[:26], identifier[26:]
    if is_ulid(batch) and len(position) == 3 and position.isascii() and position.isdigit():
        return ItemKey(batch, f"M#{position}")
    return None

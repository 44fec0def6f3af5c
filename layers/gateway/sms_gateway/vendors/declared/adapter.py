"""The adapter of a described vendor; `door` makes a class of it for each description."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from msgspec import UNSET

from sms_gateway.vendors.adapter import Adapter, UnsupportedMessageError
from sms_gateway.vendors.declared import answers, requests
from sms_gateway.vendors.declared.description import Basic, Description, RequestPart, Setting
from sms_gateway.vendors.declared.documents import extract, find, has, root_of
from sms_gateway.vendors.declared.message_values import message_value, receipt_value
from sms_gateway.vendors.declared.requests import used
from sms_gateway.vendors.declared.trees import Values, fill
from sms_gateway.vendors.local_times import unambiguous
from sms_gateway.vendors.types import (
    Balance,
    BalanceRefusedError,
    CallbackRequest,
    Category,
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

CATEGORIES = ("otp", "transactional", "promotional")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared(Adapter):
    """An account at a described vendor."""

    description: ClassVar[Description]
    settings: ClassVar[Mapping[str, Setting]]
    together: ClassVar[bool]  # whether a call carries many messages

    def __post_init__(self) -> None:
        Adapter.__post_init__(self)
        for name, setting in self.settings.items():
            self._check_setting(name, setting.kind, getattr(self, name))
        for name in requests.in_headers(self.description):
            value = getattr(self, name) or ""
            if not value.isascii() or not value.isprintable():
                raise ValueError(f"{name} is sent in a header: it must be printable ASCII")

    def _check_setting(self, name: str, kind: str, value: Any) -> None:
        if value is None:
            return
        if kind == "url":
            self.check_url(name, value)
        elif kind == "path" and not value.startswith("/"):
            raise ValueError(f"{name} must begin with a slash")
        elif kind == "by_category":
            if set(CATEGORIES) - set(value):
                raise ValueError(f"{name} must name {', '.join(CATEGORIES)}")
            choices = self.settings[name].choices
            if choices and set(value.values()) - set(choices):
                raise ValueError(f"{name} may hold {', '.join(choices)}")
        elif value == "":
            raise ValueError(f"{name} must not be empty")

    @property
    def derived_secrets(self) -> tuple[str, ...]:
        """The pair of Basic authentication."""
        auth = self.description.auth
        return (requests.basic_pair(auth, self._own),) if isinstance(auth, Basic) else ()

    @property
    def account_callbacks(self) -> bool:
        """Whether the vendor calls one address for the whole account."""
        asked = self.description.callback.account if self.description.callback else False
        return bool(getattr(self, asked)) if isinstance(asked, str) else asked

    def calls(self, messages: int) -> int:
        """Return one call a message, where a call carries only one."""
        return 1 if self.together else messages

    def check(self, message: OutgoingMessage) -> None:
        """Refuse also what the description says that the vendor can't carry."""
        Adapter.check(self, message)
        send, only = self.description.send, self.description.numbers.only
        if only and not message.to.startswith(tuple(only)):
            raise self._refused(
                "bad-number", "to", f"reaches numbers that begin with {' or '.join(only)} only"
            )
        if message.sender and "sender" not in set(used(send.request)):
            raise self._refused("unsupported-field", "from", "has no way to express from")
        pattern = send.sender_pattern
        if message.sender and pattern and extract(rf"\A(?:{pattern})\z", message.sender) is None:
            raise self._refused("bad-sender", "from", "does not take such a sender")
        if message.encoding not in send.encodings:
            raise self._refused(
                "unsupported-field", "text", f"does not take texts in {message.encoding}"
            )
        if send.max_characters and len(message.text) > send.max_characters:
            raise self._refused(
                "text-too-long", "text", f"takes at most {send.max_characters} characters"
            )
        if send.request.xml is not UNSET and not all(map(_is_xml, message.text)):
            raise self._refused("unsupported-field", "text", "can't carry control characters")

    def _refused(self, slug: str, name: str, why: str) -> UnsupportedMessageError:
        return UnsupportedMessageError(slug, name, f"{self.title} {why}.")

    def template_of(self, message: OutgoingMessage) -> str | None:
        """Return the message's own template id, where the vendor has any."""
        return message.template_id if self.capabilities.template_id else None

    def holds(self, send_at: datetime) -> bool:
        """Return whether the vendor's time says exactly `send_at`."""
        schedule = self.description.send.schedule
        if schedule is None:
            return False
        return schedule.format == "epoch" or unambiguous(
            send_at.astimezone(ZoneInfo(schedule.zone))
        )

    def pack(self, messages: Sequence[OutgoingMessage]) -> list[list[OutgoingMessage]]:
        """Split messages into submissions of one call each, where a call carries many.

        All in one are the same in what the request says once, and no number is there twice.
        """
        if not self.together:
            return chunks(messages, self.submission_size)
        groups: dict[object, list[OutgoingMessage]] = {}
        earlier: dict[object, int] = {}
        shared = sorted(set(used(self.description.send.request, repeated=False)))
        for message in messages:
            values = self._values(message, None)
            common = tuple(str(values(name)) for name in shared)
            before = earlier.get((common, message.to), 0)
            earlier[common, message.to] = before + 1
            groups.setdefault((common, before), []).append(message)
        return [part for group in groups.values() for part in chunks(group, self.submission_size)]

    def submit(
        self, messages: Sequence[OutgoingMessage], callback_url: str | None
    ) -> list[SubmitCall]:
        """Return one call for each group of `pack`, or for each message."""
        groups = self.pack(messages) if self.together else [[one] for one in messages]
        made = []
        for group in groups:
            members = [self._values(message, callback_url) for message in group]
            request = self._request(self.description.send.request, members[0], members)
            made.append(SubmitCall(request, tuple(group)))
        return made

    def submitted(self, response: VendorResponse, call: SubmitCall) -> list[SubmitOutcome]:
        """Return the outcome of the first rule that holds; unknown for none."""
        answer, numbers = self.description.send.answer, self.description.numbers
        currency = self._text(answer.currency or "")
        return answers.submitted(answer, numbers, currency, response, call.members)

    def balance(self) -> Mapping[str | None, Request]:
        """Return a request for each product in use."""
        part = self.description.balance
        if part is None:
            return {}
        products = getattr(self, part.per).values() if part.per else [None]
        return {
            product: self._request(part.request, partial(self._of_product, part.per, product))
            for product in products
        }

    def parse_balance(self, response: VendorResponse, product: str | None) -> Balance:
        """Return what the rules say. Raises BalanceRefusedError, also where nothing is read."""
        part = self.description.balance
        if part is None:
            raise BalanceRefusedError(f"{self.title} has no balance")
        return answers.balance(part, self._text(part.unit), response, product)

    def balance_product(self, category: Category) -> str | None:
        """Return the product whose credit a category uses."""
        part = self.description.balance
        return getattr(self, part.per)[category] if part and part.per else None

    def poll(self, pending: Sequence[PendingReceipt]) -> list[PollCall]:
        """Return one call for each receipt, or for those that a call can ask for at once."""
        part = self.description.poll
        if part is None:
            return []
        needs_id = "vendor_id" in set(used(part.request))
        asked = [one for one in pending if one.vendor_id or not needs_id]
        groups: dict[object, list[PendingReceipt]] = {}
        shared = sorted(set(used(part.request, repeated=False)))
        for receipt in asked:
            values = self._receipt_values(receipt)
            key = tuple(str(values(name)) for name in shared)
            groups.setdefault(key if part.answer.rows else receipt.id, []).append(receipt)
        return [
            self._poll(part.request, group)
            for same in groups.values()
            for group in chunks(same, part.size)
        ]

    def _poll(self, part: RequestPart, group: Sequence[PendingReceipt]) -> PollCall:
        members = [self._receipt_values(receipt) for receipt in group]
        return PollCall(self._request(part, members[0], members), tuple(group))

    def reports(self, response: VendorResponse, call: PollCall) -> list[DeliveryReport]:
        """Return the reports of messages that were asked for."""
        part = self.description.poll
        if part is None:
            return []
        return answers.reports(part, self.description.numbers, response, call.pending)

    def repeated_secrets(self, request: CallbackRequest) -> Mapping[str, str]:
        """Return what a callback says that our secrets are."""
        part = self.description.callback
        if part is None or not part.secrets:
            return {}
        root = root_of(answers.said(part, request), part.answer.root)
        return {
            one.setting: find(one.at, root, "") or "" for one in part.secrets if has(root, one.at)
        }

    def callback(self, request: CallbackRequest) -> list[DeliveryReport]:
        """Return the reports that name their message."""
        part = self.description.callback
        return answers.called_back(part, self.description.numbers, request) if part else []

    def _request(
        self, part: RequestPart, values: Values, members: Sequence[Values] = ()
    ) -> Request:
        return requests.build(part, self.description.auth, self.settings, values, members)

    def by_category(self, name: str) -> bool:
        """Return whether a setting has a value for each category."""
        return self.settings[name].kind == "by_category" if name in self.settings else False

    def _of_product(self, setting: str | None, product: str | None, name: str) -> object:
        return product if name == setting else getattr(self, name)

    def _own(self, name: str) -> object:
        return getattr(self, name)

    def _text(self, written: str) -> str:
        return fill(written, self._own)

    def _values(self, message: OutgoingMessage, callback_url: str | None) -> Values:
        return partial(message_value, self, message, callback_url)

    def _receipt_values(self, receipt: PendingReceipt) -> Values:
        return partial(receipt_value, self, receipt)


def _is_xml(character: str) -> bool:
    return character in "\t\n\r" or (
        character >= " "
        and character not in "\ufffe\uffff"
        and not "\ud800" <= character <= "\udfff"
    )

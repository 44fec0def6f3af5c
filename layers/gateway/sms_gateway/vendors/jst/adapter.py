"""JST (India), a Metamorph white label. vendor-docs: the five HTTP calls of smsmobile.co.in.

The document shows no response: `responses` has what can be parsed of one.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import replace
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal
from urllib.parse import quote, urlencode

from sms_gateway.vendors.adapter import (
    Adapter,
    Capabilities,
    DeliveryWarning,
    UnsupportedMessageError,
)
from sms_gateway.vendors.jst import dlt_templates, responses
from sms_gateway.vendors.local_times import INDIA, MINUTE, to_local_ceil
from sms_gateway.vendors.types import (
    Balance,
    BalanceRefusedError,
    Category,
    DeliveryReport,
    OutgoingMessage,
    PendingReceipt,
    PollCall,
    Request,
    SubmitCall,
    SubmitOutcome,
    VendorResponse,
)

SMS_TYPES: Mapping[str, str] = {"promotional": "1", "transactional": "2"}  # also the products
OTHER_TYPE = SMS_TYPES["transactional"]

HEADER = re.compile("[A-Za-z]{6}")
TEMPLATE_ID = re.compile("[0-9]{1,30}")

UNKNOWN_HEADER = DeliveryWarning(
    "sender-not-registered",
    "from",
    "This header is not among those registered for the account at JST: operators would drop it.",
)
OUTSIDE_HOURS = DeliveryWarning(
    "outside-permitted-hours",
    "category",
    "Indian operators drop promotional messages outside 10:00 to 21:00 India time: give a send_at"
    " within these hours.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Jst(Adapter):
    """An account at JST; a call is one job.

    `sender` is a registered header of 6 letters, `template_id` the account's default DLT template
    and `template_ids` that of a category. `templates` are those registered for the account,
    `senders` the further headers; `template_mismatch` says what happens to a text that an operator
    would drop. `method` is how parameters travel: POST keeps them out of URL logs.
    """

    name: ClassVar[str] = "jst"
    title: ClassVar[str] = "JST"
    capabilities: ClassVar[Capabilities] = Capabilities(
        bulk=True,
        personalised=True,
        flash=True,
        schedule=True,
        unicode=True,
        filter_dnd=True,
        template_id=True,
        receipts_poll=True,
        receipts_callback=False,
        own_reference=False,
    )

    username: str = field(repr=False)
    password: str = field(repr=False)
    sender: str
    template_id: str | None = None
    template_ids: Mapping[Category, str] = field(default_factory=dict)
    templates: tuple[dlt_templates.Template, ...] = ()
    template_mismatch: Literal["warn", "refuse"] = "warn"
    template_variable_length: int = dlt_templates.VARIABLE_LENGTH
    senders: tuple[str, ...] = ()
    method: Literal["POST", "GET"] = "POST"
    base_url: str = "http://www.jst.smsmobile.co.in/index.php/api"
    submission_size: int = 100

    def __post_init__(self) -> None:
        Adapter.__post_init__(self)
        for name in ("username", "password"):
            if not getattr(self, name):
                raise ValueError(f"{name} must not be empty")
        if not HEADER.fullmatch(self.sender):
            raise ValueError("sender must be 6 letters")
        if not all(HEADER.fullmatch(sender) for sender in self.senders):
            raise ValueError("senders must each be 6 letters")
        if not all(TEMPLATE_ID.fullmatch(identifier) for identifier in self.template_ids.values()):
            raise ValueError("template_ids must each be digits")
        if self.template_variable_length < 1:
            raise ValueError("template_variable_length must be at least 1")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What an operator should know, also of GET and of missing templates."""
        found = list(super(Jst, self).warnings)
        if self.method == "GET":
            found.append("GET: credentials and texts stand in the vendor's URL logs.")
        if not (self.template_id or self.template_ids or self.templates):
            found.append(
                "No template_id: Indian operators drop messages that name no registered template."
            )
        return tuple(found)

    @property
    def own_senders(self) -> tuple[str, ...]:
        """The account's headers, and those of the templates."""
        templates = (template.sender for template in self.templates if template.sender)
        return (self.sender, *self.senders, *templates)

    def check(self, message: OutgoingMessage) -> None:
        """Refuse also a foreign number, a bad header and, by setting, a wrong template."""
        Adapter.check(self, message)
        if not re.fullmatch(r"\+91[0-9]{10}", message.to):
            # Ten digits are all that JST reads: a foreign number could reach a stranger in India.
            raise UnsupportedMessageError(
                "bad-number", "to", "JST reaches numbers of +91 and 10 digits only."
            )
        if message.sender is not None and not HEADER.fullmatch(message.sender):
            raise UnsupportedMessageError(
                "bad-sender", "from", "A sender at JST is a header of 6 letters."
            )
        warning = self._choice(message).warning
        if warning and self.template_mismatch == "refuse":
            raise UnsupportedMessageError(warning.slug, warning.field, warning.detail)

    def delivery_warnings(self, message: OutgoingMessage, at: datetime) -> list[DeliveryWarning]:
        """Return what operators drop: no or a wrong template, an unknown header, a bad hour."""
        found = [warning] if (warning := self._choice(message).warning) else []
        if self.senders and (message.sender or self.sender) not in self.own_senders:
            found.append(UNKNOWN_HEADER)
        if message.category == "promotional" and dlt_templates.outside_hours(at):
            found.append(OUTSIDE_HOURS)
        return found

    def template_of(self, message: OutgoingMessage) -> str | None:
        """Return the DLT template id of a message."""
        return self._choice(message).template_id

    def _choice(self, message: OutgoingMessage) -> dlt_templates.Choice:
        return dlt_templates.choose(
            self.templates,
            message.text,
            message.sender or self.sender,
            message.category,
            message.template_id,
            self.template_ids.get(message.category, self.template_id),
            self.template_variable_length,
        )

    def pack(self, messages: Sequence[OutgoingMessage]) -> list[list[OutgoingMessage]]:
        """Split messages into submissions that are one call each, with no number twice.

        Reports go by number. A text stands alone when customized-sms can't carry it or when it
        fills a call by itself.
        """
        keys = [(*self._common(message).items(),) for message in messages]
        shared = Counter((key, message.text) for key, message in zip(keys, messages, strict=True))
        packed: dict[object, list[dict[str, OutgoingMessage]]] = {}
        for key, message in zip(keys, messages, strict=True):
            alone = (
                "^" in message.text
                or "~" in message.text
                or shared[key, message.text] >= self.submission_size
            )
            groups = packed.setdefault((key, message.text if alone else None), [])
            for group in groups:
                if len(group) < self.submission_size and message.to not in group:
                    break
            else:
                groups.append(group := {})
            group[message.to] = message
        return [[*group.values()] for groups in packed.values() for group in groups]

    def submit(
        self, messages: Sequence[OutgoingMessage], callback_url: str | None
    ) -> list[SubmitCall]:
        """Return one call for each group of `pack`."""
        del callback_url  # JST has no callbacks
        return [self._call(group) for group in self.pack(messages)]

    def _call(self, group: Sequence[OutgoingMessage]) -> SubmitCall:
        numbers = [message.to.removeprefix("+") for message in group]
        texts = [message.text for message in group]
        if len(set(texts)) == 1:
            path, content = "bulk-sms", {"to": ",".join(numbers), "message": texts[0]}
        else:
            pairs = zip(numbers, texts, strict=True)
            path, content = "customized-sms", {"mobile_msg": "~".join(map("^".join, pairs))}
        return SubmitCall(self._request(path, self._common(group[0]) | content), tuple(group))

    def _common(self, message: OutgoingMessage) -> dict[str, str]:
        """Return the parameters that hold for a whole call."""
        params = {"from": message.sender or self.sender, "sms_type": _sms_type(message.category)}
        if message.flash:
            params["flash_sms"] = "1"
        if message.send_at:
            at = to_local_ceil(message.send_at, INDIA, MINUTE)
            params |= {"scheduled_sms": "1", "scheduled_datetime": f"{at:%Y-%m-%d %H:%M}"}
        if message.filter_dnd and params["sms_type"] == OTHER_TYPE:
            params["filter_dnd"] = "1"  # promotional messages are filtered anyway
        if template := self.template_of(message):
            params["template_id"] = template  # not in the document; operators demand it
        return params

    def _request(self, path: str, params: dict[str, str]) -> Request:
        url = f"{self.base_url.rstrip('/')}/{path}"
        account = {"username": self.username, "password": self.password}
        query = urlencode(account | params, quote_via=quote)
        if self.method == "GET":
            return Request("GET", f"{url}?{query}")
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return Request("POST", url, form, query.encode())

    def submitted(self, response: VendorResponse, call: SubmitCall) -> list[SubmitOutcome]:
        """Parse the outcome of the one job of all members."""
        texts = {message.text for message in call.members}
        numbers = {message.to for message in call.members}
        outcome = responses.parse_outcome(response, texts, numbers)
        return [outcome] * len(call.members)

    def balance(self) -> Mapping[str | None, Request]:
        """Return one request for each product."""
        return {
            product: self._request("get-balance", {"sms_type": sms_type})
            for product, sms_type in SMS_TYPES.items()
        }

    def parse_balance(self, response: VendorResponse, product: str | None) -> Balance:
        """Parse a count of credits."""
        answer = responses.parse(response.body)
        if responses.refused(answer):
            words = responses.vendor_words(answer)[:200]
            retryable = bool(responses.LATER.search(words))
            raise BalanceRefusedError(words or "refused", retryable=retryable)
        amount = responses.parse_balance(answer)
        if amount is None:
            raise BalanceRefusedError("unreadable answer")
        return Balance(product, amount, "credits")

    def balance_product(self, category: Category) -> str | None:
        """Return the product whose credit a category uses."""
        return "promotional" if category == "promotional" else "transactional"

    def poll(self, pending: Sequence[PendingReceipt]) -> list[PollCall]:
        """Return one call a job, for all its numbers; a message without a job can't be polled."""
        jobs: dict[tuple[str, str], list[PendingReceipt]] = {}
        for receipt in pending:
            if receipt.vendor_id:
                jobs.setdefault((receipt.vendor_id, _sms_type(receipt.category)), []).append(
                    receipt
                )
        return [
            PollCall(
                self._request("get-dlr-report", {"job_id": job, "sms_type": sms_type}),
                tuple(members),
            )
            for (job, sms_type), members in jobs.items()
        ]

    def reports(self, response: VendorResponse, call: PollCall) -> list[DeliveryReport]:
        """Match receipts by number; a response without any may report a fault of our account."""
        answer = responses.parse(response.body)
        found, words = responses.parse_receipts(answer), responses.vendor_words(answer)
        if not found and responses.ACCOUNT.search(words):
            refused = DeliveryReport(None, text=words[:200], account_fault=True)
            return [replace(refused, message_id=receipt.id) for receipt in call.pending]
        return [
            DeliveryReport(
                receipt.status,
                message_id=asked.id,
                text=receipt.state,
                at=receipt.at,
                unknown_status=not receipt.known,
            )
            for receipt in found
            for asked in call.pending
            if responses.ten_digits(asked.to) == receipt.number
        ]


def _sms_type(category: Category) -> str:
    return SMS_TYPES.get(category, OTHER_TYPE)

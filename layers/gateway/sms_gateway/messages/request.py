"""Parse the body of a send."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from sms_gateway.core.problems import InvalidRequestError, TooLargeError
from sms_gateway.core.value_object import ValueObject
from sms_gateway.http_api.json_body import decode_body, decode_json
from sms_gateway.sms.phone_numbers import Region
from sms_gateway.vendors.types import Category

MAX_RECIPIENTS = 1000
MAX_BODY_BYTES = 1024 * 1024
MAX_TEXT_LENGTH = 5000  # characters

Short = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Sender = Annotated[
    str,
    msgspec.Meta(
        min_length=1, max_length=16, pattern=r"^[ -~]+\Z", description="up to 16 ASCII characters"
    ),
]
TemplateId = Annotated[
    str, msgspec.Meta(pattern=r"^[0-9]{1,30}\Z", description="up to 30 digits, as text")
]
Pairs = Annotated[
    dict[
        Annotated[str, msgspec.Meta(min_length=1, max_length=40)],
        Annotated[str, msgspec.Meta(max_length=256)],
    ],
    msgspec.Meta(max_length=20),
]
Recipient = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT_LENGTH)]


class Options(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Options of a send as a whole or of one of its messages; None is "not given"."""

    region: Region | None = None
    sender: Sender | None = msgspec.field(default=None, name="from")
    category: Category | None = None
    vendor: str | None = None
    send_at: datetime | None = None
    validity: Annotated[float, msgspec.Meta(ge=60, le=259_200, multiple_of=1)] | None = None
    flash: bool | None = None
    encoding: Literal["auto", "gsm7", "unicode"] | None = None
    max_segments: Annotated[float, msgspec.Meta(ge=1, le=30, multiple_of=1)] | None = None
    filter_dnd: bool | None = None
    template_id: TemplateId | None = None
    reference: Short | None = None
    metadata: Pairs | None = None
    on_unknown: Literal["hold", "resend"] | None = None
    status_url: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)] | None = None
    duplicates: Literal["warn", "reject"] | None = None


class OneMessage(Options):
    """An element of `messages`; a bad number or text rejects it alone, when it is planned."""

    to: str
    text: str


class SendBody(Options):
    """The body of POST /messages in any of its three forms."""

    to: str | list[str] | msgspec.UnsetType = msgspec.UNSET
    text: str | msgspec.UnsetType = msgspec.UNSET
    messages: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET


OPTIONS = tuple(Options.__struct_fields__)


class Draft(ValueObject, frozen=True):
    """One recipient of a request; `pointer` is its JSON pointer, `to_pointer` its number's."""

    index: int
    pointer: str
    to_pointer: str
    to: str
    text: str
    options: Options


def parse_send_request(body: bytes) -> list[Draft]:
    """Parse a body into its recipients.

    Raises MalformedBodyError, TooLargeError, or InvalidRequestError with a pointer.
    """
    if len(body) > MAX_BODY_BYTES:
        raise TooLargeError(
            f"A body may have {MAX_BODY_BYTES} bytes, this one has {len(body)}: send it in parts."
        )
    sent = decode_body(body, SendBody)
    if sent.messages is not msgspec.UNSET:
        return _per_message_drafts(sent, sent.messages)
    if sent.to is msgspec.UNSET:
        raise InvalidRequestError('Give "to" with "text", or "messages".', pointer="/to")
    if sent.text is msgspec.UNSET:
        raise InvalidRequestError('"text" is missing.', pointer="/text")
    if isinstance(sent.to, str):
        return [Draft(0, "", "/to", sent.to, sent.text, sent)]
    _check_count(len(sent.to), "/to")
    return [
        Draft(index, "", f"/to/{index}", to, sent.text, sent) for index, to in enumerate(sent.to)
    ]


def _per_message_drafts(sent: SendBody, messages: Sequence[msgspec.Raw]) -> list[Draft]:
    if sent.to is not msgspec.UNSET or sent.text is not msgspec.UNSET:
        raise InvalidRequestError(
            'With "messages", "to" and "text" belong into each of them.', pointer="/messages"
        )
    _check_count(len(messages), "/messages")
    drafts = []
    for index, raw in enumerate(messages):
        pointer = f"/messages/{index}"
        message = decode_json(raw, OneMessage, pointer)
        _merge_options(message, sent)
        drafts.append(Draft(index, pointer, f"{pointer}/to", message.to, message.text, message))
    return drafts


def apply_defaults(defaults: Options, drafts: Sequence[Draft]) -> None:
    """Set the options that the drafts leave out."""
    for draft in drafts:
        _merge_options(draft.options, defaults)


def _merge_options(options: Options, defaults: Options) -> None:
    for name in OPTIONS:
        if getattr(options, name) is None:
            setattr(options, name, getattr(defaults, name))


def _check_count(recipients: int, pointer: str) -> None:
    if not 1 <= recipients <= MAX_RECIPIENTS:
        raise InvalidRequestError(
            f"A request takes 1 to {MAX_RECIPIENTS} recipients, this one has {recipients}.",
            slug="recipient-count",
            pointer=pointer,
        )


def parse_object[T](body: bytes, kind: type[T]) -> T:
    """Decode a body. Raises MalformedBodyError, TooLargeError or InvalidRequestError."""
    if len(body) > MAX_BODY_BYTES:
        raise TooLargeError(f"A body may have {MAX_BODY_BYTES} bytes, this one has {len(body)}.")
    return decode_body(body, kind)

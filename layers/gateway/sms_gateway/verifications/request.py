"""Reads the bodies of a verification and of a check."""

from typing import Annotated, Any, Literal

import msgspec

from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.core.value_object import ValueObject
from sms_gateway.messages.request import (
    Draft,
    OneMessage,
    Recipient,
    Sender,
    Short,
    Text,
    parse_object,
)
from sms_gateway.verifications.codes import (
    ALPHABETS,
    CODE_PLACEHOLDER,
    MAX_MASK_LENGTH,
    SYMBOLS,
    drawn_length,
    render_code,
    sample_code,
    strange_characters,
)
from sms_gateway.verifications.model import MAX_CODE_LENGTH, MIN_CODE_LENGTH

DEFAULT_LENGTH = 6  # drawn characters
DEFAULT_TTL_SECONDS, MIN_TTL_SECONDS, MAX_TTL_SECONDS = 300, 60, 86_400  # seconds
DEFAULT_CHECKS, MAX_CHECKS = 5, 10
RESERVED = "<VERIFICATIONCODE>"  # where server2sms itself puts a code

Whole = Annotated[float, msgspec.Meta(multiple_of=1)]


class VerificationBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of POST /verifications; null is "not given"."""

    to: Recipient
    text: Text
    length: Whole | None = None
    mask: str | None = None
    alphabet: Literal["digits", "letters", "alphanumeric"] | None = None
    ttl: Whole | None = None
    case_sensitive: bool | None = None
    max_checks: Whole | None = None
    vendor: str | None = None
    reference: Short | None = None
    sender: Sender | None = msgspec.field(default=None, name="from")
    template_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,30}\Z")] | None = None
    max_segments: Annotated[float, msgspec.Meta(ge=1, le=30, multiple_of=1)] | None = None
    on_unknown: Literal["hold", "resend"] | None = None


class CheckBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a check."""

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]


class VerificationRequest(ValueObject, frozen=True):
    """A verification as asked for. `draft` is its message with a sample code in the text, since
    the code itself does not exist yet; `text` has `{code}`."""

    draft: Draft
    text: str
    mask: str
    ttl: int
    case_sensitive: bool
    max_checks: int
    reference: str | None


def parse_verification(body: bytes) -> VerificationRequest:
    """A verification from a body. Raises MalformedBody, TooLarge, or Invalid with a pointer."""
    asked = parse_object(body, VerificationBody)
    mask = _mask(asked)
    if CODE_PLACEHOLDER not in asked.text:
        raise _wrong(
            "code-missing",
            "text",
            f"The text must hold {CODE_PLACEHOLDER}, which the code takes the place of.",
        )
    if RESERVED in asked.text:
        raise _wrong("reserved-placeholder", "text", f"The text may not hold {RESERVED}.")
    ttl = _within(
        asked,
        "ttl",
        DEFAULT_TTL_SECONDS,
        MIN_TTL_SECONDS,
        MAX_TTL_SECONDS,
        "seconds, a day at most",
    )
    options: Any = {
        "to": asked.to,
        "text": render_code(asked.text, sample_code(mask)),
        "category": "otp",
        "vendor": asked.vendor,
        "validity": ttl,
        "reference": asked.reference,
        "sender": asked.sender,
        "template_id": asked.template_id,
        "max_segments": asked.max_segments,
        "on_unknown": asked.on_unknown,
    }
    message = OneMessage(**options)
    return VerificationRequest(
        draft=Draft(0, "", "/to", message.to, message.text, message),
        text=asked.text,
        mask=mask,
        ttl=ttl,
        case_sensitive=bool(asked.case_sensitive),
        max_checks=_within(asked, "max_checks", DEFAULT_CHECKS, 1, MAX_CHECKS, "checks"),
        reference=asked.reference,
    )


def parse_check(body: bytes) -> str:
    """What was typed. Raises MalformedBody, TooLarge, or Invalid with a pointer."""
    return parse_object(body, CheckBody).code


def _mask(asked: VerificationBody) -> str:
    if asked.mask is None:
        symbol = SYMBOLS[asked.alphabet or "digits"]
        return symbol * _within(
            asked, "length", DEFAULT_LENGTH, MIN_CODE_LENGTH, MAX_CODE_LENGTH, "characters"
        )
    if asked.length is not None or asked.alphabet is not None:
        raise _wrong("mask-and-length", "mask", "Give a mask, or length and alphabet, not both.")
    if strange := strange_characters(asked.mask):
        names = ", ".join(f"U+{ord(character):04X}" for character in strange[:10])
        raise _wrong(
            "unknown-mask-character",
            "mask",
            f"A mask is made of {', '.join(ALPHABETS)} (a digit, a letter, either), hyphens and "
            f"spaces; these mean nothing: {names}.",
        )
    if (
        len(asked.mask) > MAX_MASK_LENGTH
        or not MIN_CODE_LENGTH <= drawn_length(asked.mask) <= MAX_CODE_LENGTH
    ):
        raise _wrong(
            "mask-length",
            "mask",
            f"A mask draws {MIN_CODE_LENGTH} to {MAX_CODE_LENGTH} characters "
            f"and has at most {MAX_MASK_LENGTH}.",
        )
    if asked.mask != asked.mask.strip():
        raise _wrong("mask-length", "mask", "A mask neither begins nor ends with a space.")
    return asked.mask


def _within(
    asked: VerificationBody, name: str, default: int, least: int, most: int, unit: str
) -> int:
    value = getattr(asked, name)
    if value is None:
        return default
    if not least <= value <= most:
        slug = f"{name.replace('_', '-')}-out-of-range"
        raise _wrong(slug, name, f"{name} is {least} to {most} {unit}.")
    return int(value)


def _wrong(slug: str, field: str, detail: str) -> InvalidRequestError:
    return InvalidRequestError(detail, slug=slug, pointer=f"/{field}")

"""Parse the bodies of a verification and of a check."""

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
    TemplateId,
    Text,
    parse_object,
)
from sms_gateway.pumping_guard.client import Client, check_client
from sms_gateway.sms.phone_numbers import Region
from sms_gateway.verifications.codes import (
    ALPHABETS,
    CODE_PLACEHOLDER,
    MAX_MASK_LENGTH,
    SYMBOLS,
    drawn_length,
    render_code,
    sample_code,
    unknown_mask_characters,
)
from sms_gateway.verifications.model import MAX_CODE_LENGTH, MIN_CODE_LENGTH

DEFAULT_LENGTH = 6  # drawn characters
DEFAULT_TTL_SECONDS, MIN_TTL_SECONDS, MAX_TTL_SECONDS = 300, 60, 86_400  # seconds
DEFAULT_CHECKS, MAX_CHECKS = 5, 10
RESERVED = "<VERIFICATIONCODE>"  # server2sms's own placeholder

Whole = Annotated[float, msgspec.Meta(multiple_of=1)]


class VerificationBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of POST /verifications; null is "not given"."""

    to: Recipient
    text: Text
    region: Region | None = None
    length: Whole | None = None
    mask: str | None = None
    alphabet: Literal["digits", "letters", "alphanumeric"] | None = None
    ttl: Whole | None = None
    case_sensitive: bool | None = None
    max_checks: Whole | None = None
    vendor: str | None = None
    reference: Short | None = None
    sender: Sender | None = msgspec.field(default=None, name="from")
    template_id: TemplateId | None = None
    max_segments: Annotated[float, msgspec.Meta(ge=1, le=30, multiple_of=1)] | None = None
    on_unknown: Literal["hold", "resend"] | None = None
    client: Client | None = None


class CheckBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a check."""

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]


class VerificationRequest(ValueObject, frozen=True):
    """A parsed request.

    `text` has `{code}`; the text of `draft` has a sample code, since there is no code yet.
    """

    draft: Draft
    text: str
    mask: str
    ttl: int
    case_sensitive: bool
    max_checks: int
    reference: str | None
    client: Client | None = None


def parse_verification(body: bytes, region: str | None = None) -> VerificationRequest:
    """Parse a verification; `region` is that of a body without one.

    Raise MalformedBodyError, TooLargeError, or InvalidRequestError with a pointer.
    """
    request = parse_object(body, VerificationBody)
    check_client(request.client)
    mask = _mask(request)
    if CODE_PLACEHOLDER not in request.text:
        raise _invalid(
            "code-missing",
            "text",
            f"The text must hold {CODE_PLACEHOLDER}, which the code takes the place of.",
        )
    if RESERVED in request.text:
        raise _invalid("reserved-placeholder", "text", f"The text may not hold {RESERVED}.")
    ttl = _in_range(
        request,
        "ttl",
        DEFAULT_TTL_SECONDS,
        MIN_TTL_SECONDS,
        MAX_TTL_SECONDS,
        "seconds, a day at most",
    )
    options: Any = {
        "to": request.to,
        "text": render_code(request.text, sample_code(mask)),
        "region": request.region or region,
        "category": "otp",
        "vendor": request.vendor,
        "validity": ttl,
        "reference": request.reference,
        "sender": request.sender,
        "template_id": request.template_id,
        "max_segments": request.max_segments,
        "on_unknown": request.on_unknown,
    }
    message = OneMessage(**options)
    return VerificationRequest(
        draft=Draft(0, "", "/to", message.to, message.text, message),
        text=request.text,
        mask=mask,
        ttl=ttl,
        case_sensitive=bool(request.case_sensitive),
        max_checks=_in_range(request, "max_checks", DEFAULT_CHECKS, 1, MAX_CHECKS, "checks"),
        reference=request.reference,
        client=request.client,
    )


def parse_check(body: bytes) -> str:
    """Parse the code of a check.

    Raise MalformedBodyError, TooLargeError, or InvalidRequestError with a pointer.
    """
    return parse_object(body, CheckBody).code


def _mask(request: VerificationBody) -> str:
    if request.mask is None:
        symbol = SYMBOLS[request.alphabet or "digits"]
        return symbol * _in_range(
            request, "length", DEFAULT_LENGTH, MIN_CODE_LENGTH, MAX_CODE_LENGTH, "characters"
        )
    if request.length is not None or request.alphabet is not None:
        raise _invalid("mask-and-length", "mask", "Give a mask, or length and alphabet, not both.")
    if unknown := unknown_mask_characters(request.mask):
        names = ", ".join(f"U+{ord(character):04X}" for character in unknown[:10])
        raise _invalid(
            "unknown-mask-character",
            "mask",
            f"A mask is made of {', '.join(ALPHABETS)} (a digit, a letter, either), hyphens and "
            f"spaces; these mean nothing: {names}.",
        )
    if (
        len(request.mask) > MAX_MASK_LENGTH
        or not MIN_CODE_LENGTH <= drawn_length(request.mask) <= MAX_CODE_LENGTH
    ):
        raise _invalid(
            "mask-length",
            "mask",
            f"A mask draws {MIN_CODE_LENGTH} to {MAX_CODE_LENGTH} characters "
            f"and has at most {MAX_MASK_LENGTH}.",
        )
    if request.mask != request.mask.strip():
        raise _invalid("mask-length", "mask", "A mask neither begins nor ends with a space.")
    return request.mask


def _in_range(
    body: VerificationBody, name: str, default: int, lowest: int, highest: int, unit: str
) -> int:
    value = getattr(body, name)
    if value is None:
        return default
    if not lowest <= value <= highest:
        slug = f"{name.replace('_', '-')}-out-of-range"
        raise _invalid(slug, name, f"{name} is {lowest} to {highest} {unit}.")
    return int(value)


def _invalid(slug: str, field: str, detail: str) -> InvalidRequestError:
    return InvalidRequestError(detail, slug=slug, pointer=f"/{field}")

"""Plan a send: decide for each recipient whether and through which vendors it can go."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from sms_gateway.config.routes import Routes
from sms_gateway.config.vendor_accounts import Accounts
from sms_gateway.core.problems import GatewayError, InvalidRequestError, ServiceUnavailableError
from sms_gateway.core.value_object import ValueObject
from sms_gateway.messages.request import Draft
from sms_gateway.sms.encoding import CONTROL, encoding_of, segments
from sms_gateway.sms.phone_numbers import NumberError, to_e164
from sms_gateway.storage.models import MessageContent
from sms_gateway.vendors.adapter import Adapter, DeliveryWarning, UnsupportedMessageError
from sms_gateway.vendors.registry import VENDORS
from sms_gateway.vendors.types import Encoding, OutgoingMessage

MAX_SCHEDULE_AHEAD = timedelta(days=30)
# A vendor's own schedule is not used for less: the call to the vendor may come late.
MIN_VENDOR_SCHEDULE_AHEAD = timedelta(minutes=5)
DEFAULT_MAX_SEGMENTS = 10
MAX_NAMED_CHARACTERS = 10  # in one problem
DEFAULT_VALIDITY_SECONDS = {"otp": 600, "transactional": 172_800, "promotional": 172_800}


class PlannedRecipient(ValueObject, frozen=True):
    """One recipient that can be sent to: by `vendors[0]`, or by the next ones on failover."""

    draft: Draft
    content: MessageContent
    vendors: tuple[str, ...]
    adapter: Adapter
    validity: int  # seconds
    reason: str  # why the first vendor was chosen
    warnings: tuple[DeliveryWarning, ...]  # of the first vendor


class RejectedRecipient(ValueObject, frozen=True):
    """One recipient that can't be sent to, and why."""

    index: int
    to: str
    problem: GatewayError


def plan_recipients(
    drafts: Sequence[Draft],
    now: datetime,
    accounts: Accounts,
    routes: Routes,
    check_status_url: Callable[[str], None] = lambda _url: None,
    *,
    per_recipient: bool = False,
) -> tuple[list[PlannedRecipient], list[RejectedRecipient]]:
    """Sort recipients into those that can be sent to and those that can't.

    `check_status_url` raises InvalidRequestError for a status_url that is not allowed. An invalid
    time, vendor or status_url fails the whole request with InvalidRequestError, unless
    `per_recipient` is set: then it rejects its recipient.
    """
    accepted: list[PlannedRecipient] = []
    rejected: list[RejectedRecipient] = []
    regions = {None: routes.regions()} | {vendor: routes.regions(vendor) for vendor in VENDORS}
    rendered: dict[tuple[str, str | None], RenderedText] = {}
    for draft in drafts:
        try:
            _check_envelope(draft, now, check_status_url)
            to = _parse_number(draft, regions[draft.options.vendor])
            vendors, prefix = _choose_vendors(draft, to, accounts, routes)
            same_text = (draft.text, draft.options.encoding)
            if same_text not in rendered:
                rendered[same_text] = _render_text(draft)
            text = rendered[same_text]
            _check_segments(draft, text)
            accepted.append(_plan_recipient(draft, to, vendors, prefix, accounts, text, now))
        except GatewayError as problem:
            if isinstance(problem, _EnvelopeError) and not per_recipient:
                raise
            rejected.append(RejectedRecipient(draft.index, draft.to, problem))
    return accepted, rejected


class _EnvelopeError(InvalidRequestError):
    """A fault of the request as a whole, not of one recipient."""


def _check_envelope(draft: Draft, now: datetime, check_status_url: Callable[[str], None]) -> None:
    options, pointer = draft.options, draft.pointer
    if options.vendor is not None and options.vendor not in VENDORS:
        raise _EnvelopeError(
            f"There is no such vendor; there are {', '.join(VENDORS)}.",
            slug="unknown-vendor",
            pointer=f"{pointer}/vendor",
        )
    if options.send_at is not None:
        _check_send_at(options.send_at, f"{pointer}/send_at", now)
    if options.status_url is not None:
        try:
            check_status_url(options.status_url)
        except InvalidRequestError as problem:
            pointer = f"{pointer}/status_url"
            raise _EnvelopeError(problem.detail, slug=problem.slug, pointer=pointer) from None


def _check_send_at(send_at: datetime, pointer: str, now: datetime) -> None:
    if send_at.tzinfo is None:
        raise _EnvelopeError(
            "send_at names no zone: end it in Z, or in an offset such as +06:00.",
            slug="send-at-without-offset",
            pointer=pointer,
        )
    if send_at <= now:
        raise _EnvelopeError(
            f"send_at is over: it is {now:%Y-%m-%dT%H:%M:%SZ} now. Leave it out to send at once.",
            slug="send-at-in-the-past",
            pointer=pointer,
        )
    if send_at > now + MAX_SCHEDULE_AHEAD:
        raise _EnvelopeError(
            f"send_at may lie at most {MAX_SCHEDULE_AHEAD.days} days ahead: "
            "send the request later.",
            slug="send-at-too-far",
            pointer=pointer,
        )


def _parse_number(draft: Draft, regions: Sequence[str]) -> str:
    try:
        return to_e164(draft.to, regions)
    except NumberError as error:
        raise InvalidRequestError(str(error), slug=error.slug, pointer=draft.to_pointer) from None


class RenderedText(ValueObject, frozen=True):
    """A text as it will be sent."""

    text: str
    encoding: Encoding
    segments: int


def _render_text(draft: Draft) -> RenderedText:
    """Apply the option `encoding`: only `gsm7` may change the text."""
    pointer, text = f"{draft.pointer}/text", draft.text
    _check_controls(text, pointer)
    option = draft.options.encoding
    encoding: Encoding = "ucs2" if option == "unicode" else encoding_of(text)
    if option == "gsm7" and encoding != "gsm7":
        text = _transliterate(text, pointer)
        encoding = "gsm7"
    if not text.strip():
        raise InvalidRequestError("The text is empty.", slug="empty-text", pointer=pointer)
    return RenderedText(text, encoding, segments(text, encoding))


def _check_segments(draft: Draft, text: RenderedText) -> None:
    maximum = int(draft.options.max_segments or DEFAULT_MAX_SEGMENTS)
    if text.segments > maximum:
        raise InvalidRequestError(
            f"The text takes {text.segments} segments and may take {maximum}: shorten it, or"
            " raise max_segments.",
            slug="too-many-segments",
            pointer=f"{draft.pointer}/text",
        )


def _check_controls(text: str, pointer: str) -> None:
    controls: dict[str, int] = {}
    for match in CONTROL.finditer(text):
        controls.setdefault(match[0], match.start() + 1)
    if controls:
        names = [f"U+{ord(char):04X} (character {first})" for char, first in controls.items()]
        raise InvalidRequestError(
            f"The text has control characters that no vendor takes: {_enumerate(names)}. Remove "
            "them; line feeds, carriage returns, tabs and form feeds may stay.",
            slug="control-characters",
            pointer=pointer,
        )


def _transliterate(text: str, pointer: str) -> str:
    # Saves start-up time: few sends transliterate.
    from sms_gateway.sms.transliteration import describe_character, to_gsm7

    transliterated, missing = to_gsm7(text)
    if missing:
        names = [describe_character(character) for character in missing]
        raise InvalidRequestError(
            f"Not in the GSM 7-bit alphabet, nor like anything in it: {_enumerate(names)}."
            " Replace them, or ask for unicode.",
            slug="not-gsm7",
            pointer=pointer,
        )
    return transliterated


def _enumerate(names: list[str]) -> str:
    more = len(names) - MAX_NAMED_CHARACTERS
    return ", ".join(names[:MAX_NAMED_CHARACTERS]) + (f" and {more} more" if more > 0 else "")


def _choose_vendors(
    draft: Draft, to: str, accounts: Accounts, routes: Routes
) -> tuple[list[str], str]:
    """Return the usable vendors in order of preference, and the route's prefix."""
    pinned = draft.options.vendor
    route = routes.route(to)
    if route is None:  # nor may a named vendor carry it: routes say how far a key reaches
        raise InvalidRequestError(
            "No route leads to this number: the operator adds one with smsgw routes set.",
            slug="no-route",
            pointer=draft.to_pointer,
        )
    candidates = [pinned] if pinned else route.vendors
    usable = [vendor for vendor in candidates if vendor in accounts.adapters]
    if usable:
        return usable, route.prefix
    vendor = candidates[0]
    if pinned and vendor not in accounts.faults:
        raise InvalidRequestError(
            f"The vendor {vendor} is not configured here; GET /vendors lists those that are.",
            slug="vendor-not-configured",
            pointer=f"{draft.pointer}/vendor",
            vendor=vendor,
        )
    raise ServiceUnavailableError(
        f"The account at {vendor} is not usable; the operator must mend its settings.",
        slug="vendor-not-configured",
        pointer=draft.to_pointer,
        vendor=vendor,
    )


def _plan_recipient(
    draft: Draft,
    to: str,
    vendors: list[str],
    prefix: str,
    accounts: Accounts,
    rendered: RenderedText,
    now: datetime,
) -> PlannedRecipient:
    options, adapter = draft.options, accounts.adapters[vendors[0]]
    category = options.category or "transactional"
    at_vendor = options.send_at is not None and _held_by_vendor(adapter, options.send_at, now)
    content = MessageContent(
        to=to,
        text=rendered.text,
        sender=options.sender,
        category=category,
        send_at=options.send_at.astimezone(UTC) if options.send_at else None,
        flash=bool(options.flash),
        encoding=rendered.encoding,
        segments=rendered.segments,
        filter_dnd=bool(options.filter_dnd),
        template_id=options.template_id,
        reference=options.reference,
        metadata=options.metadata or None,
        on_unknown=options.on_unknown or "hold",
        at_vendor=at_vendor,
        status_url=options.status_url,
    )
    outgoing = content.outgoing("")
    try:
        adapter.check(outgoing)
    except UnsupportedMessageError as refusal:
        pointer = draft.to_pointer if refusal.field == "to" else f"{draft.pointer}/{refusal.field}"
        raise InvalidRequestError(
            refusal.detail, slug=refusal.slug, pointer=pointer, vendor=adapter.name
        ) from None
    others = [] if at_vendor else vendors[1:]
    failover = [vendor for vendor in others if _can_carry(accounts.adapters[vendor], outgoing)]
    return PlannedRecipient(
        draft=draft,
        content=content,
        vendors=(vendors[0], *failover),
        adapter=adapter,
        validity=int(options.validity or DEFAULT_VALIDITY_SECONDS[category]),
        reason="named by the caller" if options.vendor else f"first usable of route {prefix}",
        warnings=tuple(adapter.delivery_warnings(outgoing, options.send_at or now)),
    )


def _held_by_vendor(adapter: Adapter, send_at: datetime, now: datetime) -> bool:
    """Whether the vendor holds the message: the account asks for it, and the vendor can."""
    return (
        adapter.schedule_at_vendor
        and send_at >= now + MIN_VENDOR_SCHEDULE_AHEAD
        and adapter.holds(send_at)
    )


def _can_carry(adapter: Adapter, outgoing: OutgoingMessage) -> bool:
    try:
        adapter.check(outgoing)
    except UnsupportedMessageError:
        return False
    return True

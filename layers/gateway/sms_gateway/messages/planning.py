"""Decide, recipient by recipient, what can be sent and through which vendors."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from sms_gateway.config.routes import Routes
from sms_gateway.config.vendor_accounts import Accounts
from sms_gateway.core.problems import GatewayError, InvalidRequestError, ServiceUnavailableError
from sms_gateway.core.value_object import ValueObject
from sms_gateway.messages.request import Draft, Options
from sms_gateway.sms.encoding import CONTROL, encoding_of, segments
from sms_gateway.sms.phone_numbers import NumberError, to_e164
from sms_gateway.storage.models import MessageContent
from sms_gateway.vendors.adapter import Adapter, DeliveryWarning, UnsupportedMessageError
from sms_gateway.vendors.registry import VENDORS
from sms_gateway.vendors.types import Encoding, OutgoingMessage

MAX_SCHEDULE_AHEAD = timedelta(days=30)
MIN_VENDOR_SCHEDULE_AHEAD = timedelta(
    minutes=5
)  # what leaves sooner is held here: the call to the vendor may come late
DEFAULT_MAX_SEGMENTS = 10
MAX_NAMED_CHARACTERS = 10  # characters that a problem names
DEFAULT_VALIDITY_SECONDS = {"otp": 600, "transactional": 172_800, "promotional": 172_800}  # seconds


class PlannedRecipient(ValueObject, frozen=True):
    """One recipient that can be sent to: by `vendors[0]`, or if need be by the next ones."""

    draft: Draft  # what was asked for
    content: MessageContent
    vendors: tuple[str, ...]
    adapter: Adapter
    validity: int
    reason: str  # the first vendor was chosen
    warnings: tuple[DeliveryWarning, ...]  # of the first vendor

    @property
    def index(self) -> int:
        """The position in the request."""
        return self.draft.index


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
    check_status_url: Callable[[str], None] = lambda url: None,
    *,
    per_recipient: bool = False,
) -> tuple[list[PlannedRecipient], list[RejectedRecipient]]:
    """Sorts recipients into those that can be sent to and those that can't; `told` raises Invalid
    for a status_url that can't be. Raises Invalid for what is wrong with the request as a whole (a
    time, an unknown vendor, a status_url), unless `each` recipient is a request of its own."""
    accepted: list[PlannedRecipient] = []
    rejected: list[RejectedRecipient] = []
    regions = {None: routes.regions()} | {vendor: routes.regions(vendor) for vendor in VENDORS}
    shapes: dict[tuple[str, str | None], RenderedText] = {}
    for draft in drafts:
        options = draft.options
        try:
            _check_envelope(options, draft.place, now)
            _check_status_url(options, draft.place, check_status_url)
            to = _parse_number(draft, regions[options.vendor])
            vendors, prefix = _choose_vendors(draft, to, accounts, routes)
            alike = (draft.text, options.encoding)
            if alike not in shapes:
                shapes[alike] = _render_text(draft)
            shape = shapes[alike]
            most = int(options.max_segments or DEFAULT_MAX_SEGMENTS)
            if shape.segments > most:
                raise InvalidRequestError(
                    f"The text takes {shape.segments} segments and may take {most}: shorten it, or"
                    " raise max_segments.",
                    slug="too-many-segments",
                    pointer=f"{draft.place}/text",
                )
            accepted.append(_plan_recipient(draft, to, vendors, prefix, accounts, shape, now))
        except GatewayError as problem:
            if isinstance(problem, _EnvelopeError) and not per_recipient:
                raise
            rejected.append(RejectedRecipient(draft.index, draft.to, problem))
    return accepted, rejected


class _EnvelopeError(InvalidRequestError):
    """What is wrong with more than one recipient: the request is refused whole."""


def _check_envelope(options: Options, place: str, now: datetime) -> None:
    if options.vendor is not None and options.vendor not in VENDORS:
        raise _EnvelopeError(
            f"There is no such vendor; there are {', '.join(VENDORS)}.",
            slug="unknown-vendor",
            pointer=f"{place}/vendor",
        )
    if options.send_at is not None:
        _check_send_at(options.send_at, f"{place}/send_at", now)


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


def _check_status_url(options: Options, place: str, told: Callable[[str], None]) -> None:
    if options.status_url is not None:
        try:
            told(options.status_url)
        except InvalidRequestError as problem:
            pointer = f"{place}/status_url"
            raise _EnvelopeError(problem.detail, slug=problem.slug, pointer=pointer) from None


def _parse_number(draft: Draft, regions: Sequence[str]) -> str:
    try:
        return to_e164(draft.to, regions)
    except NumberError as error:
        raise InvalidRequestError(str(error), slug=error.slug, pointer=draft.to_place) from None


class RenderedText(ValueObject, frozen=True):
    """A text as it will be sent."""

    text: str
    encoding: Encoding
    segments: int


def _render_text(draft: Draft) -> RenderedText:
    """`auto` and `unicode` leave a text as it is; `gsm7` writes it in that alphabet."""
    pointer, text = f"{draft.place}/text", draft.text
    _check_controls(text, pointer)
    wanted = draft.options.encoding
    encoding: Encoding = "ucs2" if wanted == "unicode" else encoding_of(text)
    if wanted == "gsm7" and encoding != "gsm7":
        text = _transliterate(text, pointer)
        encoding = "gsm7"
    if not text.strip():
        raise InvalidRequestError("The text is empty.", slug="empty-text", pointer=pointer)
    return RenderedText(text, encoding, segments(text, encoding))


def _check_controls(text: str, pointer: str) -> None:
    strange: dict[str, int] = {}
    for found in CONTROL.finditer(text):
        strange.setdefault(found[0], found.start() + 1)
    if strange:
        names = ", ".join(
            f"U+{ord(one):04X} (character {place})"
            for one, place in list(strange.items())[:MAX_NAMED_CHARACTERS]
        )
        more = (
            f" and {len(strange) - MAX_NAMED_CHARACTERS} more"
            if len(strange) > MAX_NAMED_CHARACTERS
            else ""
        )
        raise InvalidRequestError(
            f"The text has control characters that no vendor takes: {names}{more}. Remove them; "
            "line feeds, carriage returns, tabs and form feeds may stay.",
            slug="control-characters",
            pointer=pointer,
        )


def _transliterate(text: str, pointer: str) -> str:
    from sms_gateway.sms.transliteration import describe_character, to_gsm7  # few sends need it

    written, strange = to_gsm7(text)
    if strange:
        names = ", ".join(
            describe_character(character) for character in strange[:MAX_NAMED_CHARACTERS]
        )
        more = (
            f" and {len(strange) - MAX_NAMED_CHARACTERS} more"
            if len(strange) > MAX_NAMED_CHARACTERS
            else ""
        )
        raise InvalidRequestError(
            f"Not in the GSM 7-bit alphabet, nor like anything in it: {names}{more}. Replace them,"
            " or ask for unicode.",
            slug="not-gsm7",
            pointer=pointer,
        )
    return written


def _choose_vendors(
    draft: Draft, to: str, accounts: Accounts, routes: Routes
) -> tuple[list[str], str]:
    """The usable vendors in order of preference, and the prefix of the route."""
    pinned = draft.options.vendor
    route = routes.route(to)
    wanted = [pinned] if pinned else route.vendors if route else []
    if not wanted:
        raise InvalidRequestError(
            "No route leads to this number: name a vendor, or ask the operator for a route.",
            slug="no-route",
            pointer=draft.to_place,
        )
    usable = [vendor for vendor in wanted if vendor in accounts.adapters]
    if usable:
        return usable, route.prefix if route else ""
    vendor = wanted[0]
    if pinned and vendor not in accounts.faults:
        raise InvalidRequestError(
            f"The vendor {vendor} is not configured here; GET /vendors lists those that are.",
            slug="vendor-not-configured",
            pointer=f"{draft.place}/vendor",
            vendor=vendor,
        )
    raise ServiceUnavailableError(
        f"The account at {vendor} is not usable; the operator must mend its settings.",
        slug="vendor-not-configured",
        pointer=draft.to_place,
        vendor=vendor,
    )


def _plan_recipient(
    draft: Draft,
    to: str,
    vendors: list[str],
    prefix: str,
    accounts: Accounts,
    shape: RenderedText,
    now: datetime,
) -> PlannedRecipient:
    options, adapter = draft.options, accounts.adapters[vendors[0]]
    category = options.category or "transactional"
    at_vendor = options.send_at is not None and _scheduled_at_vendor(adapter, options.send_at, now)
    content = MessageContent(
        to=to,
        text=shape.text,
        sender=options.sender,
        category=category,
        send_at=options.send_at.astimezone(UTC) if options.send_at else None,
        flash=bool(options.flash),
        encoding=shape.encoding,
        segments=shape.segments,
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
        raise InvalidRequestError(
            refusal.detail,
            slug=refusal.slug,
            pointer=draft.to_place if refusal.field == "to" else f"{draft.place}/{refusal.field}",
            vendor=adapter.name,
        ) from None
    others = [] if at_vendor else [v for v in vendors[1:] if _can_carry(accounts, v, outgoing)]
    validity = int(options.validity or DEFAULT_VALIDITY_SECONDS[category])
    why = "named by the caller" if options.vendor else f"first usable of route {prefix}"
    cautions = tuple(adapter.delivery_warnings(outgoing, options.send_at or now))
    return PlannedRecipient(draft, content, (vendors[0], *others), adapter, validity, why, cautions)


def _scheduled_at_vendor(adapter: Adapter, send_at: datetime, now: datetime) -> bool:
    """Whether the vendor itself is to hold a message: where the account asks for it, and can."""
    return (
        adapter.schedule_at_vendor
        and send_at >= now + MIN_VENDOR_SCHEDULE_AHEAD
        and adapter.holds(send_at)
    )


def _can_carry(accounts: Accounts, vendor: str, outgoing: OutgoingMessage) -> bool:
    try:
        accounts.adapters[vendor].check(outgoing)
    except UnsupportedMessageError:
        return False
    return True

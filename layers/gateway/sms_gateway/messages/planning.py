"""Decide, recipient by recipient, what can be sent and through which vendors."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from sms_gateway.config.routes import Routes
from sms_gateway.config.vendor_accounts import Accounts
from sms_gateway.core.problems import GatewayError, Invalid, Unavailable
from sms_gateway.core.value_object import Value
from sms_gateway.messages.request import Draft, Options
from sms_gateway.sms.encoding import CONTROL, encoding_of, segments
from sms_gateway.sms.phone_numbers import NumberError, e164
from sms_gateway.storage.models import Content
from sms_gateway.vendors.adapter import Adapter, Caution, Refusal
from sms_gateway.vendors.registry import VENDORS
from sms_gateway.vendors.types import Encoding, Outgoing

FURTHEST = timedelta(days=30)
LEAD = timedelta(minutes=5)  # what leaves sooner is held here: the call to the vendor may come late
MAX_SEGMENTS = 10
NAMED = 10  # characters that a problem names
VALIDITY = {"otp": 600, "transactional": 172_800, "promotional": 172_800}  # seconds


class Accepted(Value, frozen=True):
    """One recipient that can be sent to: by `vendors[0]`, or if need be by the next ones."""

    draft: Draft  # what was asked for
    content: Content
    vendors: tuple[str, ...]
    adapter: Adapter
    validity: int
    why: str  # the first vendor was chosen
    cautions: tuple[Caution, ...]  # of the first vendor

    @property
    def index(self) -> int:
        """The position in the request."""
        return self.draft.index


class Rejected(Value, frozen=True):
    """One recipient that can't be sent to, and why."""

    index: int
    to: str
    problem: GatewayError


def plan(
    drafts: Sequence[Draft],
    now: datetime,
    accounts: Accounts,
    routes: Routes,
    told: Callable[[str], None] = lambda url: None,
    *,
    each: bool = False,
) -> tuple[list[Accepted], list[Rejected]]:
    """Sorts recipients into those that can be sent to and those that can't; `told` raises Invalid
    for a status_url that can't be. Raises Invalid for what is wrong with the request as a whole (a
    time, an unknown vendor, a status_url), unless `each` recipient is a request of its own."""
    accepted: list[Accepted] = []
    rejected: list[Rejected] = []
    regions = {None: routes.regions()} | {vendor: routes.regions(vendor) for vendor in VENDORS}
    shapes: dict[tuple[str, str | None], Shape] = {}
    for draft in drafts:
        options = draft.options
        try:
            _check_envelope(options, draft.place, now)
            _check_status_url(options, draft.place, told)
            to = _number(draft, regions[options.vendor])
            vendors, prefix = _vendors(draft, to, accounts, routes)
            alike = (draft.text, options.encoding)
            if alike not in shapes:
                shapes[alike] = _shape(draft)
            shape = shapes[alike]
            most = int(options.max_segments or MAX_SEGMENTS)
            if shape.segments > most:
                raise Invalid(
                    f"The text takes {shape.segments} segments and may take {most}: shorten it, or"
                    " raise max_segments.",
                    slug="too-many-segments",
                    pointer=f"{draft.place}/text",
                )
            accepted.append(_accept(draft, to, vendors, prefix, accounts, shape, now))
        except GatewayError as problem:
            if isinstance(problem, _EnvelopeError) and not each:
                raise
            rejected.append(Rejected(draft.index, draft.to, problem))
    return accepted, rejected


class _EnvelopeError(Invalid):
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
    if send_at > now + FURTHEST:
        raise _EnvelopeError(
            f"send_at may lie at most {FURTHEST.days} days ahead: send the request later.",
            slug="send-at-too-far",
            pointer=pointer,
        )


def _check_status_url(options: Options, place: str, told: Callable[[str], None]) -> None:
    if options.status_url is not None:
        try:
            told(options.status_url)
        except Invalid as problem:
            pointer = f"{place}/status_url"
            raise _EnvelopeError(problem.detail, slug=problem.slug, pointer=pointer) from None


def _number(draft: Draft, regions: Sequence[str]) -> str:
    try:
        return e164(draft.to, regions)
    except NumberError as error:
        raise Invalid(str(error), slug=error.slug, pointer=draft.to_place) from None


class Shape(Value, frozen=True):
    """A text as it will be sent."""

    text: str
    encoding: Encoding
    segments: int


def _shape(draft: Draft) -> Shape:
    """`auto` and `unicode` leave a text as it is; `gsm7` writes it in that alphabet."""
    pointer, text = f"{draft.place}/text", draft.text
    _check_controls(text, pointer)
    wanted = draft.options.encoding
    encoding: Encoding = "ucs2" if wanted == "unicode" else encoding_of(text)
    if wanted == "gsm7" and encoding != "gsm7":
        text = _in_gsm7(text, pointer)
        encoding = "gsm7"
    if not text.strip():
        raise Invalid("The text is empty.", slug="empty-text", pointer=pointer)
    return Shape(text, encoding, segments(text, encoding))


def _check_controls(text: str, pointer: str) -> None:
    strange: dict[str, int] = {}
    for found in CONTROL.finditer(text):
        strange.setdefault(found[0], found.start() + 1)
    if strange:
        names = ", ".join(
            f"U+{ord(one):04X} (character {place})" for one, place in list(strange.items())[:NAMED]
        )
        more = f" and {len(strange) - NAMED} more" if len(strange) > NAMED else ""
        raise Invalid(
            f"The text has control characters that no vendor takes: {names}{more}. Remove them; "
            "line feeds, carriage returns, tabs and form feeds may stay.",
            slug="control-characters",
            pointer=pointer,
        )


def _in_gsm7(text: str, pointer: str) -> str:
    from sms_gateway.sms.transliteration import named, to_gsm7  # few sends need it

    written, strange = to_gsm7(text)
    if strange:
        names = ", ".join(named(character) for character in strange[:NAMED])
        more = f" and {len(strange) - NAMED} more" if len(strange) > NAMED else ""
        raise Invalid(
            f"Not in the GSM 7-bit alphabet, nor like anything in it: {names}{more}. Replace them,"
            " or ask for unicode.",
            slug="not-gsm7",
            pointer=pointer,
        )
    return written


def _vendors(draft: Draft, to: str, accounts: Accounts, routes: Routes) -> tuple[list[str], str]:
    """The usable vendors in order of preference, and the prefix of the route."""
    pinned = draft.options.vendor
    route = routes.route(to)
    wanted = [pinned] if pinned else route.vendors if route else []
    if not wanted:
        raise Invalid(
            "No route leads to this number: name a vendor, or ask the operator for a route.",
            slug="no-route",
            pointer=draft.to_place,
        )
    usable = [vendor for vendor in wanted if vendor in accounts.adapters]
    if usable:
        return usable, route.prefix if route else ""
    vendor = wanted[0]
    if pinned and vendor not in accounts.faults:
        raise Invalid(
            f"The vendor {vendor} is not configured here; GET /vendors lists those that are.",
            slug="vendor-not-configured",
            pointer=f"{draft.place}/vendor",
            vendor=vendor,
        )
    raise Unavailable(
        f"The account at {vendor} is not usable; the operator must mend its settings.",
        slug="vendor-not-configured",
        pointer=draft.to_place,
        vendor=vendor,
    )


def _accept(
    draft: Draft,
    to: str,
    vendors: list[str],
    prefix: str,
    accounts: Accounts,
    shape: Shape,
    now: datetime,
) -> Accepted:
    options, adapter = draft.options, accounts.adapters[vendors[0]]
    category = options.category or "transactional"
    at_vendor = options.send_at is not None and _held_by(adapter, options.send_at, now)
    content = Content(
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
    except Refusal as refusal:
        raise Invalid(
            refusal.detail,
            slug=refusal.slug,
            pointer=draft.to_place if refusal.field == "to" else f"{draft.place}/{refusal.field}",
            vendor=adapter.name,
        ) from None
    others = [] if at_vendor else [v for v in vendors[1:] if _carries(accounts, v, outgoing)]
    validity = int(options.validity or VALIDITY[category])
    why = "named by the caller" if options.vendor else f"first usable of route {prefix}"
    cautions = tuple(adapter.cautions(outgoing, options.send_at or now))
    return Accepted(draft, content, (vendors[0], *others), adapter, validity, why, cautions)


def _held_by(adapter: Adapter, send_at: datetime, now: datetime) -> bool:
    """Whether the vendor itself is to hold a message: where the account asks for it, and can."""
    return adapter.schedule_at_vendor and send_at >= now + LEAD and adapter.holds(send_at)


def _carries(accounts: Accounts, vendor: str, outgoing: Outgoing) -> bool:
    try:
        accounts.adapters[vendor].check(outgoing)
    except Refusal:
        return False
    return True

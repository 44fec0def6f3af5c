"""Plan a send: decide for each recipient whether and through which vendors it can go."""

from collections.abc import Callable, Sequence
from copy import replace
from datetime import UTC, datetime, timedelta

from sms_gateway.config.balance_floors import is_below_floor
from sms_gateway.config.routes import Routes
from sms_gateway.config.senders import plain
from sms_gateway.config.vendor_accounts import Accounts
from sms_gateway.core.problems import GatewayError, InvalidRequestError, ServiceUnavailableError
from sms_gateway.core.value_object import ValueObject
from sms_gateway.messages.balance_floor import BELOW_FLOOR, BalanceFloorError, floor_order
from sms_gateway.messages.rendering import RenderedText, check_segments, render_text
from sms_gateway.messages.request import Draft
from sms_gateway.sms.number_forms import MAX_LENGTH
from sms_gateway.sms.phone_numbers import Form, NumberError, ReadNumber, is_region, read_number
from sms_gateway.storage.models import MessageContent
from sms_gateway.vendors.adapter import Adapter, DeliveryWarning, UnsupportedMessageError
from sms_gateway.vendors.registry import VENDORS
from sms_gateway.vendors.types import OutgoingMessage

MAX_SCHEDULE_AHEAD = timedelta(days=30)
MIN_VENDOR_SCHEDULE_AHEAD = timedelta(minutes=5)  # less is ours to wait: a call may come late
REPEATED = DeliveryWarning(
    "duplicate-recipient",
    "to",
    "An earlier recipient of this request has the same number and text: both are sent, unless"
    ' "duplicates" is "reject".',
)
DEFAULT_VALIDITY_SECONDS = {"otp": 600, "transactional": 172_800, "promotional": 172_800}


class PlannedRecipient(ValueObject, frozen=True):
    """One recipient that can be sent to: by `vendors[0]`, or by the next ones on failover."""

    draft: Draft
    form: Form  # in which its number was written
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
    may_use: Callable[[str], bool] = lambda _sender: False,
    permit: Callable[[Draft, str], None] = lambda _draft, _to: None,
    per_recipient: bool = False,
    keep_floor: bool = False,
) -> tuple[list[PlannedRecipient], list[RejectedRecipient]]:
    """Sort recipients into those that can be sent to and those that can't.

    `check_status_url` raises for a status_url that is not allowed, `permit` for what a policy
    refuses; `may_use` says whether the tenant may name a sender that is none of the account's own.
    An invalid time, region, vendor or status_url fails the whole request, unless `per_recipient`
    is set; all raise InvalidRequestError. A vendor below its `balance_floor` comes last; with
    `keep_floor` not at all.
    """
    accepted: list[PlannedRecipient] = []
    rejected: list[RejectedRecipient] = []
    seen: set[tuple[str, str]] = set()  # number and text
    rendered: dict[tuple[str, str | None], RenderedText] = {}
    for draft in drafts:
        try:
            _check_envelope(draft, now, accounts, check_status_url)
            number = _read_number(draft)
            permit(draft, number.e164)
            same = (number.e164, draft.text)
            if same in seen and draft.options.duplicates == "reject":
                raise InvalidRequestError(
                    "An earlier recipient of this request has the same number and text.",
                    slug="duplicate-recipient",
                    pointer=draft.to_pointer,
                )
            vendors, prefix = _choose_vendors(draft, number.e164, accounts, routes)
            same_text = (draft.text, draft.options.encoding)
            text = rendered.get(same_text) or rendered.setdefault(same_text, render_text(draft))
            check_segments(draft, text)
            planned = _plan_recipient(
                draft, number, vendors, prefix, accounts, text, now, may_use, keep_floor
            )
            if same in seen:
                planned = replace(planned, warnings=(*planned.warnings, REPEATED))
            seen.add(same)
            accepted.append(planned)
        except GatewayError as problem:
            if isinstance(problem, _EnvelopeError) and not per_recipient:
                raise
            rejected.append(RejectedRecipient(draft.index, draft.to[:MAX_LENGTH], problem))
    return accepted, rejected


class _EnvelopeError(InvalidRequestError):
    """A fault of the request as a whole, not of one recipient."""


def _check_envelope(
    draft: Draft, now: datetime, accounts: Accounts, check_status_url: Callable[[str], None]
) -> None:
    options, pointer = draft.options, draft.pointer
    if options.vendor is not None and not (
        options.vendor in VENDORS or options.vendor in accounts.adapters
    ):
        known = dict.fromkeys((*VENDORS, *accounts.adapters))
        raise _EnvelopeError(
            f"There is no such vendor; there are {', '.join(known)}.",
            slug="unknown-vendor",
            pointer=f"{pointer}/vendor",
        )
    if options.region is not None and not is_region(options.region):
        raise _EnvelopeError(
            "There is no such region: give a country's two capital letters (ISO 3166), such as BD.",
            slug="unknown-region",
            pointer=f"{pointer}/region",
        )
    if options.send_at is not None:
        check_send_at(options.send_at, f"{pointer}/send_at", now)
    if options.status_url is not None:
        try:
            check_status_url(options.status_url)
        except InvalidRequestError as problem:
            pointer = f"{pointer}/status_url"
            raise _EnvelopeError(problem.detail, slug=problem.slug, pointer=pointer) from None


def check_send_at(send_at: datetime, pointer: str, now: datetime) -> None:
    """Raise InvalidRequestError for a time without a zone, in the past or too far ahead."""
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


def _read_number(draft: Draft) -> ReadNumber:
    try:
        return read_number(draft.to, draft.options.region)
    except NumberError as error:
        raise InvalidRequestError(str(error), slug=error.slug, pointer=draft.to_pointer) from None


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
    number: ReadNumber,
    vendors: list[str],
    prefix: str,
    accounts: Accounts,
    rendered: RenderedText,
    now: datetime,
    may_use: Callable[[str], bool],
    keep_floor: bool,
) -> PlannedRecipient:
    options, category = draft.options, draft.options.category or "transactional"
    content = MessageContent(
        to=number.e164,
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
        status_url=options.status_url,
    )
    unscheduled = content.outgoing("")

    def carries(name: str) -> bool:
        other = accounts.adapters[name]
        return _can_carry(other, unscheduled) and _sender_allowed(other, options.sender, may_use)

    low = {name for name in vendors if is_below_floor(accounts.adapters[name], category)}
    preferred, vendors = vendors[0], floor_order(vendors, low, carries)
    adapter, below = accounts.adapters[vendors[0]], vendors[0] in low
    if options.send_at is not None and _held_by_vendor(adapter, options.send_at, now):
        content, vendors = replace(content, at_vendor=True), vendors[:1]
    outgoing = content.outgoing("")
    try:
        adapter.check(outgoing)
    except UnsupportedMessageError as refusal:
        pointer = draft.to_pointer if refusal.field == "to" else f"{draft.pointer}/{refusal.field}"
        raise InvalidRequestError(
            refusal.detail, slug=refusal.slug, pointer=pointer, vendor=adapter.name
        ) from None
    if not _sender_allowed(adapter, options.sender, may_use):
        raise InvalidRequestError(
            "Your tenant may not send as this sender: leave it out, or have the operator allow it "
            "with smsgw senders set.",
            slug="sender-not-allowed",
            pointer=f"{draft.pointer}/from",
            vendor=adapter.name,
        )
    if keep_floor and below:
        raise BalanceFloorError(adapter.name)
    kept_out = low if keep_floor else ()
    failover = [name for name in vendors[1:] if name not in kept_out and carries(name)]
    reason = "named by the caller" if options.vendor else f"first usable of route {prefix}"
    if adapter.name != preferred:
        reason = f"{reason}; {preferred} is below its balance floor"
    warnings = adapter.delivery_warnings(outgoing, options.send_at or now)
    return PlannedRecipient(
        draft=draft,
        form=number.form,
        content=content,
        vendors=(adapter.name, *failover),
        adapter=adapter,
        validity=int(options.validity or DEFAULT_VALIDITY_SECONDS[category]),
        reason=reason,
        warnings=(*warnings, BELOW_FLOOR) if below else tuple(warnings),
    )


def _sender_allowed(adapter: Adapter, sender: str | None, may_use: Callable[[str], bool]) -> bool:
    if sender is None:
        return True
    own = {plain(one) for one in adapter.own_senders}
    return plain(sender) in own or may_use(sender)


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

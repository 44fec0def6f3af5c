"""What a tenant does with its webhooks: make, list, rotate, test, remove, look at what failed."""

import os
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec

from sms_gateway.core.event import FOR_TENANTS, Event, Kind
from sms_gateway.core.problems import Conflict, Invalid, NotFound, TooLarge, Unavailable
from sms_gateway.core.timestamps import epoch_ms, epoch_seconds, from_ms, rfc3339
from sms_gateway.core.ulids import new_ulid
from sms_gateway.http_api import query_params
from sms_gateway.http_api.json_body import decode
from sms_gateway.http_api.query_params import moment, read, refuse_others
from sms_gateway.storage import dynamodb
from sms_gateway.webhooks import deliveries, endpoints, http_client, idempotency, settings
from sms_gateway.webhooks.attempt import Post, attempt, fault_of
from sms_gateway.webhooks.deliveries import Delivery
from sms_gateway.webhooks.delivery_message import Parcel
from sms_gateway.webhooks.endpoints import Endpoint, Settings
from sms_gateway.webhooks.http_client import Resolve
from sms_gateway.webhooks.url_policy import LONGEST, AddressError
from sms_gateway.webhooks.url_policy import read as read_address

MOST_REPLAYED = 100  # deliveries by one request
LOOKED = 100  # stored deliveries looked at for one page of the list
LOOKED_FOR_REPLAY = 1000  # and for one replay of a time range
LARGEST_BODY = 16 * 1024  # bytes

Word = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
ID = "[0-9A-Z]{26}"
CURSOR = "[0-9]{13}-[!-~]{1,106}"  # the id of the last delivery that was looked at
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /webhooks."""

    url: Annotated[str, msgspec.Meta(max_length=LONGEST)]
    events: Annotated[list[Word], msgspec.Meta(max_length=len(FOR_TENANTS))] | None = None
    description: Annotated[str, msgspec.Meta(max_length=200)] | None = None


class Rotation(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /webhooks/{id}/rotate, which may be left out."""

    stop_previous: bool = False


class Replay(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /webhooks/{id}/replay: ids, or a time range and how far it was replayed."""

    ids: (
        Annotated[
            list[Annotated[str, msgspec.Meta(min_length=1, max_length=120)]],
            msgspec.Meta(min_length=1, max_length=MOST_REPLAYED),
        ]
        | None
    ) = None
    start: Moment | None = msgspec.field(default=None, name="from")
    end: Moment | None = msgspec.field(default=None, name="to")
    cursor: Annotated[str, msgspec.Meta(pattern=f"^{CURSOR}$")] | None = None


def turned_on() -> None:
    """Raises Conflict where the stack tells no webhooks."""
    if os.environ["EVENTS"] not in ("webhooks", "all"):
        raise Conflict(
            "Webhooks are turned off: the operator turns them on with the parameter Events.",
            slug="webhooks-off",
        )


def create(
    tenant: str,
    body: bytes,
    now: datetime,
    key: str | None = None,
    resolver: Resolve = http_client.resolve,
) -> dict[str, Any]:
    """Makes a webhook; its secret is in this answer only. With an Idempotency-Key a repeat gets the
    same answer for a day, while nobody has deleted or rotated it. Raises Invalid for an address or
    a filter that can't be, Conflict when there are too many, or the secret is another one."""
    turned_on()
    wanted = decode(_bounded(body), Wanted)
    identifier, place = new_ulid(now), None
    if key is not None:
        place = idempotency.place(tenant, key)
        before = idempotency.find(place, body, now)
        known = endpoints.find(tenant, before) if before else None
        if known is not None:
            return _same(known)
    _check(wanted, resolver)
    if len(endpoints.of_tenant(tenant)) >= endpoints.MOST:
        raise Conflict(
            f"There are {endpoints.MOST} webhooks already: delete one first.",
            slug="too-many-webhooks",
        )
    if place is not None:
        # Of two requests side by side both make the webhook of the first, and one does.
        identifier = idempotency.take(place, body, identifier, now)
    stored = Settings(wanted.url, wanted.events, wanted.description)
    made = endpoints.create(tenant, identifier, stored, now, place)
    if made is None:
        known = endpoints.find(tenant, identifier)
        if known is None or place is None:
            raise Unavailable("The webhook could not be recorded; try again.")
        return _same(known)
    return _with_secret(made)


def _bounded(body: bytes) -> bytes:
    if len(body) > LARGEST_BODY:
        raise TooLarge(f"This body may have {LARGEST_BODY} bytes, it has {len(body)}.")
    return body


def _same(known: Endpoint) -> dict[str, Any]:
    if known.generation > 1:
        raise Conflict(
            f"This Idempotency-Key made the webhook {known.id}, whose secret was rotated since: "
            "the new one was told to whoever rotated it, and is not told again.",
            slug="webhook-rotated",
        )
    return _with_secret(known)


def _with_secret(made: Endpoint) -> dict[str, Any]:
    newest, *_ = made.secrets(settings.webhook_key(), made.created)
    return {**made.view(), "secret": newest}


def _check(wanted: Wanted, resolver: Resolve) -> None:
    for number, kind in enumerate(wanted.events or ()):
        if kind not in FOR_TENANTS:
            raise Invalid(
                f"There is no such event; there are {', '.join(FOR_TENANTS)}.",
                slug="unknown-event",
                pointer=f"/events/{number}",
            )
    loopback = os.environ["WEBHOOK_LOOPBACK"] == "true"
    try:
        http_client.addresses_of(
            read_address(wanted.url, loopback=loopback), loopback=loopback, resolver=resolver
        )
    except AddressError as error:
        raise Invalid(
            f"The address can't be called: {error}.", slug="webhook-address", pointer="/url"
        ) from None


def every(tenant: str) -> dict[str, Any]:
    """A tenant's webhooks."""
    return {"webhooks": [one.view() for one in endpoints.of_tenant(tenant)]}


def one(tenant: str, identifier: str) -> Endpoint:
    """One webhook. Raises NotFound."""
    # What is no id is not asked for: DynamoDB refuses a key that is too long.
    found = endpoints.find(tenant, identifier) if re.fullmatch(ID, identifier) else None
    if found is None:
        raise NotFound("There is no such webhook; GET /webhooks lists yours.")
    return found


def delete(tenant: str, identifier: str) -> dict[str, Any]:
    """Removes a webhook; what waits for it ends as failed."""
    found = one(tenant, identifier)
    if found.request is not None:
        # First: else its key would lead to its id once it is gone.
        idempotency.forget(found.request, found.id)
    dynamodb.remove(endpoints.key_of(tenant, identifier))
    return found.view()


def rotate(tenant: str, identifier: str, now: datetime, body: bytes = b"") -> dict[str, Any]:
    """Gives a webhook a new secret; each one before signs on for a day after its own rotation, or
    stops at once where the body says so. Raises Conflict when too many sign."""
    turned_on()
    stop = bool(body) and decode(_bounded(body), Rotation).stop_previous
    found, seconds = one(tenant, identifier), epoch_seconds(now)
    living = found.living(seconds)
    if len(living) >= endpoints.MOST_SECRETS - 1 and not stop:
        raise Conflict(
            f"{endpoints.MOST_SECRETS} secrets sign already. Rotate after {_until(living[-1])}, "
            'or with {"stop_previous": true}, which stops all before the new one at once.',
            slug="too-many-secrets",
        )
    changed = endpoints.rotate(found, seconds, stop=stop)
    if changed is None:
        raise Conflict("The webhook was changed meanwhile: look at it and try again.")
    until = None if stop else _until(seconds)
    return {**_with_secret(changed), "previous_secret_until": until}


def _until(superseded: int) -> str:
    """When a secret stops that was superseded at an epoch second."""
    return rfc3339(from_ms((superseded + endpoints.OVERLAP) * 1000))


def try_out(
    tenant: str, identifier: str, now: datetime, post: Post = http_client.post
) -> dict[str, Any]:
    """Posts a test event at once and tells what came of it. One that is taken makes a disabled or
    resting webhook active again."""
    turned_on()
    found = one(tenant, identifier)
    at = epoch_ms(now)
    data = {"webhook_id": found.id}
    event = Event(f"{new_ulid(now)}-test", Kind.TEST, at, tenant, data)
    posted = attempt(found, None, event.id, event.body(), post)
    if posted.taken:
        endpoints.revive(found)
    return {
        "event_id": event.id,
        "delivered": posted.taken,
        "status_code": posted.status,
        "milliseconds": int(posted.seconds * 1000),
        "problem": fault_of(posted),
    }


def stored(tenant: str, identifier: str, query: dict[str, str]) -> dict[str, Any]:
    """Deliveries that did not arrive at once, newest first."""
    found = one(tenant, identifier)
    refuse_others(query, {"from", "to", "state", "limit", "cursor"})
    limit = read(query, "limit", query_params.limit) or 25
    state = read(query, "state", _state)
    low, high = deliveries.time_range(read(query, "from", moment), read(query, "to", moment))
    before = read(query, "cursor", _cursor)
    known = deliveries.listed(
        tenant, found.id, low, min(high, before or "~"), LOOKED + 2, newest_first=True
    )
    known = [one for one in known if one.parcel.id != before]
    page, cursor = _part(known, LOOKED, limit, state)
    return {"deliveries": [each.view() for each in page], "cursor": cursor}


def _part(
    known: Sequence[Delivery], most: int, limit: int, state: str | None
) -> tuple[list[Delivery], str | None]:
    """Those in a state, and the cursor for what follows. Only so many are looked at: there may be
    fewer than the limit, even none, while a cursor says that more follow."""
    part: list[Delivery] = []
    last = None
    for each in known[:most]:
        last = each.parcel.id
        if state in (None, each.state):
            part.append(each)
        if len(part) == limit:
            break
    return part, last if known and known[-1].parcel.id != last else None


def replay(tenant: str, identifier: str, body: bytes, now: datetime) -> dict[str, Any]:
    """Starts stored deliveries anew: those named, or those of a time range that failed for good.
    Raises Invalid when there is nothing to send again."""
    turned_on()
    wanted = decode(_bounded(body), Replay)
    found = one(tenant, identifier)
    if found.disabled:
        raise Conflict(
            "The webhook is disabled: mend it, and make it active with a test that arrives.",
            slug="webhook-disabled",
        )
    in_time = wanted.start is not None or wanted.end is not None
    if (wanted.ids is not None) == in_time or (wanted.cursor and not in_time):
        raise Invalid('Give either "ids", or "from" and "to".', slug="invalid-request", pointer="")
    if wanted.ids is not None:
        chosen, cursor = _named(tenant, found.id, wanted.ids), None
    else:
        chosen, cursor = _failed_within(tenant, found.id, wanted)
    begun = [each.parcel.id for each in chosen if deliveries.again(each, epoch_seconds(now))]
    return {"replayed": begun, "cursor": cursor}


def _named(tenant: str, webhook: str, ids: Sequence[str]) -> list[Delivery]:
    chosen = []
    for number, name in enumerate(ids):
        delivery = deliveries.find(Parcel(tenant, webhook, name))
        if delivery is None:
            raise Invalid(
                "There is no such delivery; GET /webhooks/{id}/deliveries lists them.",
                slug="unknown-delivery",
                pointer=f"/ids/{number}",
            )
        chosen.append(delivery)
    return chosen


def _failed_within(tenant: str, webhook: str, wanted: Replay) -> tuple[list[Delivery], str | None]:
    """What failed for good in a time range, oldest first, and the cursor for what follows."""
    low, high = deliveries.time_range(wanted.start, wanted.end)
    most, after = LOOKED_FOR_REPLAY, wanted.cursor
    known = deliveries.listed(
        tenant, webhook, max(low, after or "0"), high, most + 2, newest_first=False
    )
    known = [one for one in known if one.parcel.id != after]
    failed, cursor = _part(known, most, MOST_REPLAYED, "failed")
    if not failed and cursor is None and after is None:
        raise Invalid(
            "Nothing failed for good in that time: there is nothing to send again.",
            slug="nothing-to-replay",
            pointer="/from",
        )
    return failed, cursor


def _state(written: str) -> str:
    if written not in ("waiting", "delivered", "failed"):
        raise ValueError("there are waiting, delivered, failed")
    return written


def _cursor(written: str) -> str:
    if not re.fullmatch(CURSOR, written):
        raise ValueError("it is not one that this list gave")
    return written

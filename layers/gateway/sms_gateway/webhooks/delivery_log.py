"""A webhook's deliveries: list them, and replay those that failed."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec

from sms_gateway.core.problems import Conflict, Invalid
from sms_gateway.core.timestamps import epoch_seconds
from sms_gateway.http_api import query_params
from sms_gateway.http_api.json_body import decode
from sms_gateway.http_api.query_params import moment, read, refuse_others
from sms_gateway.webhooks import deliveries
from sms_gateway.webhooks.deliveries import Delivery
from sms_gateway.webhooks.delivery_message import Parcel
from sms_gateway.webhooks.management import _bounded, one, turned_on

MOST_REPLAYED = 100  # deliveries by one request
LOOKED = 100  # stored deliveries looked at for one page of the list
LOOKED_FOR_REPLAY = 1000  # and for one replay of a time range
Word = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
ID = "[0-9A-Z]{26}"
CURSOR = "[0-9]{13}-[!-~]{1,106}"  # the id of the last delivery that was looked at
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


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

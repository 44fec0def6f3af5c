"""A webhook's deliveries: list them, and replay those that failed."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec

from sms_gateway.core.problems import ConflictError, InvalidRequestError
from sms_gateway.core.timestamps import epoch_seconds
from sms_gateway.http_api import query_params
from sms_gateway.http_api.json_body import decode_json
from sms_gateway.http_api.query_params import parse_time, read_param, reject_unknown
from sms_gateway.webhooks import deliveries
from sms_gateway.webhooks.deliveries import Delivery
from sms_gateway.webhooks.delivery_message import DeliveryMessage
from sms_gateway.webhooks.management import check_body_size, get_endpoint, require_enabled

MAX_REPLAYED = 100  # deliveries by one request
MAX_READ = 100  # stored deliveries looked at for one page of the list
MAX_READ_FOR_REPLAY = 1000  # and for one replay of a time range
CURSOR = "[0-9]{13}-[!-~]{1,106}"  # the id of the last delivery that was looked at
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class ReplayBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /webhooks/{id}/replay: ids, or a time range and how far it was replayed."""

    ids: (
        Annotated[
            list[Annotated[str, msgspec.Meta(min_length=1, max_length=120)]],
            msgspec.Meta(min_length=1, max_length=MAX_REPLAYED),
        ]
        | None
    ) = None
    start: Moment | None = msgspec.field(default=None, name="from")
    end: Moment | None = msgspec.field(default=None, name="to")
    cursor: Annotated[str, msgspec.Meta(pattern=f"^{CURSOR}$")] | None = None


def list_deliveries(tenant: str, identifier: str, query: dict[str, str]) -> dict[str, Any]:
    """Deliveries that did not arrive at once, newest first."""
    found = get_endpoint(tenant, identifier)
    reject_unknown(query, {"from", "to", "state", "limit", "cursor"})
    limit = read_param(query, "limit", query_params.parse_limit) or 25
    state = read_param(query, "state", _parse_state)
    low, high = deliveries.time_range(
        read_param(query, "from", parse_time), read_param(query, "to", parse_time)
    )
    before = read_param(query, "cursor", _parse_cursor)
    known = deliveries.query_deliveries(
        tenant, found.id, low, min(high, before or "~"), MAX_READ + 2, newest_first=True
    )
    known = [one for one in known if one.message.id != before]
    page, cursor = _page(known, MAX_READ, limit, state)
    return {"deliveries": [each.view() for each in page], "cursor": cursor}


def _page(
    known: Sequence[Delivery], most: int, limit: int, state: str | None
) -> tuple[list[Delivery], str | None]:
    """Those in a state, and the cursor for what follows. Only so many are looked at: there may be
    fewer than the limit, even none, while a cursor says that more follow."""
    part: list[Delivery] = []
    last = None
    for each in known[:most]:
        last = each.message.id
        if state in (None, each.state):
            part.append(each)
        if len(part) == limit:
            break
    return part, last if known and known[-1].message.id != last else None


def replay(tenant: str, identifier: str, body: bytes, now: datetime) -> dict[str, Any]:
    """Starts stored deliveries anew: those named, or those of a time range that failed for good.
    Raises Invalid when there is nothing to send again."""
    require_enabled()
    wanted = decode_json(check_body_size(body), ReplayBody)
    found = get_endpoint(tenant, identifier)
    if found.disabled:
        raise ConflictError(
            "The webhook is disabled: mend it, and make it active with a test that arrives.",
            slug="webhook-disabled",
        )
    in_time = wanted.start is not None or wanted.end is not None
    if (wanted.ids is not None) == in_time or (wanted.cursor and not in_time):
        raise InvalidRequestError(
            'Give either "ids", or "from" and "to".', slug="invalid-request", pointer=""
        )
    if wanted.ids is not None:
        chosen, cursor = _by_ids(tenant, found.id, wanted.ids), None
    else:
        chosen, cursor = _failed_within(tenant, found.id, wanted)
    begun = [each.message.id for each in chosen if deliveries.replay(each, epoch_seconds(now))]
    return {"replayed": begun, "cursor": cursor}


def _by_ids(tenant: str, webhook: str, ids: Sequence[str]) -> list[Delivery]:
    chosen = []
    for number, name in enumerate(ids):
        delivery = deliveries.find_delivery(DeliveryMessage(tenant, webhook, name))
        if delivery is None:
            raise InvalidRequestError(
                "There is no such delivery; GET /webhooks/{id}/deliveries lists them.",
                slug="unknown-delivery",
                pointer=f"/ids/{number}",
            )
        chosen.append(delivery)
    return chosen


def _failed_within(
    tenant: str, webhook: str, wanted: ReplayBody
) -> tuple[list[Delivery], str | None]:
    """What failed for good in a time range, oldest first, and the cursor for what follows."""
    low, high = deliveries.time_range(wanted.start, wanted.end)
    most, after = MAX_READ_FOR_REPLAY, wanted.cursor
    known = deliveries.query_deliveries(
        tenant, webhook, max(low, after or "0"), high, most + 2, newest_first=False
    )
    known = [one for one in known if one.message.id != after]
    failed, cursor = _page(known, most, MAX_REPLAYED, "failed")
    if not failed and cursor is None and after is None:
        raise InvalidRequestError(
            "Nothing failed for good in that time: there is nothing to send again.",
            slug="nothing-to-replay",
            pointer="/from",
        )
    return failed, cursor


def _parse_state(written: str) -> str:
    if written not in ("waiting", "delivered", "failed"):
        raise ValueError("there are waiting, delivered, failed")
    return written


def _parse_cursor(written: str) -> str:
    if not re.fullmatch(CURSOR, written):
        raise ValueError("it is not one that this list gave")
    return written

"""List a webhook's stored deliveries, and replay them."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec

from sms_gateway.core.problems import ConflictError, InvalidRequestError
from sms_gateway.core.timestamps import epoch_ms, epoch_seconds
from sms_gateway.http_api import query_params
from sms_gateway.http_api.json_body import decode_body
from sms_gateway.http_api.query_params import one_of, parse_time, read_param, reject_unknown
from sms_gateway.webhooks import deliveries
from sms_gateway.webhooks.deliveries import Delivery
from sms_gateway.webhooks.delivery_message import DeliveryMessage
from sms_gateway.webhooks.endpoints import EndpointState
from sms_gateway.webhooks.management import check_body_size, get_endpoint, require_enabled

MAX_REPLAYED = 100  # deliveries by one request
MAX_READ = 100  # stored deliveries read for one page of the list
MAX_READ_FOR_REPLAY = 1000  # and for one replay of a time range
STATES = ("waiting", "delivered", "failed")
CURSOR = "[0-9]{13}-[!-~]{1,106}"  # the id of the last delivery that was read
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
    created_from: Moment | None = None
    created_to: Moment | None = None
    cursor: (
        Annotated[str, msgspec.Meta(pattern=rf"^{CURSOR}\Z", description="what a replay answered")]
        | None
    ) = None


def list_deliveries(tenant: str, identifier: str, query: dict[str, str]) -> dict[str, Any]:
    """List the deliveries whose first attempt failed, newest first."""
    endpoint = get_endpoint(tenant, identifier)
    reject_unknown(query, {"created_from", "created_to", "state", "limit", "cursor"})
    limit = read_param(query, "limit", query_params.parse_limit) or 25
    state = read_param(query, "state", one_of(STATES))
    start = read_param(query, "created_from", parse_time)
    end = read_param(query, "created_to", parse_time)
    query_params.check_period(start, end)
    low, high = _id_range(start, end)
    before = read_param(query, "cursor", _parse_cursor)
    found = deliveries.query_deliveries(
        tenant, endpoint.id, low, min(high, before or "~"), MAX_READ + 2, newest_first=True
    )
    found = [delivery for delivery in found if delivery.message.id != before]
    page, cursor = _page(found, MAX_READ, limit, state)
    return {"deliveries": [delivery.view() for delivery in page], "cursor": cursor}


def _id_range(start: datetime | None, end: datetime | None) -> tuple[str, str]:
    """Return the bounds of the ids of deliveries from a time on, and before another."""
    low = f"{_ms(start):013d}" if start else "0"
    high = f"{_ms(end):013d}" if end else "~"
    return low, high


def _ms(when: datetime) -> int:
    return min(max(0, epoch_ms(when)), 10**13 - 1)


def _page(
    found: Sequence[Delivery], max_read: int, limit: int, state: str | None
) -> tuple[list[Delivery], str | None]:
    """Filter by state, and return the cursor for what follows.

    At most `max_read` are read: a page may be shorter than the limit, even empty, while its cursor
    says that more follow.
    """
    page: list[Delivery] = []
    last = None
    for delivery in found[:max_read]:
        last = delivery.message.id
        if state in (None, delivery.state):
            page.append(delivery)
        if len(page) == limit:
            break
    return page, last if found and found[-1].message.id != last else None


def replay(tenant: str, identifier: str, body: bytes, now: datetime) -> dict[str, Any]:
    """Start stored deliveries anew: those named, or those of a time range that failed for good.

    Raise InvalidRequestError when there is nothing to replay.
    """
    require_enabled()
    wanted = decode_body(check_body_size(body), ReplayBody)
    endpoint = get_endpoint(tenant, identifier)
    if endpoint.state is not EndpointState.ACTIVE:
        raise ConflictError(
            f"The webhook is {endpoint.state}: make it active with a test whose challenge it "
            "answers.",
            slug=f"webhook-{endpoint.state}",
        )
    in_time = wanted.created_from is not None or wanted.created_to is not None
    if (wanted.ids is not None) == in_time or (wanted.cursor and not in_time):
        raise InvalidRequestError(
            'Give either "ids", or "created_from" and "created_to".',
            slug="invalid-request",
            pointer="",
        )
    if wanted.ids is not None:
        chosen, cursor = _find_by_ids(tenant, endpoint.id, wanted.ids), None
    else:
        chosen, cursor = _find_failed(tenant, endpoint.id, wanted)
    seconds = epoch_seconds(now)
    replayed = [each.message.id for each in chosen if deliveries.replay(each, seconds)]
    return {"replayed": replayed, "cursor": cursor}


def _find_by_ids(tenant: str, webhook: str, ids: Sequence[str]) -> list[Delivery]:
    found = []
    for index, identifier in enumerate(ids):
        delivery = deliveries.find_delivery(DeliveryMessage(tenant, webhook, identifier))
        if delivery is None:
            raise InvalidRequestError(
                "There is no such delivery; GET /webhooks/{id}/deliveries lists them.",
                slug="unknown-delivery",
                pointer=f"/ids/{index}",
            )
        found.append(delivery)
    return found


def _find_failed(
    tenant: str, webhook: str, wanted: ReplayBody
) -> tuple[list[Delivery], str | None]:
    """Find what failed for good in a time range, oldest first, and the cursor for what follows."""
    low, high = _id_range(wanted.created_from, wanted.created_to)
    max_read, after = MAX_READ_FOR_REPLAY, wanted.cursor
    found = deliveries.query_deliveries(
        tenant, webhook, max(low, after or "0"), high, max_read + 2, newest_first=False
    )
    found = [delivery for delivery in found if delivery.message.id != after]
    failed, cursor = _page(found, max_read, MAX_REPLAYED, "failed")
    if not failed and cursor is None and after is None:
        raise InvalidRequestError(
            "Nothing failed for good in that time: there is nothing to send again.",
            slug="nothing-to-replay",
            pointer="/created_from",
        )
    return failed, cursor


def _parse_cursor(written: str) -> str:
    if not re.fullmatch(CURSOR, written):
        raise ValueError("it is not one that this list gave")
    return written

"""What the routes under /campaigns do for a tenant."""

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sms_gateway.campaigns import preview, queue, repository, s3_files
from sms_gateway.campaigns.http_views import full_view, summary_view
from sms_gateway.campaigns.live_counts import Counted, count_messages
from sms_gateway.campaigns.made import make_campaign
from sms_gateway.campaigns.model import Campaign, CampaignState
from sms_gateway.campaigns.moves import move
from sms_gateway.campaigns.repository import find_owned
from sms_gateway.core.problems import ConflictError, InvalidRequestError, NotFoundError
from sms_gateway.core.timestamps import from_ms, rfc3339
from sms_gateway.core.ulids import is_ulid
from sms_gateway.http_api.query_params import parse_limit, read_param, reject_unknown
from sms_gateway.http_api.request import Request

UNCOUNTED = Counted({}, None, final=False)


def make(tenant: str, request: Request, now: datetime) -> dict[str, Any]:
    """Make a campaign; show it with the link for its file, which nothing shows again.

    Raises ConflictError where files are not read, InvalidRequestError with a pointer.
    """
    if os.environ["SEND_FROM_BUCKET"] != "true":
        raise ConflictError(
            "This stack takes no campaigns: its operator deploys it with SendFromBucket=true.",
            slug="campaigns-off",
        )
    campaign, link = make_campaign(tenant, request, now)
    ends = rfc3339(from_ms(campaign.options.link_ends * 1000))
    return {
        **full_view(campaign, UNCOUNTED, now),
        "upload": {
            "url": link,
            "method": "PUT",
            "headers": {"Content-Type": s3_files.CSV_TYPE, "If-None-Match": "*"},
            "size": campaign.size,
            "expires_at": ends,
        },
    }


def listed(tenant: str, query: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """Show a page of a tenant's campaigns. Raises InvalidRequestError for a parameter."""
    reject_unknown(query, {"limit", "cursor"})
    limit = read_param(query, "limit", parse_limit) or 25
    before = query.get("cursor")
    if before is not None and not is_ulid(before):
        raise InvalidRequestError(
            "The cursor is not one of this list: begin again without it.", slug="bad-cursor"
        )
    page, following = repository.list_of_tenant(tenant, before, limit)
    return {"campaigns": [summary_view(one, now) for one in page], "cursor": following}


def show(tenant: str, identifier: str, now: datetime) -> dict[str, Any]:
    """Show a campaign with its counts. Raises NotFoundError."""
    return _shown(find_owned(tenant, identifier), now)


def change(tenant: str, identifier: str, what: str, now: datetime) -> dict[str, Any]:
    """Pause, resume or cancel a campaign. Raises NotFoundError, ConflictError."""
    moved = move(find_owned(tenant, identifier), what, lambda: find_owned(tenant, identifier))
    if not moved.at_rest:
        _wake(moved)
    return _shown(moved, now)


def begin_preview(tenant: str, identifier: str, now: datetime) -> dict[str, Any]:
    """Begin a preview, or show the one that is under way. Raises NotFoundError, ConflictError."""
    begun = preview.begin_preview(find_owned(tenant, identifier), now)
    if not begun.is_over:
        _wake(begun.check)
    return preview.preview_view(begun, now)


def show_preview(tenant: str, identifier: str, now: datetime) -> dict[str, Any]:
    """Show the last preview. Raises NotFoundError."""
    return preview.preview_view(preview.find_preview(find_owned(tenant, identifier)), now)


def results(tenant: str, identifier: str, now: datetime) -> dict[str, str]:
    """Show a link to the results file. Raises NotFoundError while there is none."""
    campaign = find_owned(tenant, identifier)
    if campaign.tally is None:
        raise NotFoundError(
            "There is no results file yet: it comes a minute or two after the last row was read, "
            "or after a cancellation."
        )
    return preview.link_view(campaign, now)


def _shown(campaign: Campaign, now: datetime) -> dict[str, Any]:
    waits = campaign.state is CampaignState.WAITING
    counted = UNCOUNTED if waits else count_messages(campaign, now)
    return full_view(campaign, counted, now)


def _wake(campaign: Campaign) -> None:
    queue.enqueue_campaign(os.environ["CAMPAIGN_QUEUE"], campaign.id)

"""Render campaigns as the routes under /campaigns show them."""

from datetime import datetime
from typing import Any

import msgspec

from sms_gateway.campaigns.csv_reader import FileError
from sms_gateway.campaigns.live_counts import Counted
from sms_gateway.campaigns.model import Campaign, CampaignState
from sms_gateway.campaigns.views import campaign_summary, campaign_view
from sms_gateway.core.timestamps import epoch_seconds, from_ms, rfc3339

EXPIRED = "expired"  # what a campaign is whose link ended without a file


def summary_view(campaign: Campaign, now: datetime) -> dict[str, Any]:
    """Render a campaign without its counts."""
    summary = campaign_summary(campaign)
    part = summary["campaign"]
    ended = is_expired(campaign, now)
    options = campaign.options
    return {
        "id": campaign.id,
        "name": options.name or campaign.key.rpartition("/")[2],
        "created_at": summary["created_at"],
        "state": EXPIRED if ended else part["state"],
        **{name: part[name] for name in ("rows", "rows_read", "rows_sent", "rows_refused")},
        "send_at": _time(options.starts_at),
        "pace": options.pace,
        "key_id": options.key_id,
        "problem": expired_problem(campaign) if ended else part["problem"],
    }


def full_view(campaign: Campaign, counted: Counted, now: datetime) -> dict[str, Any]:
    """Render a campaign with its counts."""
    seen = campaign_view(campaign, counted)
    part = seen["campaign"]
    state = {"state": part["state"]} if campaign.state is CampaignState.SENDING else {}
    return {
        **summary_view(campaign, now),
        **state,
        "file": campaign.key,
        "size": campaign.size,
        "defaults": campaign.options.defaults,
        "stop_if": msgspec.to_builtins(campaign.options.stop_if),
        "total": seen["total"],
        "counts": seen["counts"],
        "counted_at": part["counted_at"],
        "final": seen["final"] or is_expired(campaign, now),
        "price": seen["price"],
        "has_results": campaign.tally is not None,
        "rows_left_to_cancel": _left_to_cancel(campaign),
    }


def is_expired(campaign: Campaign, now: datetime) -> bool:
    """Whether its link ended and no file came."""
    waits = campaign.state is CampaignState.WAITING
    return waits and epoch_seconds(now) > campaign.options.link_ends


def expired_problem(campaign: Campaign) -> dict[str, Any]:
    """Say that no file came in time."""
    problem = FileError(
        f"The link ended at {_time(campaign.options.link_ends)} and no whole file came by it. "
        "Nothing was sent: make the campaign anew.",
        slug="campaign-link-ended",
    )
    return problem.to_dict()


def _left_to_cancel(campaign: Campaign) -> int:
    if campaign.state is not CampaignState.CANCELLED:
        return 0
    left = campaign.rows_left_to_cancel
    return campaign.row if left is None else left


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else rfc3339(from_ms(seconds * 1000))

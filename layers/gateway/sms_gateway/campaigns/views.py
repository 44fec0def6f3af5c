"""Render campaigns for the API."""

from typing import Any

from sms_gateway.campaigns import repository
from sms_gateway.campaigns.live_counts import Counted
from sms_gateway.campaigns.model import Campaign, CampaignState
from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.core.timestamps import from_ms, rfc3339
from sms_gateway.core.ulids import created_at


def campaign_view(campaign: Campaign, counted: Counted) -> dict[str, Any]:
    """Render a campaign as GET /batches/{id} shows it: a batch, and the progress of its rows.

    The prices are those of the last results file.
    """
    view = campaign_summary(campaign)
    prices = campaign.tally.prices if campaign.tally else {}
    at = None if counted.at is None else rfc3339(from_ms(counted.at * 1000))
    # Its results file may belong to a later campaign, which ends it without a last one.
    done = campaign.state is CampaignState.SENDING and counted.final
    state = CampaignState.DONE if done else shown_state(campaign)
    return {
        **view,
        "counts": counted.counts,
        "final": counted.final,
        "price": [
            {"amount": amount, "currency": currency, "messages": messages}
            for currency, (amount, messages) in sorted(prices.items())
        ],
        "campaign": {**view["campaign"], "state": state, "counted_at": at},
    }


def campaign_summary(campaign: Campaign) -> dict[str, Any]:
    """Render a campaign as GET /batches lists it: without counts."""
    sent = 0 if campaign.only_checks else campaign.sent
    campaign_part = {
        "file": campaign.key,
        "state": shown_state(campaign),
        "rows": campaign.rows,
        "rows_read": campaign.row,
        "rows_sent": sent,
        "rows_refused": campaign.refused,
        "results": campaign.results_key if campaign.tally else None,
        "problem": campaign.problem or campaign.results_problem,
    }
    if campaign.only_checks:
        segments = campaign.tally.segments if campaign.tally else {}
        campaign_part["check"] = {"rows_passed": campaign.sent, "segments": segments}
    return {
        "id": campaign.id,
        "created_at": rfc3339(created_at(campaign.id)),
        "total": sent,
        "campaign": campaign_part,
    }


def shown_state(campaign: Campaign) -> CampaignState:
    """Return a campaign's state; a check sends nothing while its report is written."""
    if campaign.only_checks and campaign.state is CampaignState.SENDING:
        return CampaignState.READING
    return campaign.state


def refuse_campaign(tenant: str, batch: str) -> None:
    """Raise InvalidRequestError where the id is not a batch's but the tenant's campaign's.

    Its rows are in batches of their own, up to a thousand of them.
    """
    campaign = repository.find_campaign(batch)
    if campaign is not None and campaign.tenant == tenant:
        raise InvalidRequestError(
            f"{batch} is a campaign: GET /batches/{batch} has its counts, and the file "
            f"{campaign.results_key} in the stack's bucket each row's message and its status.",
            slug="batch-is-a-campaign",
        )

"""Render campaigns for the API."""

from typing import Any

from sms_gateway.campaigns import repository
from sms_gateway.campaigns.model import Campaign, Tally
from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.core.timestamps import from_ms, rfc3339
from sms_gateway.core.ulids import created_at


def campaign_view(campaign: Campaign) -> dict[str, Any]:
    """Render a campaign as GET /batches/{id} shows it: a batch, and the progress of its rows.

    The counts are those of the last results file; messages accepted since are in none.
    """
    tally = campaign.tally or Tally(0)
    return {
        "id": campaign.id,
        "created_at": rfc3339(created_at(campaign.id)),
        "total": campaign.sent,
        "counts": tally.counts,
        "final": campaign.final,
        "price": [
            {"amount": amount, "currency": currency, "messages": messages}
            for currency, (amount, messages) in sorted(tally.prices.items())
        ],
        "campaign": {
            "file": campaign.key,
            "state": campaign.state,
            "rows": campaign.rows,
            "rows_read": campaign.row,
            "rows_sent": campaign.sent,
            "rows_refused": campaign.refused,
            "counted_at": rfc3339(from_ms(tally.at * 1000)) if campaign.tally else None,
            "results": campaign.results_key if campaign.tally else None,
            "problem": campaign.problem or campaign.results_problem,
        },
    }


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

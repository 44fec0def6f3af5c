"""Campaigns as the API shows them."""

from typing import Any

from sms_gateway.campaigns import repository
from sms_gateway.campaigns.model import Campaign, Tally
from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.core.timestamps import from_ms, rfc3339
from sms_gateway.core.ulids import created_at


def campaign_view(one: Campaign) -> dict[str, Any]:
    """GET /batches/{id}'s answer for a campaign: a batch's, and what its rows came to. The counts
    are those of the last look at all messages; what was accepted since is in none."""
    tally = one.tally or Tally(0)
    return {
        "id": one.id,
        "created_at": rfc3339(created_at(one.id)),
        "total": one.sent,
        "counts": tally.counts,
        "final": one.final,
        "price": [
            {"amount": amount, "currency": currency, "messages": messages}
            for currency, (amount, messages) in sorted(tally.prices.items())
        ],
        "campaign": {
            "file": one.key,
            "state": one.state,
            "rows": one.rows,
            "rows_read": one.row,
            "rows_sent": one.sent,
            "rows_refused": one.refused,
            "counted_at": rfc3339(from_ms(tally.at * 1000)) if one.tally else None,
            "results": one.results_key if one.tally else None,
            "problem": one.problem,
        },
    }


def refuse_campaign(tenant: str, batch: str) -> None:
    """Raises Invalid where the id is not a batch's but the tenant's campaign's: its rows stand in
    batches of their own, up to a thousand of them."""
    one = repository.find_campaign(batch)
    if one is not None and one.tenant == tenant:
        raise InvalidRequestError(
            f"{batch} is a campaign: GET /batches/{batch} has its counts, and the file "
            f"{one.results_key} in the stack's bucket each row's message and its status.",
            slug="batch-is-a-campaign",
        )

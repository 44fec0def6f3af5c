"""Preview a campaign: check each of its rows as of now, and send nothing.

A preview is a check of the campaign's own file, by the same worker as the checks of `check/`.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from math import ceil
from typing import Any

from sms_gateway.campaigns import items, repository, s3_files
from sms_gateway.campaigns.model import Campaign, CampaignState, Tally, VendorShare
from sms_gateway.campaigns.pace import MINUTE
from sms_gateway.core.problems import ConflictError, NotFoundError
from sms_gateway.core.timestamps import epoch_seconds, from_ms, rfc3339
from sms_gateway.core.ulids import created_at, new_ulid
from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage import balances, dynamodb
from sms_gateway.storage.dynamodb import ItemUpdate

NO_TALLY = Tally(0)


class Preview(ValueObject, frozen=True):
    """A check of a campaign, and the campaign."""

    campaign: Campaign
    check: Campaign

    @property
    def is_over(self) -> bool:
        """Whether every row was checked and the report is written, or it failed or gave up."""
        return self.check.final or self.check.results_problem is not None


def begin_preview(campaign: Campaign, now: datetime) -> Preview:
    """Begin a check of a campaign's rows, unless one is under way. A worker must be woken.

    Raises ConflictError where it has no file.
    """
    require_file(campaign)
    current = _find(campaign)
    if current is not None and not current.is_over:
        return current
    identifier = new_ulid(now)
    change = ItemUpdate(campaign.item_key).set("preview", identifier)
    if campaign.preview is None:
        change.if_missing("preview")
    else:
        change.if_in("preview", campaign.preview)
    if change.apply() is None:  # another was begun at the same time: that one counts
        return find_preview(repository.find_campaign(campaign.id) or campaign)
    item = items.campaign_item(
        identifier,
        campaign.tenant,
        campaign.key,
        campaign.etag,
        campaign.size,
        epoch_seconds(now),
        campaign.ttl,
        options=campaign.options,
        preview_of=campaign.id,
    )
    dynamodb.put_new(item)
    return Preview(campaign, items.read_campaign(item))


def find_preview(campaign: Campaign) -> Preview:
    """Return a campaign's last preview. Raises NotFoundError before the first."""
    found = _find(campaign)
    if found is None:
        raise NotFoundError(
            f"There is no preview yet: POST /campaigns/{campaign.id}/preview makes one."
        )
    return found


def require_file(campaign: Campaign) -> None:
    """Raise ConflictError for a campaign whose file did not come."""
    if not campaign.etag:
        raise ConflictError(
            "The campaign has no file: put one to its link, or make it anew if that has ended.",
            slug="campaign-without-file",
        )


def preview_view(preview: Preview, now: datetime) -> dict[str, Any]:
    """Render a preview. While it is under way it has rows, and no figures of them."""
    campaign, check = preview.campaign, preview.check
    found = check.tally or NO_TALLY
    over = preview.is_over
    reasons = sorted(found.reasons.items(), key=lambda one: -one[1].rows)
    return {
        "campaign_id": campaign.id,
        "made_at": rfc3339(created_at(check.id)),
        "state": _state(preview),
        "rows": check.rows,
        "rows_read": check.row,
        "rows_passed": check.sent,
        "rows_refused": check.refused,
        "problem": check.problem or check.results_problem,
        "refusals": [
            {
                "type": f"/problems/{slug}",
                "detail": reason.detail,
                "rows": reason.rows,
                "first_rows": reason.first,
            }
            for slug, reason in reasons
        ],
        "segments": {str(segments): rows for segments, rows in sorted(found.segments.items())},
        "vendors": [_vendor_view(one) for one in found.shares],
        "ends_at": _end(campaign, check, found.shares, now) if over and found.shares else None,
        "report": link_view(check, now) if check.tally else None,
    }


def link_view(campaign: Campaign, now: datetime) -> dict[str, str]:
    """Render a link to a results file, or to a check's report."""
    ends = epoch_seconds(now) + s3_files.LINK_SECONDS
    url = s3_files.download_link(campaign.results_key)
    return {"url": url, "expires_at": rfc3339(from_ms(ends * 1000))}


def _find(campaign: Campaign) -> Preview | None:
    check = repository.find_campaign(campaign.preview) if campaign.preview else None
    return Preview(campaign, check) if check is not None else None


def _state(preview: Preview) -> str:
    failed = preview.check.state is CampaignState.FAILED or preview.check.results_problem
    if failed:
        return "failed"
    return "done" if preview.is_over else "reading"


def _vendor_view(share: VendorShare) -> dict[str, Any]:
    rows = [row for row in balances.read_rows(share.vendor) if row["product"] == share.product]
    left = rows[0] if rows and rows[0]["amount"] is not None else None
    priced = share.currency is not None
    return {
        "vendor": share.vendor,
        "product": share.product,
        "messages": share.messages,
        "segments": share.segments,
        "price": {"amount": share.amount, "currency": share.currency} if priced else None,
        "balance": {name: left[name] for name in ("amount", "unit", "checked_at")}
        if left
        else None,
        "suffices": _suffices(share, left) if left else None,
        "rate": share.rate,
    }


def _suffices(share: VendorShare, left: dict[str, Any]) -> bool | None:
    """Whether the last reported credit covers this; None where that can't be compared."""
    amount = Decimal(str(left["amount"]))
    if left["unit"] == "credits":
        return amount >= share.segments
    return amount >= Decimal(share.amount) if left["unit"] == share.currency else None


def _end(
    campaign: Campaign, check: Campaign, shares: Sequence[VendorShare], now: datetime
) -> str | None:
    """Say when the last message would leave at the vendors' rates and the campaign's pace.

    None where a vendor's rate is not known and there is no pace.
    """
    needed = dict.fromkeys((one.vendor for one in shares), 0.0)
    for one in shares:
        if one.rate:
            needed[one.vendor] += one.messages / one.rate
    pace = campaign.options.pace
    if not pace and not all(one.rate for one in shares):
        return None
    paced = MINUTE * check.row / pace if pace else 0
    begins = max(epoch_seconds(now), campaign.options.starts_at or 0)
    return rfc3339(from_ms((begins + ceil(max(paced, *needed.values()))) * 1000))

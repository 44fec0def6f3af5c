"""A campaign's brake: too many rows refused, or messages undelivered, and it is paused."""

from datetime import datetime

from sms_gateway.campaigns.live_counts import count_messages
from sms_gateway.campaigns.model import Braked, Campaign, CampaignState, StopIf
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import ConflictError
from sms_gateway.core.status import Status
from sms_gateway.storage.dynamodb import ItemUpdate

UNDELIVERED = (Status.UNDELIVERED, Status.REJECTED, Status.EXPIRED)
ENDED = (Status.DELIVERED, *UNDELIVERED)  # an `unknown` is neither here nor there


def brake(campaign: Campaign, now: datetime) -> bool:
    """Pause a campaign that is reading, if its brake says so; return whether it does.

    Messages are counted as when somebody asks for them. Raises ServiceUnavailableError.
    """
    bounds = campaign.options.stop_if
    if bounds is None or campaign.only_checks:
        return False
    stands = _stand(campaign, bounds, now)
    why = _why(bounds, campaign.braked or Braked(), stands)
    if why is None:
        return False
    problem = ConflictError(
        f"{why} Look at the results, then resume the campaign or cancel it; resumed, it counts "
        "anew.",
        slug="campaign-braked",
    )
    change = ItemUpdate(campaign.item_key).set("state", CampaignState.PAUSED)
    change.set("problem", problem.to_dict()).set("braked", stands).schedule_check(None)
    if change.if_in("state", CampaignState.READING).apply():
        logger.warning("campaign braked", extra={"campaign": campaign.id, "rows": campaign.row})
        increment("CampaignBraked")
    return True


def _stand(campaign: Campaign, bounds: StopIf, now: datetime) -> Braked:
    stands = Braked(campaign.row, campaign.refused)
    if bounds.undelivered_percent is not None:
        counts = count_messages(campaign, now).counts
        stands.undelivered = sum(counts.get(status, 0) for status in UNDELIVERED)
        stands.ended = sum(counts.get(status, 0) for status in ENDED)
    return stands


def _why(bounds: StopIf, before: Braked, now: Braked) -> str | None:
    rows, refused = now.row - before.row, now.refused - before.refused
    if _passes(refused, rows, bounds.refused_percent, bounds.after):
        return f"{refused} of {rows} rows were refused."
    ended, undelivered = now.ended - before.ended, now.undelivered - before.undelivered
    if _passes(undelivered, ended, bounds.undelivered_percent, bounds.after):
        return f"{undelivered} of {ended} messages that have ended were not delivered."
    return None


def _passes(part: int, whole: int, percent: int | None, after: int) -> bool:
    return percent is not None and whole >= after and part * 100 >= percent * whole

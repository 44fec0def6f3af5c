"""Pause, resume and cancel a campaign, or have its results written again."""

from collections.abc import Callable

from sms_gateway.campaigns import repository
from sms_gateway.campaigns.model import Campaign, CampaignState
from sms_gateway.core.problems import ConflictError
from sms_gateway.core.timestamps import epoch_seconds, utc_now
from sms_gateway.storage.dynamodb import ItemUpdate

DONE_BY = {
    **{"pause": "paused", "resume": "resumed"},
    **{"cancel": "cancelled", "results": "given new results"},
}
# The states each applies to, and the new one if any.
MOVES: dict[str, tuple[tuple[CampaignState, ...], CampaignState | None]] = {
    "pause": ((CampaignState.READING,), CampaignState.PAUSED),
    "resume": ((CampaignState.PAUSED, CampaignState.FAILED), CampaignState.READING),
    "cancel": (
        (
            CampaignState.WAITING,
            CampaignState.READING,
            CampaignState.PAUSED,
            CampaignState.FAILED,
            CampaignState.SENDING,
        ),
        CampaignState.CANCELLED,
    ),
    "results": (
        (
            CampaignState.CANCELLED,
            CampaignState.FAILED,
            CampaignState.SENDING,
            CampaignState.DONE,
        ),
        None,
    ),
}


def move(campaign: Campaign, what: str, find: Callable[[], Campaign]) -> Campaign:
    """Do one of MOVES; return the campaign as it is then. A worker must be woken for the rest.

    `find` reads the campaign again. Raise ConflictError where its state does not allow that.
    """
    states, target = MOVES[what]
    # The scheduler wakes a worker; a results file that was begun is begun again.
    change = ItemUpdate(campaign.item_key).set("version", campaign.version + 1)
    change.remove("results_file", "tally", "result_failures", "results_problem")
    without_file = campaign.state is CampaignState.WAITING
    if without_file:
        change.set("final", 1)
    else:
        change.remove("final")
    if target:
        change.set("state", target).remove("problem")
    without_work = without_file or target is CampaignState.PAUSED
    change.schedule_check(None if without_work else epoch_seconds(utc_now()))
    change.if_in("state", campaign.state).if_in("version", campaign.version)
    if campaign.state not in states or (moved := repository.write(change)) is None:
        raise _refused(find(), what, states)
    return moved


def _refused(now: Campaign, what: str, states: tuple[CampaignState, ...]) -> ConflictError:
    if now.state in states:
        return ConflictError("The campaign was just being written; try again.")
    return ConflictError(
        f"The campaign is {now.state}: only one that is {' or '.join(states)} can be "
        f"{DONE_BY[what]}.",
        slug="campaign-state",
    )

"""`smsgw campaigns`: list and show uploaded campaigns; pause, resume and cancel them."""

import argparse
import time

from sms_gateway.campaigns import repository as campaign_repository
from sms_gateway.campaigns.model import Campaign, CampaignState
from sms_gateway.storage.dynamodb import ItemUpdate
from smsgw.errors import CommandError
from smsgw.terminal import say

Move = tuple[tuple[CampaignState, ...], CampaignState | None, str]
MOVES: dict[str, Move] = {  # the states it applies to, the new one if any, and what is printed
    "pause": (
        (CampaignState.RUNNING,),
        CampaignState.PAUSED,
        "stops within seconds; what was sent stays sent",
    ),
    "resume": (
        (CampaignState.PAUSED, CampaignState.FAILED),
        CampaignState.RUNNING,
        "goes on within two minutes, at the row where it stopped",
    ),
    "cancel": (
        (CampaignState.RUNNING, CampaignState.PAUSED, CampaignState.FAILED, CampaignState.DONE),
        CampaignState.CANCELLED,
        "reads no more; within a minute a worker begins to cancel what was not sent, the last rows "
        "first (`smsgw campaigns show` says how many rows are left)",
    ),
    "results": (
        (CampaignState.CANCELLED, CampaignState.FAILED, CampaignState.DONE),
        None,
        "gets a new results file: a worker begins within two minutes",
    ),
}


def show_all(_options: argparse.Namespace) -> None:
    """Print every campaign, oldest first."""
    say(f"{'ID':26}  {'STATE':9}  {'ROWS':>7}  {'READ':>7}  {'SENT':>7}  {'REFUSED':>7}  FILE")
    for campaign in campaign_repository.list_campaigns():
        rows = "?" if campaign.rows is None else campaign.rows
        say(
            f"{campaign.id}  {campaign.state:9}  {rows:>7}  {campaign.row:>7}  "
            f"{campaign.sent:>7}  {campaign.refused:>7}  {campaign.key}"
        )


def show(options: argparse.Namespace) -> None:
    """Print one campaign."""
    campaign = _find(options.id)
    say(f"{campaign.id}  {campaign.state}  tenant {campaign.tenant}  {campaign.key}")
    if campaign.uploaded_by is not None:
        say(f"  uploaded by: {campaign.uploaded_by}")
    rows = "not counted yet" if campaign.rows is None else f"{campaign.rows} in the file"
    say(f"  rows: {rows}, {campaign.row} read, {campaign.sent} sent, {campaign.refused} refused")
    if campaign.tally is not None:
        counts = ", ".join(
            f"{count} {status}" for status, count in sorted(campaign.tally.counts.items())
        )
        say(f"  messages: {counts or 'none'}{'' if campaign.final else ' (not final yet)'}")
        say(f"  results: {campaign.results_key}")
    if campaign.state is CampaignState.CANCELLED and campaign.rows_left_to_cancel != 0:
        left = (
            campaign.row if campaign.rows_left_to_cancel is None else campaign.rows_left_to_cancel
        )
        say(f"  rows 1 to {left} are still to be cancelled, where they were not sent")
    if campaign.problem is not None:
        say(f"  problem: {campaign.problem['detail']}")
    if campaign.results_problem is not None:
        say(f"  problem: {campaign.results_problem['detail']}")


def move(options: argparse.Namespace) -> None:
    """Pause, resume or cancel a campaign, or have its results written again."""
    states, target, outcome = MOVES[options.what]
    campaign = _find(options.id)
    if target and campaign.state is CampaignState.DONE and campaign.final:
        raise CommandError(
            f"the campaign is done, and each of its messages: nothing is left to {options.what}"
        )
    # The scheduler wakes a worker; a results file that was begun is begun again.
    change = ItemUpdate(campaign.item_key).set("version", campaign.version + 1)
    change.remove("results_file", "final", "tally", "result_failures", "results_problem")
    if target:
        change.set("state", target).remove("problem")
    change.schedule_check(None if target is CampaignState.PAUSED else int(time.time()))
    if change.if_in("state", *states).if_in("version", campaign.version).apply() is None:
        now = _find(options.id)
        raise CommandError(
            f"the campaign is {now.state}: only one that is {' or '.join(states)} can be "
            f"{target or 'given new results'}"
            if now.state not in states
            else "the campaign was just being written; try again"
        )
    say(f"{campaign.id} {outcome}")


def _find(identifier: str) -> Campaign:
    campaign = campaign_repository.find_campaign(identifier)
    if campaign is None:
        raise CommandError(
            f"there is no campaign {identifier}: `smsgw campaigns list` shows the ids"
        )
    return campaign

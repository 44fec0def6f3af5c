"""`smsgw campaigns`: what became of uploaded files, and how to stop and continue them."""

import argparse
import time

from sms_gateway.campaigns import repository as campaign_repository
from sms_gateway.campaigns.model import Campaign, CampaignState
from sms_gateway.storage.dynamodb import ItemUpdate
from smsgw.errors import CommandError

MOVES = {  # what a command does: from which states, to which, and what is said
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
        "reads no more; within a minute what has not left begins to be taken back, the last rows "
        "first (`smsgw campaigns show` says how far that is)",
    ),
}


def show_all(_options: argparse.Namespace) -> None:
    """Prints every campaign, oldest first."""
    print(f"{'ID':26}  {'STATE':9}  {'ROWS':>7}  {'READ':>7}  {'SENT':>7}  {'REFUSED':>7}  FILE")
    for one in campaign_repository.list_campaigns():
        rows = "?" if one.rows is None else one.rows
        print(
            f"{one.id}  {one.state:9}  {rows:>7}  {one.row:>7}  {one.sent:>7}  {one.refused:>7}"
            f"  {one.key}"
        )


def show(options: argparse.Namespace) -> None:
    """Prints one campaign."""
    one = _found(options.id)
    print(f"{one.id}  {one.state}  tenant {one.tenant}  {one.key}")
    rows = "not counted yet" if one.rows is None else f"{one.rows} in the file"
    print(f"  rows: {rows}, {one.row} read, {one.sent} sent, {one.refused} refused")
    if one.tally is not None:
        counts = ", ".join(
            f"{count} {status}" for status, count in sorted(one.tally.counts.items())
        )
        print(f"  messages: {counts or 'none'}{'' if one.final else ' (not final yet)'}")
        print(f"  results: {one.results_key}")
    if one.state is CampaignState.CANCELLED and one.rows_left_to_cancel != 0:
        left = one.row if one.rows_left_to_cancel is None else one.rows_left_to_cancel
        print(f"  rows 1 to {left} are still to be taken back, as far as they have not left")
    if one.problem is not None:
        print(f"  problem: {one.problem['detail']}")


def move(options: argparse.Namespace) -> None:
    """Pauses, resumes or cancels a campaign."""
    sources, target, said = MOVES[options.what]
    one = _found(options.id)
    if one.state is CampaignState.DONE and one.final:
        raise CommandError(
            f"the campaign is done, and each of its messages: nothing is left to {options.what}"
        )
    # Whatever comes next is the clock's to call for; a report that was begun is begun again.
    change = (
        ItemUpdate(one.item_key).set("state", target).remove("problem", "report", "final", "tally")
    )
    change.set("turn", one.version + 1).schedule_check(
        None if target is CampaignState.PAUSED else int(time.time())
    )
    if change.if_in("state", *sources).if_in("turn", one.version).apply() is None:
        now = _found(options.id)
        wanted = " or ".join(sources)
        raise CommandError(
            f"the campaign is {now.state}: only one that is {wanted} can be {target}"
            if now.state not in sources
            else "the campaign was just being written; try again"
        )
    print(f"{one.id} {said}")


def _found(identifier: str) -> Campaign:
    one = campaign_repository.find_campaign(identifier)
    if one is None:
        raise CommandError(
            f"there is no campaign {identifier}: `smsgw campaigns list` shows the ids"
        )
    return one

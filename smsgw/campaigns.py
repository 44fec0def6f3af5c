"""`smsgw campaigns`: list and show uploaded campaigns; pause, resume and cancel them."""

import time
from functools import partial

import click

from sms_gateway.campaigns import repository as campaign_repository
from sms_gateway.campaigns.model import Campaign, CampaignState
from sms_gateway.campaigns.views import campaign_view
from sms_gateway.core.timestamps import rfc3339
from sms_gateway.core.ulids import created_at
from sms_gateway.storage.dynamodb import ItemUpdate
from smsgw.errors import CommandError
from smsgw.line import Area, Command, given
from smsgw.tables import Row, show
from smsgw.terminal import say, say_json

AREA = Area("campaigns", "Uploaded campaigns.")

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


@AREA.command("list", help="List campaigns, oldest first.", reads=True, lists=True)
@click.option("--tenant", help="Only those of one tenant.")
def show_all(tenant: str | None) -> None:
    """Print every campaign, oldest first."""
    columns = {
        **{"id": "ID", "created_at": "CREATED", "tenant": "TENANT", "state": "STATE"},
        **{"rows": "ROWS", "read_percent": "READ %", "sent": "SENT", "refused": "REFUSED"},
        **{"delivered": "DELIVERED", "file": "FILE"},
    }
    found = campaign_repository.list_campaigns()
    rows = [_row(one) for one in found if tenant in (None, one.tenant)]
    show(rows, columns, "There is no campaign.")


def _row(campaign: Campaign) -> Row:
    """Show a campaign; `delivered` is that of the last count, None before there is one."""
    return {
        "id": campaign.id,
        "created_at": rfc3339(created_at(campaign.id)),
        "tenant": campaign.tenant,
        "state": str(campaign.state),
        "rows": campaign.rows,
        "read": campaign.row,
        "read_percent": _per_cent(campaign.row, campaign.rows),
        "sent": campaign.sent,
        "refused": campaign.refused,
        "delivered": campaign.tally.counts.get("delivered", 0) if campaign.tally else None,
        "final": campaign.final,
        "file": campaign.key,
    }


def _per_cent(part: int, whole: int | None) -> int | None:
    """Return a part in whole per cent, rounded down: 100 means all."""
    if whole is None:
        return None
    return part * 100 // whole if whole else 100


@AREA.command("show", help="Show the progress of its rows.", reads=True, lists=True)
@click.argument("id")
def show_one(id: str) -> None:
    """Print one campaign."""
    campaign = _find(id)
    if given("json"):
        say_json({**campaign_view(campaign), "tenant": campaign.tenant})
        return
    say(f"{campaign.id}  {campaign.state}  tenant {campaign.tenant}  {campaign.key}")
    if campaign.uploaded_by is not None:
        say(f"  uploaded by: {campaign.uploaded_by}")
    say(f"  created: {rfc3339(created_at(campaign.id))}")
    rows = "not counted yet" if campaign.rows is None else f"{campaign.rows} in the file"
    done = _per_cent(campaign.row, campaign.rows)
    say(
        f"  rows: {rows}, {campaign.row} read, {campaign.sent} sent, {campaign.refused} refused"
        + (f" ({done} %)" if done is not None else "")
    )
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


def move(what: str, id: str) -> None:
    """Pause, resume or cancel a campaign, or have its results written again."""
    states, target, outcome = MOVES[what]
    campaign = _find(id)
    if target and campaign.state is CampaignState.DONE and campaign.final:
        raise CommandError(
            f"the campaign is done, and each of its messages: nothing is left to {what}"
        )
    # The scheduler wakes a worker; a results file that was begun is begun again.
    change = ItemUpdate(campaign.item_key).set("version", campaign.version + 1)
    change.remove("results_file", "final", "tally", "result_failures", "results_problem")
    if target:
        change.set("state", target).remove("problem")
    change.schedule_check(None if target is CampaignState.PAUSED else int(time.time()))
    if change.if_in("state", *states).if_in("version", campaign.version).apply() is None:
        now = _find(id)
        raise CommandError(
            f"the campaign is {now.state}: only one that is {' or '.join(states)} can be "
            f"{target or 'given new results'}"
            if now.state not in states
            else "the campaign was just being written; try again"
        )
    say(f"{campaign.id} {outcome}")


for verb, text in {
    "pause": "Read no more until it is resumed.",
    "resume": "Go on where it stopped.",
    "cancel": "Read no more, and cancel what was not sent.",
    "results": "Write the results file again.",
}.items():
    AREA.add_command(
        Command(
            verb,
            callback=partial(move, verb),
            help=text,
            params=[click.Argument(["id"])],
            harm="cancels what the campaign {id} has not sent" if verb == "cancel" else None,
        )
    )


def _find(identifier: str) -> Campaign:
    campaign = campaign_repository.find_campaign(identifier)
    if campaign is None:
        raise CommandError(
            f"there is no campaign {identifier}: `smsgw campaigns list` shows the ids"
        )
    return campaign

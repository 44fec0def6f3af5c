"""`smsgw campaigns`: list and show uploaded campaigns; pause, resume and cancel them."""

from functools import partial

import click

from sms_gateway.campaigns import moves
from sms_gateway.campaigns import repository as campaign_repository
from sms_gateway.campaigns.live_counts import Counted, count_messages, last_counts
from sms_gateway.campaigns.model import Campaign, CampaignState
from sms_gateway.campaigns.views import campaign_view, shown_state
from sms_gateway.core.problems import ConflictError
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import rfc3339, utc_now
from sms_gateway.core.ulids import created_at
from smsgw.errors import CommandError
from smsgw.line import Area, Command, given
from smsgw.tables import Row, show
from smsgw.terminal import say, say_json

AREA = Area("campaigns", "Uploaded campaigns.")

DONE: dict[str, str] = {  # what is printed
    "pause": "stops within seconds; what was sent stays sent",
    "resume": "goes on within two minutes, at the row where it stopped",
    "cancel": "reads no more; within a minute a worker begins to cancel what was not sent, the "
    "last rows first (`smsgw campaigns show` says how many rows are left)",
    "results": "gets a new results file: a worker begins within two minutes",
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
    found = [one for one in campaign_repository.list_campaigns() if tenant in (None, one.tenant)]
    counted = last_counts(found)
    rows = [_row(one, counted.get(one.id)) for one in found]
    show(rows, columns, "There is no campaign.")


def _row(campaign: Campaign, counted: Counted | None) -> Row:
    """Show a campaign; `delivered` is that of the last count, None before there is one."""
    return {
        "id": campaign.id,
        "created_at": rfc3339(created_at(campaign.id)),
        "tenant": campaign.tenant,
        "state": str(shown_state(campaign)),
        "rows": campaign.rows,
        "read": campaign.row,
        "read_percent": _per_cent(campaign.row, campaign.rows),
        "sent": campaign.sent,
        "refused": campaign.refused,
        "delivered": counted.counts.get("delivered", 0) if counted else None,
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
    counted = count_messages(campaign, utc_now())
    if given("json"):
        say_json({**campaign_view(campaign, counted), "tenant": campaign.tenant})
        return
    say(f"{campaign.id}  {shown_state(campaign)}  tenant {campaign.tenant}  {campaign.key}")
    if campaign.uploaded_by is not None:
        say(f"  uploaded by: {campaign.uploaded_by}")
    say(f"  created: {rfc3339(created_at(campaign.id))}")
    rows = "not counted yet" if campaign.rows is None else f"{campaign.rows} in the file"
    done = _per_cent(campaign.row, campaign.rows)
    passed = "passed the check" if campaign.only_checks else "sent"
    say(
        f"  rows: {rows}, {campaign.row} read, {campaign.sent} {passed}, {campaign.refused} refused"
        + (f" ({done} %)" if done is not None else "")
    )
    if counted.counts:
        counts = ", ".join(f"{count} {status}" for status, count in sorted(counted.counts.items()))
        final = _per_cent(_final(counted), campaign.sent)
        say(f"  messages: {counts} ({final} % final)")
    if campaign.tally is not None:
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


def _final(counted: Counted) -> int:
    """Return how many messages are final, or gone."""
    return sum(
        count
        for status, count in counted.counts.items()
        if status == "gone" or Status(status).final
    )


def move(what: str, id: str) -> None:
    """Pause, resume or cancel a campaign, or have its results written again."""
    campaign = _find(id)
    if what == "cancel" and campaign.state is CampaignState.DONE:
        raise CommandError(
            f"the campaign is done, and each of its messages: nothing is left to {what}"
        )
    try:
        moves.move(campaign, what, lambda: _find(id))
    except ConflictError as problem:
        raise CommandError(
            problem.detail[0].lower() + problem.detail[1:].removesuffix(".")
        ) from None
    say(f"{campaign.id} {DONE[what]}")


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

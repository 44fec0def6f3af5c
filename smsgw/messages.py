"""`smsgw messages`: show a message's timeline, and settle a message by hand."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import click

from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import epoch_ms, utc_now
from sms_gateway.messages.views import message_view
from sms_gateway.storage import message_repository
from sms_gateway.storage.message_state import status_of
from sms_gateway.storage.message_updates import MessageUpdate
from sms_gateway.storage.models import TimelineEntry, split_id
from sms_gateway.vendors.redaction import Redaction
from smsgw import arguments
from smsgw.cancelling import batches_of, cancel_messages, find_key
from smsgw.errors import CommandError
from smsgw.line import Area, given
from smsgw.message_rows import line_of, rows_of_batch
from smsgw.sending import send
from smsgw.stack import Stack, pass_stack
from smsgw.tables import Row
from smsgw.tailing import MAX_BATCHES, PAUSE_SECONDS, follow
from smsgw.terminal import say, say_json

AREA = Area("messages", "Messages.")

OUTCOMES = (Status.DELIVERED, Status.UNDELIVERED, Status.REJECTED)
SHOWN = ("id", "batch_id", "status", "final", "category", "vendor", "created_at", "updated_at")
STEP = ("at", "status", "source", "vendor", "vendor_code", "note")
SETTLEABLE = (Status.SUBMITTING, Status.SUBMITTED, Status.UNKNOWN)


@AREA.command(
    "show",
    help="Show a message's timeline, without its text or number.",
    reads=True,
    lists=True,
)
@click.argument("id")
def show(id: str) -> None:
    """Print a message's timeline, without its text or number."""
    key = split_id(id)
    found = message_repository.find_message(key) if key else None
    if found is None:
        raise CommandError(f"there is no message {id}")
    view = message_view(*found)
    steps = [{**step, "words": _words(view, step)} for step in view["timeline"]]
    if given("json"):
        say_json(
            {
                **{name: view[name] for name in SHOWN},
                "tenant": found[0].tenant,
                "timeline": [
                    {**{name: step[name] for name in STEP}, "words": step["words"]}
                    for step in steps
                ],
            }
        )
        return
    say(f"{view['id']}  {view['status']}  tenant {found[0].tenant}  vendor {view['vendor']}")
    for step in steps:
        say(
            f"  {step['at']}  {step['status']:11}  {step['source']:8}  {step['vendor']}  "
            f"{step['words']}"
        )


def _words(view: Any, step: Any) -> str:
    """Return what a step's vendor and we said, without what was sent.

    A vendor's text may repeat it, and of an `otp` nobody can tell any more.
    """
    redaction = Redaction(None, numbers=[view["to"]], texts=[view["text"] or ""])
    shown = "" if view["text_withheld"] else step["vendor_text"] or ""
    text = redaction.raw(shown.encode())
    return " ".join(filter(None, (step["vendor_code"], text, step["note"])))


def _whose(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say whose messages, of which one must be there."""
    key = click.option(
        "--key", type=arguments.key_id, help="What one API key sent, by the key's id."
    )
    return click.option("--tenant", type=arguments.tenant, help="All of a tenant.")(key(command))


def _owner(tenant: str | None, key: str | None) -> tuple[str, str | None]:
    """Return the tenant and the key's id that were asked for."""
    if (tenant is None) == (key is None):
        raise click.UsageError("give either --tenant or --key", click.get_current_context())
    if key is not None:
        found = find_key(key)
        return found.tenant, found.id
    return str(tenant), None


@AREA.command(
    "list",
    help="List messages, newest first, without text or number.",
    reads=True,
    lists=True,
    examples=("smsgw messages list --tenant acme --limit 20",),
)
@_whose
@click.option("--limit", type=arguments.count, help="So many at most.")
def show_all(tenant: str | None, key: str | None, limit: int | None) -> None:
    """Print a tenant's or a key's messages that may still wait or just left, newest first."""
    found = islice(message_rows(*_owner(tenant, key)), limit)
    if given("json"):
        say_json(list(found))
        return
    for row in found:  # as they come: there may be a million
        say(line_of(row))


def message_rows(tenant: str, key_id: str | None) -> Iterator[Row]:
    """Yield a tenant's or a key's messages, newest first."""
    for identifier in batches_of(tenant):
        yield from rows_of_batch(identifier, key_id)


@AREA.command(
    "tail",
    help="Show each change of a tenant's messages as it comes. Ctrl-C ends it. It looks at the "
    f"newest {MAX_BATCHES} batches every {PAUSE_SECONDS} seconds: older ones are not told.",
    reads=True,
    lists=True,
    examples=("smsgw messages tail --tenant acme",),
)
@_whose
def tail(tenant: str | None, key: str | None) -> None:
    """Print changes until it is stopped."""
    follow(*_owner(tenant, key))


@AREA.command(
    "send",
    help="Send one message by the API, as a key's tenant.",
    lists=True,
    examples=(
        "smsgw messages send --to +447700900001 --text Hello",
        "smsgw messages send --local --to +8801000000001 --text Hello --wait",
    ),
)
@click.option("--to", "to", required=True, help="The number, with + and the country's code.")
@click.option("--text", required=True)
@click.option("--from", "sender", help="The sender that it shows.")
@click.option(
    "--vendor", type=arguments.vendor_name, metavar="NAME", help="Only through this vendor."
)
@click.option("--wait", is_flag=True, help="Show its steps until it is final.")
@pass_stack
def send_one(
    stack: Stack, to: str, text: str, sender: str | None, vendor: str | None, wait: bool
) -> None:
    """Send a message, with the key of SMSGW_KEY or one that is asked for."""
    send(stack, {"to": to, "text": text, "from": sender, "vendor": vendor}, wait=wait)


@AREA.command(
    "cancel",
    help="Cancel what has not left.",
    harm="cancels what has not left of the tenant, key or batch",
    examples=("smsgw messages cancel --key 0123456789ab",),
)
@_whose
@click.option("--batch", type=arguments.batch_id, help="Only this batch of theirs.")
def cancel(tenant: str | None, key: str | None, batch: str | None) -> None:
    """Cancel what has not left of a tenant, or of one key, or of one of their batches."""
    cancel_messages(*_owner(tenant, key), batch)


@AREA.command(
    "settle",
    help="Give a message the status you found at the vendor.",
    examples=(
        "smsgw messages settle 01J8ZQ3T4N5P6Q7R8S9T0V1W2X000 delivered --note 'asked by mail'",
    ),
)
@click.argument("id")
@click.argument("outcome", type=click.Choice([str(outcome) for outcome in OUTCOMES]))
@click.option("--note", default="", help="Goes onto the message's timeline.")
def settle(id: str, outcome: str, note: str) -> None:
    """Give a message the final status that an operator found at the vendor.

    It is for a message whose call was never answered, or whose receipt never came.
    """
    key = split_id(id)
    found = message_repository.find_message(key) if key else None
    if key is None or found is None:
        raise CommandError(f"there is no message {id}")
    _, message, sub = found
    status = status_of(message, sub)
    if status not in SETTLEABLE:
        raise CommandError(
            f"the message is {status}: only one that was sent and is not final can be settled"
        )
    now = utc_now()
    entry = TimelineEntry(
        epoch_ms(now),
        outcome,
        "operator",
        sub.vendor,
        sub.attempt,
        note=note or None,
    )
    change = (
        MessageUpdate(key)
        .set("status", Status(outcome))
        .append_timeline(entry)
        .schedule_check(None)
    )
    if change.if_open(or_unknown=True).apply() is None:
        raise CommandError("a receipt has settled the message meanwhile; show it again")
    say(f"{id} is {outcome}")

"""`smsgw tenants`: stop a tenant, start it again, show how it stands."""

from collections.abc import Callable

import click

from sms_gateway.config import api_keys
from sms_gateway.config.stopped_tenants import NAME, NOBODY, Stop, Stops, encode_stops, parse_stops
from sms_gateway.config.stored_settings import read_setting, write_setting
from sms_gateway.core.timestamps import epoch_seconds, from_ms, rfc3339, utc_now
from smsgw import arguments
from smsgw.errors import CommandError
from smsgw.line import Area, given
from smsgw.tables import Row, show
from smsgw.terminal import say, say_json

AREA = Area("tenants", "Stop a tenant in an incident.")

TRIES = 5  # when others stop and start tenants at the same time


@AREA.command(
    "stop",
    help="Let nothing of it leave, until it is started.",
    harm="stops all that {tenant} sends",
    examples=("smsgw tenants stop acme --reason 'a key was stolen'",),
)
@click.argument("tenant", type=arguments.tenant)
@click.option(
    "--reason", type=arguments.reason, default="", help="For you; the tenant is not told."
)
def stop(tenant: str, reason: str) -> None:
    """Let nothing of a tenant leave until it is started."""
    begun = Stop(epoch_seconds(utc_now()), reason)
    _change(lambda stopped: {tenant: begun, **stopped})
    say(
        f"{tenant} is stopped. Functions that are running know it within 30 seconds; then nothing "
        "of it leaves but what a worker had claimed. Its keys get 403, its triggers' sends become "
        "dead letters, its campaigns fail, its queued and scheduled messages are held, its "
        "webhooks are quiet. `smsgw messages cancel --tenant` cancels what is held."
    )
    if not any(key.tenant == tenant for key in api_keys.list_keys()):
        say(f"No key is {tenant}'s: look whether this is the tenant you mean (`smsgw keys list`).")


@AREA.command("start", help="Let it go on.")
@click.argument("tenant", type=arguments.tenant)
def start(tenant: str) -> None:
    """Let a stopped tenant go on."""
    _change(lambda stopped: {name: one for name, one in stopped.items() if name != tenant})
    say(
        f"{tenant} is not stopped. What was held leaves within 16 minutes, if it is still valid; "
        "its webhooks' deliveries come as they are due. Dead letters: `smsgw dlq redrive`; "
        "campaigns that failed: `smsgw campaigns resume`."
    )


@AREA.command("show", help="Show whether it is stopped, and its keys.", reads=True, lists=True)
@click.argument("tenant", type=arguments.tenant)
def show_one(tenant: str) -> None:
    """Print whether a tenant is stopped, since when and why, and its keys."""
    found = _stored().get(tenant)
    keys = [key for key in api_keys.list_keys() if key.tenant == tenant]
    if given("json"):
        states = [{"id": key.id, "state": key.refusal(utc_now()) or "active"} for key in keys]
        say_json({**_row(tenant, found), "keys": states})
        return
    if found is None:
        say(f"{tenant} is not stopped" + ("" if keys else ", and has no keys"))
    else:
        reason = f": {found.reason}" if found.reason else ""
        say(f"{tenant} is stopped since {rfc3339(from_ms(found.since * 1000))}{reason}")
    for key in keys:
        state = key.refusal(utc_now()) or "active"
        say(f"  key {key.id}  {state:8}  {','.join(key.scopes)}  {key.label}")


@AREA.command("list", help="List those that are stopped.", reads=True, lists=True)
def show_all() -> None:
    """Print the stopped tenants."""
    columns = {"tenant": "TENANT", "stopped_at": "STOPPED SINCE", "reason": "REASON"}
    rows = [_row(tenant, found) for tenant, found in sorted(_stored().items())]
    show(rows, columns, "No tenant is stopped.")


def _row(tenant: str, found: Stop | None) -> Row:
    return {
        "tenant": tenant,
        "stopped_at": rfc3339(from_ms(found.since * 1000)) if found else None,
        "reason": found.reason if found else None,
    }


def _stored() -> Stops:
    stored = read_setting(NAME)
    return parse_stops(stored.text if stored else NOBODY)


def _change(change: Callable[[Stops], Stops]) -> None:
    """Change the setting; what others write at the same time is kept."""
    for _ in range(TRIES):
        stored = read_setting(NAME)
        written = encode_stops(change(parse_stops(stored.text if stored else NOBODY)))
        if write_setting(NAME, written, stored):
            return
    raise CommandError("others are changing the stopped tenants: run this again")

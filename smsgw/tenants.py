"""`smsgw tenants`: stop a tenant and start it again, set its policy, show how it stands."""

import json
from collections.abc import Callable
from typing import Any

import click
from msgspec.structs import replace

from sms_gateway.config import api_keys
from sms_gateway.config.policies import digest_of, drop_policy, store_policy, stored_text
from sms_gateway.config.stopped_tenants import (
    KEPT_FOR_STOPS,
    NAME,
    NOBODY,
    Stop,
    Stops,
    encode_stops,
    parse_stops,
)
from sms_gateway.config.stored_settings import read_setting, write_setting
from sms_gateway.core.timestamps import epoch_seconds, from_ms, rfc3339, utc_now
from smsgw import arguments
from smsgw.errors import CommandError
from smsgw.line import Area, given
from smsgw.policies import read_policy, read_usage, usage_line
from smsgw.tables import Row, show
from smsgw.terminal import say, say_json, say_text

AREA = Area("tenants", "Stop a tenant in an incident; narrow what it may send.")

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
    now = epoch_seconds(utc_now())

    def begin(one: Stop) -> Stop:
        return one if one.since else replace(one, since=now, reason=reason)

    _change(tenant, begin)
    say(
        f"{tenant} is stopped. Functions that are running know it within 30 seconds; then nothing "
        "of it leaves but what a worker had claimed. Its keys get 403, its triggers' sends become "
        "dead letters, its campaigns fail, its queued and scheduled messages are held, its "
        "webhooks are quiet. `smsgw messages cancel --tenant` cancels what is held."
    )
    _warn_of_stranger(tenant)


@AREA.command("start", help="Let it go on.")
@click.argument("tenant", type=arguments.tenant)
def start(tenant: str) -> None:
    """Let a stopped tenant go on."""
    _change(tenant, lambda one: replace(one, since=0, reason=""))
    say(
        f"{tenant} is not stopped. What was held leaves within 16 minutes, if it is still valid; "
        "its webhooks' deliveries come as they are due. Dead letters: `smsgw dlq redrive`; "
        "campaigns that failed: `smsgw campaigns resume`."
    )


@AREA.command(
    "set",
    help="Check a policy and use it. It says what the tenant may send; - reads standard input.",
    examples=("smsgw tenants set acme policy.json",),
)
@click.argument("tenant", type=arguments.tenant)
@click.argument("file")
def set_policy(tenant: str, file: str) -> None:
    """Store a tenant's policy, then say in the setting that everything reads that it is there."""
    written = read_policy(file)

    def in_use(one: Stop) -> Stop:
        text = stored_text(tenant)  # that of whoever wrote last: text and digest must agree
        if text is None:
            raise CommandError("somebody else has just removed this policy: run this again")
        return replace(one, policy=digest_of(text))

    _check_room(tenant)
    if not store_policy(tenant, written):
        raise CommandError("somebody else has just changed this policy: run this again")
    _change(tenant, in_use)
    say(f"{tenant}'s policy is set; functions that are running know it within 30 seconds.")
    _warn_of_stranger(tenant)


@AREA.command("remove", help="Remove its policy: nothing is limited then.")
@click.argument("tenant", type=arguments.tenant)
def remove_policy(tenant: str) -> None:
    """Remove a tenant's policy, first from the setting that everything reads."""
    _change(tenant, lambda one: replace(one, policy=None))
    drop_policy(tenant)
    say(f"{tenant} has no policy; functions that are running know it within 30 seconds.")


@AREA.command(
    "show",
    help="Show whether it is stopped, its policy and usage, and keys.",
    reads=True,
    lists=True,
)
@click.argument("tenant", type=arguments.tenant)
def show_one(tenant: str) -> None:
    """Print whether a tenant is stopped, since when and why, its policy, its usage and its keys."""
    now = utc_now()
    found = _stored().get(tenant)
    policy = stored_text(tenant) if found and found.policy else None
    keys = [key for key in api_keys.list_keys() if key.tenant == tenant]
    if given("json"):
        states = [
            {
                "id": key.id,
                "state": key.refusal(now) or "active",
                "policy": _document(key.policy),
                "usage": read_usage(tenant, key.policy, now, key.id) if key.policy else [],
            }
            for key in keys
        ]
        shown = {"policy": _document(policy), "usage": [], "keys": states}
        if policy:
            shown["usage"] = read_usage(tenant, policy, now)
        say_json({**_row(tenant, found), **shown})
        return
    if found is None or not found.since:
        say(f"{tenant} is not stopped" + ("" if keys else ", and has no keys"))
    else:
        reason = f": {found.reason}" if found.reason else ""
        say(f"{tenant} is stopped since {rfc3339(from_ms(found.since * 1000))}{reason}")
    if policy:
        say_text(f"  policy {policy}")
        for one in read_usage(tenant, policy, now):
            say(f"    {usage_line(one)}")
    for key in keys:
        state = key.refusal(now) or "active"
        say(f"  key {key.id}  {state:8}  {','.join(key.scopes)}  {key.label}")
        if key.policy:
            say_text(f"    policy {key.policy}")
            for one in read_usage(tenant, key.policy, now, key.id):
                say(f"      {usage_line(one)}")


@AREA.command("list", help="List those that are stopped or have a policy.", reads=True, lists=True)
def show_all() -> None:
    """Print the tenants that are stopped or have a policy."""
    columns = {
        **{"tenant": "TENANT", "limited": "POLICY"},
        **{"stopped_at": "STOPPED SINCE", "reason": "REASON"},
    }
    rows = [_row(tenant, found) for tenant, found in sorted(_stored().items())]
    show(rows, columns, "No tenant is stopped, none has a policy.")


def _document(policy: str | None) -> Any:
    return json.loads(policy) if policy else None


def _row(tenant: str, found: Stop | None) -> Row:
    since = found.since if found else 0
    return {
        "tenant": tenant,
        "limited": "yes" if found and found.policy else None,
        "stopped_at": rfc3339(from_ms(since * 1000)) if since else None,
        "reason": found.reason if found and since else None,
    }


def _stored() -> Stops:
    stored = read_setting(NAME)
    return parse_stops(stored.text if stored else NOBODY)


def _warn_of_stranger(tenant: str) -> None:
    """Say so where nobody has a key of a tenant: its name may be mistyped."""
    if not any(key.tenant == tenant for key in api_keys.list_keys()):
        say(f"No key is {tenant}'s: look whether this is the tenant you mean (`smsgw keys list`).")


def _check_room(tenant: str) -> None:
    """Raise ValueError where one more tenant with a policy would leave no room for stops."""
    stops = _stored()
    before = stops.get(tenant, Stop())
    if before.policy is None:
        after = replace(before, policy=digest_of(""))
        encode_stops({**stops, tenant: after}, keep_free=KEPT_FOR_STOPS)


def _change(tenant: str, change: Callable[[Stop], Stop]) -> None:
    """Change how a tenant stands; what others write at the same time is kept."""
    for _ in range(TRIES):
        stored = read_setting(NAME)
        stops = dict(parse_stops(stored.text if stored else NOBODY))
        changed = change(stops.pop(tenant, Stop()))
        if changed != Stop():
            stops[tenant] = changed
        if write_setting(NAME, encode_stops(stops), stored):
            return
    raise CommandError("others are changing the stopped tenants: run this again")

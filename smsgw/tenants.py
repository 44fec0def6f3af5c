"""`smsgw tenants`: stop a tenant, start it again, show how it stands."""

import argparse
from collections.abc import Callable

from sms_gateway.config import api_keys
from sms_gateway.config.stopped_tenants import NAME, NOBODY, Stop, Stops, encode_stops, parse_stops
from sms_gateway.config.stored_settings import read_setting, write_setting
from sms_gateway.core.timestamps import epoch_seconds, from_ms, rfc3339, utc_now
from smsgw.errors import CommandError
from smsgw.terminal import say

TRIES = 5  # when others stop and start tenants at the same time


def stop(options: argparse.Namespace) -> None:
    """Let nothing of a tenant leave until it is started."""
    tenant = options.tenant
    begun = Stop(epoch_seconds(utc_now()), options.reason)
    _change(lambda stopped: {tenant: begun, **stopped})
    say(
        f"{tenant} is stopped. Functions that are running know it within 30 seconds; then nothing "
        "of it leaves but what a worker had claimed. Its keys get 403, its triggers' sends become "
        "dead letters, its campaigns fail, its queued and scheduled messages are held, its "
        "webhooks are quiet. `smsgw messages cancel --tenant` cancels what is held."
    )
    if not any(key.tenant == tenant for key in api_keys.list_keys()):
        say(f"No key is {tenant}'s: look whether this is the tenant you mean (`smsgw keys list`).")


def start(options: argparse.Namespace) -> None:
    """Let a stopped tenant go on."""
    tenant = options.tenant
    _change(lambda stopped: {name: one for name, one in stopped.items() if name != tenant})
    say(
        f"{tenant} is not stopped. What was held leaves within 16 minutes, if it is still valid; "
        "its webhooks' deliveries come as they are due. Dead letters: `smsgw dlq redrive`; "
        "campaigns that failed: `smsgw campaigns resume`."
    )


def show(options: argparse.Namespace) -> None:
    """Print whether a tenant is stopped, since when and why, and its keys."""
    tenant = options.tenant
    found = _stored().get(tenant)
    keys = [key for key in api_keys.list_keys() if key.tenant == tenant]
    if found is None:
        say(f"{tenant} is not stopped" + ("" if keys else ", and has no keys"))
    else:
        reason = f": {found.reason}" if found.reason else ""
        say(f"{tenant} is stopped since {rfc3339(from_ms(found.since * 1000))}{reason}")
    for key in keys:
        state = key.refusal(utc_now()) or "active"
        say(f"  key {key.id}  {state:8}  {','.join(key.scopes)}  {key.label}")


def show_all(_options: argparse.Namespace) -> None:
    """Print the stopped tenants."""
    for tenant, found in sorted(_stored().items()):
        say(f"{tenant:40}  stopped since {rfc3339(from_ms(found.since * 1000))}  {found.reason}")


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

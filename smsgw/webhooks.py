"""`smsgw webhooks`: list and disable a tenant's webhooks."""

import argparse
from typing import Any

from sms_gateway.core.timestamps import epoch_seconds, from_ms, rfc3339, utc_now
from sms_gateway.webhooks import endpoint_health, endpoints
from sms_gateway.webhooks.endpoints import Endpoint
from smsgw.errors import CommandError
from smsgw.terminal import say

REASON = "disabled by the operator"


def add_commands(area: Any) -> None:
    """Add the commands to the parser of `smsgw webhooks`."""
    shown = area.add_parser("list", help="list a tenant's webhooks")
    shown.set_defaults(run=show)
    stopped = area.add_parser("disable", help="tell a tenant's webhooks nothing any more")
    stopped.add_argument("--endpoint", help="only this one, by its id")
    stopped.set_defaults(run=disable)
    for command in (shown, stopped):
        command.add_argument("--tenant", required=True, help="whose webhooks they are")


def show(options: argparse.Namespace) -> None:
    """Print a tenant's webhooks, oldest first.

    Of an address only the origin: its path may hold a secret.
    """
    say(f"{'ID':26}  {'KEY':12}  {'STATE':8}  {'FAILED':>6}  {'SINCE':24}  HOST  REASON")
    for endpoint in endpoints.load_endpoints(options.tenant):
        since = endpoint.disabled_at or endpoint.failing_since
        shown = rfc3339(from_ms(since * 1000)) if since else ""
        say(
            f"{endpoint.id}  {endpoint.key_id or '-':12}  {endpoint.state:8}  "
            f"{endpoint.failures:>6}  {shown:24}  "
            f"{endpoint.origin}  {endpoint.disabled_reason or ''}".rstrip()
        )


def disable(options: argparse.Namespace) -> None:
    """Disable one webhook of a tenant, or all: no challenge makes it active again."""
    for endpoint in _chosen(options):
        if endpoint.disabled_by_operator:
            say(f"{endpoint.id} was disabled by the operator before")
            continue
        endpoint_health.disable(endpoint, REASON, epoch_seconds(utc_now()), by_operator=True)
        say(f"{endpoint.id} is disabled: {endpoint.origin} is told nothing any more")


def _chosen(options: argparse.Namespace) -> list[Endpoint]:
    known = endpoints.load_endpoints(options.tenant)
    chosen = [one for one in known if options.endpoint in (None, one.id)]
    if not chosen:
        wanted = f"webhook {options.endpoint}" if options.endpoint else "webhook"
        raise CommandError(
            f"the tenant {options.tenant} has no {wanted}: "
            f"`smsgw webhooks list --tenant {options.tenant}` shows the ids"
        )
    return chosen

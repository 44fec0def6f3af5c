"""`smsgw webhooks`: list and disable a tenant's webhooks."""

import click

from sms_gateway.core.timestamps import epoch_seconds, from_ms, rfc3339, utc_now
from sms_gateway.webhooks import endpoint_health, endpoints
from sms_gateway.webhooks.endpoints import Endpoint
from smsgw.errors import CommandError
from smsgw.line import Area
from smsgw.tables import show
from smsgw.terminal import say

AREA = Area("webhooks", "Tenants' webhooks.")

REASON = "disabled by the operator"


@AREA.command("list", help="List a tenant's webhooks, oldest first.", reads=True, lists=True)
@click.option("--tenant", required=True, help="Whose webhooks they are.")
def show_all(tenant: str) -> None:
    """Print a tenant's webhooks, oldest first.

    Of an address only the origin: its path may hold a secret.
    """
    columns = {
        **{"id": "ID", "key": "KEY", "state": "STATE", "failures": "FAILED", "since": "SINCE"},
        **{"host": "HOST", "reason": "REASON"},
    }
    rows = []
    for endpoint in endpoints.load_endpoints(tenant):
        since = endpoint.disabled_at or endpoint.failing_since
        rows.append(
            {
                "id": endpoint.id,
                "key": endpoint.key_id,
                "state": str(endpoint.state),
                "failures": endpoint.failures,
                "since": rfc3339(from_ms(since * 1000)) if since else None,
                "host": endpoint.origin,
                "reason": endpoint.disabled_reason,
            }
        )
    show(rows, columns)


@AREA.command(
    "disable",
    help="Tell a tenant's webhooks nothing any more.",
    harm="ends what webhooks of {tenant} are told; the tenant can't turn them on again",
    examples=("smsgw webhooks disable --tenant acme --endpoint 01J8ZQ3T4N5P6Q7R8S9T0V1W2X",),
)
@click.option("--tenant", required=True, help="Whose webhooks they are.")
@click.option("--endpoint", help="Only this one, by its id.")
def disable(tenant: str, endpoint: str | None) -> None:
    """Disable one webhook of a tenant, or all: no challenge makes it active again."""
    for one in _chosen(tenant, endpoint):
        if one.disabled_by_operator:
            say(f"{one.id} was disabled by the operator before")
            continue
        endpoint_health.disable(one, REASON, epoch_seconds(utc_now()), by_operator=True)
        say(f"{one.id} is disabled: {one.origin} is told nothing any more")


def _chosen(tenant: str, endpoint: str | None) -> list[Endpoint]:
    known = endpoints.load_endpoints(tenant)
    chosen = [one for one in known if endpoint in (None, one.id)]
    if not chosen:
        wanted = f"webhook {endpoint}" if endpoint else "webhook"
        raise CommandError(
            f"the tenant {tenant} has no {wanted}: "
            f"`smsgw webhooks list --tenant {tenant}` shows the ids"
        )
    return chosen

"""`smsgw keys`: make, list and revoke API keys."""

from collections.abc import Sequence
from datetime import datetime

import click

from sms_gateway.config import api_keys
from sms_gateway.config.api_keys import ApiKey
from sms_gateway.config.stack_keys import WEBHOOK_KEY
from sms_gateway.core.timestamps import from_ms, rfc3339, utc_now
from sms_gateway.sms.phone_numbers import is_region
from smsgw import arguments
from smsgw.cancelling import cancel_messages, find_key
from smsgw.errors import CommandError
from smsgw.line import Area, given
from smsgw.policies import read_policy
from smsgw.stack import Stack, pass_stack
from smsgw.stack_keys import key_of, make_key, make_keys, stack_keys
from smsgw.tables import Row, show
from smsgw.terminal import say, say_json

AREA = Area("keys", "API keys.")


@AREA.command(
    "create",
    help="Make a key; it is shown this once.",
    lists=True,
    examples=(
        "smsgw keys create --tenant acme --scope messages:send --scope messages:read",
        "smsgw keys create --tenant acme --scope verifications --expires 2026-12-31T00:00:00Z",
        "smsgw keys create --tenant acme --scope messages:send --policy team.json",
        "smsgw keys create --test --tenant acme --scope messages:send --scope messages:read",
    ),
)
@click.option("--tenant", required=True, help="Whose messages the key sends and sees.")
@click.option(
    "--scope",
    required=True,
    multiple=True,
    type=click.Choice(api_keys.SCOPES),
    help="May be repeated.",
)
@click.option("--label", default="", help="For your own memory.")
@click.option(
    "--country",
    help="In which its requests may write national numbers, such as BD (ISO 3166).",
)
@click.option(
    "--expires",
    type=arguments.time,
    help="When it ends by itself, such as 2026-12-31T00:00:00Z.",
)
@click.option("--policy", help="A file that narrows what the key may send; - is standard input.")
@click.option("--test", is_flag=True, help="A test key: what it sends reaches no vendor.")
@pass_stack
def create(
    stack: Stack,
    tenant: str,
    scope: Sequence[str],
    label: str,
    country: str | None,
    expires: datetime | None,
    policy: str | None,
    test: bool,
) -> None:
    """Make a key and print it, this once."""
    key, stored = make(stack, tenant, scope, label, country, expires, policy=policy, test=test)
    if given("json"):
        say_json({"id": stored.id, "tenant": stored.tenant, "scopes": stored.scopes, "key": key})
        return
    say(f"The key {stored.id} of tenant {stored.tenant}; keep it now, it can't be shown again:")
    say(key)


def make(
    stack: Stack,
    tenant: str,
    scopes: Sequence[str],
    label: str = "",
    country: str | None = None,
    expires: datetime | None = None,
    *,
    policy: str | None = None,
    test: bool = False,
) -> tuple[str, ApiKey]:
    """Make a key, and what it needs; return it and what is stored of it.

    `policy` is the name of a file.
    """
    if country is not None and not is_region(country):
        raise CommandError("a country is its two capital letters (ISO 3166), such as BD")
    written = None if policy is None else read_policy(policy, arguments.tenant(tenant))
    if "webhooks:manage" in scopes:
        make_key(key_of(stack, WEBHOOK_KEY))
    if test:  # no vendor's account is needed to test, and with none nobody made these yet
        make_keys(*stack_keys(stack))
    return api_keys.create_key(
        tenant, list(scopes), label, utc_now(), country, expires, policy=written, test=test
    )


@AREA.command("list", help="List keys, oldest first.", reads=True, lists=True)
def show_all() -> None:
    """Print every key, oldest first."""
    columns = {
        **{"id": "ID", "tenant": "TENANT", "kind": "KIND", "state": "STATE"},
        "created_at": "CREATED",
        **{"expires_at": "EXPIRES", "scopes": "SCOPES", "limited": "POLICY", "label": "LABEL"},
    }
    show([_row(key) for key in api_keys.list_keys()], columns, "There is no key: smsgw keys create")


def _row(key: ApiKey) -> Row:
    return {
        "id": key.id,
        "tenant": key.tenant,
        "kind": "test" if key.test else "live",
        "state": key.refusal(utc_now()) or "active",
        "created_at": key.created_at,
        "expires_at": rfc3339(from_ms(key.expires * 1000)) if key.expires else None,
        "scopes": list(key.scopes),
        "limited": "yes" if key.policy else None,
        "label": key.label,
    }


@AREA.command(
    "revoke",
    help="Revoke a key.",
    harm="ends the key {id} for good",
    examples=("smsgw keys revoke 0123456789ab --stop-messages",),
)
@click.argument("id", type=arguments.key_id)
@click.option("--stop-messages", is_flag=True, help="Also cancel what it sent and has not left.")
def revoke(id: str, stop_messages: bool) -> None:
    """Revoke a key, and with --stop-messages cancel what it sent and has not left."""
    key = find_key(id)
    if key.revoked_at is None:
        api_keys.revoke_key(key.id, utc_now())
    say(f"The key {key.id} of tenant {key.tenant} is revoked.")
    if stop_messages:
        cancel_messages(key.tenant, key.id)
        say(
            "API Gateway may still take the key for AuthorizerCacheSeconds: flush its cache, then "
            "run this again (docs/guides/incident.md)."
        )

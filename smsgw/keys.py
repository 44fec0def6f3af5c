"""`smsgw keys`: make, list, rotate and revoke API keys."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import click

from sms_gateway.config import api_keys
from sms_gateway.config.api_keys import ApiKey
from sms_gateway.config.stack_keys import WEBHOOK_KEY
from sms_gateway.core.timestamps import from_ms, rfc3339, utc_now
from sms_gateway.sms.phone_numbers import is_region
from sms_gateway.storage.key_uses import last_uses
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


@AREA.command("list", help="List keys, oldest first, and their last use.", reads=True, lists=True)
def show_all() -> None:
    """Print every key, oldest first."""
    columns = {
        **{"id": "ID", "tenant": "TENANT", "kind": "KIND", "state": "STATE"},
        **{"created_at": "CREATED", "last_used": "LAST USED"},
        **{"expires_at": "EXPIRES", "scopes": "SCOPES", "limited": "POLICY", "label": "LABEL"},
    }
    uses = last_uses()
    rows = [_row(key, uses.get(key.id)) for key in api_keys.list_keys()]
    show(rows, columns, "There is no key: smsgw keys create")


def _row(key: ApiKey, used: int | None) -> Row:
    return {
        "id": key.id,
        "tenant": key.tenant,
        "kind": "test" if key.test else "live",
        "state": key.refusal(utc_now()) or "active",
        "created_at": key.created_at,
        "last_used": rfc3339(from_ms(used * 1000)) if used else None,
        "expires_at": rfc3339(from_ms(key.expires * 1000)) if key.expires else None,
        "scopes": list(key.scopes),
        "limited": "yes" if key.policy else None,
        "label": key.label,
    }


@AREA.command(
    "rotate",
    help="Make a key like another one, which ends after some days.",
    lists=True,
    harm="ends the key {id} after {days} days",
    examples=("smsgw keys rotate 0123456789ab --days 14",),
)
@click.argument("id", type=arguments.key_id)
@click.option(
    "--days",
    type=arguments.grace_days,
    default="7",
    show_default=True,
    help="How long the old key still works: 0 to 90.",
)
def rotate(id: str, days: int) -> None:
    """Make a key with an old one's tenant, scopes, policy and end, and let the old one end."""
    now = utc_now()
    old = find_key(id)
    if (refusal := old.refusal(now)) is not None:
        raise CommandError(f"the key {id} is {refusal} already: make another, smsgw keys create")
    ends = from_ms(old.expires * 1000) if old.expires else None
    key, made = api_keys.create_key(
        old.tenant, old.scopes, old.label, now, old.region, ends, policy=old.policy, test=old.test
    )
    ended = api_keys.end_key(old.id, now + timedelta(days=days))
    until = rfc3339(from_ms(ended.expires * 1000)) if ended and ended.expires else None
    if given("json"):
        names = {"id": made.id, "tenant": made.tenant, "scopes": made.scopes, "key": key}
        say_json({**names, "old": {"id": old.id, "expires_at": until}})
        return
    say(f"The key {made.id} of tenant {made.tenant} takes the place of {old.id}, with its scopes")
    say("and its policy; keep it now, it can't be shown again:")
    say(key)
    if until is None:
        say(f"The key {old.id} was revoked meanwhile.")
        return
    say(f"The key {old.id} works until {until}: move its callers. `smsgw keys list` shows when")
    say(f"each key was last used, `smsgw keys revoke {old.id}` ends the old one sooner.")


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

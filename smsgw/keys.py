"""`smsgw keys`: make, list and revoke API keys."""

import argparse

from sms_gateway.config import api_keys
from sms_gateway.config.stack_keys import WEBHOOK_KEY
from sms_gateway.core.timestamps import from_ms, rfc3339, utc_now
from sms_gateway.sms.phone_numbers import is_region
from smsgw.cancelling import cancel_messages, find_key
from smsgw.errors import CommandError
from smsgw.stack_keys import key_of, make_key
from smsgw.terminal import say


def create(options: argparse.Namespace) -> None:
    """Make a key and print it, this once."""
    if options.region is not None and not is_region(options.region):
        raise CommandError("a region is a country's two capital letters (ISO 3166), such as BD")
    if "webhooks:manage" in options.scope:
        make_key(key_of(options, WEBHOOK_KEY))
    key, stored = api_keys.create_key(
        options.tenant,
        options.scope,
        options.label,
        utc_now(),
        options.region,
        options.expires,
    )
    say(f"The key {stored.id} of tenant {stored.tenant}; keep it now, it can't be shown again:")
    say(key)


def show_all(_options: argparse.Namespace) -> None:
    """Print every key, oldest first."""
    say(f"{'ID':12}  {'TENANT':16}  {'STATE':8}  {'CREATED':24}  {'EXPIRES':24}  SCOPES  LABEL")
    now = utc_now()
    for key in api_keys.list_keys():
        state = key.refusal(now) or "active"
        expires = rfc3339(from_ms(key.expires * 1000)) if key.expires else "never"
        say(
            f"{key.id}  {key.tenant:16}  {state:8}  {key.created_at:24}  {expires:24}  "
            f"{','.join(key.scopes)}  {key.label}"
        )


def revoke(options: argparse.Namespace) -> None:
    """Revoke a key, and with --stop-messages cancel what it sent and has not left."""
    key = find_key(options.id)
    if key.revoked_at is None:
        api_keys.revoke_key(key.id, utc_now())
    say(f"The key {key.id} of tenant {key.tenant} is revoked.")
    if options.stop_messages:
        cancel_messages(key.tenant, key.id)
        say(
            "API Gateway may still take the key for AuthorizerCacheSeconds: flush its cache, then "
            "run this again (docs/guides/incident.md)."
        )

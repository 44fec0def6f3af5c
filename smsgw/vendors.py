"""`smsgw vendors` and `smsgw callback-url`: the vendors' accounts, in one secret."""

import argparse
import json
import secrets
from collections.abc import Callable
from dataclasses import fields

import boto3
import msgspec

from sms_gateway.config.vendor_accounts import CALLBACK_KEY, callback_key
from sms_gateway.receipts.callback_tokens import make_account_token
from sms_gateway.vendors.registry import VENDORS, adapter_class, build_adapter
from smsgw.errors import CommandError
from smsgw.files import read_file, shown
from smsgw.secrets import ReadSecret, Secret
from smsgw.terminal import say, say_text

type Accounts = dict[str, object]


def change_accounts(secret: Secret, change: Callable[[Accounts], object]) -> None:
    """Change the accounts in a secret, and make it, with its callback key, if it is not there.

    Raise CommandError, also when somebody else changes it meanwhile.
    """
    read = secret.read()
    accounts = _parsed(secret, read) if read else {}
    change(accounts)
    accounts.setdefault(CALLBACK_KEY, secrets.token_urlsafe(36))
    try:
        callback_key(accounts[CALLBACK_KEY])
    except ValueError as error:
        raise CommandError(f"mend {secret.name} by hand first: {error}") from None
    written = json.dumps(accounts)
    if read is None:
        secret.create(written, "The vendors' accounts, and the key of our callback addresses.")
    else:
        secret.replace(read, written)


def set_account(options: argparse.Namespace) -> None:
    """Set a vendor's account, checked first."""
    written = read_file(options.file)
    try:
        account = msgspec.json.decode(written)  # as the functions read it: NaN is no number
    except msgspec.DecodeError as error:
        raise CommandError(f"{shown(options.file)} is not JSON: {error}") from None
    if not isinstance(account, dict):
        raise CommandError(f"{shown(options.file)} must hold one JSON object of settings")
    try:
        adapter = build_adapter(options.vendor, account)
    except ValueError as error:
        page = f"docs/vendors/{options.vendor}.md"
        raise CommandError(f"{shown(options.file)} is not valid: {error}; see {page}") from None
    change_accounts(_secret(options), lambda accounts: accounts.update({options.vendor: account}))
    say(f"{adapter.title} is set; functions that are running see it within a minute.")
    for warning in adapter.warnings:
        say(f"warning: {warning}")


def remove_account(options: argparse.Namespace) -> None:
    """Turn a vendor off."""
    if options.vendor not in _accounts(options):
        raise CommandError(f"{options.vendor} is not configured")
    change_accounts(_secret(options), lambda accounts: accounts.pop(options.vendor, None))
    say(f"{options.vendor} is off; functions that are running see it within a minute.")


def show_account(options: argparse.Namespace) -> None:
    """Print a vendor's settings, without its secrets."""
    account = _accounts(options).get(options.vendor)
    if not isinstance(account, dict):
        raise CommandError(
            f"{options.vendor} is not configured: `smsgw vendors set {options.vendor} account.json`"
        )
    shown = {one.name for one in fields(adapter_class(options.vendor)) if one.repr}
    plain = {name: value if name in shown else "(secret)" for name, value in account.items()}
    say_text(json.dumps(plain, indent=2))


def show_all(options: argparse.Namespace) -> None:
    """Print each vendor's state."""
    accounts = _accounts(options)
    for vendor in VENDORS:
        say(f"{vendor:12}  {_state(vendor, accounts.get(vendor))}")


def show_callback_url(options: argparse.Namespace) -> None:
    """Print a vendor's account-wide callback URL."""
    try:
        key = callback_key(_accounts(options).get(CALLBACK_KEY))
    except ValueError:
        raise CommandError(
            f"there is no {CALLBACK_KEY} yet: "
            f"`smsgw vendors set {options.vendor} account.json` makes it"
        ) from None
    token = make_account_token(options.vendor, key)
    say(f"{options.outputs['CallbackUrl']}/{options.vendor}/{token}")


def _secret(options: argparse.Namespace) -> Secret:
    outputs = options.outputs
    client = boto3.client("secretsmanager")
    return Secret(client, outputs["AccountsSecretName"], outputs.get("SecretsKeyArn"))


def _accounts(options: argparse.Namespace) -> Accounts:
    secret = _secret(options)
    read = secret.read()
    return _parsed(secret, read) if read else {}


def _parsed(secret: Secret, read: ReadSecret) -> Accounts:
    try:
        return msgspec.json.decode(read.text, type=dict[str, object])
    except msgspec.DecodeError:
        raise CommandError(f"{secret.name} is not a JSON object: mend it by hand first") from None


def _state(vendor: str, account: object) -> str:
    if account is None:
        return "not configured"
    if not isinstance(account, dict):
        return "refused: its settings must be an object"
    try:
        build_adapter(vendor, account)
    except ValueError as error:
        return f"refused: {error}"
    return "configured"

"""`smsgw vendors`: the vendors' accounts, in one secret."""

import argparse
import json
from collections.abc import Callable
from dataclasses import fields

import msgspec

from sms_gateway.config.public_accounts import write_public_accounts
from sms_gateway.config.stack_keys import CALLBACK_KEY, MESSAGE_KEY
from sms_gateway.config.stored_settings import ACCOUNTS, check_size, read_setting, write_setting
from sms_gateway.vendors.registry import VENDORS, adapter_class, build_adapter
from smsgw.errors import CommandError
from smsgw.files import read_file, shown
from smsgw.secrets import ReadSecret, Secret
from smsgw.stack_keys import callback_keys, key_of, make_keys, secret_of
from smsgw.terminal import say, say_text

type Accounts = dict[str, object]


def change_accounts(secret: Secret, change: Callable[[Accounts], object]) -> Accounts:
    """Change the accounts in a secret, and make it if it is not there; return them all.

    Raise CommandError, also when somebody else changes it meanwhile.
    """
    read = secret.read()
    accounts = _parsed(secret, read) if read else {}
    change(accounts)
    written = json.dumps(accounts)
    if read is None:
        secret.create(written, "The vendors' accounts.")
    else:
        secret.replace(read, written)
    return accounts


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
    make_keys(key_of(options, CALLBACK_KEY), key_of(options, MESSAGE_KEY))
    _change(options, lambda accounts: accounts.update({options.vendor: account}))
    say(f"{adapter.title} is set; functions that are running see it within a minute.")
    for warning in adapter.warnings:
        say(f"warning: {warning}")


def remove_account(options: argparse.Namespace) -> None:
    """Turn a vendor off."""
    if options.vendor not in _accounts(options):
        raise CommandError(f"{options.vendor} is not configured")
    _change(options, lambda accounts: accounts.pop(options.vendor, None))
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
    warn_of_difference(options)


def show_all(options: argparse.Namespace) -> None:
    """Print each vendor's state."""
    accounts = _accounts(options)
    for vendor in VENDORS:
        say(f"{vendor:12}  {_state(vendor, accounts.get(vendor))}")
    warn_of_difference(options)


def publish(options: argparse.Namespace) -> None:
    """Write what those that call no vendor may know of the accounts, as the secret has them."""
    before = read_setting(ACCOUNTS)
    accounts = _accounts(options)
    written = write_public_accounts(accounts, _marks_key(options))
    if not write_setting(ACCOUNTS, written, before):
        raise CommandError("somebody else has just changed the accounts: run this again")
    say("Published what is no secret; functions that are running see it within a minute.")


def warn_of_difference(options: argparse.Namespace) -> None:
    """Say on standard error when messages are not accepted by what the secret has."""
    stored = read_setting(ACCOUNTS)
    accounts = _accounts(options)
    if not accounts and stored is None:
        return
    written = write_public_accounts(accounts, _marks_key(options))
    if stored is None or stored.text != written:
        say(
            "warning: the secret was changed by hand, and messages are still accepted by what it "
            "had before: run smsgw vendors publish",
            error=True,
        )


def _change(options: argparse.Namespace, change: Callable[[Accounts], object]) -> None:
    """Change the secret, then publish it: vendors are called with what the secret has."""
    key = _marks_key(options)

    def checked(accounts: Accounts) -> None:
        change(accounts)
        check_size(write_public_accounts(accounts, key))

    before = read_setting(ACCOUNTS)
    accounts = change_accounts(_secret(options), checked)
    if not write_setting(ACCOUNTS, write_public_accounts(accounts, key), before):
        raise CommandError(
            "the secret is changed, but somebody else has just published it: "
            "run smsgw vendors publish"
        )


def _marks_key(options: argparse.Namespace) -> bytes:
    return callback_keys(key_of(options, CALLBACK_KEY)).marks.encode()


def _secret(options: argparse.Namespace) -> Secret:
    return secret_of(options, "AccountsSecretName")


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

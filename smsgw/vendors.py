"""`smsgw vendors`: the vendors' accounts, in one secret."""

import json
from collections.abc import Callable
from dataclasses import fields
from functools import partial

import click
import msgspec

from sms_gateway.config.account_publishing import write_public_accounts
from sms_gateway.config.cached_setting import SettingUnreadableError
from sms_gateway.config.stack_keys import CALLBACK_KEY
from sms_gateway.config.stored_settings import (
    ACCOUNTS,
    DESCRIPTION,
    check_size,
    read_setting,
    write_setting,
)
from sms_gateway.config.vendor_accounts import build_account, with_descriptions
from sms_gateway.vendors.registry import VENDORS
from smsgw import arguments
from smsgw.balance_check import refuse_what_does_not_work
from smsgw.errors import CommandError
from smsgw.files import read_file, shown
from smsgw.line import Area
from smsgw.secrets import ReadSecret, Secret
from smsgw.stack import Stack, pass_stack
from smsgw.stack_keys import callback_keys, key_of, make_keys, secret_of, stack_keys
from smsgw.tables import show
from smsgw.terminal import say, say_text
from smsgw.vendor_check import check_vendor, class_of
from smsgw.vendor_states import Asked, vendor_rows

AREA = Area("vendors", "Vendor accounts.")
vendor_name = click.argument("vendor", type=arguments.vendor_name)

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


@AREA.command(
    "set",
    help="Set a vendor's account from a JSON file; - reads standard input. The vendor is asked for "
    "its balance first. One that is not built in needs its --description, with the --answers that "
    "prove it.",
    examples=(
        "smsgw vendors set jst account.json",
        "pass show jst | smsgw vendors set jst -",
        "smsgw vendors set acme account.json --description acme.json --answers acme/",
    ),
)
@vendor_name
@click.argument("file")
@click.option("--no-check", is_flag=True, help="Do not ask the vendor first.")
@click.option("--description", metavar="FILE", help="What the vendor's interface is.")
@click.option("--answers", metavar="FOLDER", help="The captured cases of the description.")
@click.option("--force", is_flag=True, help="Take a description whose cases are not all there.")
@pass_stack
def set_account(
    stack: Stack,
    vendor: str,
    file: str,
    no_check: bool,
    description: str | None,
    answers: str | None,
    force: bool,
) -> None:
    """Set a vendor's account, checked first."""
    account = read_account(file)
    if description is None and vendor in VENDORS:
        store_account(stack, vendor, account, file, check=not no_check)
        return
    from smsgw import described_vendors

    before = described_vendors.digest_in_use(read_accounts(stack), vendor)
    if description is None:
        account = described_vendors.with_digest(vendor, account, before)
        store_account(stack, vendor, account, file, check=not no_check)
        return
    written = described_vendors.read_proven(stack, vendor, description, answers, force=force)
    account = described_vendors.with_digest(vendor, account, described_vendors.learn(written))
    store_account(
        stack,
        vendor,
        account,
        file,
        check=not no_check,
        first=partial(described_vendors.store, written),
    )
    described_vendors.retire(vendor, before, account)


def read_account(file: str) -> dict[str, object]:
    """Read an account's settings. Raise CommandError for what is no JSON object."""
    written = read_file(file)
    try:
        account = msgspec.json.decode(written)  # as the functions read it: NaN is no number
    except msgspec.DecodeError as error:
        raise CommandError(f"{shown(file)} is not JSON: {error}") from None
    if not isinstance(account, dict):
        raise CommandError(f"{shown(file)} must hold one JSON object of settings")
    return account


def store_account(
    stack: Stack,
    vendor: str,
    account: dict[str, object],
    file: str,
    *,
    check: bool,
    first: Callable[[], None] | None = None,
) -> None:
    """Check an account, ask the vendor for its balance with it, and store it; before it, `first`.

    Raise CommandError for one that is not valid, or that the vendor refuses.
    """
    try:
        adapter = build_account(vendor, account)
    except ValueError as error:
        page = f"docs/vendors/{vendor}.md" if vendor in VENDORS else "docs/describing-a-vendor.md"
        raise CommandError(f"{shown(file)} is not valid: {error}; see {page}") from None
    if check:
        refuse_what_does_not_work(adapter)
    make_keys(*stack_keys(stack))
    if first is not None:
        first()
    _change(stack, lambda accounts: accounts.update({vendor: account}))
    say(f"{adapter.title} is set; functions that are running see it within a minute.")
    for warning in adapter.warnings:
        say(f"warning: {warning}")


@AREA.command("remove", help="Turn a vendor off.", harm="forgets the account of {vendor}")
@vendor_name
@pass_stack
def remove_account(stack: Stack, vendor: str) -> None:
    """Turn a vendor off."""
    accounts = read_accounts(stack)
    if vendor not in accounts:
        raise CommandError(f"{vendor} is not configured")
    _change(stack, lambda accounts: accounts.pop(vendor, None))
    if vendor not in VENDORS:
        from smsgw import described_vendors

        described_vendors.retire(vendor, described_vendors.digest_in_use(accounts, vendor), {})
    say(f"{vendor} is off; functions that are running see it within a minute.")


@AREA.command(
    "show", help="Show a vendor's settings as JSON, without secrets.", reads=True, lists=True
)
@vendor_name
@pass_stack
def show_account(stack: Stack, vendor: str) -> None:
    """Print a vendor's settings, without its secrets."""
    accounts = read_accounts(stack)
    account = accounts.get(vendor)
    if not isinstance(account, dict):
        raise CommandError(f"{vendor} is not configured: `smsgw vendors set {vendor} account.json`")
    shown = {one.name for one in fields(class_of(vendor, accounts)) if one.repr} | {DESCRIPTION}
    plain = {name: value if name in shown else "(secret)" for name, value in account.items()}
    say_text(json.dumps(plain, indent=2))
    warn_of_difference(stack)


@AREA.command(
    "list",
    help="List vendors. Each is asked for its balance now.",
    reads=True,
    lists=True,
)
@click.option("--no-check", is_flag=True, help="Ask no vendor: show what is set.")
@pass_stack
def show_all(stack: Stack, no_check: bool) -> None:
    """Print each vendor's state."""
    columns = {
        **{"vendor": "VENDOR", "state": "STATE", "circuit": "CIRCUIT", "balance": "BALANCE"},
        "detail": "WHAT IT SAYS",
    }
    show(vendor_rows(stack, read_accounts(stack), Asked.NOT if no_check else Asked.NOW), columns)
    warn_of_difference(stack)


@AREA.command(
    "check",
    help="Ask a vendor from inside the stack; sends nothing.",
    reads=True,
    examples=("smsgw vendors check rajasms",),
)
@vendor_name
@pass_stack
def check(stack: Stack, vendor: str) -> None:
    """Print a line for each of the vendor's products."""
    warn_of_difference(stack)
    check_vendor(stack, vendor, read_accounts(stack))


@AREA.command(
    "try",
    help="Show a description's requests for an example. Secrets are hidden. With --to it sends one "
    "message, for which the vendor may charge: that is recorded in the stack.",
    reads=True,
    offline=True,
    acts_with="to",
    examples=(
        "smsgw vendors try acme.json",
        "smsgw vendors try acme.json --account account.json --to +8801…",
    ),
)
@click.argument("file")
@click.option("--account", metavar="FILE", help="An account's settings, else made-up ones.")
@click.option("--to", metavar="NUMBER", help="Send a message to this number, once.")
@click.option("--text", default="A test of the SMS gateway.", help="Its text.")
def try_description(file: str, account: str | None, to: str | None, text: str) -> None:
    """Show a description's requests, and send one message if a number is given."""
    from smsgw.vendor_descriptions import (
        build_account,
        made_up,
        read_description,
        send_one,
        show_requests,
    )

    vendor = read_description(file)
    if to is not None and account is None:
        raise CommandError("to send, name the account's settings by --account")
    settings = made_up(vendor) if account is None else read_account(account)
    show_requests(vendor, settings, account or file)
    if to is not None:
        send_one(build_account(vendor, settings, account or file), to, text)


@AREA.command(
    "test",
    help="Run captured answers against a description. It names the missing cases.",
    reads=True,
    offline=True,
    examples=("smsgw vendors test acme.json --answers acme/",),
)
@click.argument("file")
@click.option("--answers", required=True, metavar="FOLDER", help="The folder of captured cases.")
def test_description(file: str, answers: str) -> None:
    """Run the captured cases of a description."""
    from smsgw.vendor_descriptions import read_description, run_answers

    run_answers(read_description(file), answers)


@AREA.command("publish", help="After a change of the secret by hand: use it.")
@pass_stack
def publish(stack: Stack) -> None:
    """Write what those that call no vendor may know of the accounts, as the secret has them."""
    before = read_setting(ACCOUNTS)
    accounts = read_accounts(stack)
    written = write_public_accounts(accounts, _marks_key(stack))
    if not write_setting(ACCOUNTS, written, before):
        raise CommandError("somebody else has just changed the accounts: run this again")
    say("Published what is no secret; functions that are running see it within a minute.")


def is_published(stack: Stack) -> bool:
    """Return whether messages are accepted by what the secret has."""
    stored = read_setting(ACCOUNTS)
    accounts = read_accounts(stack)
    if not accounts and stored is None:
        return True
    written = write_public_accounts(accounts, _marks_key(stack))
    return stored is not None and stored.text == written


def warn_of_difference(stack: Stack) -> None:
    """Say on standard error when messages are not accepted by what the secret has."""
    if not is_published(stack):
        say(
            "warning: the secret was changed by hand, and messages are still accepted by what it "
            "had before: run smsgw vendors publish",
            error=True,
        )


def _change(stack: Stack, change: Callable[[Accounts], object]) -> None:
    """Change the secret, then publish it: vendors are called with what the secret has."""
    key = _marks_key(stack)

    def checked(accounts: Accounts) -> None:
        change(accounts)
        _know(accounts)
        check_size(write_public_accounts(accounts, key))

    before = read_setting(ACCOUNTS)
    accounts = change_accounts(_secret(stack), checked)
    if not write_setting(ACCOUNTS, write_public_accounts(accounts, key), before):
        raise CommandError(
            "the secret is changed, but somebody else has just published it: "
            "run smsgw vendors publish"
        )


def _marks_key(stack: Stack) -> bytes:
    return callback_keys(key_of(stack, CALLBACK_KEY)).marks.encode()


def _secret(stack: Stack) -> Secret:
    return secret_of(stack, "AccountsSecretName")


def read_accounts(stack: Stack) -> Accounts:
    """Return the accounts as the secret has them. Raise CommandError for what is none."""
    secret = _secret(stack)
    read = secret.read()
    accounts = _parsed(secret, read) if read else {}
    _know(accounts)
    return accounts


def _know(accounts: Accounts) -> None:
    """Read the descriptions that accounts go by. Raise CommandError."""
    try:
        with_descriptions(json.dumps(accounts))
    except SettingUnreadableError as error:
        raise CommandError(str(error)) from None


def _parsed(secret: Secret, read: ReadSecret) -> Accounts:
    try:
        return msgspec.json.decode(read.text, type=dict[str, object])
    except msgspec.DecodeError:
        raise CommandError(f"{secret.name} is not a JSON object: mend it by hand first") from None

"""`smsgw init`: what a new stack needs: a vendor's account, a key, and a first message."""

import dataclasses
from collections.abc import Sequence

import click

from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.registry import VENDORS, adapter_class
from smsgw import keys
from smsgw.errors import CommandError
from smsgw.line import Command
from smsgw.sending import send
from smsgw.stack import Stack, pass_stack
from smsgw.terminal import ask, is_asked, prompt, say
from smsgw.vendors import read_account, read_accounts, store_account

SCOPES = ("messages:send", "messages:read", "balances:read")
TEXT = "Hello from your SMS gateway"
NEEDED = "nobody can be asked here: give {}"


@click.command(
    "init",
    cls=Command,
    help="Set up a new stack: a vendor's account, which is asked for its balance first; a key; and "
    "a first message, to your own phone. Asks on a terminal for what the options leave out.",
    examples=(
        "smsgw init",
        "smsgw init --vendor jst --account account.json --tenant acme --to +447700900001",
        "smsgw init --tenant acme --no-message          # the accounts are there",
    ),
)
@click.option("--vendor", type=click.Choice(list(VENDORS)), help="Whose account it is.")
@click.option("--account", metavar="FILE", help="Its settings as JSON; - reads standard input.")
@click.option("--no-check", is_flag=True, help="Do not ask the vendor first.")
@click.option("--tenant", help="Whose messages the key sends and sees.")
@click.option("--to", "to", help="Your own number, with + and the country's code.")
@click.option("--text", default=TEXT, show_default=True, help="What the message says.")
@click.option("--no-message", is_flag=True, help="Send none.")
@pass_stack
def COMMAND(  # noqa: N802 - one name in each module
    stack: Stack,
    vendor: str | None,
    account: str | None,
    no_check: bool,
    tenant: str | None,
    to: str | None,
    text: str,
    no_message: bool,
) -> None:
    """Set up, step by step; what is done stays done when a later step fails."""
    if not is_asked():
        _refuse_to_ask(stack, vendor, account, tenant, to, no_message)
    _set_up_vendor(stack, vendor, account, check=not no_check)
    key = _make_key(stack, tenant or prompt("Tenant, whose messages the key sends (acme)"))
    if no_message:
        return
    to = to or prompt("Your own number for a first message, such as +447700900001 (- for none)")
    if to != "-":
        send(stack, {"to": to, "text": text}, wait=True, key=key)


def _refuse_to_ask(
    stack: Stack,
    vendor: str | None,
    account: str | None,
    tenant: str | None,
    to: str | None,
    no_message: bool,
) -> None:
    """Raise CommandError for what is missing, before anything is done."""
    missing = [
        name
        for name, is_there in (
            (
                "--vendor and --account",
                (vendor and account) or (not vendor and read_accounts(stack)),
            ),
            ("--tenant", tenant),
            ("--to or --no-message", to or no_message),
        )
        if not is_there
    ]
    if missing:
        raise CommandError(NEEDED.format(", ".join(missing)))


def _set_up_vendor(stack: Stack, vendor: str | None, file: str | None, *, check: bool) -> None:
    known = read_accounts(stack)
    if vendor is None and known:
        say(f"Vendors: {', '.join(sorted(known))} set before; --vendor names another.")
        return
    vendor = vendor or _choose(list(VENDORS))
    settings = read_account(file) if file else _ask_settings(vendor)
    store_account(stack, vendor, settings, file or "what you typed", check=check)


def _choose(vendors: Sequence[str]) -> str:
    for name in vendors:
        say(f"  {name:12} {VENDORS[name].prefix:5} docs/vendors/{name}.md", error=True)
    while (chosen := prompt("Vendor")) not in vendors:
        say(f"It is one of {', '.join(vendors)}.", error=True)
    return chosen


def _ask_settings(vendor: str) -> dict[str, object]:
    """Ask for the settings that have no default; secret ones are not shown."""
    cls = adapter_class(vendor)
    settings: dict[str, object] = {
        one.name: prompt(f"{cls.title} {one.name}", hidden=not one.repr)
        for one in dataclasses.fields(cls)
        if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
    }
    address = settings.get("base_url") or _default(cls, "base_url")
    if str(address).startswith("http://") and _agrees_to_http(cls.title):
        settings["allow_http"] = True
    return settings


def _default(cls: type[Adapter], name: str) -> object:
    return next(one.default for one in dataclasses.fields(cls) if one.name == name)


def _agrees_to_http(title: str) -> bool:
    return ask(
        f"{title}'s address is plain http: passwords and texts can be read on the way. Use it?"
    )


def _make_key(stack: Stack, tenant: str) -> str:
    url = stack.url  # asked for before a key is made that nobody would see
    key, stored = keys.make(stack, tenant, SCOPES, "made by smsgw init")
    say(f"The key {stored.id} of tenant {stored.tenant}; keep it now, it can't be shown again:")
    say(f"export URL={url}")
    say(f"export KEY={key}")
    return key

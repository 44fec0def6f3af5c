"""`smsgw callback-key` and `smsgw callback-url`: the stack's own keys, labelled in one secret."""

import secrets

import click
import msgspec

from sms_gateway.config.secrets import CURRENT
from sms_gateway.config.stack_keys import (
    CALLBACK_KEY,
    CallbackKeys,
    parse_callback_keys,
    parse_key,
)
from sms_gateway.receipts.callback_tokens import make_account_token
from smsgw import arguments, clients
from smsgw.errors import CommandError
from smsgw.line import Area, Command, given
from smsgw.secrets import ReadSecret, Secret
from smsgw.stack import Stack, pass_stack
from smsgw.terminal import say, say_json

AREA = Area("callback-key", "The key of callback URLs.")

DESCRIPTION = "The stack's keys, each by its label: of callbacks, messages, search and webhooks."


def secret_of(stack: Stack, output: str, label: str = CURRENT) -> Secret:
    """Return the secret that an output of the stack names, or its version with a label."""
    client = clients.client("secretsmanager")
    return Secret(client, stack.output(output), stack.outputs.get("SecretsKeyArn"), label)


def key_of(stack: Stack, label: str) -> Secret:
    """Return the key with a label."""
    return secret_of(stack, "KeysSecretName", label)


def make_keys(callback: Secret, *others: Secret) -> None:
    """Make the keys that nobody made yet. Raise CommandError for one that is not valid."""
    read = callback.read()
    if read is None:
        callback.create(_written(CallbackKeys(_new_key(), _new_key())), DESCRIPTION)
    else:
        _parsed(callback, read)
    for other in others:
        make_key(other)


def make_key(secret: Secret) -> None:
    """Make a key unless it is there. Raise CommandError for one that is not valid."""
    read = secret.read()
    if read is None:
        secret.create(_new_key(), DESCRIPTION)
        return
    try:
        parse_key(read.text)
    except ValueError as error:
        raise CommandError(f"mend {secret.name} by hand first: {error}") from None


def callback_keys(secret: Secret) -> CallbackKeys:
    """Return the keys of callback addresses. Raise CommandError when there are none."""
    return _parsed(secret, _read(secret))


@AREA.command(
    "rotate",
    help="Make another; the one before is good until the next.",
    harm="ends all callback URLs of the key before the present one",
)
@pass_stack
def rotate_callback_key(stack: Stack) -> None:
    """Give new addresses another key; those of the key before it are still answered."""
    secret = key_of(stack, CALLBACK_KEY)
    read = _read(secret)
    before = _parsed(secret, read)
    keys = msgspec.structs.replace(before, current=_new_key(), previous=before.current)
    secret.replace(read, _written(keys))
    say("The callback key is another within a minute. Addresses given out before are answered")
    say("until the key is rotated again. Give vendors the addresses of smsgw callback-url.")


@click.command(
    "callback-url",
    cls=Command,
    help="Print a vendor's account-wide callback URL.",
    reads=True,
    lists=True,
    examples=("smsgw callback-url dinisoft",),
)
@click.argument("vendor", type=arguments.vendor_name)
@pass_stack
def show_callback_url(stack: Stack, vendor: str) -> None:
    """Print a vendor's account-wide callback URL."""
    keys = callback_keys(key_of(stack, CALLBACK_KEY))
    token = make_account_token(vendor, keys.current.encode())
    url = f"{stack.output('CallbackUrl')}/{vendor}/{token}"
    if given("json"):
        say_json({"vendor": vendor, "callback_url": url})
    else:
        say(url)


def _read(secret: Secret) -> ReadSecret:
    if (read := secret.read()) is None:
        raise CommandError(
            "there is no callback key yet: `smsgw vendors set VENDOR account.json` makes it"
        )
    return read


def _new_key() -> str:
    return secrets.token_urlsafe(36)


def _written(keys: CallbackKeys) -> str:
    return msgspec.json.encode(keys).decode()


def _parsed(secret: Secret, read: ReadSecret) -> CallbackKeys:
    try:
        return parse_callback_keys(read.text)
    except ValueError as error:
        raise CommandError(f"mend {secret.name} by hand first: {error}") from None

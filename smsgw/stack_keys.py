"""`smsgw callback-key`, `message-key` and `callback-url`: the stack's keys, in one secret."""

import secrets
from collections.abc import Callable

import click
import msgspec

from sms_gateway.config.secrets import CURRENT
from sms_gateway.config.stack_keys import (
    CALLBACK_KEY,
    MESSAGE_KEY,
    SEARCH_KEY,
    CallbackKeys,
    derive_search_key,
    parse_callback_keys,
    parse_key,
    parse_search_keys,
)
from sms_gateway.receipts.callback_tokens import make_account_token
from smsgw import arguments, clients
from smsgw.errors import CommandError
from smsgw.line import Area, Command, given
from smsgw.secrets import ReadSecret, Secret
from smsgw.stack import Stack, pass_stack
from smsgw.terminal import say, say_json

AREA = Area("callback-key", "The key of callback URLs.")
MESSAGES = Area("message-key", "The key of codes' texts, digests and searches.")

DESCRIPTION = "The stack's keys, each by its label: of callbacks, messages, search and webhooks."


def secret_of(stack: Stack, output: str, label: str = CURRENT) -> Secret:
    """Return the secret that an output of the stack names, or its version with a label."""
    client = clients.client("secretsmanager")
    return Secret(client, stack.output(output), stack.outputs.get("SecretsKeyArn"), label)


def key_of(stack: Stack, label: str) -> Secret:
    """Return the key with a label."""
    return secret_of(stack, "KeysSecretName", label)


def stack_keys(stack: Stack) -> tuple[Secret, Secret, Secret]:
    """Return the keys that `make_keys` makes: of callbacks, messages and search."""
    return key_of(stack, CALLBACK_KEY), key_of(stack, MESSAGE_KEY), key_of(stack, SEARCH_KEY)


def make_keys(callback: Secret, message: Secret, search: Secret) -> None:
    """Make the keys that nobody made yet. Raise CommandError for one that is not valid."""
    read = callback.read()
    if read is None:
        callback.create(_written(CallbackKeys(_new_key(), _new_key())), DESCRIPTION)
    else:
        _parsed(callback, read)
    _add_search_key(search, make_key(message))


def make_key(secret: Secret) -> str:
    """Make a key unless it is there; return it. Raise CommandError for one that is not valid."""
    read = secret.read()
    if read is None:
        key = _new_key()
        secret.create(key, DESCRIPTION)
        return key
    _checked(secret, read, parse_key)
    return read.text


def callback_keys(secret: Secret) -> CallbackKeys:
    """Return the keys of callback addresses. Raise CommandError when there are none."""
    return _parsed(secret, _read(secret, "callback"))


@AREA.command(
    "rotate",
    help="Make another; the one before is good until the next.",
    harm="ends all callback URLs of the key before the present one",
)
@pass_stack
def rotate_callback_key(stack: Stack) -> None:
    """Give new addresses another key; those of the key before it are still answered."""
    secret = key_of(stack, CALLBACK_KEY)
    read = _read(secret, "callback")
    before = _parsed(secret, read)
    keys = msgspec.structs.replace(before, current=_new_key(), previous=before.current)
    secret.replace(read, _written(keys))
    say("The callback key is another within a minute. Addresses given out before are answered")
    say("until the key is rotated again. Give vendors the addresses of smsgw callback-url.")


@MESSAGES.command(
    "rotate",
    help="Make another; open codes end with the one before.",
    harm="ends open verifications, withheld texts of codes, and the Idempotency-Keys in use",
)
@pass_stack
def rotate_message_key(stack: Stack) -> None:
    """Make another message key; what was marked under the one before is still found."""
    _, secret, search = stack_keys(stack)
    read = _read(secret, "message")
    _add_search_key(search, read.text)
    key = _new_key()
    _add_search_key(search, key)  # first: what is accepted from now on is found, whatever fails
    secret.replace(read, key)
    say("The message key is another within a minute. Open verifications fail, texts of codes that")
    say("have not left expire, and a repeat under an older Idempotency-Key is refused.")


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


def _read(secret: Secret, what: str) -> ReadSecret:
    if (read := secret.read()) is None:
        raise CommandError(
            f"there is no {what} key yet: `smsgw vendors set VENDOR account.json` makes it"
        )
    return read


def _add_search_key(search: Secret, message: str) -> None:
    """Let searches find by a message key, too, whatever keys they find by already."""
    key, read = derive_search_key(message.encode()), search.read()
    if read is None:
        search.create(key, DESCRIPTION)
    elif key.encode() not in _checked(search, read, parse_search_keys):
        search.replace(read, f"{key}\n{read.text}")


def _new_key() -> str:
    return secrets.token_urlsafe(36)


def _written(keys: CallbackKeys) -> str:
    return msgspec.json.encode(keys).decode()


def _parsed(secret: Secret, read: ReadSecret) -> CallbackKeys:
    return _checked(secret, read, parse_callback_keys)


def _checked[Parsed](secret: Secret, read: ReadSecret, parse: Callable[[str], Parsed]) -> Parsed:
    try:
        return parse(read.text)
    except ValueError as error:
        raise CommandError(f"mend {secret.name} by hand first: {error}") from None

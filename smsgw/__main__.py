"""smsgw: the operator's command. It uses your AWS credentials and finds the gateway by its stack.

smsgw keys create --tenant acme --scope messages:send --scope messages:read
smsgw keys list
smsgw keys revoke 0123456789ab
smsgw vendors set jst account.json
smsgw vendors list
smsgw messages show|settle ID
smsgw campaigns list|show|pause|resume|cancel
smsgw dlq list|redrive|dismiss
smsgw callback-url dinisoft
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import boto3
import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from sms_gateway.config import api_keys
from sms_gateway.config.vendor_accounts import CALLBACK_KEY
from sms_gateway.core.problems import GatewayError
from sms_gateway.core.timestamps import utc_now
from sms_gateway.receipts.callback_tokens import make_token
from sms_gateway.vendors.registry import VENDORS, build_adapter
from smsgw import campaigns, dead_letters, messages
from smsgw.errors import CommandError

LOCAL = Path(".local/stack.json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        _aim(options)
        options.run(options)
    except (CommandError, GatewayError, ValueError) as error:
        print(f"smsgw: {error}", file=sys.stderr)
    except ClientError as error:
        said = error.response.get("Error", {})
        print(f"smsgw: AWS refused: {said.get('Code')}: {said.get('Message')}", file=sys.stderr)
    except BotoCoreError as error:
        print(f"smsgw: AWS can't be asked: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("smsgw: stopped", file=sys.stderr)
    else:
        return 0
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("smsgw", description="Operates an SMS gateway.")
    parser.add_argument("--stack", default="sms-gateway", help="the CloudFormation stack's name")
    parser.add_argument("--local", action="store_true", help=f"use the local stack of {LOCAL}")
    areas = parser.add_subparsers(required=True, metavar="command")

    keys = areas.add_parser("keys", help="API keys").add_subparsers(required=True, metavar="what")
    create = keys.add_parser("create", help="make a key; it is shown this once")
    create.add_argument("--tenant", required=True, help="whose messages the key sends and sees")
    create.add_argument(
        "--scope", required=True, action="append", choices=api_keys.SCOPES, help="may be repeated"
    )
    create.add_argument("--label", default="", help="for your own memory")
    create.set_defaults(run=_create_key)
    keys.add_parser("list", help="list keys").set_defaults(run=_list_keys)
    revoke = keys.add_parser("revoke", help="revoke a key")
    revoke.add_argument("id", help="as `smsgw keys list` shows it")
    revoke.set_defaults(run=_revoke_key)

    vendors = areas.add_parser("vendors", help="vendor accounts").add_subparsers(
        required=True, metavar="what"
    )
    put = vendors.add_parser("set", help="set a vendor's account, checked first")
    put.add_argument("vendor", choices=VENDORS)
    put.add_argument("file", help="its settings as JSON; - reads standard input")
    put.set_defaults(run=_set_vendor)
    remove = vendors.add_parser("remove", help="turn a vendor off")
    remove.add_argument("vendor", choices=VENDORS)
    remove.set_defaults(run=_remove_vendor)
    vendors.add_parser("list", help="list vendors").set_defaults(run=_list_vendors)

    told = areas.add_parser("messages", help="single messages").add_subparsers(
        required=True, metavar="what"
    )
    show = told.add_parser("show", help="a message's timeline, without its text or number")
    show.add_argument("id")
    show.set_defaults(run=messages.show)
    settle = told.add_parser("settle", help="end a message as you found it at the vendor")
    settle.add_argument("id")
    settle.add_argument("outcome", choices=[str(one) for one in messages.OUTCOMES])
    settle.add_argument("--note", default="", help="stands on the message's timeline")
    settle.set_defaults(run=messages.settle)

    uploaded = areas.add_parser("campaigns", help="uploaded campaigns").add_subparsers(
        required=True, metavar="what"
    )
    uploaded.add_parser("list", help="list campaigns").set_defaults(run=campaigns.show_all)
    for what, words, run in (
        ("show", "what became of its rows", campaigns.show),
        ("pause", "read no more until it is resumed", campaigns.move),
        ("resume", "go on where it stopped", campaigns.move),
        ("cancel", "read no more, and take back what has not left", campaigns.move),
    ):
        one = uploaded.add_parser(what, help=words)
        one.add_argument("id", help="as `smsgw campaigns list` shows it")
        one.set_defaults(run=run, what=what)

    letters = areas.add_parser("dlq", help="dead letters").add_subparsers(
        required=True, metavar="what"
    )
    for name, words, run in (
        ("list", "list what could not be worked on", dead_letters.show),
        ("redrive", "put it back into the queues", dead_letters.redrive),
        ("dismiss", "remove what only tells of refused recipients", dead_letters.dismiss),
    ):
        letter = letters.add_parser(name, help=words)
        letter.add_argument(
            "--vendor",
            "--queue",
            choices=dead_letters.QUEUES,
            help="only those of a vendor, of campaigns, a lane of deliveries, changes not told, or "
            "a trigger",
        )
        letter.set_defaults(run=run)

    address = areas.add_parser("callback-url", help="a vendor's address for account-wide callbacks")
    address.add_argument("vendor", choices=VENDORS)
    address.set_defaults(run=_callback_url)
    return parser


def _aim(options: argparse.Namespace) -> None:
    """Finds the stack's resources and tells the core of them."""
    if options.local:
        if not LOCAL.exists():
            raise CommandError(f"{LOCAL} is not there: start the local stack with `make run`")
        stack = json.loads(LOCAL.read_text())
        options.stack = stack["stack_name"]
        os.environ |= {
            "AWS_ENDPOINT_URL": stack["endpoint_url"],
            "AWS_DEFAULT_REGION": stack["region"],
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
    stacks = boto3.client("cloudformation").describe_stacks(StackName=options.stack)["Stacks"]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stacks[0].get("Outputs", [])}
    if "TableName" not in outputs:
        raise CommandError(f"the stack {options.stack} is not an SMS gateway; name it by --stack")
    options.outputs = outputs
    os.environ |= {"TABLE_NAME": outputs["TableName"], "STACK_NAME": options.stack}


def _create_key(options: argparse.Namespace) -> None:
    key, known = api_keys.create_key(options.tenant, options.scope, options.label, utc_now())
    print(f"The key {known.id} of tenant {known.tenant}; keep it now, it can't be shown again:")
    print(key)


def _list_keys(_options: argparse.Namespace) -> None:
    print(f"{'ID':12}  {'TENANT':16}  {'STATE':8}  {'CREATED':24}  SCOPES  LABEL")
    for key in api_keys.list_keys():
        state = "revoked" if key.revoked_at else "active"
        scopes = ",".join(key.scopes)
        print(f"{key.id}  {key.tenant:16}  {state:8}  {key.created_at:24}  {scopes}  {key.label}")


def _revoke_key(options: argparse.Namespace) -> None:
    known = api_keys.revoke_key(options.id, utc_now())
    if known is None:
        raise CommandError(f"there is no key {options.id}: `smsgw keys list` shows the ids")
    print(f"The key {known.id} of tenant {known.tenant} is revoked.")


def _secret(options: argparse.Namespace) -> dict[str, object]:
    client = boto3.client("secretsmanager")
    written = client.get_secret_value(SecretId=options.outputs["AccountsSecretName"])
    try:
        accounts = json.loads(written["SecretString"])
    except ValueError:
        accounts = None
    if not isinstance(accounts, dict):
        raise CommandError("the accounts secret is not a JSON object: mend it by hand first")
    return accounts


def _store(options: argparse.Namespace, accounts: dict[str, object]) -> None:
    boto3.client("secretsmanager").put_secret_value(
        SecretId=options.outputs["AccountsSecretName"], SecretString=json.dumps(accounts)
    )


def _set_vendor(options: argparse.Namespace) -> None:
    try:
        written = sys.stdin.read() if options.file == "-" else Path(options.file).read_text()
    except OSError as error:
        raise CommandError(f"{options.file} can't be read: {error.strerror}") from None
    try:
        account = msgspec.json.decode(written)  # as the functions read it: NaN is no number
    except msgspec.DecodeError as error:
        raise CommandError(f"{options.file} is not JSON: {error}") from None
    if not isinstance(account, dict):
        raise CommandError(f"{options.file} must hold one JSON object of settings")
    adapter = build_adapter(options.vendor, account)
    accounts = _secret(options)
    accounts[options.vendor] = account
    _store(options, accounts)
    print(f"{adapter.title} is set; functions that are running see it within a minute.")
    for warning in adapter.warnings:
        print(f"warning: {warning}")


def _remove_vendor(options: argparse.Namespace) -> None:
    accounts = _secret(options)
    if accounts.pop(options.vendor, None) is None:
        raise CommandError(f"{options.vendor} is not configured")
    _store(options, accounts)
    print(f"{options.vendor} is off; functions that are running see it within a minute.")


def _list_vendors(options: argparse.Namespace) -> None:
    accounts = _secret(options)
    for vendor in VENDORS:
        print(f"{vendor:12}  {_state(vendor, accounts.get(vendor))}")


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


def _callback_url(options: argparse.Namespace) -> None:
    key = _secret(options).get(CALLBACK_KEY)
    if not isinstance(key, str):
        raise CommandError(f"the accounts secret has no {CALLBACK_KEY}")
    made = make_token(options.vendor, None, key.encode())
    print(f"{options.outputs['CallbackUrl']}/{options.vendor}/{made}")


if __name__ == "__main__":
    sys.exit(main())

"""Run smsgw, the operator's command, with your AWS credentials; it finds the gateway by its stack.

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
from typing import Any

import boto3
import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from sms_gateway.config import api_keys
from sms_gateway.config.vendor_accounts import CALLBACK_KEY
from sms_gateway.core.problems import GatewayError
from sms_gateway.core.timestamps import utc_now
from sms_gateway.receipts.callback_tokens import make_token
from sms_gateway.sms.phone_numbers import is_region
from sms_gateway.vendors.registry import VENDORS, build_adapter
from smsgw import campaigns, dead_letters, messages
from smsgw.errors import CommandError

Areas = Any  # argparse does not export the type of add_subparsers

LOCAL_STACK = Path(".local/stack.json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        _find_stack(options)
        options.run(options)
    except (CommandError, GatewayError, ValueError) as error:
        print(f"smsgw: {error}", file=sys.stderr)
    except ClientError as error:
        refusal = error.response.get("Error", {})
        print(
            f"smsgw: AWS refused: {refusal.get('Code')}: {refusal.get('Message')}", file=sys.stderr
        )
    except BotoCoreError as error:
        print(f"smsgw: AWS can't be reached: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("smsgw: stopped", file=sys.stderr)
    else:
        return 0
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("smsgw", description="Operates an SMS gateway.")
    parser.add_argument("--stack", default="sms-gateway", help="the CloudFormation stack's name")
    parser.add_argument(
        "--local", action="store_true", help=f"use the local stack of {LOCAL_STACK}"
    )
    areas = parser.add_subparsers(required=True, metavar="command")
    _add_keys(areas)
    _add_vendors(areas)
    _add_messages(areas)
    _add_campaigns(areas)
    _add_dead_letters(areas)
    _add_callback_url(areas)
    return parser


def _add_area(areas: Areas, name: str, text: str) -> Areas:
    return areas.add_parser(name, help=text).add_subparsers(required=True, metavar="what")


def _add_keys(areas: Areas) -> None:
    keys = _add_area(areas, "keys", "API keys")
    create = keys.add_parser("create", help="make a key; it is shown this once")
    create.add_argument("--tenant", required=True, help="whose messages the key sends and sees")
    create.add_argument(
        "--scope", required=True, action="append", choices=api_keys.SCOPES, help="may be repeated"
    )
    create.add_argument("--label", default="", help="for your own memory")
    create.add_argument(
        "--region", help="in which its requests may write national numbers, such as BD (ISO 3166)"
    )
    create.set_defaults(run=_create_key)
    keys.add_parser("list", help="list keys").set_defaults(run=_list_keys)
    revoke = keys.add_parser("revoke", help="revoke a key")
    revoke.add_argument("id", help="as `smsgw keys list` shows it")
    revoke.set_defaults(run=_revoke_key)


def _add_vendors(areas: Areas) -> None:
    vendors = _add_area(areas, "vendors", "vendor accounts")
    put = vendors.add_parser("set", help="set a vendor's account, checked first")
    put.add_argument("vendor", choices=VENDORS)
    put.add_argument("file", help="its settings as JSON; - reads standard input")
    put.set_defaults(run=_set_vendor)
    remove = vendors.add_parser("remove", help="turn a vendor off")
    remove.add_argument("vendor", choices=VENDORS)
    remove.set_defaults(run=_remove_vendor)
    vendors.add_parser("list", help="list vendors").set_defaults(run=_list_vendors)


def _add_messages(areas: Areas) -> None:
    single = _add_area(areas, "messages", "single messages")
    show = single.add_parser("show", help="show a message's timeline, without its text or number")
    show.add_argument("id")
    show.set_defaults(run=messages.show)
    settle = single.add_parser("settle", help="give a message the status you found at the vendor")
    settle.add_argument("id")
    settle.add_argument("outcome", choices=[str(outcome) for outcome in messages.OUTCOMES])
    settle.add_argument("--note", default="", help="goes onto the message's timeline")
    settle.set_defaults(run=messages.settle)


def _add_campaigns(areas: Areas) -> None:
    uploaded = _add_area(areas, "campaigns", "uploaded campaigns")
    uploaded.add_parser("list", help="list campaigns").set_defaults(run=campaigns.show_all)
    for what, text, run in (
        ("show", "show the progress of its rows", campaigns.show),
        ("pause", "read no more until it is resumed", campaigns.move),
        ("resume", "go on where it stopped", campaigns.move),
        ("cancel", "read no more, and cancel what was not sent", campaigns.move),
    ):
        command = uploaded.add_parser(what, help=text)
        command.add_argument("id", help="as `smsgw campaigns list` shows it")
        command.set_defaults(run=run, what=what)


def _add_dead_letters(areas: Areas) -> None:
    letters = _add_area(areas, "dlq", "dead letters")
    for what, text, run in (
        ("list", "list dead letters", dead_letters.show),
        ("redrive", "put them back into their queues", dead_letters.redrive),
        ("dismiss", "delete notices of refused recipients", dead_letters.dismiss),
    ):
        command = letters.add_parser(what, help=text)
        command.add_argument(
            "--vendor",
            "--queue",
            choices=dead_letters.QUEUES,
            help="only those of a vendor, of campaigns, a lane of deliveries, unpublished changes, "
            "or a trigger",
        )
        command.set_defaults(run=run)


def _add_callback_url(areas: Areas) -> None:
    command = areas.add_parser("callback-url", help="print a vendor's account-wide callback URL")
    command.add_argument("vendor", choices=VENDORS)
    command.set_defaults(run=_callback_url)


def _find_stack(options: argparse.Namespace) -> None:
    """Read the stack's outputs, and set the environment that the core reads."""
    if options.local:
        if not LOCAL_STACK.exists():
            raise CommandError(f"{LOCAL_STACK} is missing: start the local stack with `make run`")
        stack = json.loads(LOCAL_STACK.read_text())
        options.stack = stack["stack_name"]
        os.environ |= {
            "AWS_ENDPOINT_URL": stack["endpoint_url"],
            "AWS_DEFAULT_REGION": stack["region"],
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
    stacks = boto3.client("cloudformation").describe_stacks(StackName=options.stack)["Stacks"]
    outputs = {
        output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])
    }
    if "TableName" not in outputs:
        raise CommandError(f"the stack {options.stack} is not an SMS gateway; name it by --stack")
    options.outputs = outputs
    os.environ |= {"TABLE_NAME": outputs["TableName"], "STACK_NAME": options.stack}


def _create_key(options: argparse.Namespace) -> None:
    if options.region is not None and not is_region(options.region):
        raise CommandError("a region is a country's two capital letters (ISO 3166), such as BD")
    key, stored = api_keys.create_key(
        options.tenant, options.scope, options.label, utc_now(), options.region
    )
    print(f"The key {stored.id} of tenant {stored.tenant}; keep it now, it can't be shown again:")
    print(key)


def _list_keys(_options: argparse.Namespace) -> None:
    print(f"{'ID':12}  {'TENANT':16}  {'STATE':8}  {'CREATED':24}  SCOPES  LABEL")
    for key in api_keys.list_keys():
        state = "revoked" if key.revoked_at else "active"
        scopes = ",".join(key.scopes)
        print(f"{key.id}  {key.tenant:16}  {state:8}  {key.created_at:24}  {scopes}  {key.label}")


def _revoke_key(options: argparse.Namespace) -> None:
    revoked = api_keys.revoke_key(options.id, utc_now())
    if revoked is None:
        raise CommandError(f"there is no key {options.id}: `smsgw keys list` shows the ids")
    print(f"The key {revoked.id} of tenant {revoked.tenant} is revoked.")


def _read_accounts(options: argparse.Namespace) -> dict[str, object]:
    client = boto3.client("secretsmanager")
    written = client.get_secret_value(SecretId=options.outputs["AccountsSecretName"])
    try:
        accounts = json.loads(written["SecretString"])
    except ValueError:
        accounts = None
    if not isinstance(accounts, dict):
        raise CommandError("the accounts secret is not a JSON object: mend it by hand first")
    return accounts


def _write_accounts(options: argparse.Namespace, accounts: dict[str, object]) -> None:
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
    accounts = _read_accounts(options)
    accounts[options.vendor] = account
    _write_accounts(options, accounts)
    print(f"{adapter.title} is set; functions that are running see it within a minute.")
    for warning in adapter.warnings:
        print(f"warning: {warning}")


def _remove_vendor(options: argparse.Namespace) -> None:
    accounts = _read_accounts(options)
    if accounts.pop(options.vendor, None) is None:
        raise CommandError(f"{options.vendor} is not configured")
    _write_accounts(options, accounts)
    print(f"{options.vendor} is off; functions that are running see it within a minute.")


def _list_vendors(options: argparse.Namespace) -> None:
    accounts = _read_accounts(options)
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
    key = _read_accounts(options).get(CALLBACK_KEY)
    if not isinstance(key, str):
        raise CommandError(f"the accounts secret has no {CALLBACK_KEY}")
    token = make_token(options.vendor, None, key.encode())
    print(f"{options.outputs['CallbackUrl']}/{options.vendor}/{token}")


if __name__ == "__main__":
    sys.exit(main())

"""Run smsgw, the operator's command, with your AWS credentials; it finds the gateway by its stack.

smsgw keys create --tenant acme --scope messages:send --scope messages:read
smsgw keys list
smsgw keys revoke 0123456789ab
smsgw vendors set jst account.json
smsgw vendors list|show|remove|check
smsgw routes|sources|senders|campaign-defaults show|diff|set
smsgw messages show|settle ID
smsgw campaigns list|show|pause|resume|cancel|results
smsgw webhooks list|disable --tenant acme
smsgw dlq list|redrive|dismiss
smsgw restore plan|apply --table TABLE --at TIME
smsgw callback-url dinisoft
"""

import argparse
import json
import os
import secrets
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from sms_gateway.aws.errors import error_code
from sms_gateway.config import api_keys
from sms_gateway.core.problems import GatewayError
from sms_gateway.core.timestamps import utc_now
from sms_gateway.sms.phone_numbers import is_region
from sms_gateway.vendors.registry import VENDORS
from smsgw import (
    campaigns,
    dead_letters,
    messages,
    restore,
    settings,
    vendor_check,
    vendors,
    webhooks,
)
from smsgw.errors import CommandError, not_asked
from smsgw.secrets import Secret
from smsgw.terminal import flush, give_up, say, say_text

Areas = Any  # argparse does not export the type of add_subparsers

LOCAL_STACK = Path(".local/stack.json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        _find_stack(options)
        options.run(options)
        flush()
    except (CommandError, GatewayError, ValueError) as error:
        say(f"smsgw: {error}", error=True)
    except ClientError as error:
        refusal = error.response.get("Error", {})
        say(f"smsgw: AWS refused: {refusal.get('Code')}: {refusal.get('Message')}", error=True)
    except BotoCoreError as error:
        say(f"smsgw: {not_asked(error)}", error=True)
    except BrokenPipeError:  # whoever reads the output has gone, as `| head` does
        give_up()
    except KeyboardInterrupt:
        say("smsgw: stopped", error=True)
    except Exception:  # Python would print its words as they are
        say_text(traceback.format_exc().rstrip(), error=True)
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
    _add_settings(areas)
    _add_messages(areas)
    _add_campaigns(areas)
    webhooks.add_commands(_add_area(areas, "webhooks", "tenants' webhooks"))
    _add_dead_letters(areas)
    _add_restore(areas)
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
    accounts = _add_area(areas, "vendors", "vendor accounts")
    put = accounts.add_parser("set", help="set a vendor's account, checked first")
    put.add_argument("vendor", choices=VENDORS)
    put.add_argument("file", help="its settings as JSON; - reads standard input")
    put.set_defaults(run=vendors.set_account)
    for what, text, run in (
        ("show", "show a vendor's settings, without secrets", vendors.show_account),
        ("remove", "turn a vendor off", vendors.remove_account),
    ):
        command = accounts.add_parser(what, help=text)
        command.add_argument("vendor", choices=VENDORS)
        command.set_defaults(run=run)
    vendor_check.add_command(accounts)
    accounts.add_parser("list", help="list vendors").set_defaults(run=vendors.show_all)


def _add_settings(areas: Areas) -> None:
    for name, text in (
        ("routes", "which vendors carry which numbers"),
        ("sources", "who sends without HTTP, and as which tenant"),
        ("senders", "which senders a tenant may name, beside the accounts' own"),
        ("campaign-defaults", "what the rows of campaigns have in common, by tenant"),
    ):
        area = _add_area(areas, name, text)
        show = area.add_parser("show", help="print them as JSON")
        show.set_defaults(run=settings.show, area=name)
        for what, does, run in (
            ("diff", "show what a file would change", settings.diff),
            ("set", "check a file, show what it changes, and use it", settings.store),
        ):
            command = area.add_parser(what, help=does)
            command.add_argument("file", help="JSON; - reads standard input")
            command.set_defaults(run=run, area=name)


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
        ("results", "write the results file again", campaigns.move),
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


def _add_restore(areas: Areas) -> None:
    restored = _add_area(areas, "restore", "items of a restored table")
    for what, text, run in (
        ("plan", "count what would come back, and as what", restore.plan),
        ("apply", "write what is missing; none of it is sent", restore.apply),
    ):
        command = restored.add_parser(what, help=text)
        command.add_argument("--table", required=True, help="the table that DynamoDB restored")
        command.add_argument("--at", required=True, help="the moment that it was restored to")
        command.add_argument(
            "--keep-scheduled",
            action="store_true",
            help="let messages scheduled for later leave, although some may have been cancelled",
        )
        command.add_argument(
            "--keep-access",
            action="store_true",
            help="bring keys and webhooks back, although some may have been revoked or removed",
        )
        command.set_defaults(run=run)


def _add_callback_url(areas: Areas) -> None:
    command = areas.add_parser("callback-url", help="print a vendor's account-wide callback URL")
    command.add_argument("vendor", choices=VENDORS)
    command.set_defaults(run=vendors.show_callback_url)


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
    options.outputs = outputs = _outputs(options.stack)
    os.environ |= {"TABLE_NAME": outputs["TableName"], "STACK_NAME": options.stack}


def _outputs(name: str) -> dict[str, str]:
    """Return a stack's outputs. Raise CommandError for a stack that is none of a gateway."""
    client = boto3.client("cloudformation")
    try:
        stack = client.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if error_code(error) != "ValidationError":
            raise
        raise CommandError(
            f"there is no stack {name} in {client.meta.region_name}; "
            "name it by --stack, and its region by AWS_DEFAULT_REGION"
        ) from None
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    if "TableName" not in outputs:
        raise CommandError(f"the stack {name} is not an SMS gateway; name it by --stack")
    return outputs


def _create_key(options: argparse.Namespace) -> None:
    if options.region is not None and not is_region(options.region):
        raise CommandError("a region is a country's two capital letters (ISO 3166), such as BD")
    if "webhooks:manage" in options.scope:
        _make_webhook_key(options)
    key, stored = api_keys.create_key(
        options.tenant, options.scope, options.label, utc_now(), options.region
    )
    say(f"The key {stored.id} of tenant {stored.tenant}; keep it now, it can't be shown again:")
    say(key)


def _make_webhook_key(options: argparse.Namespace) -> None:
    """Make the key from which the webhooks' secrets follow, unless it is there."""
    outputs = options.outputs
    client = boto3.client("secretsmanager")
    secret = Secret(client, outputs["WebhookSecretName"], outputs.get("SecretsKeyArn"))
    if secret.read() is None:
        secret.create(secrets.token_urlsafe(36), "The key from which the webhooks' secrets follow.")


def _list_keys(_options: argparse.Namespace) -> None:
    say(f"{'ID':12}  {'TENANT':16}  {'STATE':8}  {'CREATED':24}  SCOPES  LABEL")
    for key in api_keys.list_keys():
        state = "revoked" if key.revoked_at else "active"
        scopes = ",".join(key.scopes)
        say(f"{key.id}  {key.tenant:16}  {state:8}  {key.created_at:24}  {scopes}  {key.label}")


def _revoke_key(options: argparse.Namespace) -> None:
    revoked = api_keys.revoke_key(options.id, utc_now())
    if revoked is None:
        raise CommandError(f"there is no key {options.id}: `smsgw keys list` shows the ids")
    say(f"The key {revoked.id} of tenant {revoked.tenant} is revoked.")


if __name__ == "__main__":
    sys.exit(main())

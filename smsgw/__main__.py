"""Run smsgw, the operator's command, with your AWS credentials; it finds the gateway by its stack.

smsgw keys create --tenant acme --scope messages:send --scope messages:read
smsgw keys list
smsgw keys revoke 0123456789ab --stop-messages
smsgw tenants stop|start|show acme
smsgw vendors set jst account.json
smsgw vendors list|show|remove|check|publish
smsgw routes|sources|senders|campaign-defaults show|diff|set
smsgw messages show|settle ID
smsgw messages list|cancel --tenant acme
smsgw campaigns list|show|pause|resume|cancel|results
smsgw webhooks list|disable --tenant acme
smsgw dlq list|redrive|dismiss
smsgw restore plan|apply --table TABLE --at TIME
smsgw audit list
smsgw callback-url dinisoft
smsgw callback-key rotate
"""

import argparse
import json
import os
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
from sms_gateway.vendors.registry import VENDORS
from smsgw import (
    arguments,
    audit,
    campaigns,
    cancelling,
    dead_letters,
    keys,
    messages,
    restore,
    settings,
    stack_keys,
    tenants,
    vendor_check,
    vendors,
    webhooks,
)
from smsgw.errors import CommandError, not_asked
from smsgw.terminal import flush, give_up, say, say_text

Areas = Any  # argparse does not export the type of add_subparsers

LOCAL_STACK = Path(".local/stack.json")


def main(given: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    options = _parser().parse_args(given)
    try:
        _find_stack(options)
        _run(options)
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


def _run(options: argparse.Namespace) -> None:
    """Run a command; of one that changes something, leave a record."""
    if not audit.changes(options):
        options.run(options)
        return
    record, outcome = audit.begin(options, utc_now()), "failed"
    try:
        options.run(options)
        outcome = "done"
    finally:
        audit.end(record, outcome)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("smsgw", description="Operates an SMS gateway.")
    parser.add_argument("--stack", default="sms-gateway", help="the CloudFormation stack's name")
    parser.add_argument(
        "--local", action="store_true", help=f"use the local stack of {LOCAL_STACK}"
    )
    areas = parser.add_subparsers(required=True, metavar="command", dest="command")
    _add_keys(areas)
    _add_tenants(areas)
    _add_vendors(areas)
    _add_settings(areas)
    _add_messages(areas)
    _add_campaigns(areas)
    webhooks.add_commands(_add_area(areas, "webhooks", "tenants' webhooks"))
    _add_dead_letters(areas)
    _add_restore(areas)
    _add_audit(areas)
    _add_callbacks(areas)
    return parser


def _add_area(areas: Areas, name: str, text: str) -> Areas:
    parser = areas.add_parser(name, help=text)
    return parser.add_subparsers(required=True, metavar="what", dest="verb")


def _add_keys(areas: Areas) -> None:
    area = _add_area(areas, "keys", "API keys")
    create = area.add_parser("create", help="make a key; it is shown this once")
    create.add_argument("--tenant", required=True, help="whose messages the key sends and sees")
    create.add_argument(
        "--scope", required=True, action="append", choices=api_keys.SCOPES, help="may be repeated"
    )
    create.add_argument("--label", default="", help="for your own memory")
    create.add_argument(
        "--region", help="in which its requests may write national numbers, such as BD (ISO 3166)"
    )
    create.add_argument(
        "--expires",
        type=arguments.time,
        help="when it ends by itself, such as 2026-12-31T00:00:00Z",
    )
    create.set_defaults(run=keys.create)
    area.add_parser("list", help="list keys").set_defaults(run=keys.show_all)
    revoke = area.add_parser("revoke", help="revoke a key")
    revoke.add_argument("id", type=arguments.key_id, help="as `smsgw keys list` shows it")
    revoke.add_argument(
        "--stop-messages", action="store_true", help="also cancel what it sent and has not left"
    )
    revoke.set_defaults(run=keys.revoke)


def _add_tenants(areas: Areas) -> None:
    area = _add_area(areas, "tenants", "stop a tenant in an incident")
    for what, text, run in (
        ("stop", "let nothing of it leave, until it is started", tenants.stop),
        ("start", "let it go on", tenants.start),
        ("show", "show whether it is stopped, and its keys", tenants.show),
    ):
        command = area.add_parser(what, help=text)
        command.add_argument("tenant", type=arguments.tenant)
        command.set_defaults(run=run)
        if what == "stop":
            command.add_argument(
                "--reason",
                type=arguments.reason,
                default="",
                help="for you; the tenant is not told",
            )
    area.add_parser("list", help="list those that are stopped").set_defaults(run=tenants.show_all)


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
    tell = accounts.add_parser("publish", help="after a change of the secret by hand: use it")
    tell.set_defaults(run=vendors.publish)


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
    listed = single.add_parser("list", help="list messages, newest first, without text or number")
    ended = single.add_parser("cancel", help="cancel what has not left")
    for command in (listed, ended):
        whose = command.add_mutually_exclusive_group(required=True)
        whose.add_argument("--tenant", type=arguments.tenant, help="all of a tenant")
        whose.add_argument(
            "--key", type=arguments.key_id, help="what one API key sent, by the key's id"
        )
    listed.set_defaults(run=messages.show_all)
    ended.add_argument("--batch", type=arguments.batch_id, help="only this batch of theirs")
    ended.set_defaults(run=cancelling.cancel)


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


def _add_audit(areas: Areas) -> None:
    area = _add_area(areas, "audit", "who changed what, and when")
    listed = area.add_parser("list", help="list the latest records, newest first")
    listed.add_argument("--limit", type=arguments.count, default=100, help="so many at most")
    listed.set_defaults(run=audit.show_all)


def _add_callbacks(areas: Areas) -> None:
    command = areas.add_parser("callback-url", help="print a vendor's account-wide callback URL")
    command.add_argument("vendor", choices=VENDORS)
    command.set_defaults(run=stack_keys.show_callback_url)
    key = _add_area(areas, "callback-key", "the key of callback URLs")
    rotate = key.add_parser("rotate", help="make another; the one before is good until the next")
    rotate.set_defaults(run=stack_keys.rotate_callback_key)


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
    os.environ |= {
        "TABLE_NAME": outputs["TableName"],
        "STACK_NAME": options.stack,
        "DASHBOARD": "false",  # it reads the functions' log, not this terminal
    }


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


if __name__ == "__main__":
    sys.exit(main())

"""The stack that a command operates: found by its name, region and profile, or the local one."""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from smsgw.errors import CommandError
from smsgw.line import STACK_NAME, given

LOCAL_STACK = Path(".local/stack.json")
LOCAL_FACTS = ("stack_name", "endpoint_url", "region")  # of that file
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@dataclass(frozen=True, slots=True)
class Stack:
    """A deployed gateway; `region` is where it is, `endpoint` an emulator's address or None."""

    name: str
    outputs: Mapping[str, str]
    region: str
    endpoint: str | None = None
    local_key: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The API's base URL; an emulator has it at a path of its own."""
        if self.endpoint:
            return f"{self.endpoint}/_aws/execute-api/{self.output('ApiId')}/v1"
        return self.output("Url")

    def output(self, name: str) -> str:
        """Return an output. Raise CommandError when the stack has none of that name."""
        try:
            return self.outputs[name]
        except KeyError:
            raise CommandError(
                f"the stack {self.name} has no output {name}: it is older than this smsgw, or not "
                "whole; deploy it again"
            ) from None

    @property
    def place(self) -> str:
        """Where it is, for a person."""
        return f"{self.name} in {self.region}" + (f" at {self.endpoint}" if self.endpoint else "")


pass_stack = click.make_pass_decorator(Stack)


def find_stack() -> Stack:
    """Find the stack that the line names, and set the environment that the core reads.

    Raise CommandError for one that is not there, is none of a gateway, or is not whole.
    """
    name = given("stack")
    _choose_account()
    if given("local"):
        name = name or local_facts()["stack_name"]
    found = describe(name or STACK_NAME)
    os.environ |= {
        "TABLE_NAME": found.output("TableName"),
        "STACK_NAME": found.name,
        "DASHBOARD": "false",  # it reads the functions' log, not this terminal
    }
    return replace(found, local_key=local_facts().get("key")) if given("local") else found


def describe(name: str) -> Stack:
    """Return a stack by its name. Raises as find_stack does."""
    from botocore.exceptions import ClientError

    from smsgw import clients

    client = clients.client("cloudformation")
    region = client.meta.region_name
    try:
        found: Any = client.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ValidationError":
            raise
        raise CommandError(
            f"there is no stack {name} in {region}{_others(client)}; name it by --stack, and its "
            "region by --region or AWS_DEFAULT_REGION"
        ) from None
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
    if "TableName" not in outputs:
        raise CommandError(_not_whole(name, found.get("StackStatus", "")))
    return Stack(name, outputs, region, os.environ.get("AWS_ENDPOINT_URL"))


def _choose_account() -> None:
    """Let what the line names win over the environment, as with the AWS CLI."""
    if region := given("region"):
        os.environ |= {"AWS_DEFAULT_REGION": region, "AWS_REGION": region}
    if profile := given("profile"):
        os.environ["AWS_PROFILE"] = profile
        for name in CREDENTIALS:  # botocore would take these first
            os.environ.pop(name, None)
    if given("local"):
        stack = local_facts()
        os.environ |= {
            "AWS_ENDPOINT_URL": stack["endpoint_url"],
            "AWS_DEFAULT_REGION": stack["region"],
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }


def local_facts(names: Sequence[str] = LOCAL_FACTS) -> dict[str, str]:
    """Return what `make run` wrote of its stack, `names` at least. Raises CommandError."""
    if not LOCAL_STACK.exists():
        raise CommandError(f"{LOCAL_STACK} is missing: start the local stack with `make run`")
    try:
        found: dict[str, str] = json.loads(LOCAL_STACK.read_text())
        return found | {name: str(found[name]) for name in names}
    except (OSError, ValueError, LookupError, TypeError):
        raise CommandError(
            f"{LOCAL_STACK} is not as `make run` writes it: start the local stack again, or begin "
            "anew with `make reset`"
        ) from None


def _others(client: Any) -> str:
    """Name the gateways that are there, where they may be listed."""
    from botocore.exceptions import BotoCoreError, ClientError

    names: list[str] = []
    with suppress(ClientError, BotoCoreError, KeyError):
        for page in client.get_paginator("describe_stacks").paginate():
            for one in page["Stacks"]:
                keys = {output["OutputKey"] for output in one.get("Outputs", [])}
                if keys >= {"TableName", "CallbackUrl"}:
                    names.append(one["StackName"])
    if not names:
        return ""
    return f" (the gateway{'s' if names[1:] else ''} there: {', '.join(sorted(names))})"


def _not_whole(name: str, status: str) -> str:
    """Say what to do about a stack without a gateway's outputs."""
    if status == "REVIEW_IN_PROGRESS":
        return f"the stack {name} was announced and never made: run `sam deploy` again, and say yes"
    if status == "DELETE_IN_PROGRESS":
        return f"the stack {name} is being deleted: wait, then `sam build && sam deploy`"
    if status.startswith("CREATE_IN"):
        return (
            f"the stack {name} is still being made: `aws cloudformation wait stack-create-complete "
            f"--stack-name {name}`, then run this again"
        )
    if status.startswith(("ROLLBACK", "CREATE_FAILED", "DELETE_FAILED")):
        return (
            f"the stack {name} is half there ({status}): `sam delete --stack-name {name}`, then "
            f"`sam deploy`; `aws cloudformation describe-stack-events --stack-name {name}` says why"
        )
    return f"the stack {name} is not an SMS gateway; name it by --stack"

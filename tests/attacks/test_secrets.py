"""Each function's role asks for every secret in every way: it gets its own, and no other."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.stack import REGION, LocalStack
from sms_gateway.config.stack_keys import CALLBACK_KEY, MESSAGE_KEY, SEARCH_KEY, WEBHOOK_KEY

ACCOUNTS = "accounts"
READERS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("Authorize", "PublishEvents", "QueueWebhooks"), ()),
    "Status": (SEARCH_KEY,),
    **dict.fromkeys(("Webhooks", "DeliverWebhooks"), (WEBHOOK_KEY,)),
    **dict.fromkeys(("Send", "CampaignWorker"), (MESSAGE_KEY,)),
    **dict.fromkeys(("FromEventbridge", "FromSqs", "FromSns"), (MESSAGE_KEY,)),
    **dict.fromkeys(("FromCognito", "FromInvocation"), (MESSAGE_KEY,)),
    **dict.fromkeys(("VendorAccount", "Scheduler", "Verify"), (ACCOUNTS, MESSAGE_KEY)),
    "Balance": (ACCOUNTS,),
    "Callback": (CALLBACK_KEY, MESSAGE_KEY),
    "Dispatch": (ACCOUNTS, CALLBACK_KEY, MESSAGE_KEY),
    "Console": (),
}


@contextmanager
def acting_as(stack: LocalStack, function: str) -> Iterator[Any]:
    """A client of Secrets Manager with the role of a function.

    Lambda alone may assume it, so meanwhile its trust policy lets the emulator's root do so, too.
    What the role itself may do stays as deployed.
    """
    iam, sts = stack.client("iam"), stack.client("sts")
    found = stack.client("cloudformation").describe_stack_resource(
        StackName=stack.facts["stack_name"], LogicalResourceId=f"{function}FunctionRole"
    )
    name = found["StackResourceDetail"]["PhysicalResourceId"]
    role = iam.get_role(RoleName=name)["Role"]
    own, root = role["AssumeRolePolicyDocument"], sts.get_caller_identity()["Arn"]
    more = {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "sts:AssumeRole"}
    trust = {**own, "Statement": [*own["Statement"], more]}
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
    try:
        given = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="attack")["Credentials"]
        yield boto3.client(
            "secretsmanager",
            endpoint_url=stack.endpoint,
            region_name=REGION,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
        )
    finally:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(own))


def answer(client: Any, request: Mapping[str, str]) -> str:
    """What becomes of a request: `read`, or the error's code."""
    try:
        client.get_secret_value(**request)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "read"


@pytest.fixture(scope="module")
def versions(stack: LocalStack) -> dict[str, str]:
    """The ids of the keys' versions, by their labels."""
    stack.run_smsgw("keys", "create", "--tenant", "acme", "--scope", "webhooks:manage")
    described = stack.client("secretsmanager").describe_secret(SecretId=stack.facts["keys_secret"])
    return {
        label: version
        for version, labels in described["VersionIdsToStages"].items()
        for label in labels
    }


def test_every_function_is_asked(stack: LocalStack) -> None:
    pages = stack.client("cloudformation").get_paginator("list_stack_resources")
    there = {
        one["LogicalResourceId"].removesuffix("Function")
        for page in pages.paginate(StackName=stack.facts["stack_name"])
        for one in page["StackResourceSummaries"]
        if one["ResourceType"] == "AWS::Lambda::Function"
    }
    assert there == READERS.keys()


@pytest.mark.parametrize("function", READERS)
def test_a_function_reads_its_own_secrets_and_no_other(
    function: str, stack: LocalStack, versions: dict[str, str]
) -> None:
    keys = stack.facts["keys_secret"]
    asked = {
        label: {"SecretId": keys, "VersionStage": label}
        for label in (CALLBACK_KEY, MESSAGE_KEY, SEARCH_KEY, WEBHOOK_KEY)
    } | {ACCOUNTS: {"SecretId": stack.facts["secret"]}}
    assert versions.keys() >= {CALLBACK_KEY, MESSAGE_KEY, SEARCH_KEY, WEBHOOK_KEY}
    with acting_as(stack, function) as client:
        found = {name: answer(client, request) for name, request in asked.items()}
    denied = "AccessDeniedException"
    assert found == {name: "read" if name in READERS[function] else denied for name in asked}


@pytest.mark.parametrize("function", READERS)
def test_no_function_gets_round_the_label_of_a_key(
    function: str, stack: LocalStack, versions: dict[str, str]
) -> None:
    """By a version's id, by no label, or by one that the last write left.

    An id with the label of another version is refused by Secrets Manager itself, which says that
    both must name the same one; the emulator does not know that, so it is not tried.
    """
    keys = stack.facts["keys_secret"]
    assert len(versions) > 3
    tries = [{"SecretId": keys}]
    tries += [{"SecretId": keys, "VersionId": version} for version in versions.values()]
    tries += [
        {"SecretId": keys, "VersionStage": label}
        for label in ("AWSCURRENT", "AWSPENDING", "AWSPREVIOUS", "*")
    ]
    with acting_as(stack, function) as client:
        assert {answer(client, request) for request in tries} == {"AccessDeniedException"}

"""Whoever may invoke the one function for it sends for its tenant, and does nothing else."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.stack import REGION, ROOT, LocalStack
from testing.deployed import Api

INVOKER = "orders-of-the-shop"
NUMBER = "+8801000000071"
MESSAGE = {"to": NUMBER, "text": "Hello", "reference": "forged"}


@pytest.fixture(scope="module")
def invoker(stack: LocalStack) -> Iterator[Any]:
    """A client of Lambda whose user has the right that the guide says, and no other."""
    with user(stack, stack.facts["from_invocation_function"]) as client:
        yield client


@contextmanager
def user(stack: LocalStack, function: str) -> Iterator[Any]:
    """A user who may invoke one function."""
    iam = stack.client("iam")
    right = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": function}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [right]})
    iam.create_user(UserName=INVOKER)
    iam.put_user_policy(UserName=INVOKER, PolicyName="invoke", PolicyDocument=policy)
    key = iam.create_access_key(UserName=INVOKER)["AccessKey"]
    try:
        yield boto3.client(
            "lambda",
            endpoint_url=stack.endpoint,
            region_name=REGION,
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
        )
    finally:
        iam.delete_access_key(UserName=INVOKER, AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName=INVOKER, PolicyName="invoke")
        iam.delete_user(UserName=INVOKER)


def functions(stack: LocalStack) -> dict[str, str]:
    """All functions of the stack: their names, by logical id."""
    pages = stack.client("cloudformation").get_paginator("list_stack_resources")
    return {
        one["LogicalResourceId"]: one["PhysicalResourceId"]
        for page in pages.paginate(StackName=stack.facts["stack_name"])
        for one in page["StackResourceSummaries"]
        if one["ResourceType"] == "AWS::Lambda::Function"
    }


def forged(tenant: str) -> dict[str, Any]:
    """A request as API Gateway would make it of a tenant's."""
    event: dict[str, Any] = json.loads((ROOT / "events" / "send.json").read_text())
    event["requestContext"]["authorizer"] = {"tenant": tenant, "scopes": "messages:send"}
    return event | {"body": json.dumps(MESSAGE)}


def asked(client: Any, function: str, event: Any) -> tuple[bool, Any]:
    """Whether an invocation failed, and its answer."""
    answer = client.invoke(FunctionName=function, Payload=json.dumps(event))
    return "FunctionError" in answer, json.loads(answer["Payload"].read())


def test_an_invoker_sends_for_the_tenant_of_the_settings(
    stack: LocalStack, invoker: Any, api: Api, stranger: Api
) -> None:
    event = {"message": {"to": NUMBER, "text": "Hello", "reference": "by-invocation"}}
    failed, answer = asked(invoker, stack.facts["from_invocation_function"], event)
    assert not failed, answer
    identifier = answer["messages"][0]["id"]
    assert api("GET", f"/messages/{identifier}").body["reference"] == "by-invocation"
    assert stranger("GET", f"/messages/{identifier}").status == 404


@pytest.mark.parametrize(
    "event",
    [
        forged("another"),
        forged("another") | {"message": MESSAGE},
        {"message": MESSAGE, "tenant": "another"},
        {"message": MESSAGE, "source": "another"},
        {"message": MESSAGE | {"tenant": "another"}},
        {"message": MESSAGE, "requestContext": {"authorizer": {"tenant": "another"}}},
        [{"message": MESSAGE}],
    ],
    ids=["request", "request with a send", "tenant", "source", "within", "authorizer", "list"],
)
def test_an_invoker_can_be_no_other_tenant(
    stack: LocalStack, invoker: Any, api: Api, stranger: Api, event: Any
) -> None:
    failed, answer = asked(invoker, stack.facts["from_invocation_function"], event)
    assert failed
    assert "invalid-request" in answer["errorMessage"]
    for one in (api, stranger):
        assert one("GET", "/messages?reference=forged").body["messages"] == []
    assert NUMBER not in answer["errorMessage"]


def test_an_invoker_reaches_no_other_function(stack: LocalStack, invoker: Any) -> None:
    own = stack.facts["from_invocation_function"].rpartition(":")[2]
    others = {name: one for name, one in functions(stack).items() if one != own}
    assert {"SendFunction", "VerifyFunction", "SchedulerFunction"} <= others.keys()
    for function in others.values():
        with pytest.raises(ClientError, match="AccessDenied"):
            asked(invoker, function, forged("another"))


def test_send_refuses_whoever_invokes_it_as_the_other(stack: LocalStack) -> None:
    """Even with a right that nobody needs, for what is no request."""
    failed, answer = asked(
        stack.client("lambda"), functions(stack)["SendFunction"], {"message": MESSAGE}
    )
    assert failed
    assert "API Gateway only" in answer["errorMessage"]

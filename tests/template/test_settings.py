"""What operators write outlives deployments, and what runs short is an alarm."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from testing.template import TEMPLATE
from testing.transformed import of_type, resolved, transformed

TURNED_ON = {
    "SendFromBus": "true",
    "SendFromQueue": "true",
    "SendFromTopic": "true",
    "SendFromInvocation": "true",
    "CognitoKeyArn": "arn",
}
READERS = {  # functions that send, or act for a tenant that may be stopped
    *("SendFunction", "VerifyFunction", "CampaignWorkerFunction"),
    *("FromEventbridgeFunction", "FromSqsFunction", "FromSnsFunction", "FromCognitoFunction"),
    "FromInvocationFunction",
    *("StatusFunction", "WebhooksFunction", "BalanceFunction", "VendorAccountFunction"),
    "CampaignsFunction",
    *("DispatchFunction", "SchedulerFunction", "DeliverWebhooksFunction"),
}


def test_nothing_that_an_operator_writes_is_in_cloudformations_hands() -> None:
    """It would be written anew by a changed value, a new name or a tag, and go with the stack."""
    template = transformed()
    kinds = {one["Type"] for one in template["Resources"].values()}
    assert not {one for one in kinds if one.startswith(("AWS::SSM::", "AWS::SecretsManager::"))}
    assert "ssm:" not in json.dumps(template)


def statements(role: Any) -> Iterator[dict[str, Any]]:
    for policy in role["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]


def test_those_that_act_for_a_tenant_read_the_settings_and_no_other_function_does() -> None:
    roles = of_type(resolved(**TURNED_ON), "AWS::IAM::Role")
    settings = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["SETTINGS"]}}
    found = {
        name.removesuffix("Role"): one["Action"]
        for name, role in roles.items()
        for one in statements(role)
        if one.get("Condition") == settings
    }
    assert found == dict.fromkeys(READERS, "dynamodb:GetItem")


@pytest.mark.parametrize("chosen", ["true", "false"])
def test_the_table_refuses_to_be_deleted_unless_a_parameter_says_so(chosen: str) -> None:
    (table,) = of_type(resolved(DeletionProtection=chosen), "AWS::DynamoDB::Table").values()
    assert table["DeletionProtectionEnabled"] is (chosen == "true")
    assert TEMPLATE["Parameters"]["DeletionProtection"]["Default"] == "true"
    # A first deployment that fails would try to delete it, in vain.
    assert transformed()["Resources"]["Table"]["DeletionPolicy"] == "Retain"


def test_throttles_and_server_errors_are_alarms() -> None:
    alarms = of_type(resolved(), "AWS::CloudWatch::Alarm")
    found = {
        (one["Namespace"], one["MetricName"], *(str(d["Value"]) for d in one.get("Dimensions", [])))
        for one in alarms.values()
    }
    table, stack = "{'Ref': 'Table'}", "{'Ref': 'AWS::StackName'}"
    assert found >= {
        ("AWS/Lambda", "Throttles"),  # of all functions: they share the account's concurrency
        ("AWS/ApiGateway", "5XXError", stack, "v1"),
        ("AWS/DynamoDB", "ReadThrottleEvents", table),
        ("AWS/DynamoDB", "WriteThrottleEvents", table),
        *(("AWS/DynamoDB", "WriteThrottleEvents", table, one) for one in ("due", "by_tenant")),
    }
    indexes = of_type(resolved(), "AWS::DynamoDB::Table")["Table"]["GlobalSecondaryIndexes"]
    assert {one["IndexName"] for one in indexes} == {"due", "by_tenant"}
    quick = [one for one in alarms.values() if one["Namespace"] != "SmsGateway"]
    assert all("AlarmActions" not in one for one in quick)  # there is no topic by default
    assert {one["ComparisonOperator"] for one in quick} == {"GreaterThanThreshold"}

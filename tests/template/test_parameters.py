"""What parameters and regions make of the template, as AWS gets it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from cfnlint.helpers import REGIONS
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from testing.template import TEMPLATE
from testing.transformed import of_type, resolved, transformed
from tools.policies import EVERYTHING
from tools.regions import kinds

PARAMETERS: dict[str, dict[str, Any]] = TEMPLATE["Parameters"]
# Names within a resource of the stack, and of things that are not the stack's.
INNER = {
    "AttributeName",
    "IndexName",
    "MetricName",
    "PolicyName",
    "StageName",
}


def names(written: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each `Name` and `…Name` that is written out."""
    if isinstance(written, list):
        for one in written:
            yield from names(one, path)
    if isinstance(written, dict):
        for key, value in written.items():
            if key.endswith("Name") and key not in INNER:
                yield f"{path}.{key}", value
            yield from names(value, f"{path}.{key}")


def test_no_physical_name_is_without_the_stacks_name() -> None:
    resources = resolved(**EVERYTHING)
    found = {
        f"{name}{path}": value
        for name, one in resources.items()
        for path, value in names(one.get("Properties", {}))
        if not path.endswith((".Dimensions.Name", ".Rules.Name"))  # a metric's, a filter's
        and "Body" not in path  # the API's own
    }
    fixed = {
        path: value
        for path, value in found.items()
        if "Ref" not in json.dumps(value)
        and "${AWS::StackName}" not in json.dumps(value)
        and "Fn::GetAtt" not in json.dumps(value)
    }
    assert fixed == {}
    assert "Name" not in resources["SchedulerFunctionEveryMinute"]["Properties"]


def test_what_outlives_its_stack_has_no_name_that_the_next_would_need() -> None:
    kept = {
        name: one
        for name, one in resolved(**EVERYTHING).items()
        if "Retain" in str(one.get("DeletionPolicy"))
    }
    assert {one["Type"] for one in kept.values()} >= {"AWS::DynamoDB::Table", "AWS::S3::Bucket"}
    for one in kept.values():
        assert {"TableName", "BucketName", "Name"}.isdisjoint(one["Properties"])


def urls(region: str = "eu-central-1", **parameters: str) -> set[str]:
    """The types of what opens the function URL."""
    return {
        one["Type"]
        for one in resolved(region, **parameters).values()
        if one["Type"] == "AWS::Lambda::Url"
        or "FunctionUrlAuthType" in one.get("Properties", {})
        or "InvokedViaFunctionUrl" in one.get("Properties", {})
    }


def callbacks(region: str = "eu-central-1", **parameters: str) -> Any:
    """Where dispatch lets vendors report."""
    dispatch = resolved(region, **parameters)["DispatchFunction"]["Properties"]
    return dispatch["Environment"]["Variables"]["CALLBACK_URL"]


def test_the_url_and_its_permissions_are_there_only_when_it_is_used() -> None:
    assert urls() == {"AWS::Lambda::Url", "AWS::Lambda::Permission"}
    assert callbacks() == {"Fn::Sub": "${CallbackUrl.FunctionUrl}callbacks"}
    permissions = of_type(resolved(), "AWS::Lambda::Permission").values()
    assert sorted(one["Action"] for one in permissions if one["Principal"] == "*") == [
        "lambda:InvokeFunction",  # AWS asks for both since October 2025
        "lambda:InvokeFunctionUrl",
    ]
    assert urls(CallbackEntry="api") == set()
    assert "/v1/callbacks" in str(callbacks(CallbackEntry="api"))
    own = "https://sms.example.com/v1"
    assert urls(PublicUrl=own) == set()
    assert callbacks(PublicUrl=own) == {"Fn::Join": ["", [own, "/callbacks"]]}
    assert urls(DomainName="sms.example.com") == set()
    assert (
        transformed()["Outputs"]["CallbackUrl"]["Value"]
        == transformed()["Resources"]["DispatchFunction"]["Properties"]["Environment"]["Variables"][
            "CALLBACK_URL"
        ]
    )


@pytest.mark.parametrize("region", sorted(REGIONS))
def test_a_region_has_every_type_that_the_stack_has_there(region: str) -> None:
    known = set(PROVIDER_SCHEMA_MANAGER.get_resource_types(region))
    for parameters in ({}, EVERYTHING):
        wanted = {one["Type"] for one in resolved(region, **parameters).values()}
        assert wanted <= known
    has_urls = "AWS::Lambda::Url" in known
    assert bool(urls(region)) == has_urls
    assert ("execute-api" in str(callbacks(region))) != has_urls


def test_regions_of_a_kind_stand_for_each_other() -> None:
    found = kinds()
    assert sorted(one for kind in found for one in kind) == sorted(REGIONS)
    assert len(found) <= 4  # else linting one of each gets slow
    unlike = {one[0] for one in found}
    assert any("AWS::Lambda::Url" not in _types(one) for one in unlike)


def _types(region: str) -> set[str]:
    return set(PROVIDER_SCHEMA_MANAGER.get_resource_types(region))


@pytest.mark.parametrize(("level", "system"), [("DEBUG", "INFO"), ("INFO", "WARN")])
def test_the_log_level_is_lambdas_own_too(level: str, system: str) -> None:
    for one in of_type(resolved(LogLevel=level), "AWS::Lambda::Function").values():
        assert one["LoggingConfig"]["LogFormat"] == "JSON"
        assert one["LoggingConfig"]["ApplicationLogLevel"] == level
        assert one["LoggingConfig"]["SystemLogLevel"] == system
        assert one["Environment"]["Variables"]["POWERTOOLS_LOG_LEVEL"] == level


def test_no_log_level_drops_metrics() -> None:
    """Lambda takes a line without a level of its own for INFO."""
    assert PARAMETERS["LogLevel"]["AllowedValues"] == ["DEBUG", "INFO"]


def test_logs_are_kept_for_days_that_cloudwatch_knows() -> None:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", "AWS::Logs::LogGroup").schema
    days = schema["properties"]["RetentionInDays"]["enum"]
    assert PARAMETERS["LogRetentionDays"]["AllowedValues"] == sorted(days)


def test_every_parameter_is_bounded() -> None:
    for name, one in PARAMETERS.items():
        bounds = {"AllowedValues", "AllowedPattern", "MinValue"} & set(one)
        assert bounds, name
        if "MinValue" in one:
            assert "MaxValue" in one, name


TAKEN = {
    "AlarmTopicArn": ["", "arn:aws-us-gov:sns:us-gov-west-1:123456789012:alarms"],
    "BusSenders": ["", "123456789012", "arn:aws:iam::123456789012:role/path/orders"],
    "CognitoKeyArn": ["", "arn:aws:kms:eu-central-1:123456789012:key/0f0e"],
    "CognitoUserPoolId": ["none", "eu-central-1_AbCdEfGhI"],
    "PublicUrl": ["", "https://sms.example.com/v1", "https://sms.example.com/gateway/v1"],
}
REFUSED = {
    "AlarmTopicArn": ["alarms", "arn:aws:sqs:eu-central-1:123456789012:alarms"],
    "BusSenders": ["*", "12345", "arn:aws:iam::123456789012:role/", "orders"],
    "CognitoKeyArn": ["alias/codes", "arn:aws:kms:eu-central-1:123456789012:alias/codes"],
    "CognitoUserPoolId": ["", "*", "eu-central-1_*"],
    "PublicUrl": ["sms.example.com", "http://sms.example.com/v1", "https://sms.example.com/v1/"],
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_wrong_value_is_refused_before_anything_is_deployed(name: str) -> None:
    pattern = PARAMETERS[name]["AllowedPattern"]
    assert all(re.fullmatch(pattern, one) for one in TAKEN[name])
    assert not any(re.fullmatch(pattern, one) for one in REFUSED[name])


def test_an_alarm_also_tells_when_it_is_over() -> None:
    topic = "arn:aws:sns:eu-central-1:123456789012:alarms"
    alarms = of_type(resolved(**EVERYTHING, AlarmTopicArn=topic), "AWS::CloudWatch::Alarm")
    assert alarms
    for name, one in alarms.items():
        assert one["AlarmActions"] == one["OKActions"] == [topic], name

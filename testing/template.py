"""The template, and what its conditions leave of it with its parameters' defaults."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse

from testing.paths import ROOT

TEMPLATE: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
TABLE: dict[str, Any] = TEMPLATE["Resources"]["Table"]["Properties"]
FUNCTIONS: dict[str, dict[str, Any]] = {  # properties, by the name of the function's folder
    Path(one["Properties"]["CodeUri"]).name: one["Properties"]
    for one in TEMPLATE["Resources"].values()
    if one["Type"] == "AWS::Serverless::Function"
}

_ANYWHERE = {"Default": "eu-central-1"}  # a region that has everything


def rights(function: str) -> list[dict[str, Any]]:
    """Return the statements of a function's role, by the function's logical id, with X-Ray's."""
    (policy,) = TEMPLATE["Resources"][f"{function}Role"]["Properties"]["Policies"]
    found = policy["PolicyDocument"]["Statement"]
    return [one["Fn::If"][1] if "Fn::If" in one else one for one in found]


# Parameters that turn on every trigger, campaigns and all events.
EVERYTHING = {
    "SendFromBucket": "true",
    "SendFromBus": "true",
    "SendFromQueue": "true",
    "SendFromTopic": "true",
    "SendFromInvocation": "true",
    "Console": "true",
    "CognitoKeyArn": "arn",
    "Events": "all",
}


def table_definition(name: str) -> dict[str, Any]:
    """CreateTable's parameters for the template's own table."""
    kept = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    return {"TableName": name, "StreamSpecification": stream, **{one: TABLE[one] for one in kept}}


def deployed(template: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the resources that a deployment without parameters makes.

    Raises ValueError for a condition that can't be read.
    """
    return {
        name: one
        for name, one in template["Resources"].items()
        if "Condition" not in one or holds({"Condition": one["Condition"]}, template)
    }


def asked(template: Mapping[str, Any], **parameters: str) -> dict[str, Any]:
    """Return the template, with other defaults for some of its parameters."""
    given = {name: {**template["Parameters"][name], "Default": v} for name, v in parameters.items()}
    return {**template, "Parameters": {**template["Parameters"], **given}}


def enabled(source: Mapping[str, Any], template: Mapping[str, Any]) -> bool:
    """Whether such a deployment has an event source of a function switched on."""
    given = source["Properties"].get("Enabled", True)
    if isinstance(given, bool):
        return given
    condition, so, otherwise = given["Fn::If"]
    return bool(so if holds({"Condition": condition}, template) else otherwise)


def holds(condition: Mapping[str, Any], template: Mapping[str, Any]) -> bool:
    """Return whether a condition holds with the defaults of the template's parameters."""
    ((name, value),) = condition.items()
    match name:
        case "Condition":
            return holds(template["Conditions"][value], template)
        case "Fn::Equals":
            left, right = (_value(one, template) for one in value)
            return bool(left == right)
        case "Fn::Not":
            return not holds(value[0], template)
        case "Fn::And":
            return all(holds(one, template) for one in value)
        case "Fn::Or":
            return any(holds(one, template) for one in value)
        case _:
            raise ValueError(f"what is {name}?")


def _value(written: Any, template: Mapping[str, Any]) -> Any:
    if not isinstance(written, dict):
        return written
    ((name, value),) = written.items()
    if name == "Ref":
        return {"AWS::Region": _ANYWHERE, **template["Parameters"]}[value]["Default"]
    if name == "Fn::Join":
        return value[0].join(str(_value(value[1], template)).split(","))
    raise ValueError(f"what is {name}?")

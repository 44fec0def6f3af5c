"""The template as CloudFormation gets it: after SAM's transform, with parameters and conditions."""

import copy
import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from testing.template import TEMPLATE, asked, holds

PARTITION = "aws"
REGION = "eu-central-1"
_LAMBDA_POLICIES = (
    "AWSLambdaBasicExecutionRole",
    "AWSLambdaVPCAccessExecutionRole",
    "AWSLambdaSQSQueueExecutionRole",
    "AWSLambdaDynamoDBExecutionRole",
)
# SAM attaches these by name; the transform wants to know their ARNs.
MANAGED_POLICIES = {
    **{n: f"arn:{PARTITION}:iam::aws:policy/service-role/{n}" for n in _LAMBDA_POLICIES},
    **{
        n: f"arn:{PARTITION}:iam::aws:policy/{n}"
        for n in ("AWSXRayDaemonWriteAccess", "AWSXrayWriteOnlyAccess")
    },
}
_ABSENT = object()


@cache
def _translated() -> dict[str, Any]:
    source = copy.deepcopy(TEMPLATE)
    for resource in source["Resources"].values():
        for uri in ("CodeUri", "ContentUri"):
            if uri in resource.get("Properties", {}):
                resource["Properties"][uri] = "s3://bucket/key"
    defaults = {n: one.get("Default", "") for n, one in source["Parameters"].items()}
    # It warns of switches that only AWS's own service has.
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    session = boto3.session.Session(region_name=REGION)
    translator = Translator(MANAGED_POLICIES, Parser(), boto_session=session)
    return dict(translator.translate(source, {**defaults, "AWS::Region": REGION}))


def transformed() -> dict[str, Any]:
    """Return the whole template after SAM's transform, with its conditions as they stand."""
    return copy.deepcopy(_translated())


def resolved(region: str = REGION, **parameters: str) -> dict[str, dict[str, Any]]:
    """Return the resources that a deployment with `parameters` makes, by logical id.

    Conditions, Fn::If, Fn::FindInMap and references to parameters are resolved; what refers to
    resources stays as it is written. Raises ValueError for a condition that can't be read.
    """
    template = asked(transformed(), **parameters)
    template["Parameters"]["AWS::Region"] = {"Default": region}
    resources = {
        name: one
        for name, one in template["Resources"].items()
        if "Condition" not in one or holds({"Condition": one["Condition"]}, template)
    }
    return {name: _resolve(one, template) for name, one in resources.items()}


def of_type(resources: Mapping[str, dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of all resources of a type, by logical id."""
    return {n: one.get("Properties", {}) for n, one in resources.items() if one["Type"] == kind}


def _resolve(written: Any, template: Mapping[str, Any]) -> Any:
    if isinstance(written, list):
        items = [_resolve(item, template) for item in written]
        return [item for item in items if item is not _ABSENT]
    if not isinstance(written, dict):
        return written
    if set(written) == {"Fn::If"}:
        condition, so, otherwise = written["Fn::If"]
        chosen = so if holds({"Condition": condition}, template) else otherwise
        return _resolve(chosen, template)
    if set(written) == {"Ref"}:
        name = written["Ref"]
        if name == "AWS::NoValue":
            return _ABSENT
        parameter = template["Parameters"].get(name)
        return written if parameter is None else parameter["Default"]
    if set(written) == {"Fn::FindInMap"}:
        name, *keys = (_resolve(one, template) for one in written["Fn::FindInMap"])
        return template["Mappings"][name][keys[0]][keys[1]]
    fields = {name: _resolve(value, template) for name, value in written.items()}
    return {name: value for name, value in fields.items() if value is not _ABSENT}

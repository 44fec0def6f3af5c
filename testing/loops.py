"""Who can wake whom: the template's functions, and what carries an invocation to the next."""

import fnmatch
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from sms_gateway.core.event import EventType
from testing.transformed import of_type

Resources = Mapping[str, dict[str, Any]]

# The actions by which a function feeds what may wake another one.
FEEDS = (
    "sqs:SendMessage",
    "sns:Publish",
    "s3:PutObject",
    "events:PutEvents",
    "lambda:InvokeFunction",
)
WRITES = ("BatchWriteItem", "PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")


def names_in(written: Any) -> set[str]:
    """Return the logical ids that a value refers to."""
    if isinstance(written, list):
        return {name for one in written for name in names_in(one)}
    if not isinstance(written, dict):
        return set()
    if "Ref" in written:
        return {str(written["Ref"])}
    if "Fn::GetAtt" in written:
        target = written["Fn::GetAtt"]
        return {target[0] if isinstance(target, list) else target.split(".")[0]}
    if "Fn::Sub" in written:
        text = written["Fn::Sub"]
        text, given = text if isinstance(text, list) else (text, {})
        found = {part.split("}")[0].split(".")[0] for part in text.split("${")[1:]}
        return found | names_in(list(given.values()))
    return {name for one in written.values() for name in names_in(one)}


def wakes(resources: Resources) -> dict[str, set[str]]:
    """Return what each function, queue, topic, table, bucket and bus can wake, by logical id.

    A bus wakes a rule's function only if somebody of the stack may publish such an event.
    """
    edges: dict[str, set[str]] = defaultdict(set)
    for function, role in _roles(resources):
        for statement in _statements(resources[role]["Properties"]):
            if _feeds(statement):
                edges[function] |= names_in(statement["Resource"]) & resources.keys()
    for source, target in _sources(resources):
        for name in names_in(source):
            edges[name] |= names_in(target) & resources.keys()
    return edges


def in_loops(resources: Resources) -> set[str]:
    """Return the functions that can, directly or through others, wake themselves."""
    edges = wakes(resources)
    return {
        function
        for function in of_type(resources, "AWS::Lambda::Function")
        if function in _reached(edges, function)
    }


def asynchronous(resources: Resources) -> set[str]:
    """Return the functions that a service invokes without waiting for the answer, by logical id.

    These are the services which the Lambda developer guide lists as asynchronous; Cognito's custom
    senders are too, by its own guide.
    """
    services = ("sns", "events", "s3", "cognito-idp", "ses", "iot", "config", "logs")
    found = set()
    for permission in of_type(resources, "AWS::Lambda::Permission").values():
        if str(permission["Principal"]).removesuffix(".amazonaws.com") in services:
            found |= names_in(permission["FunctionName"])
    for schedule in of_type(resources, "AWS::Scheduler::Schedule").values():
        found |= names_in(schedule["Target"]["Arn"])
    return found


def _sources(resources: Resources) -> Iterator[tuple[Any, Any]]:
    """Yield what wakes somebody, and who that is, as the template refers to them."""
    for mapping in of_type(resources, "AWS::Lambda::EventSourceMapping").values():
        yield mapping["EventSourceArn"], mapping["FunctionName"]
    for subscription in of_type(resources, "AWS::SNS::Subscription").values():
        yield subscription["TopicArn"], subscription["Endpoint"]
    for name, bucket in of_type(resources, "AWS::S3::Bucket").items():
        yield {"Ref": name}, bucket.get("NotificationConfiguration")
    ours = {str(one) for one in EventType}
    for rule in of_type(resources, "AWS::Events::Rule").values():
        if ours.intersection(rule["EventPattern"].get("detail-type", ours)):
            yield rule["EventBusName"], [one["Arn"] for one in rule["Targets"]]


def _reached(edges: Mapping[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    ahead = [start]
    while ahead:
        for name in edges.get(ahead.pop(), set()) - seen:
            seen.add(name)
            ahead.append(name)
    return seen


def _roles(resources: Resources) -> Iterator[tuple[str, str]]:
    for name, function in of_type(resources, "AWS::Lambda::Function").items():
        (role,) = names_in(function["Role"])
        yield name, role


def _statements(role: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for policy in role.get("Policies", []):
        statements = policy["PolicyDocument"]["Statement"]
        yield from statements if isinstance(statements, list) else [statements]


def _feeds(statement: Mapping[str, Any]) -> bool:
    given = statement.get("Action", [])
    asked = [given] if isinstance(given, str) else given
    if statement["Effect"] != "Allow":
        return False
    wanted = [*FEEDS, *(f"dynamodb:{one}" for one in WRITES)]
    return any(fnmatch.fnmatchcase(one, pattern) for one in wanted for pattern in asked)

"""What API Gateway answers by itself, on the deployed stack."""

import pytest

from local.stack import STACK_NAME, LocalStack
from testing.deployed import Api


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/nowhere"), ("POST", "/nowhere/at/all"), ("PUT", "/messages"),
     ("PATCH", "/messages/01M80H3EQ01TZ45Z18JY8DE15Q000"), ("DELETE", "/health")],
)  # fmt: skip
@pytest.mark.parametrize("key", [None, "sms_wrong", "a valid one"])
def test_no_route_is_not_found_with_a_key_or_without(
    method: str, path: str, key: str | None, api: Api
) -> None:
    given = api.key if key == "a valid one" else key
    answer = Api(api.stack, given)(method, path, raw=b"x", headers={"Content-Type": "text/plain"})
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["type"] == "/problems/no-route"
    assert not given or given not in str(answer.body)


def test_there_is_one_public_stage(stack: LocalStack) -> None:
    client = stack.client("apigateway")
    api = stack.facts["url"].split("/")[-2]
    (stage,) = client.get_stages(restApiId=api)["item"]
    assert stage["stageName"] == "v1"
    assert stage["methodSettings"]["*/*"]["throttlingRateLimit"] == 1000
    assert stage["methodSettings"]["*/*"]["throttlingBurstLimit"] == 1000


def test_wrong_keys_leave_no_error(stack: LocalStack) -> None:
    formation, logs = stack.client("cloudformation"), stack.client("logs")
    group = formation.describe_stack_resource(StackName=STACK_NAME, LogicalResourceId="Logs")
    name = group["StackResourceDetail"]["PhysicalResourceId"]

    def errors() -> int:
        events = logs.filter_log_events(logGroupName=name, limit=10_000)["events"]
        return sum("Unauthorized" in one["message"] for one in events)

    before = errors()
    for key in ("sms_wrong", "sms_" + "x" * 48):
        answer = Api(stack, key)("GET", "/messages")
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="sms-gateway"'
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert errors() == before


def test_no_answer_shows_the_key(stack: LocalStack) -> None:
    key = "sms_" + "x" * 48
    for path in ("/messages", "/nowhere", "/vendors"):
        answer = Api(stack, key)("GET", path)
        assert key not in str(answer.body) + str(answer.headers)

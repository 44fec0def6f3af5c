"""What API Gateway answers by itself, on the deployed stack."""

import pytest
import urllib3

from local.stack import STACK_NAME, LocalStack
from testing.deployed import Api


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/nowhere"), ("POST", "/nowhere/at/all"), ("GET", "/messages/x/y")],
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


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("PUT", "/messages", "GET, POST, OPTIONS"), ("DELETE", "/health", "GET, OPTIONS"),
     ("PATCH", "/messages/01M80H3EQ01TZ45Z18JY8DE15Q000", "GET, DELETE, OPTIONS"),
     ("GET", "/messages/preview/", "POST, OPTIONS"),
     ("POST", "/openapi.json", "GET, OPTIONS")],
)  # fmt: skip
@pytest.mark.parametrize("key", [None, "sms_wrong", "a valid one"])
def test_a_method_that_a_path_does_not_have_is_told_those_that_it_has(
    method: str, path: str, allowed: str, key: str | None, api: Api
) -> None:
    given = api.key if key == "a valid one" else key
    answer = Api(api.stack, given)(method, path, raw=b"x", headers={"Content-Type": "text/plain"})
    assert (answer.status, answer.headers["Allow"]) == (405, allowed)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["type"] == "/problems/method-not-allowed"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/messages", "GET, POST, OPTIONS"), ("/batches/x/", "GET, DELETE, OPTIONS"),
     ("/openapi.json", "GET, OPTIONS")],
)  # fmt: skip
def test_options_tell_the_methods_of_a_path_without_a_key(
    stack: LocalStack, path: str, allowed: str
) -> None:
    url = stack.facts["url"] + path
    answer = urllib3.request("OPTIONS", url, retries=False, timeout=60)
    assert (answer.status, answer.headers["Allow"]) == (204, allowed)


def test_a_slash_at_the_end_of_a_path_changes_nothing(api: Api) -> None:
    assert api("GET", "/messages/").body["messages"] == api("GET", "/messages").body["messages"]
    assert api("GET", "/health//").body == {"status": "ok"}


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "application/xml"}, {"Content-Encoding": "br"}], ids=str
)
def test_a_body_that_is_not_read_here_is_told_what_is(api: Api, headers: dict[str, str]) -> None:
    answer = api("POST", "/messages", raw=b"<x/>", headers=headers)
    assert (answer.status, answer.body["title"]) == (415, "The body can't be read")


def test_the_type_of_a_problem_is_a_page(stack: LocalStack, api: Api) -> None:
    kind = api("POST", "/messages", raw=b"{").body["type"]
    answer = urllib3.request("GET", stack.facts["url"] + kind, retries=False, timeout=60)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert f"<code>{kind}</code>" in answer.data.decode()


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

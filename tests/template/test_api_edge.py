"""What API Gateway answers by itself, and what it lets through to a function."""

import json
import re
from typing import Any

import botocore.session
import pytest
import yaml

from sms_gateway.http_api.safe_headers import CHALLENGE, SAFE_HEADERS
from testing.paths import ROOT
from testing.transformed import of_type, resolved, transformed
from tools.openapi import entity_tag, problems_page, served, small_contract

API_SECONDS = 29  # that API Gateway waits for a function
START_SECONDS = 1  # of a sandbox, which Lambda does not count into a function's timeout
MODEL = botocore.session.get_session().get_service_model("apigateway")
KINDS: list[str] = MODEL.shape_for("GatewayResponseType").metadata["enum"]
BODY: dict[str, Any] = transformed()["Resources"]["Api"]["Properties"]["Body"]
WITH_CONSOLE = resolved(Console="true")
RESPONSES: dict[str, dict[str, Any]] = BODY["x-amazon-apigateway-gateway-responses"]
CONTENT_TYPE = "gatewayresponse.header.Content-Type"


def problem(kind: str) -> dict[str, Any]:
    """The problem document of a gateway response."""
    templates = RESPONSES[kind]["responseTemplates"]
    assert list(templates) == ["application/json"]
    found: dict[str, Any] = json.loads(templates["application/json"])
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_api_gateway_answers_by_itself_is_a_problem_document(kind: str) -> None:
    response, document = RESPONSES[kind], problem(kind)
    assert response["responseParameters"][CONTENT_TYPE] == "'application/problem+json'"
    assert set(document) == {"type", "title", "status", "detail", "retryable", "request_id"}
    assert document["status"] == int(response["statusCode"])


@pytest.mark.parametrize("kind", KINDS)
def test_api_gateways_own_answers_have_the_headers_of_the_functions(kind: str) -> None:
    given = RESPONSES[kind]["responseParameters"]
    for name, value in SAFE_HEADERS.items():
        assert given[f"gatewayresponse.header.{name}"] == f"'{value}'"
    challenge = given.get("gatewayresponse.header.WWW-Authenticate")
    unauthorized = int(RESPONSES[kind]["statusCode"]) == 401
    assert challenge == (f"'{CHALLENGE['WWW-Authenticate']}'" if unauthorized else None)


@pytest.mark.parametrize("kind", KINDS)
def test_no_answer_repeats_what_was_sent(kind: str) -> None:
    """But for the request's id, which API Gateway makes."""
    assert "$" not in json.dumps(RESPONSES[kind]).replace("$context.requestId", "")


def test_there_is_no_kind_of_answer_that_aws_does_not_know() -> None:
    assert set(RESPONSES) == set(KINDS)


def test_a_wrong_key_is_unauthorized_and_not_forbidden() -> None:
    # The authorizer denies it; nothing else here is denied.
    assert RESPONSES["ACCESS_DENIED"] == RESPONSES["UNAUTHORIZED"]
    assert problem("UNAUTHORIZED")["status"] == 401


@pytest.mark.parametrize(
    "kind",
    ["API_CONFIGURATION_ERROR", "DEFAULT_5XX", "INTEGRATION_FAILURE", "INTEGRATION_TIMEOUT"],
)
def test_what_went_wrong_behind_the_api_may_have_been_done(kind: str) -> None:
    document = problem(kind)
    assert (document["status"], document["retryable"]) == (504, False)
    assert (
        "may have been accepted: repeat it only with the same Idempotency-Key"
        in (document["detail"])
    )


def test_the_contract_tells_of_a_request_without_an_answer_on_every_route() -> None:
    contract = yaml.safe_load((ROOT / "openapi.yaml").read_text())
    got = contract["components"]["responses"]["NoAnswer"]["content"]["application/problem+json"]
    document = problem("INTEGRATION_TIMEOUT")
    assert document.pop("request_id") == "$context.requestId"
    assert got["example"] == document
    assert [
        f"{method} {path}"
        for path, item in contract["paths"].items()
        for method, operation in item.items()
        if method in ("get", "post", "delete") and "504" not in operation["responses"]
    ] == []


def test_only_what_no_function_had_may_be_repeated_as_it_is() -> None:
    assert {kind for kind in KINDS if problem(kind)["retryable"]} == {
        "AUTHORIZER_CONFIGURATION_ERROR",
        "AUTHORIZER_FAILURE",
        "QUOTA_EXCEEDED",
        "THROTTLED",
    }


@pytest.mark.parametrize("path", ["/", "/{proxy+}"])
def test_a_route_that_does_not_exist_is_not_found_without_a_function(path: str) -> None:
    assert list(BODY["paths"][path]) == ["x-amazon-apigateway-any-method"]
    method = BODY["paths"][path]["x-amazon-apigateway-any-method"]
    assert method["security"] == [{"NONE": []}]
    integration = method["x-amazon-apigateway-integration"]
    assert integration["type"] == "mock"
    assert json.loads(integration["requestTemplates"]["application/json"]) == {"statusCode": 404}
    answer = integration["responses"]["404"]
    assert answer["statusCode"] == "404"
    document = json.loads(answer["responseTemplates"]["application/json"])
    assert document == problem("MISSING_AUTHENTICATION_TOKEN")
    types = answer["responseParameters"]["method.response.header.Content-Type"]
    assert types == "'application/problem+json'"
    for name, value in SAFE_HEADERS.items():
        assert answer["responseParameters"][f"method.response.header.{name}"] == f"'{value}'"
        assert name in method["responses"]["404"]["headers"]


def test_what_problems_mean_is_shown_without_a_function_or_a_key() -> None:
    method = BODY["paths"]["/problems/{problem}"]["get"]
    assert method["security"] == [{"NONE": []}]
    integration = method["x-amazon-apigateway-integration"]
    assert integration["type"] == "mock"
    answer = integration["responses"]["200"]
    assert answer["responseTemplates"]["application/json"] == problems_page()
    headers = answer["responseParameters"]
    assert headers["method.response.header.Content-Type"] == "'text/html; charset=utf-8'"
    declared = method["responses"]["200"]["headers"]
    assert headers.keys() <= {f"method.response.header.{name}" for name in declared}
    for name, value in SAFE_HEADERS.items():
        assert headers[f"method.response.header.{name}"] == f"'{value}'"


def test_a_problem_that_there_is_not_is_not_found() -> None:
    method = BODY["paths"]["/problems/{problem}"]["get"]
    integration = method["x-amazon-apigateway-integration"]
    choice = integration["requestTemplates"]["application/json"].splitlines()
    shown = re.findall('<dt id="([a-z0-9-]+)">', problems_page())
    assert choice == [
        f'#set($slugs = "/{"/".join(shown)}/")',
        "#set($asked = \"/$input.params('problem')/\")",
        "#if($slugs.contains($asked))",
        '{"statusCode": 200}',
        "#else",
        '{"statusCode": 404}',
        "#end",
    ]
    answer, declared = integration["responses"]["404"], method["responses"]["404"]["headers"]
    assert answer["statusCode"] == "404"
    document = json.loads(answer["responseTemplates"]["application/json"])
    assert document == problem("MISSING_AUTHENTICATION_TOKEN")
    assert answer["responseParameters"].keys() <= {
        f"method.response.header.{name}" for name in declared
    }


def mocks(path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What API Gateway answers to OPTIONS, and to a method that the path does not have."""
    found = []
    for method, status in (("options", "204"), ("x-amazon-apigateway-any-method", "405")):
        operation = BODY["paths"][path][method]
        assert operation["security"] == [{"NONE": []}]
        integration = operation["x-amazon-apigateway-integration"]
        assert integration["type"] == "mock"
        for template in integration["requestTemplates"].values():
            assert json.loads(template) == {"statusCode": int(status)}
        answer = integration["responses"][status]
        assert answer["statusCode"] == status
        declared = operation["responses"][status]["headers"]
        assert {f"method.response.header.{name}" for name in declared} == set(
            answer["responseParameters"]
        )
        found.append(answer)
    return found[0], found[1]


FILES = {"/console", "/docs", "/console/{file+}"}  # no part of the contract: by GET only


@pytest.mark.parametrize("path", sorted(set(BODY["paths"]) - {"/", "/{proxy+}"} - FILES))
def test_every_path_tells_its_methods_without_a_function(path: str) -> None:
    own = set(BODY["paths"][path]) - {"options", "x-amazon-apigateway-any-method"}
    allowed = {method.upper() for method in own} | {"OPTIONS"}
    options, refused = mocks(path)
    for answer in (options, refused):
        got = answer["responseParameters"]["method.response.header.Allow"]
        assert set(got.strip("'").split(", ")) == allowed
        for name, value in SAFE_HEADERS.items():
            assert answer["responseParameters"][f"method.response.header.{name}"] == f"'{value}'"
    assert options["responseTemplates"] == {"application/json": ""}
    document = json.loads(refused["responseTemplates"]["application/json"])
    assert (document["type"], document["status"]) == ("/problems/method-not-allowed", 405)


def test_the_contract_is_served_small_and_cacheable_without_a_function() -> None:
    method = BODY["paths"]["/openapi.json"]["get"]
    assert method["security"] == [{"NONE": []}]
    integration = method["x-amazon-apigateway-integration"]
    assert integration["type"] == "mock"
    answers = integration["responses"]
    assert json.loads(answers["200"]["responseTemplates"]["application/json"]) == small_contract()
    assert answers["304"]["responseTemplates"]["application/json"] == ""
    for answer in answers.values():
        headers = answer["responseParameters"]
        assert headers["method.response.header.Cache-Control"] == "'public, max-age=3600'"
        tag = headers["method.response.header.ETag"]
        assert tag == f"'W/\"{entity_tag()}\"'"
        for name, value in SAFE_HEADERS.items():
            assert headers[f"method.response.header.{name}"] == f"'{value}'"
        declared = method["responses"][answer["statusCode"]]["headers"]
        assert {f"method.response.header.{name}" for name in declared} == headers.keys()
    assert entity_tag() in integration["requestTemplates"]["application/json"]


def test_long_answers_are_compressed_for_who_accepts_that() -> None:
    (api,) = of_type(resolved(), "AWS::ApiGateway::RestApi").values()
    assert 0 < api["MinimumCompressionSize"] < len(served()) / 4


def test_there_is_one_stage_and_it_has_our_name() -> None:
    resources = resolved()
    stages = of_type(resources, "AWS::ApiGateway::Stage")
    assert [one["StageName"] for one in stages.values()] == ["v1"]
    deployments = of_type(resources, "AWS::ApiGateway::Deployment")
    assert len(deployments) == 1
    assert all("StageName" not in one for one in deployments.values())


def test_the_stage_takes_as_many_requests_as_the_parameters_say() -> None:
    (stage,) = of_type(resolved(ApiRate="7", ApiBurst="9"), "AWS::ApiGateway::Stage").values()
    assert stage["MethodSettings"] == [
        {
            "ResourcePath": "/*",
            "HttpMethod": "*",
            "ThrottlingRateLimit": "7",
            "ThrottlingBurstLimit": "9",
        }
    ]


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Bearer sms_wrong", "Basic " + "sms_" + "x" * 48, "sms_" + "x" * 48,
     "Bearer sms_" + "x" * 49, "Bearer sms_" + "x" * 47 + "=", "Bearer x\nBearer sms_" + "x" * 48,
     "AWS4-HMAC-SHA256 Credential=x", "Bearer " + "x" * 5000],
)  # fmt: skip
def test_a_malformed_key_reaches_no_function(header: str) -> None:
    scheme = BODY["components"]["securitySchemes"]["Keys"]["x-amazon-apigateway-authorizer"]
    assert not re.fullmatch(scheme["identityValidationExpression"], header)


def behind_the_api() -> set[str]:
    """The functions that API Gateway waits for, by logical id."""
    return {
        re.findall(r"\$\{(\w+)\.Arn\}", json.dumps(method))[0]
        for path in WITH_CONSOLE["Api"]["Properties"]["Body"]["paths"].values()
        for method in path.values()
        if method["x-amazon-apigateway-integration"]["type"] == "aws_proxy"
    } | {"AuthorizeFunction"}


@pytest.mark.parametrize("name", sorted(behind_the_api()))
def test_a_function_ends_before_api_gateway_gives_it_up(name: str) -> None:
    function = WITH_CONSOLE[name]["Properties"]
    assert function["Timeout"] + START_SECONDS < API_SECONDS


def test_callbacks_may_have_a_bound_and_have_none_by_default() -> None:
    # A reservation that leaves too little to others fails the deployment: see ADR 0026.
    name = "CallbackFunction"
    assert "ReservedConcurrentExecutions" not in resolved()[name]["Properties"]
    bound = resolved(CallbackConcurrency="20")
    assert bound[name]["Properties"]["ReservedConcurrentExecutions"] == "20"
    others = of_type(bound, "AWS::Lambda::Function").items()
    assert not [n for n, one in others if n != name and "ReservedConcurrentExecutions" in one]


def test_requests_are_logged_only_where_the_operator_asks_and_without_what_is_secret() -> None:
    assert "AccessLogSetting" not in stage(resolved())
    logged = stage(resolved(AccessLogs="true"))["AccessLogSetting"]
    assert logged["DestinationArn"] == {"Fn::GetAtt": ["AccessLogGroup", "Arn"]}
    line = json.loads(logged["Format"])
    asked = set(line.values())
    assert "\n" not in logged["Format"]
    assert {"$context.requestId", "$context.authorizer.key_id", "$context.resourcePath"} <= asked
    # A path has a callback's token or an id, a header the key.
    refused = ("$context.path", "$context.identity.userAgent", "$input", "header", "query")
    assert not any(one in logged["Format"] for one in refused)
    group = resolved(AccessLogs="true", LogRetentionDays="7")["AccessLogGroup"]
    assert group["Properties"]["RetentionInDays"] == "7"


def stage(resources: dict[str, Any]) -> dict[str, Any]:
    (found,) = of_type(resources, "AWS::ApiGateway::Stage").values()
    return found

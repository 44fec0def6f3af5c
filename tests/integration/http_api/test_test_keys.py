"""What a test key may ask: routes that keep it from vendors, and what is its own kind's."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from attacks.test_scopes import filled, operations

from sms_gateway.config import api_keys
from testing.gateway import Gateway
from testing.processes import function

CONTEXT = SimpleNamespace(
    function_name="test", aws_request_id="1", get_remaining_time_in_millis=lambda: 120_000
)
CONTRACT_SCOPES = " ".join(api_keys.SCOPES)
FUNCTIONS = {
    name: function(name) for name in ("send", "status", "verify", "balance", "vendor_account")
} | {name: function(name) for name in ("campaigns", "webhooks")}
BODY = {"to": "+8801000000001", "text": "Hello"}


def ask(name: str, method: str, path: str, body: Any = None, *, test: bool = True) -> Any:
    """Ask a function as a key with every scope: status and decoded body."""
    given = {
        "httpMethod": method,
        "path": path,
        "resource": path,
        "body": json.dumps(body) if body else None,
        "requestContext": {
            "authorizer": {
                "tenant": "acme",
                "scopes": CONTRACT_SCOPES,
                "key_id": "0123456789ab",
                **({"test": "true"} if test else {}),
            }
        },
    }
    answer = FUNCTIONS[name].handler(given, CONTEXT)
    return answer["statusCode"], json.loads(answer["body"]) if answer["body"] else None


@pytest.mark.parametrize(
    ("method", "path"),
    [(method, path) for method, path, scope in operations() if scope not in api_keys.TEST_SCOPES],
)
def test_a_route_that_does_not_know_tests_refuses_them(
    gateway: Gateway, method: str, path: str
) -> None:
    """Even those of a key that has every scope, which none can be made with."""
    answers = [
        ask(name, method, filled(path), {"url": "https://example.com"}) for name in FUNCTIONS
    ]
    known = [problem["type"] for status, problem in answers if status not in (404, 405)]
    assert known == ["/problems/test-key"]
    assert gateway.wire.sent == []


def test_what_is_sent_with_a_test_key_goes_to_the_sandbox(gateway: Gateway) -> None:
    status, sent = ask("send", "POST", "/messages", BODY)
    assert (status, sent["test"]) == (202, True)
    assert sent["messages"][0]["vendor"] == "sandbox"
    status, sent = ask("send", "POST", "/messages", BODY, test=False)
    assert (status, "test" in sent) == (202, False)
    assert sent["messages"][0]["vendor"] == "dinisoft"
    status, shown = ask("send", "POST", "/messages/preview", BODY)
    assert (status, shown["messages"][0]["vendor"]) == (200, "sandbox")
    status, begun = ask("verify", "POST", "/verifications", BODY | {"text": "{code}"})
    assert (status, begun["test"]) == (201, True)


def test_a_live_key_sees_tests_and_a_test_key_nothing_else(gateway: Gateway) -> None:
    _, tested = ask("send", "POST", "/messages", BODY)
    _, live = ask("send", "POST", "/messages", BODY, test=False)
    ids = {one: answer["messages"][0]["id"] for one, answer in (("test", tested), ("live", live))}

    def listed(**options: Any) -> set[str]:
        _, page = ask("status", "GET", "/messages", **options)
        return {one["id"] for one in page["messages"]}

    assert listed(test=False) == set(ids.values())
    assert listed() == {ids["test"]}
    for own, other in ((tested, live), (live, tested)):
        test = own is tested
        identifier = other["messages"][0]["id"]
        expected = 404 if test else 200
        assert ask("status", "GET", f"/messages/{identifier}", test=test)[0] == expected
        assert ask("status", "GET", f"/batches/{other['batch_id']}", test=test)[0] == expected
    for test, batches in (
        (True, {tested["batch_id"]}),
        (False, {one[:26] for one in ids.values()}),
    ):
        _, page = ask("status", "GET", "/batches", test=test)
        assert {one["id"] for one in page["batches"]} == batches
        assert sum("test" in one for one in page["batches"]) == 1
    assert ask("send", "DELETE", f"/messages/{ids['live']}")[0] == 404
    assert ask("send", "DELETE", f"/messages/{ids['test']}")[1]["status"] == "cancelled"


def test_a_test_key_lists_batches_of_tests_only(gateway: Gateway) -> None:
    _, tested = ask("send", "POST", "/messages", BODY)
    _, live = ask("send", "POST", "/messages", BODY, test=False)
    _, page = ask("status", "GET", "/batches")
    assert [(one["id"], one["test"]) for one in page["batches"]] == [(tested["batch_id"], True)]
    _, page = ask("status", "GET", "/batches", test=False)
    shown = {one["id"]: one.get("test", False) for one in page["batches"]}
    assert shown == {tested["batch_id"]: True, live["batch_id"]: False}


@pytest.mark.parametrize(("wanted", "of_test_keys"), [("true", True), ("false", False)])
def test_a_list_may_be_of_one_kind(gateway: Gateway, wanted: str, of_test_keys: bool) -> None:
    ask("send", "POST", "/messages", BODY)
    ask("send", "POST", "/messages", BODY, test=False)
    given = {
        "httpMethod": "GET",
        "path": "/messages",
        "resource": "/messages",
        "queryStringParameters": {"test": wanted},
        "requestContext": {"authorizer": {"tenant": "acme", "scopes": CONTRACT_SCOPES}},
    }
    page = json.loads(FUNCTIONS["status"].handler(given, CONTEXT)["body"])
    assert [one.get("test", False) for one in page["messages"]] == [of_test_keys]

"""What is refused is counted by its reason, and each request has one id everywhere."""

import json
from typing import Any

import pytest

from sms_gateway.core.observability import logger
from sms_gateway.receipts.callbacks import handle_callback
from testing.gateway import Gateway
from testing.processes import function

ID = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
STATUS = function("status")


def ask(gateway: Gateway, path: str, scopes: str = "messages:read") -> tuple[int, Any]:
    event = {
        "httpMethod": "GET",
        "path": path,
        "requestContext": {
            "requestId": ID,
            "authorizer": {"tenant": "acme", "scopes": scopes, "key_id": "50d858e0985e"},
        },
    }
    answer = STATUS.handler(event, gateway.context)
    return answer["statusCode"], json.loads(answer["body"])


def counted(shown: str, metric: str) -> list[str | None]:
    lines = [json.loads(line) for line in shown.splitlines() if line.startswith("{")]
    return [line.get("reason") for line in lines if metric in line]


def test_a_refused_scope_is_counted_and_names_the_key(
    gateway: Gateway, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    status, problem = ask(gateway, "/messages", "account")
    assert (status, problem["type"]) == (403, "/problems/missing-scope")
    shown = capsys.readouterr().out
    assert counted(shown, "ScopeRefused") == ["messages:read"]
    assert counted(shown, "Refused") == [None]  # the sum that the alarm watches
    (line,) = (vars(one) for one in caplog.records)
    assert (line["scope"], line["key_id"], line["tenant"]) == (
        "messages:read",
        "50d858e0985e",
        "acme",
    )


@pytest.mark.parametrize("path", ["/messages/nothing", "/nowhere"])
def test_a_problem_has_the_requests_id(gateway: Gateway, path: str) -> None:
    status, problem = ask(gateway, path)
    assert (status, problem["request_id"]) == (404, ID)


def test_a_line_about_a_request_has_its_id_and_no_later_one_has(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []

    def broken(*_: object) -> None:
        seen.append(keys_of_the_log())
        raise RuntimeError

    monkeypatch.setattr(STATUS, "list_messages", broken)
    status, problem = ask(gateway, "/messages")
    assert (status, problem["request_id"]) == (500, ID)
    assert seen == [{"request_id": ID}]
    assert keys_of_the_log() == {}


def keys_of_the_log() -> dict[str, Any]:
    found = logger.get_current_keys()
    return {name: value for name, value in found.items() if name == "request_id"}


@pytest.mark.parametrize(
    ("method", "vendor", "token", "reason"),
    [
        ("GET", "server2sms", "x" * 60, "token"),
        ("GET", "nobody", "x" * 60, None),
        ("PUT", "server2sms", "x" * 60, None),
        ("GET", "server2sms", "ACCOUNT", "account"),
    ],
)
def test_a_forged_callback_is_counted_by_its_reason(
    gateway: Gateway,
    capsys: pytest.CaptureFixture[str],
    method: str,
    vendor: str,
    token: str,
    reason: str | None,
) -> None:
    if token == "ACCOUNT":
        token = gateway.token(vendor, None)
    event = {
        "httpMethod": method,
        "pathParameters": {"vendor": vendor, "token": token},
        "requestContext": {},
    }
    answer = handle_callback(event)
    assert answer["statusCode"] == 404
    shown = capsys.readouterr().out
    assert counted(shown, "ForgedCallback") == ([reason] if reason else [])
    assert len(counted(shown, "Refused")) == bool(reason)
    assert token not in shown
    assert "nobody" not in shown  # a stranger's word is no dimension

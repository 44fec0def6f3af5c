"""Who sent it: the id of the API key stands on all that it began."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from sms_gateway.storage import dynamodb, message_repository
from sms_gateway.webhooks import management
from testing.counting import Meter
from testing.gateway import Gateway
from testing.numbers import number
from testing.processes import function

KEY, OTHER = "50d858e0985e", "0123456789ab"
SCOPES = "messages:send messages:read verifications webhooks:manage"


def ask(name: str, method: str, path: str, body: object = None, key: str = KEY) -> Any:
    """What a function answers to a request with a key."""
    event = {
        "httpMethod": method,
        "path": path,
        "body": json.dumps(body) if body is not None else None,
        "requestContext": {"authorizer": {"tenant": "acme", "scopes": SCOPES, "key_id": key}},
    }
    answer = function(name).handler(event, None)
    assert answer["statusCode"] < 300, answer
    return json.loads(answer["body"])


def listing(key: str) -> Any:
    event = {
        "httpMethod": "GET",
        "path": "/messages",
        "queryStringParameters": {"key": key},
        "requestContext": {"authorizer": {"tenant": "acme", "scopes": SCOPES, "key_id": KEY}},
    }
    answer = function("status").handler(event, None)
    return answer["statusCode"], json.loads(answer["body"])


def send(to: str | list[str], key: str = KEY) -> list[str]:
    sent = ask("send", "POST", "/messages", {"to": to, "text": "Hello"}, key)
    return [one["id"] for one in sent["messages"]]


@pytest.mark.parametrize("count", [1, 3])
def test_the_key_stands_on_the_batch_and_the_first_step(gateway: Gateway, count: int) -> None:
    numbers = [number("jst", nth) for nth in range(count)]
    ids = send(numbers if count > 1 else numbers[0])
    gateway.dispatch("jst")
    for identifier in ids:
        shown = ask("status", "GET", f"/messages/{identifier}")
        assert shown["key_id"] == KEY
        assert [step.get("key_id") for step in shown["timeline"]][:2] == [KEY, None]
    assert ask("status", "GET", f"/batches/{ids[0][:26]}")["key_id"] == KEY


def test_a_list_by_key_has_what_that_key_sent(gateway: Gateway) -> None:
    mine = send(number("jst"))
    theirs = send([number("jst", 1), number("jst", 2)], OTHER)
    for key, ids in ((KEY, mine), (OTHER, theirs), ("f" * 12, [])):
        status, listed = listing(key)
        assert status == 200
        assert [one["id"] for one in listed["messages"]] == ids


def test_a_key_that_cannot_be_is_said_to_be(gateway: Gateway) -> None:
    status, problem = listing("sms_wrong")
    assert (status, problem["type"]) == (422, "/problems/invalid-parameter")
    assert "parameter key" in problem["detail"]


def test_the_key_stands_on_a_verification_and_its_message(gateway: Gateway) -> None:
    body = {"to": number("server2sms"), "text": "Code {code}"}
    begun = ask("verify", "POST", "/verifications", body)
    assert begun["key_id"] == KEY
    assert ask("verify", "GET", f"/verifications/{begun['id']}", key=OTHER)["key_id"] == KEY
    assert ask("status", "GET", f"/messages/{begun['message_id']}")["key_id"] == KEY


def test_the_key_stands_on_a_webhook(gateway: Gateway) -> None:
    made = management.create_webhook(
        "acme",
        b'{"url": "https://hooks.example.com/sms"}',
        datetime.now(UTC),
        resolver=lambda *_: ["93.184.215.14"],
        key_id=KEY,
    )
    assert made["key_id"] == KEY
    assert ask("webhooks", "GET", f"/webhooks/{made['id']}", key=OTHER)["key_id"] == KEY


@pytest.mark.parametrize("count", [1, 100])
def test_the_key_costs_no_unit(gateway: Gateway, count: int) -> None:
    numbers: Any = [number("jst", nth) for nth in range(count)]
    costs = []
    for key in ("", KEY):
        with Meter().listening(dynamodb.client()) as meter:
            ids = send(numbers if count > 1 else numbers[0], key)
            costs.append(meter.total.writes)
        batch = message_repository.find_batch(ids[0][:26])
        assert batch
        assert batch.key_id == (key or None)
    assert costs[0] == costs[1]

"""What keeps guarded codes safe while counters fail, taken away: the counts then are wrong."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from failures.guards import guards, off
from integration.conftest import failing

from sms_gateway.core.problems import GatewayError, ServiceUnavailableError
from sms_gateway.messages.feedback import take_feedback
from sms_gateway.messages.send import send
from sms_gateway.pumping_guard import counters
from sms_gateway.pumping_guard import guard as pumping_guard
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ItemUpdate
from testing.gateway import Gateway
from testing.numbers import number
from testing.settings import set_guards

__all__ = ["failing"]  # a fixture
AT = datetime(2026, 11, 28, 12, 10, tzinfo=UTC)
BODY = json.dumps({"to": number("jst"), "text": "Your code is 1234", "category": "otp"}).encode()


@pytest.fixture(autouse=True)
def _guarded(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUMPING_GUARD", "true")
    set_guards({"acme": {"mode": "block"}})


def refuse(_: str, error: ServiceUnavailableError) -> Any:
    raise error


@guards("fail open")
def test_a_counter_that_does_not_answer_refuses_nobody(
    failing: Callable[..., None], monkeypatch: pytest.MonkeyPatch, guard: str
) -> None:
    off(guard, monkeypatch, pumping_guard, "_failed_open", refuse)
    failing("UpdateItem")
    try:
        sent = len(send("acme", BODY, AT)["messages"])
    except GatewayError:
        sent = 0
    assert sent == (1 if guard == "on" else 0)


@guards("first word")
def test_feedback_that_is_told_again_counts_once(
    monkeypatch: pytest.MonkeyPatch, guard: str
) -> None:
    (message,) = send("acme", BODY, AT)["messages"]
    off(guard, monkeypatch, ItemUpdate, "if_missing", lambda self, _: self)
    for _ in range(3):
        take_feedback("acme", message["id"], b'{"outcome": "used"}', AT)
    country, _ = counters.names_of(number("jst"))
    item = dynamodb.get(counters.key_at("acme", country, AT).item)
    assert item
    assert int(item["approved12"]["N"]) == (1 if guard == "on" else 3)

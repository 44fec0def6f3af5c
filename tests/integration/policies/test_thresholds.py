"""The event QuotaReached: once for a limit, its period and its threshold, and no write besides."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sms_gateway.messages.send import send
from sms_gateway.policies import door, thresholds
from sms_gateway.policies.limits import QuotaExhaustedError
from sms_gateway.storage import dynamodb
from testing.counting import Meter
from testing.gateway import Gateway
from testing.interleaved import interleaved
from testing.numbers import number
from testing.processes import new_worker
from testing.rights import acting_as
from testing.settings import set_policy
from testing.stream import Stream, streaming

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
def stream(gateway: Gateway) -> Iterator[Stream]:
    new_worker()
    yield from streaming()


def limit(**policy: Any) -> None:
    set_policy("acme", json.dumps(policy))


def go(count: int = 1, at: datetime = NOW, text: str = "Hello", **key: Any) -> int:
    to = [number("jst", nth) for nth in range(count)]
    body = json.dumps({"to": to, "text": text}).encode()
    try:
        with acting_as("SendFunction"):
            return len(send("acme", body, at, **key)["messages"])
    except QuotaExhaustedError:
        return 0


def events(stream: Stream) -> list[dict[str, Any]]:
    assert stream.publish() == []
    return [one.to_dict() for one in stream.got.events if one.type == "QuotaReached"]


def test_each_threshold_is_sent_once_a_day(stream: Stream) -> None:
    limit(messages_per_day=10)
    for _ in range(12):
        go()
    found = events(stream)
    assert [one["data"]["percent"] for one in found] == [50, 80, 100]
    assert found[1] == {
        "id": "quota-acme-tenant-messages_per_day-10-2026-11-29-80",
        "type": "QuotaReached",
        "version": "1",
        "timestamp": "2026-11-28T12:00:00.000Z",
        "tenant": "acme",
        "data": {
            "quota": "messages_per_day",
            "of": "tenant",
            "limit": 10,
            "used": 8,
            "resets_at": "2026-11-29T00:00:00.000Z",
            "percent": 80,
        },
    }
    go(9, NOW + timedelta(days=1))
    assert [one["data"]["percent"] for one in events(stream)] == [50, 80, 100, 80]


def test_a_raised_limit_is_sent_anew_and_a_keys_names_the_key(stream: Stream) -> None:
    limit(messages_per_day=2)
    go(2)
    limit(messages_per_day=6)
    go(key_id="0123456789ab", key_policy='{"segments_per_day": 2}')
    data = [one["data"] for one in events(stream)]
    assert [(one["of"], one["limit"], one["percent"]) for one in data] == [
        ("tenant", 2, 100),
        ("tenant", 6, 50),
        ("key", 2, 50),
    ]
    assert data[2]["key_id"] == "0123456789ab"
    assert "key_id" not in data[0]


def test_a_rest_that_is_too_small_for_a_message_is_the_end_sent_by_each_process_at_most_once(
    stream: Stream,
) -> None:
    price = {"amount": "0.30", "currency": "USD"}
    limit(spend_per_month={"amount": "1", "currency": "USD"}, assumed_price=price)
    assert go(3) == 3
    with Meter().listening(dynamodb.client()) as meter:
        assert [go() for _ in range(4)] == [0] * 4
    assert meter.total.calls["dynamodb.UpdateItem"] == 4 + 1  # each asks; the first notes it
    new_worker()
    go()
    found = [one["data"] for one in events(stream)]
    assert [one["percent"] for one in found] == [80, 100]
    assert found[1]["used"] == {"amount": "0.9", "currency": "USD"}


def test_of_a_campaigns_chunk_only_what_stops_it_is_used_up(stream: Stream) -> None:
    """A row behind that one may fit into another limit."""
    limit(messages_per_day=100, segments_per_day=5)
    parts = [(number("jst", nth), 2, ("jst",), None) for nth in range(4)]
    door.count_sends(
        "acme", None, None, parts, NOW, lambda: b"k" * 32, lambda _: None, in_order=True
    )
    data = [one["data"] for one in events(stream)]
    assert [(one["quota"], one["percent"]) for one in data] == [("segments_per_day", 100)]


@pytest.mark.parametrize("seed", range(2))
def test_of_many_at_once_each_threshold_is_sent_once(stream: Stream, seed: int) -> None:
    limit(messages_per_day=20)
    go()  # reads the settings
    body = json.dumps({"to": number("jst"), "text": "Hello"}).encode()
    interleaved(seed, [lambda: len(send("acme", body, NOW)["messages"])] * 19)
    assert [one["data"]["percent"] for one in events(stream)] == [50, 80, 100]


def test_a_request_that_passes_no_threshold_writes_once_and_wakes_no_reader(stream: Stream) -> None:
    limit(messages_per_day=1000, spend_per_day={"amount": "9", "currency": "USD"},
          assumed_price={"amount": "0.001", "currency": "USD"})  # fmt: skip
    go()
    stream.publish()
    with Meter().listening(dynamodb.client()) as meter:
        go(9)
    assert meter.total.calls["dynamodb.UpdateItem"] == 1
    assert not [one for one in stream.records() if "QUOTA" in str(one["dynamodb"]["Keys"])]


def test_a_threshold_that_can_not_be_stored_refuses_nobody(
    stream: Stream, monkeypatch: pytest.MonkeyPatch, failing: Callable[..., None]
) -> None:
    limit(messages_per_day=1)
    thresholds._stored.clear()
    real = thresholds.note

    def late(*given: Any) -> None:
        failing("UpdateItem", 1)
        real(*given)

    monkeypatch.setattr(thresholds, "note", late)
    assert go() == 1

"""What a message costs in DynamoDB: upper bounds, so that a dearer change is seen.

Writes are counted as AWS bills them: a write unit for each begun kilobyte of the item, and as much
again for every sparse index whose entry is made or taken away, twice where its key changes.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import pytest
from integration.stage import (
    POLL,
    SUBMIT,
    TAKES,
    Gateway,
    arrived,
    rajasms,
    server2sms,
    set_account,
)

from sms_gateway import items, table
from sms_gateway.views import batch_view

INDEXES = {"due": ("shard", "due"), "by_tenant": ("day",)}
SETTLED_BY_POLL = 200  # seconds


@dataclass
class Meter:
    """Counts calls by operation, and write units by item."""

    calls: Counter[str] = field(default_factory=Counter)
    writes: float = 0

    def wrote(self, before: dict[str, Any] | None, after: dict[str, Any]) -> None:
        size = max(_size(before or {}), _size(after))
        self.writes += ceil(size / 1024)
        for attributes in INDEXES.values():
            was, now = (_entry(item or {}, attributes) for item in (before, after))
            if was != now:
                self.writes += (was is not None) + (now is not None)


def _entry(item: dict[str, Any], attributes: tuple[str, ...]) -> list[Any] | None:
    values = [item.get(name) for name in attributes]
    return None if None in values else values


def _size(item: dict[str, Any]) -> int:
    """About what DynamoDB counts: names, and values as text."""
    return sum(len(name) + len(json.dumps(value)) - 7 for name, value in item.items())


def _key(item: dict[str, Any]) -> dict[str, Any]:
    return {"pk": item["pk"], "sk": item["sk"]}


@pytest.fixture
def meter(gateway: Gateway) -> Iterator[Meter]:
    """Listens to every call to DynamoDB; reads an item before and after its change by itself."""
    meter = Meter()
    client = table.client()
    listening = [True]

    def item(key: dict[str, Any]) -> dict[str, Any] | None:
        listening[0] = False
        found = client.get_item(TableName=table.name(), Key=key, ConsistentRead=True).get("Item")
        listening[0] = True
        return found

    before: dict[str, dict[str, Any] | None] = {}

    def starts(params: dict[str, Any], model: Any, **_: Any) -> None:
        if not listening[0]:
            return
        meter.calls[model.name] += 1
        if model.name == "UpdateItem":
            before[json.dumps(params["Key"])] = item(params["Key"])
        elif model.name == "PutItem":
            meter.wrote(None, params["Item"])
        elif model.name == "BatchWriteItem":
            for request in params["RequestItems"][table.name()]:
                meter.wrote(None, request["PutRequest"]["Item"])

    def ends(model: Any, context: dict[str, Any], parsed: dict[str, Any], **_: Any) -> None:
        if listening[0] and model.name == "UpdateItem" and parsed.get("Attributes"):
            after = parsed["Attributes"]
            meter.wrote(before[json.dumps(_key(after))], after)

    events = client.meta.events
    events.register("provide-client-params.dynamodb", starts)
    events.register("after-call.dynamodb", ends)
    yield meter
    events.unregister("provide-client-params.dynamodb", starts)
    events.unregister("after-call.dynamodb", ends)


def test_a_single_message_with_a_callback_costs_seven_write_units(
    gateway: Gateway, meter: Meter
) -> None:
    """Accepted 3 (item, due, by_tenant), submitting 1, submitted 1, delivered 2 (item, due)."""
    (identifier,) = gateway.sent("server2sms")
    server2sms(gateway, identifier, "0")
    assert gateway.status(identifier) == "delivered"
    assert meter.writes <= 7
    assert meter.calls["PutItem"] == 1
    assert meter.calls["UpdateItem"] == 3
    looks = 2  # of this test itself
    assert meter.calls["BatchGetItem"] == 1 + looks


def test_a_single_message_with_a_poll_costs_seven_write_units(
    gateway: Gateway, meter: Meter
) -> None:
    """As with a callback: what the clock's leases cost is shared by all that is due."""
    gateway.wire.answers |= {SUBMIT["server2sms"]: TAKES["server2sms"], POLL["server2sms"]: arrived}
    (identifier,) = gateway.sent("server2sms")
    gateway.tick(SETTLED_BY_POLL)
    assert gateway.status(identifier) == "delivered"
    leases = 2
    assert meter.calls["UpdateItem"] == 3 + leases
    assert meter.writes <= 7 + leases


def test_a_poll_without_news_costs_three_write_units(gateway: Gateway, meter: Meter) -> None:
    """The item, and its place in the due index taken away and made anew."""
    gateway.wire.answers[POLL["server2sms"]] = {"StatusCode": "1"}
    gateway.sent("server2sms")
    before = meter.writes
    gateway.tick(SETTLED_BY_POLL)
    leases = 2
    assert meter.writes - before <= 3 + leases


def test_a_hundred_rajasms_messages_cost_about_two_write_units_each(
    gateway: Gateway, meter: Meter
) -> None:
    """One at acceptance, one at the receipt; the batch and its submission are shared by all."""
    count = 100
    ids = gateway.sent("rajasms", count)
    accepted = dict(meter.calls)
    assert accepted["BatchWriteItem"] == 5  # 100 messages and their submission, 25 a call
    assert accepted["PutItem"] == 1
    assert accepted["UpdateItem"] == 2
    assert meter.writes / count <= 1.25
    for one in ids:
        rajasms(gateway, one, "3")
    assert set(gateway.statuses(ids)) == {"delivered"}
    assert meter.writes / count <= 2.3


@pytest.mark.parametrize("count", [0, 100])
def test_a_price_table_costs_no_write_and_no_read(
    gateway: Gateway, meter: Meter, count: int
) -> None:
    spent = []
    for prices in (None, {"currency": "CHF", "per_segment": {"+44": "0.06", "+": "0.1"}}):
        set_account("server2sms", prices=prices)
        meter.calls.clear()
        meter.writes = 0
        ids = gateway.sent("server2sms", count)
        assert (gateway.view(ids[0])["price"] is None) is (prices is None)
        whole = table.whole_batch(ids[0][:26])
        assert whole
        assert bool(batch_view(*whole)["price"]) is (prices is not None)
        del meter.calls["GetItem"]  # one of the circuit among them, every five seconds
        spent.append((meter.writes, dict(meter.calls)))
    assert spent[0] == spent[1]


def test_a_status_is_read_in_one_or_two_calls(gateway: Gateway, meter: Meter) -> None:
    single, grouped = gateway.sent("rajasms")[0], gateway.sent("rajasms", 3)[1]
    meter.calls.clear()
    gateway.status(single)
    assert meter.calls == {"BatchGetItem": 1}
    meter.calls.clear()
    gateway.status(grouped)
    assert meter.calls == {"BatchGetItem": 1, "Query": 1}


def test_an_idle_clock_asks_once_for_each_partition(gateway: Gateway, meter: Meter) -> None:
    gateway.tick()
    assert meter.calls == {"Query": len(items.SHARDS)}
    assert meter.writes == 0

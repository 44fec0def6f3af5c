"""One host of a tenant gets so many attempts a minute; what is above waits, and nothing is lost."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from integration.webhooks.test_deliveries import (
    NOW,
    SLOW,
    Clock,
    Customer,
    event,
    hook,
    run,
    stored,
    wake,
)
from integration.webhooks.test_deliveries import clock as clock
from integration.webhooks.test_deliveries import customer as customer

from sms_gateway.events import webhook_fanout
from sms_gateway.storage import dynamodb
from sms_gateway.webhooks import host_rate

BEGIN = int(NOW.timestamp())  # a minute's first second
HOST = "hooks.example.com"
STATUS = f"https://{HOST}/status/42"


@pytest.fixture
def writes(customer: Customer) -> Iterator[Counter[str]]:
    """What the table is asked to write from now on."""
    seen: Counter[str] = Counter()

    def look(model: Any, **_: Any) -> None:
        if model.name not in ("GetItem", "Query", "BatchGetItem"):
            seen[model.name] += 1

    events = dynamodb.client().meta.events
    events.register("before-call", look)
    yield seen
    events.unregister("before-call", look)


def taken(times: int, now: int = BEGIN, tenant: str = "acme") -> list[int]:
    return [host_rate.take(tenant, HOST, now) for _ in range(times)]


def test_a_few_attempts_cost_no_write(customer: Customer, writes: Counter[str]) -> None:
    hook()
    webhook_fanout.enqueue_deliveries([event(nth) for nth in range(host_rate.UNBOOKED)])
    writes.clear()
    run(customer)
    assert (len(customer.got), writes) == (host_rate.UNBOOKED, {})


def test_many_cost_a_tenth_of_a_write_each(customer: Customer, writes: Counter[str]) -> None:
    hook()
    webhook_fanout.enqueue_deliveries([event(nth) for nth in range(110)])
    writes.clear()
    run(customer)
    assert (len(customer.got), writes) == (110, {"UpdateItem": 10})


def test_a_thousand_status_urls_of_one_request_wait_for_their_minute(
    customer: Customer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_RATE", "40")
    identifier = hook(events=[])
    webhook_fanout.enqueue_deliveries([event(nth, status_url=STATUS) for nth in range(200)])
    assert run(customer) == []
    made = [len(customer.got)]
    assert made == [host_rate.UNBOOKED + 40]
    assert {one["state"] for one in stored(identifier, limit="100")} == {"waiting"}
    for _ in range(12):
        clock.at += 60
        wake(clock)
        assert run(customer, SLOW) == []
        made.append(len(customer.got))
    assert max(after - before for before, after in pairwise(made)) <= 50
    assert len({headers["webhook-id"] for _, headers, _ in customer.got}) == made[-1] == 200
    assert stored(identifier, state="waiting") == []


def test_who_waits_has_made_no_attempt(
    customer: Customer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_RATE", "10")
    identifier = hook()
    webhook_fanout.enqueue_deliveries([event(nth) for nth in range(host_rate.UNBOOKED + 11)])
    run(customer)
    (one,) = stored(identifier)
    assert (one["state"], one["attempts"]) == ("waiting", [])
    assert one["next_attempt_at"] == "2026-11-22T03:01:00.000Z"


def test_several_workers_share_one_bound(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_RATE", "40")
    made = 0
    for _ in range(15):
        host_rate.reset()
        made += taken(100).count(0)
    assert made == 15 * host_rate.UNBOOKED + 40


def test_each_full_minute_ahead_is_one_more_to_wait(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_RATE", "20")
    waits = taken(200, BEGIN + 45)
    assert waits[:30] == [0] * 30
    assert waits[30] == 15
    assert waits == sorted(waits)
    assert Counter(waits[41:141]) == {75: 20, 135: 20, 195: 20, 255: 20, 315: 20}


def test_the_next_minute_begins_anew_and_tenants_share_nothing(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_RATE", "20")
    assert taken(100).count(0) == 30
    assert taken(100, tenant="other").count(0) == 30
    assert taken(100, BEGIN + 60).count(0) == 30

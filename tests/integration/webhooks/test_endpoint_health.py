"""An endpoint at which nothing arrives for days is disabled, and its tenant is told."""

from collections.abc import Iterator

import pytest
from integration.webhooks.test_deliveries import (
    FAST,
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
from sms_gateway.events.stream_reader import handle_records
from sms_gateway.webhooks import endpoint_health, endpoints, management
from sms_gateway.webhooks.http_client import PostResult
from testing.gateway import Gateway
from testing.queues import emptied
from testing.stream import Stream, streaming

DAY = 86_400


@pytest.fixture
def stream(gateway: Gateway) -> Iterator[Stream]:
    yield from streaming()


def fail(identifier: str, at: float, times: int = 1) -> None:
    for _ in range(times):
        found = management.get_endpoint("acme", identifier)
        endpoint_health.record_failure(found, int(at), busy=False, retry_after=None)


def state(identifier: str) -> str:
    return str(management.get_endpoint("acme", identifier).state)


def test_one_that_fails_for_five_days_is_disabled(customer: Customer, clock: Clock) -> None:
    """An event each three hours, none of which is taken."""
    identifier = hook()
    customer.answers["/sms"] = PostResult(500)
    for nth in range(8 * 6):
        if state(identifier) == "disabled":
            break
        webhook_fanout.enqueue_deliveries([event(nth)])
        run(customer)
        run(customer, SLOW)
        clock.at += 10_800
        wake(clock)
        run(customer, SLOW)
    view = management.get_endpoint("acme", identifier).view()
    assert (view["state"], view["disabled_reason"]) == ("disabled", "nothing arrived for 5 days")
    assert view["disabled_at"] is not None
    assert 5 * DAY <= clock.at - NOW.timestamp() < 6 * DAY
    begun = len(customer.got)
    clock.at += 10 * DAY
    wake(clock)
    run(customer, SLOW)
    assert len(customer.got) == begun
    assert {one["state"] for one in stored(identifier, limit="100")} == {"failed"}


@pytest.mark.parametrize("busy", [True, False])
def test_an_attempt_that_fails_right_after_a_proof_pauses_nothing(
    customer: Customer, busy: bool
) -> None:
    """It began before the proof, which forgets the failures before it."""
    identifier, now = hook(), int(NOW.timestamp())
    fail(identifier, now, times=endpoint_health.FAILURES_TO_PAUSE)
    before = management.get_endpoint("acme", identifier)
    assert before.paused_until > now
    assert management.send_test("acme", identifier, NOW, customer)["proven"] is True
    until = endpoint_health.record_failure(
        before, now, busy=busy, retry_after=900 if busy else None
    )
    after = management.get_endpoint("acme", identifier)
    assert (until, after.failures, after.paused_until) == (now, 0, 0)


def test_attempts_that_fail_at_once_pause_once_for_the_longest(customer: Customer) -> None:
    identifier, now = hook(), int(NOW.timestamp())
    fail(identifier, now, times=2)
    at_once = management.get_endpoint("acme", identifier)

    def failed(retry_after: int | None) -> int:
        return endpoint_health.record_failure(
            at_once, now, busy=retry_after is not None, retry_after=retry_after
        )

    assert [failed(one) for one in (None, 300, 60)] == [now + 30, now + 300, now + 300]
    after = management.get_endpoint("acme", identifier)
    assert (after.failures, after.paused_until) == (3, now + 300)


def test_a_failure_at_one_that_was_deleted_pauses_nothing(customer: Customer) -> None:
    identifier, now = hook(), int(NOW.timestamp())
    before = management.get_endpoint("acme", identifier)
    management.delete_webhook("acme", identifier)
    assert endpoint_health.record_failure(before, now, busy=True, retry_after=60) == now
    assert endpoints.find_endpoint("acme", identifier) is None


def test_a_few_failures_over_many_days_disable_nothing(customer: Customer) -> None:
    identifier = hook()
    for day in range(endpoint_health.FAILURES_TO_DISABLE - 1):
        fail(identifier, NOW.timestamp() + day * 3 * DAY)
    assert state(identifier) == "active"
    fail(identifier, NOW.timestamp() + 60 * DAY)
    assert state(identifier) == "disabled"


def test_many_failures_within_days_disable_nothing(customer: Customer) -> None:
    identifier = hook()
    fail(identifier, NOW.timestamp())
    fail(identifier, NOW.timestamp() + 5 * DAY - 1, times=50)
    assert state(identifier) == "active"


def test_one_success_starts_the_days_anew(customer: Customer) -> None:
    identifier = hook()
    fail(identifier, NOW.timestamp(), times=20)
    endpoint_health.record_success(management.get_endpoint("acme", identifier))
    fail(identifier, NOW.timestamp() + 5 * DAY, times=20)
    assert state(identifier) == "active"


def test_the_tenant_is_told_on_the_bus_and_at_its_other_webhooks(
    customer: Customer, stream: Stream
) -> None:
    hook("/other", events=["WebhookDisabled"])
    hook("/stranger", tenant="stranger")
    identifier = hook("/gone")
    found = management.get_endpoint("acme", identifier)
    stream.publish()
    stream.got.events.clear()
    endpoint_health.disable(found, "it answered 410 Gone", int(NOW.timestamp()))
    records = stream.records()
    assert stream.publish(records) == []
    (seen,) = stream.got.events
    assert (seen.type, seen.tenant) == ("WebhookDisabled", "acme")
    assert seen.data == {
        "webhook_id": identifier,
        "reason": "it answered 410 Gone",
        "disabled_at": "2026-11-22T03:00:00.000Z",
    }
    handle_records(records, 120, webhook_fanout.enqueue_deliveries, operator=False)
    run(customer)
    assert [path for path, _, _ in customer.got] == ["/other"]


def test_the_disabled_one_itself_is_not_told_however_old_the_cache(
    customer: Customer, stream: Stream
) -> None:
    identifier = hook("/gone")
    endpoints.cached_endpoints("acme")
    found = management.get_endpoint("acme", identifier)
    stream.everything()
    endpoint_health.disable(found, "it answered 410 Gone", int(NOW.timestamp()))
    handle_records(stream.records(), 120, webhook_fanout.enqueue_deliveries, operator=False)
    assert emptied(FAST) == []


def test_a_webhook_that_stays_disabled_is_told_once(customer: Customer, stream: Stream) -> None:
    identifier = hook("/gone")
    found = management.get_endpoint("acme", identifier)
    endpoint_health.disable(found, "it answered 410 Gone", int(NOW.timestamp()))
    endpoint_health.disable(found, "it answered 410 Gone", int(NOW.timestamp()) + 9)
    endpoint_health.mark_slow(found, int(NOW.timestamp()))
    stream.publish()
    assert stream.kinds() == ["WebhookDisabled"]

"""The clock's part in deliveries: many at once, in turn, and none of those whose webhook rests."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from sms_gateway.aws import sqs
from sms_gateway.scheduler import tick, tick_run
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.models import ItemKey
from sms_gateway.webhooks import deliveries, endpoints, retry_scheduler
from sms_gateway.webhooks.deliveries import SHARDS, Delivery, DeliveryAttempt, shard_of
from sms_gateway.webhooks.delivery_message import DeliveryMessage
from sms_gateway.webhooks.endpoints import EndpointSettings
from testing.gateway import Gateway
from testing.numbers import number
from testing.queues import emptied
from testing.webhooks import activate

NOW = int(datetime(2026, 11, 22, 3, 0, tzinfo=UTC).timestamp())
SLOW = "slow"
DEAD, GOOD = "01M80KD8NAXEPBMQYG8412XQAA", "01M80KD8NAXEPBMQYG8412XQAB"


@pytest.fixture(autouse=True)
def _two_webhooks(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: low)
    for tenant, webhook in (("noisy", DEAD), ("quiet", GOOD)):
        made = datetime.fromtimestamp(NOW, UTC)
        settings = EndpointSettings("https://hooks.example.com/")
        assert endpoints.create_endpoint(tenant, webhook, settings, made, None)
        activate(tenant, webhook)


@pytest.fixture
def calls() -> Iterator[Counter[str]]:
    """What AWS is asked for from now on."""
    seen: Counter[str] = Counter()

    def look(model: Any, **_: Any) -> None:
        seen[model.name] += 1

    clients = (dynamodb.client(), sqs.client())
    for one in clients:
        one.meta.events.register("before-call", look)
    yield seen
    for one in clients:
        one.meta.events.unregister("before-call", look)


def wait(tenant: str, webhook: str, nth: int, *, since: int = NOW - 2100) -> DeliveryMessage:
    """A delivery that failed three times, and is due half an hour after the last one."""
    message = DeliveryMessage(
        tenant, webhook, f"{NOW - 10_000:013d}-E{nth:04d}-4", "MessageDelivered"
    )
    tries = [DeliveryAttempt(since, 500, "it answered 500")]
    deliveries.record_failure(message, None, tries[0], since)
    emptied(SLOW)
    for pause in (5, 295):
        tries.append(DeliveryAttempt(tries[-1].at + pause, 500, "it answered 500"))
        deliveries.record_failure(message, found(message), tries[-1], tries[-1].at)
        emptied(SLOW)
    return message


def found(message: DeliveryMessage) -> Delivery:
    one = deliveries.find_delivery(message)
    assert one
    return one


def wake(now: int = NOW, time_left: Callable[[], bool] = lambda: True) -> int:
    with ThreadPoolExecutor(8) as pool:
        return retry_scheduler.enqueue_due(pool, now, time_left)


def handed_over() -> Counter[str]:
    """How many letters there are for each webhook."""
    letters = [msgspec.json.decode(one.body, type=DeliveryMessage) for one in emptied(SLOW)]
    return Counter(one.webhook for one in letters)


def in_shard(shard: str, ids: Sequence[int]) -> list[int]:
    """Of numbers of deliveries, those that stand in a partition."""
    name = f"{NOW - 10_000:013d}-E%04d-4"
    return [nth for nth in ids if shard_of(ItemKey("", name % nth)) == shard]


def test_many_are_handed_over_by_a_few_calls(calls: Counter[str]) -> None:
    for nth in range(60):
        wait("noisy", DEAD, nth)
    wait("quiet", GOOD, 60)
    calls.clear()
    assert wake() == 61
    assert handed_over() == {DEAD: 60, GOOD: 1}
    assert calls == {
        "Query": len(SHARDS),
        "BatchGetItem": 2,  # the deliveries, and their webhooks
        "UpdateItem": 61 + 2,  # with the leases
        "SendMessageBatch": 7,
    }
    calls.clear()
    assert wake() == 0
    assert calls == {"Query": len(SHARDS)}


def test_one_that_is_due_waits_for_no_other_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry_scheduler, "PAGE_SIZE", 5)
    monkeypatch.setattr(retry_scheduler, "DELIVERIES_PER_BATCH", 2)
    for nth in in_shard(SHARDS[0], range(100))[:20]:
        wait("noisy", DEAD, nth)
    wait("quiet", GOOD, in_shard(SHARDS[-1], range(100))[0])
    turns = iter([True, True, False, False, False])  # time for two, of all that wait
    assert wake(time_left=lambda: next(turns)) == 2
    assert handed_over() == {DEAD: 1, GOOD: 1}
    assert wake() == 19
    assert handed_over() == {DEAD: 19}


def test_what_is_due_while_its_webhook_rests_is_put_off_to_the_rest_s_end(
    calls: Counter[str],
) -> None:
    rest = NOW + 600
    messages = [wait("noisy", DEAD, nth) for nth in range(20)]
    wait("quiet", GOOD, 20)
    ItemUpdate(endpoints.key_of("noisy", DEAD)).set("paused", rest).set("failures", 9).apply()
    calls.clear()
    assert wake() == 21
    assert calls["SendMessageBatch"] == 1
    assert handed_over() == {GOOD: 1}
    for one in map(found, messages):
        assert (one.state, one.next_attempt_at, one.next_check_at, len(one.attempts)) == (
            "waiting",
            rest,
            rest,
            3,
        )
    assert wake(rest - 1) == 0
    assert wake(rest) == 20
    assert handed_over() == {DEAD: 20}


def test_one_whose_time_is_over_ends_though_its_webhook_rests() -> None:
    message = wait("noisy", DEAD, 0, since=NOW - deliveries.MAX_AGE_SECONDS)
    ItemUpdate(endpoints.key_of("noisy", DEAD)).set("paused", NOW + 600).apply()
    assert wake() == 1
    assert handed_over() == {}
    one = found(message)
    assert (one.state, one.next_check_at) == ("failed", None)
    assert one.attempts[-1].failure == "given up: its time is over, and the webhook rests"


def test_one_whose_webhook_is_gone_is_handed_over_to_be_ended() -> None:
    wait("noisy", DEAD, 0)
    dynamodb.remove(endpoints.key_of("noisy", DEAD))
    assert wake() == 1
    assert handed_over() == {DEAD: 1}


def test_one_that_can_not_be_read_stops_no_other() -> None:
    message = wait("noisy", DEAD, 0)
    wait("quiet", GOOD, 1)
    ItemUpdate(deliveries.key_of(message)).set("attempts", "no JSON").apply()
    assert wake() == 1
    assert handed_over() == {GOOD: 1}
    assert wake(NOW + deliveries.REQUEUE_AFTER_SECONDS - 1) == 0


def test_what_can_not_be_read_now_is_due_the_next_time(failing: Any) -> None:
    wait("noisy", DEAD, 0)
    failing("BatchGetItem", 1)
    assert wake() == 0
    assert handed_over() == {}
    assert wake() == 1


def test_messages_leave_time_for_deliveries(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    (late,) = gateway.accept({"to": number("jst"), "text": "x"})
    ItemUpdate(gateway.submission(late).key).schedule_check(1).apply()
    wait("quiet", GOOD, 0)
    monkeypatch.setenv("EVENTS", "all")
    tick.run(tick_run.RESERVE_SECONDS + tick.LATER_RESERVE_SECONDS + tick_run.RESERVE_SECONDS - 1)
    assert gateway.submission(late).due == 1
    assert handed_over() == {GOOD: 1}
    monkeypatch.setenv("EVENTS", "none")
    monkeypatch.setattr(tick, "BALANCE_MINUTES", 0)  # whatever the time is
    tick.run(tick_run.RESERVE_SECONDS + tick.LATER_RESERVE_SECONDS + tick_run.RESERVE_SECONDS - 1)
    assert gateway.submission(late).due != 1

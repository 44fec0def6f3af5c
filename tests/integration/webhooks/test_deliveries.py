"""Deliveries to webhooks: attempts and their times, who is left alone, what is replayed."""

import hmac
import json
import random
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from standardwebhooks import Webhook

from local.emulator import leading_keys
from sms_gateway.core.event import Event, EventType
from sms_gateway.core.problems import (
    ConflictError,
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    ServiceUnavailableError,
)
from sms_gateway.events import webhook_fanout
from sms_gateway.storage import dynamodb
from sms_gateway.webhooks import (
    deliveries,
    delivery_log,
    delivery_worker,
    endpoint_health,
    endpoints,
    host_rate,
    idempotency,
    management,
    proof,
    retry_scheduler,
    settings,
)
from sms_gateway.webhooks.deliveries import DeliveryAttempt
from sms_gateway.webhooks.delivery_message import DeliveryMessage
from sms_gateway.webhooks.delivery_worker import handle_records
from sms_gateway.webhooks.http_client import PostResult
from sms_gateway.webhooks.url_policy import WebhookUrl
from testing.gateway import Gateway
from testing.numbers import number
from testing.queues import emptied
from testing.settings import WEBHOOK_KEY, set_accounts, set_webhook_key
from testing.template import rights
from testing.webhooks import activate

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
URL = "https://hooks.example.com/sms"
FAST, SLOW = "deliveries", "slow"
ARNS = {
    FAST: "arn:aws:sqs:eu-central-1:123456789012:deliveries",
    SLOW: "arn:aws:sqs:eu-central-1:123456789012:slow",
}


def outside(host: str, port: int) -> list[str]:
    return ["93.184.215.14"]


@dataclass
class Customer:
    """The other side: answers what it is told to, by path, and remembers what it was sent."""

    answers: dict[str, PostResult] = field(default_factory=dict)
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def __call__(
        self,
        target: WebhookUrl,
        body: bytes,
        headers: Mapping[str, str],
        timeout: float,
        *,
        loopback: bool,
        max_body: int = 0,
    ) -> PostResult:
        assert (timeout, loopback) == (15, False)
        self.got.append((target.path, dict(headers), body))
        answer = self.answers.get(target.path, PostResult(204))
        challenge = json.loads(body)["data"].get("challenge")
        if not (answer.accepted and challenge):
            return answer
        return msgspec.structs.replace(answer, body=json.dumps({"challenge": challenge}).encode())

    def at(self, path: str) -> list[dict[str, Any]]:
        return [json.loads(body) for where, _, body in self.got if where == path]


@dataclass
class Clock:
    """The time that workers see."""

    at: float = NOW.timestamp()

    def time(self) -> float:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(delivery_worker, "time", made)
    monkeypatch.setattr(random, "uniform", lambda low, high: low)
    return made


@pytest.fixture
def customer(gateway: Gateway, clock: Clock) -> Iterator[Customer]:
    host_rate.reset()
    endpoints.reset_cache()
    yield Customer()
    endpoints.reset_cache()


def hook(path: str = "/sms", tenant: str = "acme", **fields: Any) -> str:
    """Makes a webhook; its id."""
    body = json.dumps({"url": f"https://hooks.example.com{path}", **fields}).encode()
    made = management.create_webhook(tenant, body, NOW, resolver=outside)
    activate(tenant, made["id"])
    return str(made["id"])


def event(nth: int = 0, tenant: str = "acme", status_url: str | None = None) -> Event:
    identifier = f"01M80KD8NAXEPBMQYG8412XQAH{nth:03d}"
    data = {"message_id": identifier}
    at = int(NOW.timestamp() * 1000) + nth
    return Event(f"{identifier}-4", EventType.DELIVERED, at, tenant, data, status_url)


def run(customer: Customer, lane: str = FAST) -> list[str]:
    """Works on all that stands in a lane, delayed or not; what failed."""
    records = [
        {"messageId": one.id, "body": one.body, "eventSourceARN": ARNS[lane]}
        for one in emptied(lane)
    ]
    return [one["itemIdentifier"] for one in handle_records(records, customer)["batchItemFailures"]]


def stored(webhook: str, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = delivery_log.list_deliveries("acme", webhook, query)["deliveries"]
    return found


def wake(clock: Clock) -> int:
    with ThreadPoolExecutor(8) as pool:
        return retry_scheduler.enqueue_due(pool, int(clock.at), lambda: True)


def test_an_event_that_arrives_at_once_is_stored_nowhere(
    gateway: Gateway, customer: Customer
) -> None:
    identifier = hook()
    before = gateway.messages_stored()
    assert webhook_fanout.enqueue_deliveries([event()]) == set()
    assert run(customer) == []
    ((_, headers, body),) = customer.got
    (secret,) = secrets_of(identifier)
    del headers["Content-Type"]
    assert headers["webhook-id"] == event().id
    sent = Webhook(secret).sign(
        event().id, datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC), body.decode()
    )
    assert headers["webhook-signature"] == sent
    assert json.loads(body) == event().to_dict()
    assert stored(identifier) == []
    assert gateway.messages_stored() == before


def secrets_of(identifier: str) -> list[str]:
    found = endpoints.find_endpoint("acme", identifier)
    assert found
    return found.secrets(WEBHOOK_KEY.encode(), int(NOW.timestamp()))


def test_the_attempts_come_when_they_should_and_then_no_more(
    customer: Customer, clock: Clock
) -> None:
    identifier = hook()
    customer.answers["/sms"] = PostResult(500)
    webhook_fanout.enqueue_deliveries([event()])
    assert run(customer) == []
    gaps, last = [], clock.at
    for _ in range(20):
        (one,) = stored(identifier)
        if one["next_attempt_at"] is None:
            break
        clock.at = datetime.fromisoformat(one["next_attempt_at"]).timestamp()
        gaps.append(clock.at - last)
        last = clock.at
        endpoint_health.record_success(endpoints.find_endpoint("acme", identifier))  # type: ignore[arg-type]  # it is there
        wake(clock)
        run(customer, SLOW)
    assert [round(one) for one in gaps] == list(deliveries.RETRY_SCHEDULE_SECONDS)
    assert gaps == [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    (one,) = stored(identifier, state="failed")
    assert len(one["attempts"]) == len(customer.got) == 10
    assert {headers["webhook-id"] for _, headers, _ in customer.got} == {event().id}
    clock.at += 10 * 86_400
    assert wake(clock) == 0


def test_a_later_attempt_is_made_by_the_clock_and_only_at_its_time(
    customer: Customer, clock: Clock
) -> None:
    identifier = hook()
    customer.answers["/sms"] = PostResult(500)
    webhook_fanout.enqueue_deliveries([event()])
    run(customer)
    for pause in (5, 300):
        clock.at += pause
        run(customer, SLOW)
    assert emptied(SLOW) == []  # half an hour is too long for the queue
    assert wake(clock) == 0
    clock.at += 1800
    customer.answers["/sms"] = PostResult(200)
    assert wake(clock) == 1
    assert wake(clock) == 0  # it is on its way
    assert run(customer, SLOW) == []
    (one,) = stored(identifier)
    assert (one["state"], len(one["attempts"]), one["next_attempt_at"]) == ("delivered", 4, None)


def test_a_letter_that_gets_lost_is_written_again(customer: Customer, clock: Clock) -> None:
    hook()
    customer.answers["/sms"] = PostResult(500)
    webhook_fanout.enqueue_deliveries([event()])
    run(customer)
    assert len(emptied(SLOW)) == 1  # lost
    clock.at += 5
    assert wake(clock) == 0
    clock.at += deliveries.REQUEUE_AFTER_SECONDS
    assert wake(clock) == 1
    run(customer, SLOW)
    assert len(customer.got) == 2


def test_a_letter_that_comes_twice_makes_one_attempt(customer: Customer, clock: Clock) -> None:
    hook()
    customer.answers["/sms"] = PostResult(500)
    webhook_fanout.enqueue_deliveries([event()])
    run(customer)
    clock.at += 5
    (letter,) = emptied(SLOW)
    record = {"messageId": "1", "body": letter.body, "eventSourceARN": ARNS[SLOW]}
    handle_records([record], customer)
    handle_records([record], customer)
    assert len(customer.got) == 2


def test_410_disables(customer: Customer) -> None:
    identifier = hook()
    customer.answers["/sms"] = PostResult(410)
    webhook_fanout.enqueue_deliveries([event()])
    run(customer)
    assert management.get_endpoint("acme", identifier).view()["state"] == "disabled"
    assert stored(identifier)[0]["state"] == "failed"
    endpoints.reset_cache()
    webhook_fanout.enqueue_deliveries([event(1)])
    assert emptied(FAST) == []
    with pytest.raises(ConflictError) as refused:
        delivery_log.replay("acme", identifier, b'{"ids": ["x"]}', NOW)
    assert refused.value.slug == "webhook-disabled"
    customer.answers["/sms"] = PostResult(200)
    assert management.send_test("acme", identifier, NOW, customer)["delivered"] is True
    assert management.get_endpoint("acme", identifier).view()["state"] == "active"


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("120", 120),
        ((NOW + timedelta(seconds=600)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 600),
        (None, 30),
        ("soon", 30),
        ("-5", 30),
        ("999999", 86_400),
        ("1 Jan 99999999999999999999 0:0:0 GMT", 30),
        ("Mon, 06 Nov 2026 08:49:37 +99999999999999999", 30),
    ],
)
def test_a_busy_one_is_left_alone_as_long_as_it_asks(
    customer: Customer, clock: Clock, status: int, written: str | None, seconds: int
) -> None:
    identifier = hook()
    customer.answers["/sms"] = PostResult(status, retry_after=written)
    webhook_fanout.enqueue_deliveries([event(), event(1)])
    first, second = emptied(FAST)
    handle_records([{"messageId": "1", "body": first.body, "eventSourceARN": ARNS[FAST]}], customer)
    (one,) = stored(identifier)
    assert datetime.fromisoformat(one["next_attempt_at"]).timestamp() == clock.at + seconds
    clock.at += seconds - 1
    handle_records(
        [{"messageId": "2", "body": second.body, "eventSourceARN": ARNS[SLOW]}], customer
    )
    assert len(customer.got) == 1  # the other event is not even tried
    assert len(stored(identifier)) == 2


def test_retry_after_means_nothing_with_another_status(customer: Customer, clock: Clock) -> None:
    identifier = hook()
    customer.answers["/sms"] = PostResult(500, retry_after="3600")
    webhook_fanout.enqueue_deliveries([event()])
    run(customer)
    (one,) = stored(identifier)
    assert datetime.fromisoformat(one["next_attempt_at"]).timestamp() == clock.at + 5


def test_one_that_fails_on_and_on_rests(customer: Customer, clock: Clock) -> None:
    identifier = hook()
    customer.answers["/sms"] = PostResult(None, "the connection was refused")
    webhook_fanout.enqueue_deliveries([event(nth) for nth in range(10)])
    for letter in emptied(FAST):
        handle_records(
            [{"messageId": "1", "body": letter.body, "eventSourceARN": ARNS[SLOW]}], customer
        )
    assert len(customer.got) == endpoint_health.FAILURES_TO_PAUSE
    assert len(stored(identifier)) == 10
    clock.at += endpoint_health.FIRST_PAUSE_SECONDS + deliveries.REQUEUE_AFTER_SECONDS
    customer.answers["/sms"] = PostResult(200)
    wake(clock)
    run(customer, SLOW)
    assert {one["state"] for one in stored(identifier)} == {"delivered"}
    assert management.get_endpoint("acme", identifier).failures == 0


@pytest.mark.parametrize(
    ("answer", "rest"),
    [
        (PostResult(500), 0),
        (PostResult(503), 30),
        (PostResult(429, retry_after="1"), 1),
        (PostResult(429, retry_after="7200"), 7200),
    ],
)
def test_attempts_side_by_side_are_one_failure_and_one_rest(
    customer: Customer, clock: Clock, answer: PostResult, rest: int
) -> None:
    identifier = hook()
    together = threading.Barrier(10, timeout=20)

    def at_once(*given: Any, **named: Any) -> PostResult:
        together.wait()
        return customer(*given, **named)

    customer.answers["/sms"] = answer
    webhook_fanout.enqueue_deliveries([event(nth) for nth in range(10)])
    records = [
        {"messageId": str(nth), "body": one.body, "eventSourceARN": ARNS[FAST]}
        for nth, one in enumerate(emptied(FAST))
    ]
    assert handle_records(records, at_once)["batchItemFailures"] == []
    found = management.get_endpoint("acme", identifier)
    assert (len(customer.got), found.failures) == (10, 1)
    assert max(0, found.paused_until - clock.at) == rest


def test_a_rest_that_was_asked_for_is_never_longer(customer: Customer, clock: Clock) -> None:
    identifier = hook()
    customer.answers["/sms"] = PostResult(429, retry_after="1")
    for nth in range(8):
        webhook_fanout.enqueue_deliveries([event(nth)])
        (letter,) = emptied(FAST)
        handle_records(
            [{"messageId": "1", "body": letter.body, "eventSourceARN": ARNS[SLOW]}], customer
        )
        assert management.get_endpoint("acme", identifier).paused_until == clock.at + 1
        clock.at += 2
    assert len(customer.got) == management.get_endpoint("acme", identifier).failures == 8


def test_an_attempt_that_is_put_off_counts_for_nothing(
    customer: Customer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    identifier = hook()
    monkeypatch.setattr(random, "uniform", lambda low, high: high)
    webhook_fanout.enqueue_deliveries([event()])
    for spread in (360, (3600 + 360) / 2):  # a tenth of the rest, half of what it has waited
        began = clock.at
        endpoint_health.record_failure(
            management.get_endpoint("acme", identifier), int(began), busy=True, retry_after=3600
        )
        run(customer)
        wake(clock)
        run(customer, SLOW)
        (one,) = stored(identifier)
        assert (one["state"], one["attempts"]) == ("waiting", [])
        clock.at = datetime.fromisoformat(one["next_attempt_at"]).timestamp()
        assert clock.at == began + 3600 + spread
    assert customer.got == []


def test_every_pause_is_a_little_longer_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", random.Random(6).uniform)  # noqa: S311 - repeatable
    for tries, pause in enumerate(deliveries.RETRY_SCHEDULE_SECONDS, 1):
        later = {(deliveries.retry_delay_seconds(tries) or 0) - pause for _ in range(500)}
        assert len(later) >= 3
        assert later <= set(range(max(3, pause // 10 + 1)))


def test_what_comes_back_after_a_short_rest_does_not_come_all_at_once(
    customer: Customer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    identifier = hook()
    monkeypatch.setattr(random, "uniform", random.Random(6).uniform)  # noqa: S311 - repeatable
    endpoint_health.record_failure(
        management.get_endpoint("acme", identifier), int(clock.at), busy=True, retry_after=5
    )
    webhook_fanout.enqueue_deliveries([event(nth) for nth in range(30)])
    run(customer)
    run(customer, SLOW)
    times = [
        datetime.fromisoformat(one["next_attempt_at"]) for one in stored(identifier, limit="100")
    ]
    after = {when.timestamp() - clock.at for when in times}
    assert after == {5, 6, 7}
    assert customer.got == []


def test_an_outage_of_hours_costs_nobody_an_event(
    customer: Customer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event each twelve minutes for four hours, none of which is taken; then all are."""
    monkeypatch.setattr(random, "uniform", random.Random(6).uniform)  # noqa: S311 - repeatable
    identifier = hook()
    customer.answers["/sms"] = PostResult(500)

    def pass_by(minutes: int) -> None:
        clock.at += 60 * minutes
        wake(clock)
        run(customer, SLOW)

    for nth in range(20):
        webhook_fanout.enqueue_deliveries([event(nth)])
        run(customer)
        for _ in range(3):
            pass_by(4)
    known = deliveries.query_deliveries("acme", identifier, "0", "~", 500, newest_first=False)
    assert {one.state for one in known} == {"waiting"}
    # A letter and the clock's second one may come together, and are then one try.
    assert 20 < sum(len(one.attempts) for one in known) <= len(customer.got)
    assert all(each.status == 500 for one in known for each in one.attempts)

    customer.answers["/sms"] = PostResult(200)
    for _ in range(20):  # the fifth pause is five hours
        pass_by(20)
    known = deliveries.query_deliveries("acme", identifier, "0", "~", 500, newest_first=False)
    assert {one.state for one in known} == {"delivered"}


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (PostResult(500), "it answered 500"),
        (PostResult(429, retry_after="86400"), "given up: its time is over, and the webhook rests"),
    ],
)
def test_a_delivery_ends_after_four_days_however_much_was_put_off(
    customer: Customer, clock: Clock, answer: PostResult, problem: str
) -> None:
    identifier = hook()
    customer.answers["/sms"] = answer
    webhook_fanout.enqueue_deliveries([event()])
    run(customer)
    for _ in range(20):
        (one,) = stored(identifier)
        if one["next_attempt_at"] is None:
            break
        clock.at = datetime.fromisoformat(one["next_attempt_at"]).timestamp()
        if clock.at < NOW.timestamp() + deliveries.MAX_AGE_SECONDS or answer.retry_after:
            # Another event's attempt, at which the webhook asks for a day.
            found = management.get_endpoint("acme", identifier)
            endpoint_health.record_failure(found, int(clock.at), busy=True, retry_after=86_400)
        wake(clock)
        run(customer, SLOW)
    (one,) = stored(identifier, state="failed")
    assert one["attempts"][-1]["problem"] == problem
    assert len(customer.got) == 2 - bool(answer.retry_after)
    ended = datetime.fromisoformat(one["attempts"][-1]["at"]).timestamp() - NOW.timestamp()
    assert deliveries.MAX_AGE_SECONDS <= ended <= deliveries.MAX_AGE_SECONDS + 86_400


@pytest.mark.parametrize("answer", [PostResult(500), PostResult(200, seconds=3.0)])
def test_a_bad_or_slow_one_leaves_the_lane_to_the_others(
    customer: Customer, answer: PostResult
) -> None:
    hook("/bad", tenant="bad")
    hook("/good", tenant="good")
    customer.answers["/bad"] = answer
    webhook_fanout.enqueue_deliveries([event(0, "bad")])
    run(customer)
    emptied(SLOW)
    webhook_fanout.enqueue_deliveries([event(1, "bad"), event(2, "bad"), event(3, "good")])
    assert run(customer) == []
    assert len(customer.at("/bad")) == 1
    assert len(customer.at("/good")) == 1
    run(customer, SLOW)
    assert len(customer.at("/bad")) == 3


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 500])
def test_all_but_2xx_is_a_failure(customer: Customer, status: int) -> None:
    identifier = hook()
    customer.answers["/sms"] = PostResult(status)
    webhook_fanout.enqueue_deliveries([event()])
    run(customer)
    (one,) = stored(identifier)
    assert (one["state"], one["attempts"][0]["status_code"]) == ("waiting", status)
    assert ("redirect" in one["attempts"][0]["problem"]) == (300 <= status < 400)


def test_an_event_goes_to_those_who_want_it(customer: Customer) -> None:
    hook("/all")
    hook("/delivered", events=["MessageDelivered"])
    hook("/batches", events=["BatchCompleted"])
    hook("/none", events=[])
    hook("/other", tenant="other")
    webhook_fanout.enqueue_deliveries(
        [event(), Event("circuit-1", EventType.OPENED, 1, None, {"vendor": "jst"})]
    )
    run(customer)
    assert sorted(path for path, _, _ in customer.got) == ["/all", "/delivered"]


def test_a_status_url_is_told_besides_and_by_the_same_secret(customer: Customer) -> None:
    identifier = hook(events=[])
    url = "https://hooks.example.com/status/42"
    elsewhere = "https://elsewhere.example.com/x"
    customer.answers["/status/42"] = PostResult(500)
    webhook_fanout.enqueue_deliveries([event(0, status_url=url), event(1, status_url=elsewhere)])
    run(customer)
    ((path, headers, _),) = customer.got
    assert (path, headers["webhook-id"]) == ("/status/42", event().id)
    (one,) = stored(identifier)
    assert (one["url"], one["event_id"]) == (url, event().id)


@pytest.mark.parametrize(
    "answer", [PostResult(410), PostResult(500), PostResult(503, retry_after="3600")]
)
def test_what_a_status_url_answers_is_about_its_message_only(
    customer: Customer, clock: Clock, answer: PostResult
) -> None:
    identifier = hook()
    customer.answers["/status/42"] = answer
    webhook_fanout.enqueue_deliveries(
        [event(nth, status_url="https://hooks.example.com/status/42") for nth in range(5)]
    )
    run(customer)
    assert len(customer.at("/sms")) == len(customer.at("/status/42")) == 5
    found = management.get_endpoint("acme", identifier)
    assert (found.view()["state"], found.failures, found.paused_until) == ("active", 0, 0)
    states = {(one["url"], one["state"]) for one in stored(identifier)}
    ended = "failed" if answer.status == 410 else "waiting"
    assert states == {("https://hooks.example.com/status/42", ended)}
    if answer.retry_after:
        (next_at,) = {one["next_attempt_at"] for one in stored(identifier)}
        assert datetime.fromisoformat(next_at).timestamp() == clock.at + 3600


def test_a_status_url_that_answers_says_nothing_of_its_webhook(
    customer: Customer, clock: Clock
) -> None:
    identifier = hook()
    customer.answers["/sms"] = PostResult(500)
    webhook_fanout.enqueue_deliveries([event(0, status_url="https://hooks.example.com/status/42")])
    run(customer)
    run(customer, SLOW)
    assert len(customer.at("/status/42")) == 1
    assert management.get_endpoint("acme", identifier).failures > 0


def test_a_status_url_is_told_however_new_its_webhook_is(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoints.cached_endpoints("acme")  # none yet, and that is remembered
    body = json.dumps({"url": URL, "events": []}).encode()
    created = management.create_webhook("acme", body, NOW, resolver=outside)
    proof.prove(management.get_endpoint("acme", created["id"]), 0, int(NOW.timestamp()))
    url = "https://hooks.example.com/status/42"
    webhook_fanout.enqueue_deliveries([event(0, status_url=url)])
    run(customer)
    assert len(customer.at("/status/42")) == 1

    read: list[str] = []

    def of_tenant(tenant: str) -> list[endpoints.Endpoint]:
        read.append(tenant)
        return []

    monkeypatch.setattr(endpoints, "load_endpoints", of_tenant)
    webhook_fanout.enqueue_deliveries(
        [event(nth, status_url="https://elsewhere.example.com/") for nth in range(20)]
    )
    assert read == ["acme"]  # once, however many find nothing


def busy_meanwhile(one: endpoints.Endpoint) -> None:
    endpoint_health.record_failure(one, int(NOW.timestamp()), busy=True, retry_after=3600)


def disabled_meanwhile(one: endpoints.Endpoint) -> None:
    endpoint_health.disable(one, "it answered 410 Gone", int(NOW.timestamp()))


def counted_meanwhile(one: endpoints.Endpoint) -> None:
    """Two that began earlier: the one is counted, the other is not and asks for an hour."""
    endpoint_health.record_failure(one, int(NOW.timestamp()), busy=False, retry_after=None)
    busy_meanwhile(one)


@pytest.mark.parametrize("happen", [busy_meanwhile, disabled_meanwhile, counted_meanwhile])
def test_a_success_under_way_undoes_nothing_that_came_meanwhile(
    customer: Customer, happen: Callable[[endpoints.Endpoint], None]
) -> None:
    identifier = hook()
    first = management.get_endpoint("acme", identifier)
    endpoint_health.record_failure(first, int(NOW.timestamp()), busy=False, retry_after=None)
    known = management.get_endpoint("acme", identifier)
    happened: list[endpoints.Endpoint] = []

    def slow(*_: object, **__: object) -> PostResult:
        happen(known)
        happened.append(management.get_endpoint("acme", identifier))
        return PostResult(204)

    webhook_fanout.enqueue_deliveries([event()])
    (letter,) = emptied(FAST)
    handle_records([{"messageId": "1", "body": letter.body, "eventSourceARN": ARNS[SLOW]}], slow)
    assert happened == [management.get_endpoint("acme", identifier)]
    assert happened[0] != known


def test_a_success_settles_what_stood_before_it(customer: Customer, clock: Clock) -> None:
    identifier = hook()
    busy_meanwhile(management.get_endpoint("acme", identifier))
    clock.at += 3601
    webhook_fanout.enqueue_deliveries([event()])
    run(customer)
    run(customer, SLOW)
    found = management.get_endpoint("acme", identifier)
    assert (len(customer.got), found.failures, found.paused_until) == (1, 0, 0)


def test_a_status_url_needs_a_webhook_at_its_host(gateway: Gateway, customer: Customer) -> None:
    body = {"to": number("server2sms"), "text": "x", "status_url": "https://hooks.example.com/1"}
    with pytest.raises(InvalidRequestError) as refused:
        gateway.accept(body)
    assert refused.value.slug == "status-url-without-webhook"
    assert refused.value.pointer == "/status_url"
    hook()
    assert gateway.accept(body)
    for bad in (
        "http://hooks.example.com/1",
        "https://hooks.example.com:444/1",
        "https://127.0.0.1/",
    ):
        with pytest.raises(InvalidRequestError) as refused:
            gateway.accept({"messages": [{**body, "status_url": bad}]})
        assert refused.value.pointer == "/messages/0/status_url"


def test_failed_ones_are_replayed_by_id_and_by_time(customer: Customer, clock: Clock) -> None:
    identifier = hook()
    customer.answers["/sms"] = PostResult(410)
    webhook_fanout.enqueue_deliveries([event(nth) for nth in range(5)])
    run(customer)
    customer.answers["/sms"] = PostResult(200)
    management.send_test("acme", identifier, NOW, customer)
    ids = [one["id"] for one in stored(identifier)]
    assert len(ids) == 5
    assert ids == sorted(ids, reverse=True)
    customer.got.clear()

    again = delivery_log.replay("acme", identifier, json.dumps({"ids": ids[:1]}).encode(), NOW)
    assert again == {"replayed": ids[:1], "cursor": None}
    run(customer, SLOW)
    start = (NOW + timedelta(milliseconds=1)).isoformat()
    end = (NOW + timedelta(milliseconds=4)).isoformat()
    again = delivery_log.replay(
        "acme", identifier, json.dumps({"created_from": start, "created_to": end}).encode(), NOW
    )
    assert again["replayed"] == [one for one in sorted(ids) if one in ids[1:4]]
    run(customer, SLOW)
    assert [one["id"] for one in stored(identifier, state="failed")] == ids[4:]
    heard = [body["data"]["message_id"][-3:] for body in customer.at("/sms")]
    assert (heard[0], sorted(heard[1:])) == ("004", ["001", "002", "003"])


def test_many_are_replayed_part_by_part(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    identifier = hook()
    monkeypatch.setattr(delivery_log, "MAX_REPLAYED", 2)
    customer.answers["/sms"] = PostResult(410)
    webhook_fanout.enqueue_deliveries([event(nth) for nth in range(5)])
    run(customer)
    activate("acme", identifier)
    begun = replayed_in_parts(identifier, {"created_from": NOW.isoformat()})
    assert [len(part) for part in begun] == [2, 2, 1]


def replayed_in_parts(webhook: str, wanted: dict[str, str]) -> list[list[str]]:
    parts = []
    for _ in range(20):
        answer = delivery_log.replay("acme", webhook, json.dumps(wanted).encode(), NOW)
        parts.append(answer["replayed"])
        if answer["cursor"] is None:
            return parts
        wanted = {**wanted, "cursor": answer["cursor"]}
    pytest.fail("it goes on for ever")


def test_a_replay_gets_past_however_many_of_one_millisecond(
    customer: Customer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    identifier = hook()
    monkeypatch.setattr(delivery_log, "MAX_REPLAYED", 3)
    monkeypatch.setattr(delivery_log, "MAX_READ_FOR_REPLAY", 5)
    at = int(NOW.timestamp() * 1000)
    ids = []
    for nth in range(17):
        message = DeliveryMessage("acme", identifier, f"{at:013d}-E{nth:03d}-4", "MessageDelivered")
        last = nth % 8 > 1  # a few that wait, in between
        deliveries.record_failure(
            message, None, DeliveryAttempt(1, 500, "x"), int(clock.at), last=last
        )
        ids += [message.id] * last
    after = (NOW + timedelta(milliseconds=1)).isoformat()
    both = {"created_from": NOW.isoformat(), "created_to": after}
    parts = replayed_in_parts(identifier, both)
    assert [one for part in parts for one in part] == ids
    assert stored(identifier, state="failed") == []
    # Whoever follows a cursor to the end, and finds no more there, did nothing wrong.
    assert replayed_in_parts(identifier, {**both, "cursor": ids[-1]}) == [[]]


def test_the_list_goes_on_by_cursor_and_by_time(customer: Customer) -> None:
    identifier = hook()
    customer.answers["/sms"] = PostResult(410)
    webhook_fanout.enqueue_deliveries([event(nth) for nth in range(5)])
    run(customer)
    seen: list[str] = []
    query = {"limit": "2"}
    while True:
        page = delivery_log.list_deliveries("acme", identifier, query)
        seen += [one["event_id"] for one in page["deliveries"]]
        if page["cursor"] is None:
            break
        query["cursor"] = page["cursor"]
    assert seen == [event(nth).id for nth in (4, 3, 2, 1, 0)]
    late = stored(identifier, **{"created_from": (NOW + timedelta(milliseconds=3)).isoformat()})
    assert [one["event_id"] for one in late] == [event(4).id, event(3).id]
    early = stored(identifier, created_to=(NOW + timedelta(milliseconds=3)).isoformat())
    assert [one["event_id"] for one in early] == [event(nth).id for nth in (2, 1, 0)]
    assert stored(identifier, state="delivered") == []


@pytest.mark.parametrize(
    ("body", "slug", "pointer"),
    [
        (b"{", "malformed-json", None),
        (b"{}", "invalid-request", ""),
        (b'{"ids": []}', "invalid-request", "/ids"),
        (b'{"ids": ["x"], "created_from": "2026-11-22T00:00:00Z"}', "invalid-request", ""),
        (b'{"ids": ["0000000000000-x"]}', "unknown-delivery", "/ids/0"),
        (b'{"created_from": "yesterday"}', "invalid-request", "/created_from"),
        (b'{"created_from": "2026-11-22T00:00:00"}', "invalid-request", "/created_from"),
        (b'{"created_from": "2026-11-22T00:00:00Z"}', "nothing-to-replay", "/created_from"),
        (
            b'{"created_from": "2026-11-23T00:00:00Z", "created_to": "2026-11-22T00:00:00Z"}',
            "nothing-to-replay",
            "/created_from",
        ),
        (b'{"since": "2026"}', "invalid-request", ""),
        (b'{"cursor": "0000000000000-x"}', "invalid-request", ""),
        (b'{"ids": ["x"], "cursor": "0000000000000-x"}', "invalid-request", ""),
        (b'{"created_from": "2026-11-22T00:00:00Z", "cursor": "x"}', "invalid-request", "/cursor"),
        (b'"' + b"x" * 20_000 + b'"', "body-too-large", None),
    ],
)
def test_a_replay_of_nothing_is_refused(
    customer: Customer, body: bytes, slug: str, pointer: str | None
) -> None:
    identifier = hook()
    with pytest.raises(GatewayError) as refused:
        delivery_log.replay("acme", identifier, body, NOW)
    assert (refused.value.slug, refused.value.pointer) == (slug, pointer)


@pytest.mark.parametrize(
    ("query", "slug"),
    [
        ({"limit": "0"}, "invalid-parameter"),
        ({"limit": "x"}, "invalid-parameter"),
        ({"state": "lost"}, "invalid-parameter"),
        ({"created_from": "now"}, "invalid-parameter"),
        ({"created_from": "2026-11-22T00:00:00"}, "invalid-parameter"),
        ({"created_to": "0001-01-01T00:00:00+23:59"}, "invalid-parameter"),
        (
            {"created_from": "2026-11-23T00:00:00Z", "created_to": "2026-11-22T00:00:00Z"},
            "invalid-parameter",
        ),
        ({"cursor": "\u20ac"}, "invalid-parameter"),
        ({"cursor": "x"}, "invalid-parameter"),
        ({"page": "2"}, "unknown-parameter"),
    ],
)
def test_a_strange_query_is_refused(customer: Customer, query: dict[str, str], slug: str) -> None:
    identifier = hook()
    with pytest.raises(InvalidRequestError) as refused:
        delivery_log.list_deliveries("acme", identifier, query)
    assert refused.value.slug == slug


@pytest.mark.parametrize(
    ("body", "slug", "pointer"),
    [
        ({}, "invalid-request", ""),
        ({"url": 1}, "invalid-request", "/url"),
        ({"url": "http://hooks.example.com/"}, "webhook-address", "/url"),
        ({"url": "https://localhost./"}, "webhook-address", "/url"),
        ({"url": "https://10.0.0.1/"}, "webhook-address", "/url"),
        ({"url": URL, "events": ["MessageSent"]}, "unknown-event", "/events/0"),
        ({"url": URL, "events": ["BatchCompleted", "BalanceLow"]}, "unknown-event", "/events/1"),
        ({"url": URL, "events": "all"}, "invalid-request", "/events"),
        ({"url": URL, "secret": "mine"}, "invalid-request", ""),
    ],
)
def test_a_webhook_that_can_not_be_is_refused(
    customer: Customer, body: dict[str, Any], slug: str, pointer: str
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        management.create_webhook("acme", json.dumps(body).encode(), NOW, resolver=outside)
    assert (refused.value.slug, refused.value.pointer) == (slug, pointer)
    assert management.list_endpoints("acme") == {"webhooks": []}


@pytest.mark.parametrize("inside", ["10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1"])
def test_a_name_that_resolves_inside_is_refused(customer: Customer, inside: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        management.create_webhook(
            "acme", json.dumps({"url": URL}).encode(), NOW, resolver=lambda h, p: [inside]
        )
    assert (refused.value.slug, refused.value.pointer) == ("webhook-address", "/url")


def test_a_tenant_has_so_many_and_no_more(customer: Customer) -> None:
    for nth in range(endpoints.MAX_ENDPOINTS):
        hook(f"/{nth}")
    with pytest.raises(ConflictError) as refused:
        hook("/more")
    assert refused.value.slug == "too-many-webhooks"


def test_ten_and_no_more_are_made_by_requests_side_by_side(customer: Customer) -> None:
    for nth in range(endpoints.MAX_ENDPOINTS - 1):
        hook(f"/{nth}")
    together = threading.Barrier(6, timeout=20)

    def at_once(host: str, port: int) -> list[str]:
        together.wait()
        return outside(host, port)

    def one(nth: int) -> str:
        body = json.dumps({"url": f"{URL}/{nth}"}).encode()
        try:
            management.create_webhook("acme", body, NOW, resolver=at_once)
        except ConflictError as error:
            return error.slug
        return "made"

    with ThreadPoolExecutor(6) as pool:
        answers = sorted(pool.map(one, range(6)))
    assert answers == ["made", *["too-many-webhooks"] * 5]
    assert len(management.list_endpoints("acme")["webhooks"]) == endpoints.MAX_ENDPOINTS


def test_all_of_a_few_made_side_by_side_are_made(customer: Customer) -> None:
    def one(nth: int) -> str:
        body = json.dumps({"url": f"{URL}/{nth}"}).encode()
        return str(management.create_webhook("acme", body, NOW, resolver=outside)["id"])

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(one, range(6)))) == 6


def made(key: str | None = None, now: datetime = NOW, path: str = "/sms") -> dict[str, Any]:
    """Makes a webhook; the whole answer."""
    body = json.dumps({"url": f"https://hooks.example.com{path}"}).encode()
    return management.create_webhook("acme", body, now, key, outside)


def test_a_key_makes_one_webhook(customer: Customer) -> None:
    first, second = made("k"), made("k", NOW + timedelta(hours=23))
    assert first == second
    assert len(management.list_endpoints("acme")["webhooks"]) == 1
    with pytest.raises(InvalidRequestError) as refused:
        made("k", path="/other")
    assert refused.value.slug == "idempotency-key-reused"
    body = json.dumps({"url": URL}).encode()
    assert management.create_webhook("other", body, NOW, "k", outside)["id"] != first["id"]


def test_two_requests_side_by_side_with_a_key_make_one_webhook(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(2, timeout=20)

    def at_once(host: str, port: int) -> list[str]:
        together.wait()  # both have looked for the key, and found nothing
        return outside(host, port)

    body = json.dumps({"url": URL}).encode()
    with ThreadPoolExecutor(2) as pool:
        begun = [
            pool.submit(management.create_webhook, "acme", body, NOW, "k", at_once) for _ in "ab"
        ]
        first, second = (one.result() for one in begun)
    assert first == second
    assert len(management.list_endpoints("acme")["webhooks"]) == 1


def test_a_request_that_died_half_way_is_made_whole_by_its_repeat(customer: Customer) -> None:
    place, body = idempotency.record_key("acme", "k"), json.dumps({"url": URL}).encode()
    assert idempotency.claim(place, body, "01M80KD8NAXEPBMQYG8412XQAJ", NOW)
    assert management.list_endpoints("acme") == {"webhooks": []}
    assert made("k") == made("k")
    assert len(management.list_endpoints("acme")["webhooks"]) == 1


def test_a_key_tells_no_secret_after_a_rotation_or_a_day(customer: Customer) -> None:
    first = made("k")
    management.rotate_webhook_secret("acme", first["id"], NOW)
    with pytest.raises(ConflictError) as refused:
        made("k")
    assert refused.value.slug == "webhook-rotated"
    assert first["id"] in str(refused.value)
    later = made("k", NOW + timedelta(days=1))
    assert (later["id"] != first["id"], later["secret"] != first["secret"]) == (True, True)
    management.delete_webhook("acme", first["id"])
    assert made("k", NOW + timedelta(days=1)) == later  # the key is the later one's by now


def test_one_that_is_made_again_has_neither_the_secret_nor_the_deliveries(
    customer: Customer, clock: Clock
) -> None:
    first = made("k")
    activate("acme", first["id"])
    customer.answers["/sms"] = PostResult(500)
    webhook_fanout.enqueue_deliveries([event()])
    run(customer)
    assert len(stored(first["id"])) == 1
    management.delete_webhook("acme", first["id"])
    second = made("k", path="/another")  # the key is free
    assert second["id"] != first["id"]
    assert second["secret"] != first["secret"]
    assert stored(second["id"]) == []
    clock.at += 5
    run(customer, SLOW)
    assert customer.at("/another") == []


def test_one_of_before_the_nonces_keeps_its_secret(customer: Customer) -> None:
    identifier = "K7HXQ2M5VYTWPLC3ZNB4EGJR6D"  # made from a key of that time
    item = {
        "pk": {"S": "HOOKS#acme"},
        "sk": {"S": identifier},
        "data": {"S": json.dumps({"url": URL})},
        "request": {"S": "(the digest of a body)"},
        "status": {"S": "active"},
        **{name: {"N": "0"} for name in ("created", "failures", "paused", "slow")},
        "generation": {"N": "2"},
        "rotated": {"N": str(int(NOW.timestamp()))},
    }
    assert dynamodb.put_new(item)
    both = [
        "whsec_" + b64encode(hmac.digest(WEBHOOK_KEY.encode(), text.encode(), "sha256")).decode()
        for text in (f"webhook/{identifier}/2", f"webhook/{identifier}/1")
    ]
    assert secrets_of(identifier) == both
    rotated = management.rotate_webhook_secret("acme", identifier, NOW)
    assert secrets_of(identifier) == [rotated["secret"], *both]
    assert management.delete_webhook("acme", identifier)["id"] == identifier


def secrets_at(identifier: str, when: datetime) -> list[str]:
    return management.get_endpoint("acme", identifier).secrets(
        WEBHOOK_KEY.encode(), int(when.timestamp())
    )


def test_a_rotation_leaves_both_secrets_for_a_day(customer: Customer) -> None:
    first = made()
    rotated = management.rotate_webhook_secret("acme", first["id"], NOW)
    assert rotated["previous_secret_until"] == "2026-11-23T03:00:00.000Z"
    last = NOW + timedelta(seconds=86_399)
    assert secrets_at(first["id"], last) == [rotated["secret"], first["secret"]]
    assert secrets_at(first["id"], last + timedelta(seconds=1)) == [rotated["secret"]]


def test_a_rotation_that_is_repeated_stops_no_secret_in_use(customer: Customer) -> None:
    """The first answer got lost: the one who repeats knows the first secret and the third."""
    one = made()
    identifier, first = one["id"], one["secret"]
    second = management.rotate_webhook_secret("acme", identifier, NOW)["secret"]
    again = NOW + timedelta(hours=1)
    third = management.rotate_webhook_secret("acme", identifier, again)["secret"]
    assert len({first, second, third}) == 3
    assert secrets_at(identifier, NOW + timedelta(hours=23)) == [third, second, first]
    assert secrets_at(identifier, NOW + timedelta(hours=24)) == [third, second]
    assert secrets_at(identifier, again + timedelta(hours=24)) == [third]


def test_five_secrets_sign_and_no_more(customer: Customer) -> None:
    identifier = made()["id"]
    for hour in range(4):
        management.rotate_webhook_secret("acme", identifier, NOW + timedelta(hours=hour))
    with pytest.raises(ConflictError) as refused:
        management.rotate_webhook_secret("acme", identifier, NOW + timedelta(hours=4))
    assert refused.value.slug == "too-many-secrets"
    assert "2026-11-23T03:00:00.000Z" in str(refused.value)
    management.rotate_webhook_secret("acme", identifier, NOW + timedelta(hours=24))
    assert len(secrets_at(identifier, NOW + timedelta(hours=24))) == 5


def test_a_secret_that_leaked_is_stopped_at_once(customer: Customer) -> None:
    identifier = made()["id"]
    for _ in range(4):
        management.rotate_webhook_secret("acme", identifier, NOW)
    stopped = management.rotate_webhook_secret("acme", identifier, NOW, b'{"stop_previous": true}')
    assert stopped["previous_secret_until"] is None
    assert secrets_at(identifier, NOW) == [stopped["secret"]]
    after = management.rotate_webhook_secret("acme", identifier, NOW, b"{}")
    assert secrets_at(identifier, NOW) == [after["secret"], stopped["secret"]]


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        (b"{", "malformed-json"),
        (b'{"stop_previous": "yes"}', "invalid-request"),
        (b'{"force": true}', "invalid-request"),
        (b'"' + b"x" * 20_000 + b'"', "body-too-large"),
    ],
)
def test_a_rotation_that_can_not_be_read_rotates_nothing(
    customer: Customer, body: bytes, slug: str
) -> None:
    first = made()
    with pytest.raises(GatewayError) as refused:
        management.rotate_webhook_secret("acme", first["id"], NOW, body)
    assert refused.value.slug == slug
    assert secrets_at(first["id"], NOW) == [first["secret"]]


def test_the_secrets_follow_from_a_key_of_their_own(customer: Customer) -> None:
    made = management.create_webhook(
        "acme", json.dumps({"url": URL}).encode(), NOW, resolver=outside
    )
    set_accounts("no JSON")
    found = management.get_endpoint("acme", made["id"])
    assert found.secrets(settings.webhook_key(), 0) == [made["secret"]]
    set_webhook_key("n" * 48)
    assert found.secrets(settings.webhook_key(), 0) != [made["secret"]]
    set_webhook_key("short")
    with pytest.raises(ServiceUnavailableError) as refused:
        settings.webhook_key()
    assert refused.value.slug == "webhook-key-unavailable"


def test_only_webhooks_and_deliveries_are_read_and_written(
    customer: Customer, clock: Clock
) -> None:
    """What the template's condition on the keys allows; the emulator does not look at it."""
    (condition,) = {
        json.dumps(statement.get("Condition"))
        for name in ("DeliverWebhooksFunction", "WebhooksFunction")
        for statement in rights(name)
        if statement["Sid"] in ("StoreDeliveries", "StoreWebhooks")
    }
    allowed = json.loads(condition)["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    allowed.append("SETTINGS")  # who is stopped
    seen: set[tuple[str, str]] = set()

    def look(params: dict[str, Any], model: Any, **_: Any) -> None:
        seen.update((model.name, partition) for partition in leading_keys(params))

    events = dynamodb.client().meta.events
    events.register("provide-client-params.dynamodb", look)
    try:
        body = json.dumps({"url": URL}).encode()
        made = management.create_webhook("acme", body, NOW, "key", outside)
        assert management.send_test("acme", made["id"], NOW, customer)["proven"]
        management.rotate_webhook_secret("acme", made["id"], NOW)
        management.list_endpoints("acme")
        endpoints.reset_cache()
        letters = [event(nth) for nth in range(3)]
        webhook_fanout.enqueue_deliveries(letters)
        for status in (500, 503, 410, 200):
            customer.answers["/sms"] = PostResult(status)
            run(customer)
            management.send_test("acme", made["id"], NOW, customer)
            clock.at += 1000
            ids = [one["id"] for one in stored(made["id"])]
            with suppress(ConflictError, InvalidRequestError):
                body = json.dumps({"ids": ids}).encode()
                delivery_log.replay("acme", made["id"], body, NOW)
                delivery_log.replay(
                    "acme", made["id"], b'{"created_from": "2026-11-22T00:00:00Z"}', NOW
                )
            run(customer, SLOW)
        management.delete_webhook("acme", made["id"])
    finally:
        events.unregister("provide-client-params.dynamodb", look)
    assert {name for name, _ in seen} == {
        "DeleteItem",
        "GetItem",
        "PutItem",
        "Query",
        "TransactWriteItems",  # of a put and an update
        "UpdateItem",
    }
    assert [one for one in seen if not any(fnmatchcase(one[1], each) for each in allowed)] == []


def test_nothing_of_a_secret_is_stored(customer: Customer) -> None:
    made = management.create_webhook(
        "acme", json.dumps({"url": URL}).encode(), NOW, resolver=outside
    )
    item = dynamodb.get(endpoints.key_of("acme", made["id"]))
    assert made["secret"][6:20] not in json.dumps(item)
    assert "secret" not in management.get_endpoint("acme", made["id"]).view()


def test_a_deleted_one_is_told_nothing(customer: Customer, clock: Clock) -> None:
    identifier = hook()
    customer.answers["/sms"] = PostResult(500)
    webhook_fanout.enqueue_deliveries([event(), event(1)])
    first, second = emptied(FAST)
    handle_records([{"messageId": "1", "body": first.body, "eventSourceARN": ARNS[FAST]}], customer)
    management.delete_webhook("acme", identifier)
    handle_records(
        [{"messageId": "2", "body": second.body, "eventSourceARN": ARNS[FAST]}], customer
    )
    clock.at += 100
    run(customer, SLOW)
    wake(clock)
    assert len(customer.got) == 1
    with pytest.raises(NotFoundError):
        management.get_endpoint("acme", identifier)


@pytest.mark.parametrize("identifier", ["x", "\u20ac" * 26, "X" * 1025, ""])
def test_what_is_no_id_is_no_webhook(customer: Customer, failing: Any, identifier: str) -> None:
    failing("GetItem")  # as DynamoDB refuses a key that is too long
    for ask in (
        lambda: management.get_endpoint("acme", identifier),
        lambda: management.delete_webhook("acme", identifier),
        lambda: management.rotate_webhook_secret("acme", identifier, NOW),
        lambda: management.send_test("acme", identifier, NOW, customer),
        lambda: delivery_log.list_deliveries("acme", identifier, {}),
        lambda: delivery_log.replay("acme", identifier, b'{"ids": ["x"]}', NOW),
    ):
        with pytest.raises(NotFoundError):
            ask()


def test_what_can_not_be_written_comes_again(customer: Customer, failing: Any) -> None:
    identifier = hook()
    customer.answers["/sms"] = PostResult(500)
    webhook_fanout.enqueue_deliveries([event()])
    letters = emptied(FAST)
    records = [{"messageId": "1", "body": letters[0].body, "eventSourceARN": ARNS[FAST]}]
    failing("PutItem", 1)
    assert handle_records(records, customer)["batchItemFailures"] == [{"itemIdentifier": "1"}]
    records[0]["eventSourceARN"] = ARNS[SLOW]
    assert handle_records(records, customer)["batchItemFailures"] == []
    assert len(stored(identifier)) == 1


def test_a_letter_that_nobody_can_read_fails(customer: Customer) -> None:
    record = {"messageId": "1", "body": "no JSON", "eventSourceARN": ARNS[FAST]}
    assert handle_records([record], customer)["batchItemFailures"] == [{"itemIdentifier": "1"}]


def test_what_the_queue_does_not_take_is_named(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook()
    monkeypatch.setattr(webhook_fanout, "sqs", SimpleNamespace(send_batch=lambda *_: [False]))
    assert webhook_fanout.enqueue_deliveries([event()]) == {event().id}


def test_where_they_are_turned_off_nothing_is_made(
    gateway: Gateway, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTS", "bus")
    with pytest.raises(ConflictError) as refused:
        hook()
    assert refused.value.slug == "webhooks-off"
    with pytest.raises(InvalidRequestError) as wrong:
        gateway.accept({"to": number("jst"), "text": "x", "status_url": URL})
    assert wrong.value.slug == "webhooks-off"

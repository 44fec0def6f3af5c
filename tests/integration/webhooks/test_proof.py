"""A webhook is told nothing until its host has answered a challenge."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from integration.webhooks.test_deliveries import (
    FAST,
    NOW,
    Clock,
    Customer,
    event,
    made,
    run,
    secrets_of,
    stored,
)
from integration.webhooks.test_deliveries import clock as clock
from integration.webhooks.test_deliveries import customer as customer
from standardwebhooks import Webhook

from sms_gateway.core.problems import ConflictError, InvalidRequestError, TooManyRequestsError
from sms_gateway.core.timestamps import utc_now
from sms_gateway.events import webhook_fanout
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.webhooks import (
    delivery_log,
    endpoint_health,
    endpoints,
    management,
    proof,
)
from sms_gateway.webhooks.http_client import PostResult
from sms_gateway.webhooks.url_policy import WebhookUrl
from testing.gateway import Gateway
from testing.numbers import number
from testing.queues import emptied
from testing.webhooks import activate

Answer = Callable[[dict[str, Any]], bytes]


@dataclass
class Host:
    """Answers each test with 200 and what `answer` makes of the event."""

    answer: Answer
    meanwhile: Callable[[], object] = lambda: None
    got: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)

    def __call__(
        self,
        target: WebhookUrl,
        body: bytes,
        headers: Mapping[str, str],
        timeout: float,
        *,
        loopback: bool,
        max_body: int,
    ) -> PostResult:
        self.got.append((headers, body))
        self.meanwhile()
        return PostResult(200, body=self.answer(json.loads(body))[:max_body])


def repeated(event: dict[str, Any]) -> bytes:
    return json.dumps({"challenge": event["data"]["challenge"]}).encode()


def state(identifier: str) -> str:
    return str(management.get_endpoint("acme", identifier).view()["state"])


def test_a_new_webhook_is_pending_and_told_nothing(customer: Customer) -> None:
    identifier = made()["id"]
    assert state(identifier) == "pending"
    webhook_fanout.enqueue_deliveries([event()])
    assert emptied(FAST) == []


def test_a_host_that_repeats_the_challenge_is_told_from_then_on(customer: Customer) -> None:
    identifier = made()["id"]
    answer = management.send_test("acme", identifier, NOW, customer)
    assert (answer["delivered"], answer["proven"], answer["problem"]) == (True, True, None)
    assert state(identifier) == "active"
    endpoints.reset_cache()
    webhook_fanout.enqueue_deliveries([event()])
    run(customer)
    assert [one["type"] for one in customer.at("/sms")] == ["WebhookTest", "MessageDelivered"]


def test_the_challenge_is_signed_as_every_delivery_is(customer: Customer) -> None:
    identifier, host = made()["id"], Host(repeated)
    management.send_test("acme", identifier, utc_now(), host)
    ((headers, body),) = host.got
    (secret,) = secrets_of(identifier)
    event = Webhook(secret).verify(body, dict(headers))
    assert event["data"]["webhook_id"] == identifier
    assert len(event["data"]["challenge"]) >= 32


@pytest.mark.parametrize(
    "answer",
    [
        lambda event: b"",
        lambda event: b"OK",
        lambda event: event["data"]["challenge"].encode(),
        lambda event: json.dumps(event).encode(),  # who sends back whatever comes
        lambda event: json.dumps(event["data"]["challenge"]).encode(),
        lambda event: json.dumps({"data": event["data"]}).encode(),
        lambda event: json.dumps([{"challenge": event["data"]["challenge"]}]).encode(),
        lambda event: b'{"challenge": ""}',
        lambda event: b'{"challenge": null}',
        lambda event: b'{"challenge": "\xff"}',
        lambda event: b'{"challenge": "01M80KD8NAXEPBMQYG8412XQAH"}',
        lambda event: repeated({"data": {"challenge": event["data"]["challenge"].lower() + "x"}}),
        lambda event: b" " * proof.MAX_ANSWER_BYTES + repeated(event),
    ],
)
def test_another_answer_proves_nothing(customer: Customer, answer: Answer) -> None:
    identifier = made()["id"]
    seen = management.send_test("acme", identifier, NOW, Host(answer))
    assert (seen["delivered"], seen["proven"]) == (True, False)
    assert "challenge" in seen["problem"]
    assert state(identifier) == "pending"


def test_a_right_answer_with_an_error_proves_nothing(customer: Customer) -> None:
    identifier = made()["id"]

    def refuses(*_: object, **__: object) -> PostResult:
        return PostResult(500, body=b"{}")

    seen = management.send_test("acme", identifier, NOW, refuses)
    assert (seen["delivered"], seen["proven"], seen["problem"]) == (False, False, "it answered 500")
    assert state(identifier) == "pending"


def test_each_test_has_a_challenge_of_its_own(customer: Customer) -> None:
    identifier, host = made()["id"], Host(lambda event: b"")
    management.send_test("acme", identifier, NOW, host)
    management.send_test("acme", identifier, NOW, host)
    first, second = (json.loads(body)["data"]["challenge"] for _, body in host.got)
    assert first != second


def test_a_test_of_an_active_one_needs_no_answer(customer: Customer) -> None:
    identifier = made()["id"]
    activate("acme", identifier)
    seen = management.send_test("acme", identifier, NOW, Host(lambda event: b""))
    assert (seen["delivered"], seen["proven"], seen["problem"]) == (True, False, None)
    assert state(identifier) == "active"


def test_a_delivery_to_one_that_is_pending_ends_without_a_call(
    customer: Customer, clock: Clock
) -> None:
    identifier = made()["id"]
    activate("acme", identifier)
    webhook_fanout.enqueue_deliveries([event()])
    # As no request can do: there is no way back to pending.
    ItemUpdate(endpoints.key_of("acme", identifier)).set("status", "pending").apply()
    run(customer)
    assert customer.got == []
    (one,) = stored(identifier)
    assert (one["state"], one["attempts"][-1]["problem"]) == (
        "failed",
        "not tried: the webhook is pending",
    )
    with pytest.raises(ConflictError) as refused:
        delivery_log.replay("acme", identifier, json.dumps({"ids": [one["id"]]}).encode(), NOW)
    assert refused.value.slug == "webhook-pending"


def test_a_disabled_one_becomes_active_by_a_challenge_alone(customer: Customer) -> None:
    identifier = made()["id"]
    activate("acme", identifier)
    disabled = management.get_endpoint("acme", identifier)
    endpoint_health.disable(disabled, "it answered 410 Gone", int(NOW.timestamp()))
    view = management.get_endpoint("acme", identifier).view()
    assert (view["state"], view["disabled_reason"], view["disabled_at"]) == (
        "disabled",
        "it answered 410 Gone",
        "2026-11-22T03:00:00.000Z",
    )
    management.send_test("acme", identifier, NOW, Host(lambda event: b""))
    assert state(identifier) == "disabled"
    management.send_test("acme", identifier, NOW, Host(repeated))
    view = management.get_endpoint("acme", identifier).view()
    assert (view["state"], view["disabled_reason"], view["disabled_at"]) == ("active", None, None)


def test_what_the_operator_disabled_no_challenge_makes_active(customer: Customer) -> None:
    identifier = made()["id"]
    activate("acme", identifier)

    def stop() -> None:
        found = management.get_endpoint("acme", identifier)
        endpoint_health.disable(found, "by the operator", int(NOW.timestamp()), by_operator=True)

    host = Host(repeated, meanwhile=stop)
    seen = management.send_test("acme", identifier, NOW, host)
    assert (seen["delivered"], seen["proven"]) == (True, False)
    assert seen["problem"] == "the operator disabled the webhook meanwhile: ask the operator"
    assert state(identifier) == "disabled"
    with pytest.raises(ConflictError) as refused:
        management.send_test("acme", identifier, NOW, host)
    assert refused.value.slug == "webhook-disabled-by-operator"
    assert len(host.got) == 1


@pytest.mark.parametrize("answer", [repeated, lambda event: b""])
@pytest.mark.parametrize("active", [True, False])
def test_a_test_says_what_became_of_its_webhook_meanwhile(
    customer: Customer, answer: Answer, active: bool
) -> None:
    def problem(meanwhile: Callable[[str], object]) -> str | None:
        identifier = made()["id"]
        if active:
            activate("acme", identifier)
        host = Host(answer, meanwhile=lambda: meanwhile(identifier))
        seen = management.send_test("acme", identifier, NOW, host)
        assert (seen["delivered"], seen["proven"]) == (True, False)
        found: str | None = seen["problem"]
        return found

    def disable(identifier: str) -> None:
        found = management.get_endpoint("acme", identifier)
        endpoint_health.disable(found, "by the operator", int(NOW.timestamp()), by_operator=True)

    deleted = problem(lambda identifier: management.delete_webhook("acme", identifier))
    assert deleted == "the webhook was deleted meanwhile"
    assert (problem(disable) or "").startswith("the operator disabled the webhook")


def test_a_test_whose_time_is_over_proves_nothing_and_says_so(customer: Customer) -> None:
    identifier = made()["id"]

    def overtaken() -> None:
        later = NOW + timedelta(seconds=proof.LEASE_SECONDS + 1)
        management.send_test("acme", identifier, later, Host(lambda event: b""))

    seen = management.send_test("acme", identifier, NOW, Host(repeated, meanwhile=overtaken))
    assert (seen["proven"], seen["problem"]) == (False, "the test took too long: test again")


def test_an_active_one_that_is_disabled_during_its_test_is_asked_for_the_challenge(
    customer: Customer,
) -> None:
    identifier = made()["id"]
    activate("acme", identifier)

    def gone() -> None:
        found = management.get_endpoint("acme", identifier)
        endpoint_health.disable(found, "it answered 410 Gone", int(NOW.timestamp()))

    host = Host(lambda event: b"", meanwhile=gone)
    assert "challenge" in management.send_test("acme", identifier, NOW, host)["problem"]


def test_one_test_of_a_webhook_is_made_at_a_time(customer: Customer) -> None:
    identifier = made()["id"]
    refused: list[str] = []

    def second() -> None:
        with pytest.raises(ConflictError) as met:
            management.send_test("acme", identifier, NOW, Host(repeated))
        refused.append(met.value.slug)

    host = Host(repeated, meanwhile=second)
    assert management.send_test("acme", identifier, NOW, host)["proven"] is True
    assert (refused, len(host.got)) == (["test-running"], 1)
    assert management.send_test("acme", identifier, NOW, Host(repeated))["proven"] is True


def test_a_test_that_died_blocks_the_next_one_for_a_while_only(customer: Customer) -> None:
    identifier = made()["id"]

    def dies() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        management.send_test("acme", identifier, NOW, Host(repeated, meanwhile=dies))
    with pytest.raises(ConflictError):
        management.send_test("acme", identifier, NOW, Host(repeated))
    later = NOW + timedelta(seconds=proof.LEASE_SECONDS + 1)
    assert management.send_test("acme", identifier, later, Host(repeated))["proven"] is True


def test_a_test_that_raised_leaves_the_next_one_free(customer: Customer) -> None:
    identifier = made()["id"]

    def fails() -> None:
        raise OSError("in a test")

    for _ in range(2):
        with pytest.raises(OSError, match="in a test"):
            management.send_test("acme", identifier, NOW, Host(repeated, meanwhile=fails))
    assert management.send_test("acme", identifier, NOW, Host(repeated))["proven"] is True


def test_a_tenant_makes_ten_tests_a_minute_whichever_webhooks(customer: Customer) -> None:
    host, ids = Host(lambda event: b""), [made(path=f"/{nth}")["id"] for nth in range(3)]
    for nth in range(proof.MAX_TESTS_PER_MINUTE):
        management.send_test("acme", ids[nth % 3], NOW, host)
    with pytest.raises(TooManyRequestsError) as refused:
        management.send_test("acme", ids[0], NOW + timedelta(seconds=50), host)
    assert (refused.value.slug, refused.value.headers) == ("too-many-tests", {"Retry-After": "10"})
    assert len(host.got) == proof.MAX_TESTS_PER_MINUTE
    management.send_test("acme", ids[0], NOW + timedelta(seconds=60), host)


def test_a_status_url_at_the_host_of_a_pending_webhook_is_refused(
    gateway: Gateway, customer: Customer
) -> None:
    identifier = made()["id"]
    body = {"to": number("server2sms"), "text": "x", "status_url": "https://hooks.example.com/1"}
    with pytest.raises(InvalidRequestError) as refused:
        gateway.accept(body)
    assert refused.value.slug == "status-url-without-webhook"
    management.send_test("acme", identifier, NOW, customer)
    assert gateway.accept(body)


def test_a_status_url_of_a_pending_webhooks_host_is_not_told(customer: Customer) -> None:
    made()
    url = "https://hooks.example.com/status/42"
    webhook_fanout.enqueue_deliveries([event(0, status_url=url)])
    assert emptied(FAST) == []

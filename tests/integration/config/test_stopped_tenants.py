"""A stopped tenant: every way in refuses, nothing leaves, its webhooks are quiet."""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from sms_gateway.config import stopped_tenants
from sms_gateway.config.stopped_tenants import Stop, TenantStoppedError, encode_stops
from sms_gateway.core.status import Status
from sms_gateway.messages.cancel import cancel_message
from sms_gateway.messages.send import send
from sms_gateway.storage import dynamodb
from sms_gateway.triggers.direct_invocation import SendRefused
from sms_gateway.vendors.types import Request, VendorResponse
from sms_gateway.verifications.start import start_verification
from sms_gateway.webhooks import deliveries, delivery_worker, management
from sms_gateway.webhooks.delivery_message import DeliveryMessage
from sms_gateway.webhooks.http_client import PostResult
from testing.counting import Meter
from testing.gateway import Gateway
from testing.numbers import number
from testing.paths import ROOT
from testing.processes import function
from testing.queues import DEAD_LETTERS, emptied
from testing.rights import acting_as
from testing.settings import set_stopped
from testing.vendor_answers import POLL, SUBMIT, TAKES, arrived
from testing.webhooks import activate

FUNCTIONS = {
    "send": "SendFunction",
    "status": "StatusFunction",
    "verify": "VerifyFunction",
    "webhooks": "WebhooksFunction",
    "balance": "BalanceFunction",
    "vendor_account": "VendorAccountFunction",
}
OPEN = ("/health",)
SCOPES = "messages:send messages:read balances:read webhooks:manage verifications account"
MODULES = {name: function(name) for name in FUNCTIONS}
ROUTES = [
    (name, method, re.sub(r"\(\?P<\w+>\[\^/\]\+\)", "x", pattern.pattern))
    for name, module in MODULES.items()
    for method, pattern, _ in module.app._routes
    if pattern.pattern not in OPEN
]
LATER = 20 * 60  # seconds: past the longest pause between two looks


@pytest.mark.parametrize(("name", "method", "path"), ROUTES, ids=lambda one: str(one))
def test_every_route_refuses_a_stopped_tenants_keys(
    gateway: Gateway, name: str, method: str, path: str
) -> None:
    set_stopped("acme")
    event = {
        "httpMethod": method,
        "path": path,
        "body": "{}",
        "requestContext": {"authorizer": {"tenant": "acme", "scopes": SCOPES}},
    }
    with acting_as(FUNCTIONS[name]):
        answer = MODULES[name].handler(event, gateway.context)
    problem = json.loads(answer["body"])
    assert (answer["statusCode"], problem["type"]) == (403, "/problems/tenant-stopped")
    assert "operator" in problem["detail"]
    assert problem["retryable"] is False
    assert gateway.wire.sent == []


def test_what_needs_no_key_and_other_tenants_go_on(gateway: Gateway) -> None:
    set_stopped("acme")
    for path in OPEN:
        event = {"httpMethod": "GET", "path": path, "requestContext": {}}
        answer = MODULES["status"].handler(event, gateway.context)
        assert answer["statusCode"] == 200
    gateway.wire.answers[SUBMIT["jst"]] = TAKES["jst"]
    (other,) = gateway.accept({"to": number("jst"), "text": "Hello"}, "other")
    gateway.dispatch("jst")
    assert gateway.status(other) == "submitted"


@pytest.mark.parametrize("name", ["from_eventbridge", "from_sqs", "from_sns"])
def test_a_triggers_send_becomes_a_dead_letter_that_says_so(gateway: Gateway, name: str) -> None:
    set_stopped("acme", "ops", "shop")
    function(name).handler(json.loads((ROOT / "events" / f"{name}.json").read_text()), None)
    letters = emptied(DEAD_LETTERS)
    assert letters
    problems = {one.message_attributes["problem"]["StringValue"] for one in letters}
    assert problems == {"tenant-stopped"}


def test_a_direct_invocation_is_refused(gateway: Gateway) -> None:
    set_stopped("acme")
    asked = {"message": {"to": number("jst"), "text": "Hello"}}
    with (
        acting_as("FromInvocationFunction"),
        pytest.raises(SendRefused, match="tenant-stopped"),
    ):
        function("from_invocation").handler(asked, None)


def test_no_verification_begins(gateway: Gateway) -> None:
    set_stopped("acme")
    before = gateway.messages_stored()
    body = json.dumps({"to": number("server2sms"), "text": "Code {code}"}).encode()
    with pytest.raises(TenantStoppedError):
        start_verification("acme", body, datetime.now(UTC))
    assert gateway.messages_stored() == before


def test_a_repeat_of_what_was_accepted_before_the_stop_gets_its_first_answer(
    gateway: Gateway,
) -> None:
    body, now = raw(to=number("jst"), text="Hello"), datetime.now(UTC)
    code = raw(to=number("server2sms"), text="Code {code}")
    sent = send("acme", body, now, "order-1")
    begun = start_verification("acme", code, now, "code-1")
    before = gateway.messages_stored()
    set_stopped("acme")
    assert send("acme", body, now, "order-1") == sent
    assert start_verification("acme", code, now, "code-1") == begun
    with pytest.raises(TenantStoppedError):
        send("acme", body, now, "order-2")
    with pytest.raises(TenantStoppedError):
        start_verification("acme", code, now, "code-2")
    assert gateway.messages_stored() == before


@pytest.mark.parametrize("name", ["from_eventbridge", "from_sqs", "from_sns"])
def test_a_trigger_that_comes_again_after_the_stop_is_no_dead_letter(
    gateway: Gateway, name: str
) -> None:
    event = json.loads((ROOT / "events" / f"{name}.json").read_text())
    function(name).handler(event, None)
    before = gateway.messages_stored()
    set_stopped("acme", "ops", "shop")
    function(name).handler(event, None)
    assert emptied(DEAD_LETTERS) == []
    assert gateway.messages_stored() == before


def raw(**body: str) -> bytes:
    return json.dumps(body).encode()


def one(gateway: Gateway) -> list[str]:
    return [gateway.one("jst")]


def many(gateway: Gateway) -> list[str]:
    return gateway.many("dinisoft", 60)  # two submissions


def scheduled(gateway: Gateway) -> list[str]:
    when = datetime.now(UTC) + timedelta(seconds=90)
    return [gateway.one("rajasms", send_at=when.isoformat())]


def code(gateway: Gateway) -> list[str]:
    return [gateway.one("jst", category="otp", validity=86_400)]


@pytest.mark.parametrize("accept", [one, many, scheduled, code])
def test_what_was_accepted_is_held_and_leaves_once_after_the_start(
    gateway: Gateway, accept: Callable[[Gateway], list[str]]
) -> None:
    gateway.wire.answers |= {SUBMIT[vendor]: TAKES[vendor] for vendor in SUBMIT}
    ids = accept(gateway)
    set_stopped("acme")

    def work() -> None:
        for vendor in SUBMIT:
            assert gateway.dispatch(vendor) == []

    work()
    for after in (100, 200, LATER, 2 * LATER):
        gateway.tick(after)
        work()
    assert gateway.wire.sent == []
    assert set(gateway.statuses(ids)) <= {"accepted", "scheduled"}
    notes = [step["note"] for step in gateway.view(ids[0])["timeline"]]
    assert notes[1:] == ["held: the operator has stopped the tenant"]
    set_stopped()
    gateway.tick(3 * LATER)
    work()
    work()
    assert set(gateway.statuses(ids)) == {"submitted"}
    leaving = len(gateway.wire.sent)
    assert leaving == {"many": 60}.get(accept.__name__, 1)


def test_what_is_no_longer_valid_expires_and_never_leaves(gateway: Gateway) -> None:
    identifier = gateway.one("jst", validity=600)
    set_stopped("acme")
    gateway.dispatch("jst")
    gateway.tick(599)
    gateway.tick(601)
    set_stopped()
    gateway.tick(700)
    gateway.dispatch("jst")
    assert gateway.status(identifier) == "expired"
    assert gateway.wire.sent == []


def test_a_call_that_a_worker_has_begun_ends_and_no_other_begins(gateway: Gateway) -> None:
    def stop(request: Request) -> Any:
        set_stopped("acme")
        return TAKES["jst"]

    gateway.wire.answers[SUBMIT["jst"]] = stop
    first = gateway.one("jst")
    (record,) = gateway.queued("jst")
    later = gateway.one("jst")
    assert gateway.work([record]) == []
    assert gateway.dispatch("jst") == []
    assert gateway.statuses([first, later]) == ["submitted", "accepted"]
    assert len(gateway.wire.sent) == 1


def test_an_attempt_that_sent_nothing_is_not_followed_by_another(gateway: Gateway) -> None:
    def busy(request: Request) -> Any:
        set_stopped("acme")
        return VendorResponse(429, b"slow down")

    gateway.wire.answers[SUBMIT["server2sms"]] = busy
    identifier = gateway.one("server2sms")
    for after in (0, 100, LATER, 2 * LATER):
        gateway.dispatch("server2sms")
        gateway.tick(after)
    assert gateway.status(identifier) == "accepted"
    assert len(gateway.wire.sent) == 1


def test_receipts_of_what_was_sent_are_polled_all_the_same(gateway: Gateway) -> None:
    (identifier,) = gateway.sent("server2sms")
    set_stopped("acme")
    gateway.wire.answers[POLL["server2sms"]] = arrived
    gateway.tick(200)
    assert gateway.status(identifier) == "delivered"


def test_a_cancelled_message_stays_cancelled(gateway: Gateway) -> None:
    identifier = gateway.one("jst")
    set_stopped("acme")
    gateway.dispatch("jst")
    cancel_message("acme", identifier, datetime.now(UTC))
    set_stopped()
    gateway.tick(LATER)
    gateway.dispatch("jst")
    assert Status(gateway.status(identifier)) is Status.CANCELLED
    assert gateway.wire.sent == []


def test_a_running_function_knows_within_half_a_minute(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stopped_tenants.stops() == {}
    clock = time.monotonic()
    stop = stopped_tenants.encode_stops({"acme": Stop(1)})
    dynamodb.put_new(
        {
            "pk": {"S": "SETTINGS"},
            "sk": {"S": "stopped-tenants"},
            "data": {"S": stop},
            "version": {"N": "1"},
        }
    )
    monkeypatch.setattr(time, "monotonic", lambda: clock + 29)
    stopped_tenants.refuse_stopped("acme")
    monkeypatch.setattr(time, "monotonic", lambda: clock + 31)
    with pytest.raises(TenantStoppedError):
        stopped_tenants.refuse_stopped("acme")
    set_stopped()  # and let the next test read anew


def delivery(webhook: str) -> DeliveryMessage:
    identifier = f"{int(time.time() * 1000):013d}-1"
    return DeliveryMessage("acme", webhook, identifier, "MessageDelivered", None, "{}")


def test_webhooks_are_quiet_and_what_they_missed_waits_for_the_start(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b'{"url": "https://hooks.example.com/sms"}'
    made = management.create_webhook(
        "acme", body, datetime.now(UTC), resolver=lambda *_: ["93.184.215.14"]
    )
    activate("acme", made["id"])
    posted: list[bytes] = []

    def post(target: Any, body: bytes, *_: Any, **__: Any) -> PostResult:
        posted.append(body)
        return PostResult(204)

    set_stopped("acme")
    now = time.time()
    clock = SimpleNamespace(time=lambda: now)
    monkeypatch.setattr(delivery_worker, "time", clock)
    missed = delivery(made["id"])
    with acting_as("DeliverWebhooksFunction"):
        assert delivery_worker.deliver(missed, post, slow_lane=False)
        ids_only = DeliveryMessage("acme", made["id"], missed.id)
        for hours in (1, 2, 30):
            clock.time = lambda hours=hours: now + 3600 * hours
            assert delivery_worker.deliver(ids_only, post, slow_lane=True)
        assert posted == []
        found = deliveries.find_delivery(missed)
        assert found
        assert (found.state, found.attempts) == ("waiting", ())
        set_stopped()
        clock.time = lambda: now + 3600 * 60
        assert delivery_worker.deliver(ids_only, post, slow_lane=True)
        assert posted == [b"{}"]
        late = delivery(made["id"])
        set_stopped("acme")
        assert delivery_worker.deliver(late, post, slow_lane=False)
        clock.time = lambda: now + 3600 * 24 * 8
        ids_only = DeliveryMessage("acme", made["id"], late.id)
        assert delivery_worker.deliver(ids_only, post, slow_lane=True)
    found = deliveries.find_delivery(late)
    assert found
    assert found.state == "failed"  # which POST /webhooks/{id}/replay sends again
    assert len(posted) == 1


def test_while_nobody_is_stopped_dispatch_reads_no_tenant(gateway: Gateway) -> None:
    gateway.wire.answers[SUBMIT["jst"]] = TAKES["jst"]
    stopped_tenants.stops()
    gateway.many("jst", 3)
    records = gateway.queued("jst")
    with Meter().listening(dynamodb.client()) as meter:
        gateway.work(records)
    assert meter.total.calls["dynamodb.GetItem"] == 2  # the batch, and the circuit


def test_the_setting_stays_small_enough_for_half_a_unit() -> None:
    assert encode_stops({"a" * 40: Stop(2**31, "y" * 100)})
    with pytest.raises(ValueError, match="start one"):
        encode_stops({f"tenant-{nth}": Stop(2**31) for nth in range(200)})

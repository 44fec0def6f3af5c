"""Test keys: the whole pipeline, and no vendor."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from sms_gateway.core.problems import GatewayError
from sms_gateway.dispatch.vendor_session import VendorSession
from sms_gateway.messages import queue
from sms_gateway.messages.acceptance import build_batch
from sms_gateway.messages.destination import destination
from sms_gateway.messages.planning import plan_recipients
from sms_gateway.messages.preview import preview
from sms_gateway.messages.request import parse_send_request
from sms_gateway.messages.send import send
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.models import ItemKey, split_id
from sms_gateway.vendors import http_client
from sms_gateway.vendors.registry import VENDORS
from sms_gateway.vendors.sandbox.adapter import ADAPTERS
from testing.gateway import Gateway
from testing.numbers import number
from testing.settings import CALLBACK_KEY, set_accounts, set_callback_keys, set_message_key
from testing.stream import Stream, streaming
from testing.vendor_answers import SUBMIT, TAKES
from testing.vendor_cases import adapter

HOST = queue.SANDBOX_HOST
DAYS = 86_400
COUNTRIES = ("+9110000000", "+88010000000", "+6280000000", "+411000000", "+4477009000")


def to(ending: str, prefix: str = COUNTRIES[1]) -> str:
    """Return a documented number with an ending of two digits."""
    return f"{prefix}{ending}"


def body(**fields: Any) -> bytes:
    return json.dumps({"to": to("01"), "text": "Hello", **fields}).encode()


def worked(gateway: Gateway, identifier: str, *after: float) -> list[str]:
    """Work on a test message, with ticks so many seconds from now; the steps' statuses."""
    for _ in range(3):
        assert gateway.dispatch(HOST) == []
    for seconds in after:
        gateway.tick(seconds)
    return [step["status"] for step in gateway.view(identifier)["timeline"]]


@pytest.mark.parametrize("prefix", COUNTRIES)
def test_a_test_message_takes_every_step_and_no_vendor_hears_of_it(
    gateway: Gateway, prefix: str
) -> None:
    (identifier,) = gateway.test(to("01", prefix))
    steps = worked(gateway, identifier, 6)
    assert steps == ["accepted", "submitting", "submitted", "delivered"]
    view = gateway.view(identifier)
    assert (view["vendor"], view["test"], view["price"]) == ("sandbox", True, None)
    assert gateway.wire.sent == []


@pytest.mark.parametrize(
    ("ending", "after", "expected", "vendor"),
    [
        ("98", [6], ["accepted", "submitting", "submitted", "undelivered"], "sandbox"),
        ("97", [6, 190, 300, 600], ["accepted", "submitting", "submitting", "unknown"], "sandbox"),
        (
            "96",
            [6, 190, 200, 250],
            ["accepted", "submitting", "submitted", "unknown", "delivered"],
            "sandbox",
        ),
        ("95", [6, 50], ["accepted", "submitting", "submitted"], "sandbox"),
        ("95", [6, 65], ["accepted", "submitting", "submitted", "delivered"], "sandbox"),
        (
            "94",
            [6],
            [
                *("accepted", "submitting", "accepted", "accepted"),
                *("submitting", "submitted", "delivered"),
            ],
            "sandbox2",
        ),
        (
            "93",
            [70],
            ["accepted", "submitting", "accepted", "accepted", "submitting", "rejected"],
            "sandbox2",
        ),
        (
            "92",
            [70],
            [
                *("accepted", "submitting", "accepted", "accepted"),
                *("submitting", "submitted", "delivered"),
            ],
            "sandbox2",
        ),
    ],
)
def test_a_number_says_what_becomes_of_a_test_message(
    gateway: Gateway, ending: str, after: list[float], expected: list[str], vendor: str
) -> None:
    (identifier,) = gateway.test(to(ending))
    assert worked(gateway, identifier, *after) == expected
    assert gateway.view(identifier)["vendor"] == vendor
    assert gateway.wire.sent == []


def test_nobody_looks_for_a_late_receipt_for_ever(gateway: Gateway) -> None:
    (identifier,) = gateway.test(to("97"))
    worked(gateway, identifier, 6, 190, 300)
    assert gateway.submission(identifier).due is not None
    gateway.tick(900)
    assert gateway.submission(identifier).due is None


def test_a_batch_to_several_numbers_is_refused_in_part(gateway: Gateway) -> None:
    endings = ("01", "98", "97", "94", "93", "96")
    ids = gateway.test(*map(to, endings))
    for seconds in (0, 6, 70, 75, 190, 200, 250, 600):
        gateway.tick(seconds)
        assert gateway.dispatch(HOST) == []
        assert gateway.dispatch(HOST) == []
    expected = ["delivered", "undelivered", "unknown", "delivered", "rejected", "delivered"]
    assert gateway.statuses(ids) == expected
    assert all(gateway.view(one)["test"] for one in ids)
    assert gateway.wire.sent == []


def test_a_test_needs_no_account_no_route_and_no_callback_key(gateway: Gateway) -> None:
    set_accounts({})
    set_callback_keys(CALLBACK_KEY)
    (identifier,) = gateway.test(to("01"))
    assert worked(gateway, identifier, 6)[-1] == "delivered"


def test_a_live_message_is_not_marked(gateway: Gateway) -> None:
    identifier = gateway.one("rajasms")
    assert "test" not in gateway.view(identifier)
    key = split_id(identifier)
    assert key
    assert "test" not in gateway.item(key)


# --- The guards: a test reaches no vendor, and what is live never the sandbox.


def misled(gateway: Gateway, identifier: str, vendor: str) -> list[dict[str, Any]]:
    """Write another vendor into a stored message, as a fault might, with a task for it."""
    key = split_id(identifier)
    assert key
    change = ItemUpdate(key).set("vendor", vendor).set("vendors", vendor)
    assert change.apply()
    return [{"messageId": "1", "body": f"{vendor} {key} 1", "attributes": {}}]


@pytest.mark.parametrize("guard", ["on", "off"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_a_worker_refuses_a_test_that_names_a_vendor(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, vendor: str, guard: str
) -> None:
    gateway.wire.answers[SUBMIT[vendor]] = TAKES[vendor]
    (identifier,) = gateway.test(number(vendor))
    if guard == "off":
        monkeypatch.setattr(VendorSession, "of_its_kind", lambda _self, change: change)
    assert gateway.work(misled(gateway, identifier, vendor)) == []
    assert (len(gateway.wire.sent) == 0) is (guard == "on")
    assert gateway.status(identifier) == ("accepted" if guard == "on" else "submitted")


@pytest.mark.parametrize("guard", ["on", "off"])
def test_a_worker_refuses_a_live_message_that_names_the_sandbox(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, guard: str
) -> None:
    from sms_gateway.dispatch.sandbox_session import SandboxSession

    identifier = gateway.one("rajasms")
    if guard == "off":
        monkeypatch.setattr(SandboxSession, "of_its_kind", lambda _self, change: change)
    assert gateway.work(misled(gateway, identifier, "sandbox")) == []
    assert gateway.status(identifier) == ("accepted" if guard == "on" else "submitted")


def test_the_scheduler_asks_no_vendor_about_a_test(gateway: Gateway) -> None:
    (identifier,) = gateway.test(number("rajasms"))
    worked(gateway, identifier)
    for vendor in VENDORS:
        misled(gateway, identifier, vendor)
        for seconds in (100, 300, 500, 4 * DAYS):
            gateway.tick(seconds)
    assert gateway.wire.sent == []
    assert gateway.status(identifier) == "unknown"


def test_a_session_takes_adapters_of_its_kind_only() -> None:
    with pytest.raises(ValueError, match="another kind"):
        VendorSession(ADAPTERS["sandbox"], "", b"", 0)
    from sms_gateway.dispatch.sandbox_session import SandboxSession

    with pytest.raises(ValueError, match="another kind"):
        SandboxSession(adapter("jst"), "", b"", 0)


@pytest.mark.parametrize("test", [True, False])
def test_no_batch_is_built_for_the_wrong_vendors(aws: None, test: bool) -> None:
    reach = destination("acme", test=not test)
    drafts = parse_send_request(body())
    accepted, _ = plan_recipients(drafts, datetime.now(UTC), reach.accounts, reach.routes)
    with pytest.raises(ValueError, match="the sandbox"):
        build_batch("acme", "01JB2QK8W3Z5Y7X9V1T4R6P8N0", accepted, 1, lambda: b"", test=test)


def test_the_http_client_can_call_no_address_of_the_sandbox(gateway: Gateway) -> None:
    for one in ADAPTERS.values():
        (call,) = one.submit([parse(to("01"))], None)
        with pytest.raises(Exception, match=r"."):
            http_client.send(call.request, 1)


def parse(number: str) -> Any:
    from sms_gateway.vendors.types import OutgoingMessage

    return OutgoingMessage("01JB2QK8W3Z5Y7X9V1T4R6P8N0000", number, "Hello")


@pytest.mark.parametrize(
    ("test", "vendor", "slug"),
    [
        (False, "sandbox", "unknown-vendor"),
        (True, "jst", "vendor-not-configured"),
        (True, "nobody", "unknown-vendor"),
    ],
)
def test_no_key_names_a_vendor_of_the_other_kind(
    gateway: Gateway, test: bool, vendor: str, slug: str
) -> None:
    with pytest.raises(GatewayError) as caught:
        send("acme", body(vendor=vendor), datetime.now(UTC), test=test)
    assert caught.value.slug == slug


# --- It counts nowhere.


def test_a_test_is_in_no_metric_no_circuit_and_on_no_dashboard(
    gateway: Gateway, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHBOARD", "true")
    gateway.test(*map(to, ("01", "98", "97", "94", "93", "92", "96")))
    for seconds in (0, 6, 70, 190, 250, 600):
        gateway.dispatch(HOST)
        gateway.dispatch(HOST)
        gateway.tick(seconds)
    logged = capsys.readouterr().out
    assert "CloudWatchMetrics" not in logged
    assert '"messages ' not in logged
    assert dynamodb.get(ItemKey("CIRCUIT", "sandbox")) is None
    stored = dynamodb.client().scan(TableName=dynamodb.table_name())["Items"]
    kinds = {item["pk"]["S"].partition("#")[0] for item in stored}
    assert kinds & {"BALANCE", "RATE", "CIRCUIT", "SENDS", "V"} == set()


def test_a_test_is_removed_after_seven_days(gateway: Gateway) -> None:
    now = datetime.now(UTC).timestamp()
    for ids in (gateway.test(to("01")), gateway.test(to("01"), to("02"))):
        batch = ids[0][:26]
        items = dynamodb.query("pk = :pk", {":pk": {"S": batch}})
        assert {round((int(one["ttl"]["N"]) - now) / DAYS, 2) for one in items} == {7}


def test_a_test_and_a_live_request_with_one_idempotency_key_are_two(gateway: Gateway) -> None:
    now = datetime.now(UTC)
    tested = send("acme", body(), now, "order-1", test=True)
    assert send("acme", body(), now, "order-1", test=True) == tested
    sent = send("acme", body(), now, "order-1")
    assert sent["batch_id"] != tested["batch_id"]
    assert (tested["test"], "test" in sent) == (True, False)


def test_a_preview_with_a_test_key_shows_the_sandbox(gateway: Gateway) -> None:
    shown = preview("acme", body(**{"from": "ANYBODY"}), datetime.now(UTC), test=True)
    assert shown["test"] is True
    assert shown["messages"][0]["vendor"] == "sandbox"
    assert shown["messages"][0]["failover"] == ["sandbox2"]
    assert shown["messages"][0]["price"] is None


@pytest.fixture
def stream(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stream]:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "publish_events")
    yield from streaming()


def test_each_event_of_a_test_says_so(gateway: Gateway, stream: Stream) -> None:
    (identifier,) = gateway.test(to("96"))
    worked(gateway, identifier, 6, 190, 250)
    gateway.test(to("01"), to("98"))
    gateway.dispatch(HOST)
    gateway.tick(10)
    gateway.one("rajasms")
    assert stream.publish() == []
    events = [one.to_dict() for one in stream.got.events]
    batches = {one["data"]["batch_id"] for one in events if one.get("test") is True}
    assert len(batches) == 2
    assert {one["type"] for one in events if one["data"]["batch_id"] == identifier[:26]} == {
        *("MessageAccepted", "MessageSubmitted", "MessageUnknown", "MessageDelivered"),
        "BatchCompleted",
    }
    assert [one["type"] for one in events if "test" not in one] == ["MessageAccepted"]


def test_keys_need_be_made_before_a_test_is_sent(gateway: Gateway) -> None:
    set_message_key("short")
    with pytest.raises(GatewayError):
        send("acme", body(category="otp"), datetime.now(UTC), test=True)

"""`send_at`: kept here by the clock, to within a minute, or by the vendor where its account asks
for it. Nothing leaves early, and what was taken back never leaves."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest

from sms_gateway.core.problems import ConflictError
from sms_gateway.messages.cancel import cancel_message
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.vendors.registry import VENDORS, adapter_class
from sms_gateway.vendors.types import Request
from testing.gateway import Gateway
from testing.numbers import number
from testing.settings import set_account
from testing.transport import SILENT, UNREACHABLE
from testing.vendor_answers import POLL, SUBMIT, TAKES

HOUR, DAY, MINUTE = 3600, 86_400, 60
HOLDERS = ("jst", "server2sms", "rajasms")


def ahead(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def held(gateway: Gateway, vendor: str, seconds: float, **fields: Any) -> str:
    """A message that the vendor is to hold, not dispatched yet."""
    set_account(vendor, schedule_at_vendor=True)
    gateway.wire.answers.setdefault(SUBMIT[vendor], TAKES[vendor])
    return gateway.one(vendor, send_at=ahead(seconds), **fields)


def time_asked_for(request: Request) -> str | None:
    """The time that a call leaves with the vendor, as the vendor writes it."""
    if request.url.endswith("-sms"):
        return parse_qs(request.body.decode()).get("scheduled_datetime", [None])[0]
    body = json.loads(request.body)
    if "datapacket" in body:
        return body["datapacket"][0]["sendingdatetime"] or None
    found: str | None = body.get("DeferredDeliveryTime")
    return found


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_vendor_carries_a_scheduled_message(gateway: Gateway, vendor: str) -> None:
    gateway.wire.answers[SUBMIT[vendor]] = TAKES[vendor]
    identifier = gateway.one(vendor, send_at=ahead(HOUR))
    assert gateway.dispatch(vendor) == []
    assert gateway.wire.sent == []
    gateway.tick(HOUR + 1)
    gateway.dispatch(vendor)
    assert gateway.status(identifier) == "submitted"
    (request,) = gateway.wire.sent
    assert not adapter_class(vendor).capabilities.schedule or time_asked_for(request) is None


@pytest.mark.parametrize("phase", [0, 1, 17, 30.5, 59])
def test_the_schedulers_ticks_send_it_within_a_minute_and_never_early(
    gateway: Gateway, phase: float
) -> None:
    """Ticks a minute apart, at any distance from the time that was asked for."""
    start = time.time()
    send_at = start + 10 * MINUTE
    identifier = gateway.one(
        "rajasms", send_at=datetime.fromtimestamp(send_at, UTC).isoformat(timespec="microseconds")
    )
    left = None
    for minute in range(12):
        tick = start + phase + minute * MINUTE
        gateway.tick(tick - time.time())
        if gateway.queued("rajasms"):
            left = tick
            break
    assert left is not None
    assert send_at <= left + 1e-6
    assert left - send_at <= MINUTE + 1
    assert gateway.status(identifier) == "accepted"


def test_a_vendor_that_answers_slowly_does_not_hold_up_what_was_scheduled(
    gateway: Gateway,
) -> None:
    """Receipts are due in every partition; what was scheduled, in one, leaves before any is asked
    for."""
    gateway.wire.answers[SUBMIT["dinisoft"]] = TAKES["dinisoft"]
    for nth in range(24):
        gateway.accept({"to": number("dinisoft", nth), "text": "Hello"})
    gateway.dispatch("dinisoft")
    ids = [gateway.one("rajasms", send_at=ahead(30)) for _ in range(8)]
    waiting: list[int] = []

    def slow(_: Request) -> Any:
        waiting.append(sum(status == "scheduled" for status in gateway.statuses(ids)))
        return b""

    gateway.wire.answers[POLL["dinisoft"]] = slow
    gateway.tick(200)
    assert len(waiting) == 24
    assert set(waiting) == {0}
    assert len(gateway.queued("rajasms")) == len(ids)


@pytest.mark.parametrize("vendor", HOLDERS)
def test_the_vendor_holds_it_only_when_the_account_asks(gateway: Gateway, vendor: str) -> None:
    identifier = held(gateway, vendor, HOUR)
    assert gateway.status(identifier) == "accepted"
    gateway.dispatch(vendor)
    assert gateway.status(identifier) == "submitted"
    assert time_asked_for(gateway.wire.sent[0])


@pytest.mark.parametrize("vendor", HOLDERS)
def test_a_call_that_comes_after_its_time_names_none(gateway: Gateway, vendor: str) -> None:
    """The vendor could not be reached until `send_at` was over: then it leaves at once."""
    gateway.wire.answers[SUBMIT[vendor]] = UNREACHABLE
    identifier = held(gateway, vendor, HOUR)
    gateway.dispatch(vendor)
    assert gateway.status(identifier) == "accepted"
    assert time_asked_for(gateway.wire.sent.pop())

    sub = gateway.submission(identifier)
    assert sub.content
    over = datetime.now(UTC) - timedelta(seconds=1)
    ItemUpdate(sub.key).set("data", msgspec.structs.replace(sub.content, send_at=over)).apply()
    gateway.wire.answers[SUBMIT[vendor]] = TAKES[vendor]
    gateway.dispatch(vendor)
    assert gateway.status(identifier) == "submitted"
    assert time_asked_for(gateway.wire.sent.pop()) is None


@pytest.mark.parametrize("vendor", HOLDERS)
def test_until_the_vendor_has_it_it_can_be_taken_back(gateway: Gateway, vendor: str) -> None:
    identifier = held(gateway, vendor, HOUR)
    assert cancel_message("acme", identifier, datetime.now(UTC))["status"] == "cancelled"
    gateway.dispatch(vendor)
    gateway.tick(2 * HOUR)
    gateway.dispatch(vendor)
    assert gateway.wire.sent == []


@pytest.mark.parametrize("vendor", HOLDERS)
@pytest.mark.parametrize("answer", ["taken", "lost"])
def test_what_a_vendor_holds_can_not_be_taken_back_and_the_answer_says_so(
    gateway: Gateway, vendor: str, answer: str
) -> None:
    if answer == "lost":
        gateway.wire.answers[SUBMIT[vendor]] = SILENT
    identifier = held(gateway, vendor, HOUR)
    gateway.dispatch(vendor)
    with pytest.raises(ConflictError) as refused:
        cancel_message("acme", identifier, datetime.now(UTC))
    document = refused.value.to_dict()
    assert (document["type"], document["vendor"]) == ("/problems/held-by-vendor", vendor)
    assert gateway.view(identifier)["send_at"] in document["detail"]
    with pytest.raises(ConflictError) as refused:
        cancel_message("acme", identifier, datetime.now(UTC) + timedelta(hours=2))
    assert refused.value.slug == "not-cancellable"


def test_a_refused_time_is_the_messages_problem_with_the_vendors_word(gateway: Gateway) -> None:
    gateway.wire.answers[SUBMIT["server2sms"]] = {
        "StatusCode": "22",
        "StatusInfo": "Invalid deferred delivery time.",
    }
    identifier = held(gateway, "server2sms", HOUR)
    gateway.dispatch("server2sms")
    view = gateway.view(identifier)
    assert view["status"] == "rejected"
    assert view["problem"]["vendor_code"] == "22"
    assert view["problem"]["vendor_text"] == "Invalid deferred delivery time."
    gateway.tick(2 * HOUR)
    assert gateway.queued("server2sms") == []


@pytest.mark.parametrize("vendor", ["jst", "server2sms"])
def test_nobody_asks_for_a_receipt_before_the_vendor_was_to_send(
    gateway: Gateway, vendor: str
) -> None:
    set_account(vendor, schedule_at_vendor=True)
    gateway.wire.answers[POLL[vendor]] = {"StatusCode": "1", "status": "success"}
    (identifier,) = gateway.sent(vendor, send_at=ahead(DAY))
    looks = sum(gateway.tick(after) for after in range(0, DAY, 2 * HOUR))
    assert looks == 1  # the one that was set at acceptance
    assert gateway.wire.count(POLL[vendor]) == 0
    gateway.tick(DAY + 62)
    assert gateway.wire.count(POLL[vendor]) == 1
    assert gateway.status(identifier) == "submitted"


def test_the_receipts_deadline_counts_from_send_at(gateway: Gateway) -> None:
    set_account("rajasms", schedule_at_vendor=True)
    (identifier,) = gateway.sent("rajasms", send_at=ahead(10 * DAY))
    while due := gateway.submission(identifier).due:
        gateway.tick(due - time.time() + 1, receipt_deadline=6 * HOUR)
    ended = gateway.view(identifier)
    assert ended["status"] == "unknown"
    waited = datetime.fromisoformat(ended["updated_at"]) - datetime.fromisoformat(ended["send_at"])
    assert timedelta(hours=6) <= waited < timedelta(hours=6, seconds=5)


@pytest.mark.parametrize("at_vendor", [True, False])
def test_the_validity_counts_from_send_at(gateway: Gateway, at_vendor: bool) -> None:
    set_account("rajasms", schedule_at_vendor=at_vendor)
    identifier = gateway.one("rajasms", send_at=ahead(HOUR), validity=600)
    expires = gateway.submission(identifier).expires
    assert -5 <= expires - (time.time() + HOUR + 600) <= 1
    gateway.queued("rajasms")
    gateway.tick(HOUR + 500)
    assert gateway.status(identifier) == "accepted"
    gateway.queued("rajasms")  # lost
    gateway.tick(HOUR + 602)
    assert gateway.status(identifier) == "expired"
    assert gateway.queued("rajasms") == []

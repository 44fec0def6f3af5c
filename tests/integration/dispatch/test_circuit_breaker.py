"""The circuit breaker: a vendor that is down is left alone, and nothing is lost by that."""

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sms_gateway.config.vendor_accounts import accounts
from sms_gateway.dispatch.circuit_breaker import FAILURES_TO_OPEN
from sms_gateway.dispatch.circuit_states import CIRCUITS, RECOVERY_SECONDS
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.models import ItemKey
from sms_gateway.vendor_accounts.overview import vendors_view
from sms_gateway.vendors.registry import VENDORS
from sms_gateway.vendors.types import Request, VendorResponse
from testing.gateway import Gateway
from testing.numbers import number
from testing.processes import new_worker
from testing.rights import acting_as
from testing.settings import set_routes
from testing.transport import SILENT, UNREACHABLE
from testing.vendor_answers import SUBMIT, TAKES

REFUSED = {"StatusCode": "10"}
OPEN = "the vendor's circuit is open"


def shown(after: float = 0) -> dict[str, str]:
    """Each vendor's circuit in GET /vendors, some seconds from now."""
    now = datetime.now(UTC) + timedelta(seconds=after)
    with acting_as("BalanceFunction"):
        return {one["vendor"]: one["circuit"] for one in vendors_view(accounts(), now)}


def place(vendor: str) -> ItemKey:
    """Where a circuit's state is stored."""
    return ItemKey(CIRCUITS, vendor)


def fail(gateway: Gateway, vendor: str, times: int, answer: object = SILENT) -> list[str]:
    """So many calls that go wrong; the ids of their messages."""
    gateway.wire.answers[SUBMIT[vendor]] = answer
    ids = []
    for _ in range(times):
        ids.append(gateway.one(vendor))
        assert gateway.work(gateway.queued(vendor)) == []
        gateway.queued(vendor)  # what is to be tried again must not count
    return ids


def opened(gateway: Gateway, vendor: str = "rajasms") -> None:
    """A vendor whose circuit is open, with no call remembered."""
    fail(gateway, vendor, FAILURES_TO_OPEN)
    assert shown()[vendor] == "open"
    gateway.wire.sent.clear()
    gateway.wire.answers[SUBMIT[vendor]] = TAKES[vendor]


def rested(vendor: str = "rajasms") -> None:
    """As if it had been left alone long enough, and this worker came anew."""
    ItemUpdate(place(vendor)).set("opened_at", int(time.time()) - RECOVERY_SECONDS - 1).apply()
    new_worker()


def notes(gateway: Gateway, identifier: str) -> list[str]:
    return [one["note"] for one in gateway.view(identifier)["timeline"] if one["note"]]


def test_every_circuit_is_closed_at_first(gateway: Gateway) -> None:
    assert shown() == dict.fromkeys(VENDORS, "closed")


@pytest.mark.parametrize("answer", [SILENT, UNREACHABLE, b"", b"<html>502</html>"], ids=str)
@pytest.mark.parametrize("vendor", VENDORS)
def test_five_failures_in_a_row_open_it(gateway: Gateway, vendor: str, answer: object) -> None:
    ids = fail(gateway, vendor, FAILURES_TO_OPEN - 1, answer)
    assert shown()[vendor] == "closed"
    ids += fail(gateway, vendor, 1, answer)
    assert shown() == dict.fromkeys(VENDORS, "closed") | {vendor: "open"}
    assert set(gateway.statuses(ids)) == {"accepted" if answer is UNREACHABLE else "submitting"}
    calls = len(gateway.wire.sent)
    (identifier,) = fail(gateway, vendor, 1, TAKES[vendor])
    assert len(gateway.wire.sent) == calls == FAILURES_TO_OPEN
    assert gateway.status(identifier) == "accepted"
    assert OPEN in notes(gateway, identifier)


def test_one_that_has_rested_is_not_shown_as_open_though_nobody_has_called_since(
    gateway: Gateway,
) -> None:
    opened(gateway)
    assert shown(RECOVERY_SECONDS - 2)["rajasms"] == "open"
    assert shown(RECOVERY_SECONDS + 1)["rajasms"] == "half_open"
    assert shown(86_400)["rajasms"] == "half_open"
    assert "OPEN" in str(gateway.item(place("rajasms")))  # as it is stored
    rested()
    assert shown()["rajasms"] == "half_open"
    fail(gateway, "rajasms", 1, TAKES["rajasms"])
    assert gateway.wire.count(SUBMIT["rajasms"]) == 1  # the call that tries
    assert shown()["rajasms"] == "closed"


@pytest.mark.parametrize("answer", [REFUSED, {"StatusCode": "24"}, {"StatusCode": "5"}], ids=str)
def test_a_vendor_that_refuses_is_well(gateway: Gateway, answer: object) -> None:
    fail(gateway, "server2sms", 2 * FAILURES_TO_OPEN, answer)
    assert shown()["server2sms"] == "closed"
    assert gateway.wire.count(SUBMIT["server2sms"]) == 2 * FAILURES_TO_OPEN


def test_an_answer_in_between_begins_the_count_anew(gateway: Gateway) -> None:
    for answer in (SILENT, TAKES["rajasms"], UNREACHABLE, TAKES["rajasms"], b""):
        fail(gateway, "rajasms", FAILURES_TO_OPEN - 1, answer)
    assert shown()["rajasms"] == "closed"
    assert len(gateway.wire.sent) == 5 * (FAILURES_TO_OPEN - 1)


def test_while_it_is_open_messages_wait_and_are_sent_when_it_closes(gateway: Gateway) -> None:
    opened(gateway)
    ids = gateway.many("rajasms", 3)
    for _ in range(4):
        assert gateway.dispatch("rajasms") == []
    assert gateway.wire.sent == []
    assert set(gateway.statuses(ids)) == {"accepted"}
    sub = gateway.submission(ids[0])
    assert sub.due
    assert sub.due - sub.changed > 60  # later and later
    rested()
    gateway.dispatch("rajasms")
    assert set(gateway.statuses(ids)) == {"submitted"}
    assert len(gateway.wire.sent) == 1


def test_while_it_is_open_messages_go_to_the_next_vendor_at_once(gateway: Gateway) -> None:
    opened(gateway)
    set_routes('{"routes": [{"prefix": "+", "vendors": ["rajasms", "server2sms"]}]}')
    gateway.wire.answers[SUBMIT["server2sms"]] = TAKES["server2sms"]
    identifier = gateway.one("rajasms")
    gateway.dispatch("rajasms")
    gateway.dispatch("server2sms")
    view = gateway.view(identifier)
    assert (view["status"], view["vendor"]) == ("submitted", "server2sms")
    assert notes(gateway, identifier)[1:] == [OPEN, "next on the route"]
    assert len(gateway.wire.sent) == 1


def test_other_workers_see_it(gateway: Gateway) -> None:
    opened(gateway)
    new_worker()
    gateway.one("rajasms")
    gateway.dispatch("rajasms")
    assert gateway.wire.sent == []


def test_it_stays_open_until_it_has_rested(gateway: Gateway) -> None:
    opened(gateway)
    ItemUpdate(place("rajasms")).set("opened_at", int(time.time()) - RECOVERY_SECONDS + 5).apply()
    new_worker()
    gateway.one("rajasms")
    gateway.dispatch("rajasms")
    assert gateway.wire.sent == []


@pytest.mark.parametrize(
    "answer", [TAKES["rajasms"], SILENT, UNREACHABLE], ids=["takes", "silent", "unreachable"]
)
def test_after_its_rest_one_call_decides(gateway: Gateway, answer: Any) -> None:
    opened(gateway)
    rested()
    begun = threading.Barrier(2)

    def probe(request: Request) -> Any:
        begun.wait(10)
        begun.wait(10)  # the others come while it is under way
        return answer(request) if callable(answer) else answer

    gateway.wire.answers[SUBMIT["rajasms"]] = probe
    first = gateway.one("rajasms")
    records = gateway.queued("rajasms")
    worker = threading.Thread(target=lambda: gateway.work(records))
    worker.start()
    begun.wait(10)
    ids = [gateway.one("rajasms") for _ in range(5)]
    gateway.dispatch("rajasms")
    probes = len(gateway.wire.sent)
    assert shown()["rajasms"] == "half_open"
    begun.wait(10)
    worker.join()
    assert probes == 1
    assert set(gateway.statuses(ids)) == {"accepted"}
    well = callable(answer)
    assert shown()["rajasms"] == ("closed" if well else "open")
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    gateway.dispatch("rajasms")
    assert set(gateway.statuses(ids)) == {"submitted" if well else "accepted"}
    assert len(gateway.wire.sent) == (6 if well else 1)
    expected = "submitted" if well else "submitting" if answer is SILENT else "accepted"
    assert gateway.status(first) == expected


def test_it_can_open_and_close_again_and_again(gateway: Gateway) -> None:
    for _ in range(3):
        opened(gateway)
        rested()
        gateway.sent("rajasms")
        assert shown()["rajasms"] == "closed"


def test_calls_of_one_submission_stop_when_it_opens(gateway: Gateway) -> None:
    gateway.wire.answers[SUBMIT["dinisoft"]] = SILENT
    ids = gateway.many("dinisoft", 50)
    assert gateway.dispatch("dinisoft", 120) == []
    calls = len(gateway.wire.sent)
    assert FAILURES_TO_OPEN <= calls < 50  # those that were under way at once
    statuses = gateway.statuses(ids)
    assert statuses.count("submitting") == calls
    assert statuses.count("accepted") == 50 - calls


# A store that does not work is no reason not to send


def test_a_state_that_can_not_be_read_is_taken_for_closed(
    gateway: Gateway, failing: Callable[..., None]
) -> None:
    opened(gateway)
    new_worker()
    identifier = gateway.one("rajasms")
    failing("GetItem")
    gateway.dispatch("rajasms")
    assert gateway.status(identifier) == "submitted"


def test_a_state_that_can_not_be_written_stops_no_call(
    gateway: Gateway, failing: Callable[..., None]
) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = SILENT
    ids = [gateway.one("rajasms") for _ in range(2 * FAILURES_TO_OPEN)]
    records = gateway.queued("rajasms")
    failing("PutItem")
    assert gateway.work(records) == []
    assert len(gateway.wire.sent) == 2 * FAILURES_TO_OPEN
    assert set(gateway.statuses(ids)) == {"submitting"}


@pytest.mark.parametrize(
    "answer", [TAKES["rajasms"], SILENT, UNREACHABLE], ids=["takes", "silent", "unreachable"]
)
def test_what_has_been_claimed_is_sent_although_the_probe_can_not_be_recorded(
    gateway: Gateway, failing: Callable[..., None], answer: object
) -> None:
    opened(gateway)
    rested()
    identifier = gateway.one("rajasms")
    records = gateway.queued("rajasms")
    failing("PutItem")
    gateway.wire.answers[SUBMIT["rajasms"]] = answer
    assert gateway.work(records) == []
    assert len(gateway.wire.sent) == 1
    expected = {SILENT: "submitting", UNREACHABLE: "accepted"}.get(answer, "submitted")  # type: ignore[call-overload]  # any answer is asked for
    assert gateway.status(identifier) == expected


def test_an_answer_is_kept_although_the_circuit_can_not_be_closed(gateway: Gateway) -> None:
    opened(gateway)
    rested()

    def refuse(params: dict[str, Any], **_: Any) -> None:
        if params["Key"]["pk"]["S"] == CIRCUITS:
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, "UpdateItem")

    events = dynamodb.client().meta.events
    events.register("provide-client-params.dynamodb.UpdateItem", refuse)
    try:
        (identifier,) = gateway.sent("rajasms")
    finally:
        events.unregister("provide-client-params.dynamodb.UpdateItem", refuse)
    assert gateway.status(identifier) == "submitted"
    assert len(gateway.wire.sent) == 1


def test_what_nobody_foresaw_in_a_call_is_called_once(gateway: Gateway) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = RuntimeError("unforeseen")
    identifier = gateway.one("rajasms")
    gateway.dispatch("rajasms")
    assert len(gateway.wire.sent) == 1
    assert gateway.status(identifier) == "submitting"


def test_the_state_that_is_stored_names_no_message(gateway: Gateway) -> None:
    fail(gateway, "rajasms", FAILURES_TO_OPEN, VendorResponse(502, b"<html>"))
    item = gateway.item(place("rajasms"))
    assert set(item) == {"pk", "sk", "state", "failure_count", "opened_at", "ttl"}
    assert number("rajasms")[1:] not in json.dumps(item)

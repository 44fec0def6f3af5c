"""POST /messages on the core: what is accepted is recorded whole and enqueued once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ReadTimeoutError

from sms_gateway.core.problems import (
    GatewayError,
    InvalidRequestError,
    NoAnswerError,
    ServiceUnavailableError,
)
from sms_gateway.storage import dynamodb
from sms_gateway.storage.models import ItemKey, split_id
from sms_gateway.vendors.registry import VENDORS
from testing.gateway import Gateway
from testing.numbers import number
from testing.settings import ACCOUNTS, set_account, set_accounts


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_single_send_is_one_item_and_one_queued_task(gateway: Gateway, vendor: str) -> None:
    identifier = gateway.one(vendor, reference="o-1", metadata={"a": "b"})
    key = split_id(identifier)
    assert gateway.messages_stored() == 1
    assert [one["body"] for one in gateway.queued(vendor)] == [f"{vendor} {key} 1"]
    view = gateway.view(identifier)
    assert view["status"] == "accepted"
    assert (view["reference"], view["metadata"]) == ("o-1", {"a": "b"})
    assert [(one["status"], one["source"]) for one in view["timeline"]] == [("accepted", "api")]


def test_a_batch_is_packed_by_vendor_and_answered_in_the_order_of_the_request(
    gateway: Gateway,
) -> None:
    wanted = [number(vendor, nth) for nth in range(3) for vendor in VENDORS]
    ids = gateway.accept({"to": wanted, "text": "Hello"})
    assert [gateway.view(one)["to"] for one in ids] == wanted
    for vendor in VENDORS:
        (task,) = gateway.queued(vendor)
        assert task["body"].endswith(" 3")


def test_what_messages_share_is_stored_once(gateway: Gateway) -> None:
    ids = gateway.many("rajasms", 3)
    key = split_id(ids[1])
    assert key
    assert "Hello" not in gateway.item(key)["data"]["S"]
    assert "Hello" in gateway.item(ItemKey(key.batch, "B"))["data"]["S"]


@pytest.mark.parametrize(
    "body",
    [
        {"to": "+1", "text": "Hello"},
        {"to": ["+1", "12"], "text": "Hello"},
        {"to": number("jst"), "text": ""},
        {"to": number("jst"), "text": "Hello", "vendor": "nobody"},
    ],
)
def test_what_is_refused_leaves_nothing_behind(gateway: Gateway, body: dict[str, object]) -> None:
    with pytest.raises(GatewayError):
        gateway.accept(body)
    assert gateway.messages_stored() == 0
    assert all(gateway.queued(vendor) == [] for vendor in VENDORS)


def test_bad_recipients_do_not_keep_the_good_ones(gateway: Gateway) -> None:
    assert len(gateway.accept({"to": [number("jst"), "+1"], "text": "Hello"})) == 1
    assert len(gateway.queued("jst")) == 1


def test_all_recipients_refused_names_each_ones_problem(gateway: Gateway) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        gateway.accept({"to": ["+1", "+2"], "text": "Hello"})
    problem = refused.value.to_dict()
    assert problem["type"] == "/problems/all-rejected"
    assert [one["problem"]["pointer"] for one in problem["rejected"]] == ["/to/0", "/to/1"]


def test_an_unusable_account_is_503_for_its_numbers_only(gateway: Gateway) -> None:
    set_accounts({**ACCOUNTS, "jst": {"username": "only"}})
    with pytest.raises(ServiceUnavailableError):
        gateway.accept({"to": number("jst"), "text": "Hello"})
    assert len(gateway.accept({"to": [number("jst"), number("rajasms")], "text": "Hello"})) == 1


def test_a_vendor_that_is_pinned_but_off_is_an_error_of_the_request(gateway: Gateway) -> None:
    set_accounts({name: one for name, one in ACCOUNTS.items() if name != "rajasms"})
    with pytest.raises(InvalidRequestError) as refused:
        gateway.accept({"to": number("rajasms"), "text": "Hello", "vendor": "rajasms"})
    assert (refused.value.slug, refused.value.pointer) == ("vendor-not-configured", "/vendor")


def test_a_message_for_later_is_scheduled_and_not_queued(gateway: Gateway) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    identifier = gateway.one("rajasms", send_at=later)
    assert gateway.status(identifier) == "scheduled"
    assert gateway.queued("rajasms") == []


def test_one_the_vendor_is_to_hold_is_queued_at_once(gateway: Gateway) -> None:
    set_account("rajasms", schedule_at_vendor=True)
    later = datetime.now(UTC) + timedelta(hours=1)
    identifier = gateway.one("rajasms", send_at=later.isoformat())
    assert gateway.status(identifier) == "accepted"
    assert len(gateway.queued("rajasms")) == 1
    assert gateway.submission(identifier).expires >= int(later.timestamp()) + 172_800


def test_messages_of_different_times_have_lifetimes_of_their_own(gateway: Gateway) -> None:
    set_account("rajasms", schedule_at_vendor=True)
    later = (datetime.now(UTC) + timedelta(days=9)).isoformat()
    ids = gateway.accept(
        {
            "messages": [
                {"to": number("rajasms"), "text": "Later", "send_at": later},
                {"to": number("rajasms", 1), "text": "Now"},
            ]
        }
    )
    late, soon = (gateway.submission(one).expires for one in ids)
    assert late - soon == pytest.approx(9 * 86_400, abs=5)


def test_a_queue_that_fails_loses_nothing(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUEUE_JST", "https://sqs.eu-central-1.amazonaws.com/123456789012/gone")
    identifier = gateway.one("jst")
    monkeypatch.undo()
    assert gateway.status(identifier) == "accepted"
    gateway.tick(61)
    assert len(gateway.queued("jst")) == 1


def test_what_cannot_be_recorded_is_503_and_never_sent(
    gateway: Gateway, failing: Callable[..., None]
) -> None:
    failing("BatchWriteItem")
    with pytest.raises(ServiceUnavailableError):
        gateway.many("rajasms", 30)
    gateway.tick(3600)
    assert gateway.queued("rajasms") == []


def test_a_last_write_in_doubt_is_never_called_repeatable_without_a_key(gateway: Gateway) -> None:
    def lose(**_: object) -> None:
        raise ReadTimeoutError(endpoint_url="https://dynamodb.example")

    events = dynamodb.client().meta.events
    events.register_first("needs-retry.dynamodb.PutItem", lose)
    try:
        with pytest.raises(NoAnswerError) as raised:
            gateway.many("rajasms", 30)
    finally:
        events.unregister("needs-retry.dynamodb.PutItem", lose)
    problem = raised.value.to_dict()
    assert (problem["status"], problem["retryable"]) == (504, False)
    gateway.tick(3600)
    assert len(gateway.queued("rajasms")) == 1  # it was accepted


@pytest.mark.parametrize("count", [1, 2])
def test_a_record_whose_answer_gets_lost_is_accepted_once(
    gateway: Gateway, failing: Callable[..., None], count: int
) -> None:
    failing("PutItem", 1, lost=True)
    assert len(gateway.many("rajasms", count)) == count
    assert len(gateway.queued("rajasms")) == 1

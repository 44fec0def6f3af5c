"""DELETE /messages/{id}: only what has not left can be taken back, and then it never leaves."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from sms_gateway.core.problems import ConflictError, NotFoundError
from sms_gateway.messages.cancel import cancel_message
from sms_gateway.storage import dynamodb
from testing.gateway import Gateway
from testing.vendor_answers import SUBMIT, TAKES


def take_back(identifier: str, tenant: str = "acme") -> dict[str, Any]:
    return cancel_message(tenant, identifier, datetime.now(UTC))


def later() -> str:
    return (datetime.now(UTC) + timedelta(minutes=10)).isoformat()


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("fields", [{}, {"send_at": "later"}])
def test_what_has_not_left_is_cancelled_and_never_sent(
    gateway: Gateway, count: int, fields: dict[str, str]
) -> None:
    ids = gateway.many("rajasms", count, **{name: later() for name in fields})
    for one in ids:
        assert take_back(one)["status"] == "cancelled"
        assert take_back(one)["timeline"][-1]["source"] == "api"
    gateway.tick(601)
    assert gateway.dispatch("rajasms") == []
    assert gateway.wire.sent == []
    assert gateway.statuses(ids) == ["cancelled"] * count
    gateway.tick(1200)
    assert gateway.submission(ids[0]).due is None


def test_a_cancelled_member_is_left_out_of_the_call(gateway: Gateway) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    ids = gateway.many("rajasms", 3)
    take_back(ids[1])
    gateway.dispatch("rajasms")
    packets = json.loads(gateway.wire.sent[0].body)["datapacket"]
    assert [one["number"] for one in packets] == ["628000000001", "628000000003"]
    assert gateway.statuses(ids) == ["submitted", "cancelled", "submitted"]
    assert gateway.view(ids[1])["vendor_id"] is None
    assert [gateway.view(one)["vendor_id"] for one in (ids[0], ids[2])] == ["1000001", "1000003"]


@pytest.mark.parametrize("count", [0, 3])
def test_what_has_left_cannot_be_cancelled(gateway: Gateway, count: int) -> None:
    ids = gateway.sent("rajasms", count)
    with pytest.raises(ConflictError) as refused:
        take_back(ids[0])
    assert "submitted" in refused.value.detail


@pytest.mark.parametrize("identifier", ["", "nothing", "01J0000000000000000000000A000"])
def test_an_unknown_id_is_not_found(gateway: Gateway, identifier: str) -> None:
    with pytest.raises(NotFoundError):
        take_back(identifier)


def test_somebody_elses_message_is_not_found_and_stays(gateway: Gateway) -> None:
    identifier = gateway.one("jst")
    with pytest.raises(NotFoundError):
        take_back(identifier, "other")
    assert gateway.status(identifier) == "accepted"


def test_a_cancellation_whose_answer_gets_lost_is_still_one(
    gateway: Gateway, failing: Callable[..., None]
) -> None:
    identifier = gateway.one("jst")
    failing("UpdateItem", 1, lost=True)
    assert take_back(identifier)["status"] == "cancelled"


CONFLICT = {
    "Error": {"Code": "TransactionCanceledException", "Message": "conflict"},
    "CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "None"}],
}
BUSY = {"Error": {"Code": "TransactionConflictException", "Message": "conflict"}}


@pytest.mark.parametrize("times", [1, 3])
def test_two_that_take_back_at_once_both_do(gateway: Gateway, times: int) -> None:
    """DynamoDB refuses a transaction, and a write beside one, that want the same item at once."""
    ids = gateway.many("rajasms", 2)
    met: list[str] = []

    def conflict(model: Any, **_: Any) -> Any:
        met.append(model.name)
        if met.count(model.name) > times:
            return None
        said = CONFLICT if model.name == "TransactWriteItems" else BUSY
        return SimpleNamespace(status_code=400, headers={}), said | {"ResponseMetadata": {}}

    events = dynamodb.client().meta.events
    wanted = ("TransactWriteItems", "UpdateItem")
    for name in wanted:
        events.register(f"before-call.dynamodb.{name}", conflict)
    try:
        assert take_back(ids[0])["status"] == "cancelled"
        gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
        assert gateway.dispatch("rajasms") == []
    finally:
        for name in wanted:
            events.unregister(f"before-call.dynamodb.{name}", conflict)
    assert gateway.statuses(ids) == ["cancelled", "submitted"]
    assert met.count("TransactWriteItems") == times + 1

"""GET /messages/{id} and GET /batches/{id}: what became of what was accepted."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.messages.views import batch_view
from sms_gateway.storage import dynamodb, message_repository
from sms_gateway.storage.models import split_id
from testing.gateway import Gateway
from testing.vendor_answers import SUBMIT, rajasms_answer


@pytest.mark.parametrize("count", [0, 3])
def test_a_message_shows_what_was_sent_and_what_it_cost(gateway: Gateway, count: int) -> None:
    ids = gateway.sent("rajasms", count, reference="o-1")
    view = gateway.view(ids[-1])
    assert view["price"] == {"amount": "320", "currency": "IDR"}
    assert (view["id"], view["batch_id"]) == (ids[-1], ids[-1][:26])
    assert (view["text"], view["reference"], view["vendor"]) == ("Hello", "o-1", "rajasms")
    assert (view["final"], view["problem"]) == (False, None)
    assert view["created_at"] <= view["updated_at"]


def test_a_batch_counts_its_messages_by_status(gateway: Gateway) -> None:
    numbers = ["628000000001", "628000000002", "628000000003"]
    gateway.wire.answers[SUBMIT["rajasms"]] = rajasms_answer(
        [(numbers[0], 10, 1), (numbers[1], 60, 0), (numbers[2], 10, 3)]
    )
    ids = gateway.sent("rajasms", 3)
    found = message_repository.whole_batch(ids[0][:26])
    assert found
    view = batch_view(*found)
    assert view["counts"] == {"submitted": 2, "rejected": 1}
    assert (view["total"], view["final"]) == (3, False)
    shown = [gateway.view(one) for one in ids]
    assert [table_view(one) for one in found[1]] == [one["status"] for one in shown]
    assert shown[1]["problem"]["vendor_code"] == "60"


def table_view(found: Any) -> str:
    message, sub = found
    return str(message.status or sub.status)


def test_a_message_is_found_when_dynamodb_answers_in_parts(gateway: Gateway) -> None:
    """Under throttling BatchGetItem leaves keys out and says so."""
    identifier = gateway.sent("rajasms", 3)[2]
    left: list[object] = []

    def part(parsed: dict[str, Any], **_: Any) -> None:
        if not left:
            left.append(parsed["Responses"])
            key = split_id(identifier)
            assert key
            keys = [{"pk": {"S": key.batch}, "sk": {"S": sort}} for sort in (key.sort, "B")]
            parsed["Responses"] = {dynamodb.table_name(): []}
            parsed["UnprocessedKeys"] = {
                dynamodb.table_name(): {"Keys": keys, "ConsistentRead": True}
            }

    events = dynamodb.client().meta.events
    events.register("after-call.dynamodb.BatchGetItem", part)
    status = gateway.status(identifier)
    events.unregister("after-call.dynamodb.BatchGetItem", part)
    assert left
    assert status == "submitted"


@pytest.mark.parametrize("identifier", ["KEYS", "SCHEDULER", "RATE#jst", "", "x" * 3000, "01j0"])
def test_what_is_no_batch_is_not_found(gateway: Gateway, identifier: str) -> None:
    dynamodb.put_new(
        {"pk": {"S": "KEYS"}, "sk": {"S": "digest"}, "tenant": {"S": "acme"}, "scopes": {"S": ""}}
    )
    assert message_repository.whole_batch(identifier) is None


def test_a_table_that_does_not_answer_is_503(
    gateway: Gateway, failing: Callable[..., None]
) -> None:
    (identifier,) = gateway.sent("rajasms")
    failing("Query")
    with pytest.raises(ServiceUnavailableError, match="ThrottlingException") as raised:
        gateway.view(identifier)
    assert raised.value.http_status == 503


def test_a_message_is_found_right_after_it_was_accepted(gateway: Gateway) -> None:
    """What a query that is not consistent does not see yet is read once more."""
    ids = gateway.many("rajasms", 3)
    asked: list[bool] = []

    def behind(params: dict[str, Any], **_: Any) -> Any:
        asked.append(json.loads(params["body"]).get("ConsistentRead", False))
        if asked[-1]:
            return None
        return SimpleNamespace(status_code=200, headers={}), {"Items": [], "Count": 0}

    events = dynamodb.client().meta.events
    events.register("before-call.dynamodb.Query", behind)
    try:
        found = message_repository.find_message(split_id(ids[1]) or pytest.fail("no id"))
    finally:
        events.unregister("before-call.dynamodb.Query", behind)
    assert found
    assert found[1].id == ids[1]
    assert asked == [False, True]

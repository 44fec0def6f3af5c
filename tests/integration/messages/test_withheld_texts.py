"""The text of an otp: sealed while it waits, gone when it is final, never answered nor told."""

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import pytest

from sms_gateway.config.stack_keys import message_key
from sms_gateway.messages.cancel import cancel_message
from sms_gateway.messages.listing import MessageQuery, list_messages
from sms_gateway.messages.send import send
from sms_gateway.storage import dynamodb
from sms_gateway.storage.models import split_id
from testing.callbacks import rajasms, server2sms
from testing.gateway import Gateway
from testing.numbers import number
from testing.paths import ROOT
from testing.processes import function
from testing.settings import set_message_key
from testing.transport import SILENT
from testing.vendor_answers import SUBMIT, TAKES, rajasms_answer

CODE = "482913"
TEXT = f"Your code is {CODE}"
OTP = {"category": "otp", "text": TEXT}
DAY = 86_400
SEND = function("send")


def table() -> list[dict[str, Any]]:
    return dynamodb.client().scan(TableName=dynamodb.table_name())["Items"]


def is_kept(gateway: Gateway, identifier: str) -> bool:
    """Whether both parts of a message's text are in the table."""
    key = split_id(identifier)
    assert key
    return "sealed" in gateway.item(key) and gateway.submission(identifier).seed is not None


def codes(gateway: Gateway, vendor: str, count: int, **fields: Any) -> list[str]:
    """Accepts codes for a vendor: one, or several in one submission."""
    if count == 1:
        return [gateway.one(vendor, **OTP, **fields)]
    return gateway.many(vendor, count, **OTP, **fields)


def refused(request: Any) -> Any:
    numbers = [one["number"] for one in json.loads(request.body)["datapacket"]]
    return rajasms_answer([(to, 60, 0) for to in numbers])


def delivered(gateway: Gateway, ids: list[str]) -> None:
    gateway.dispatch("rajasms")
    for one in ids:
        rajasms(gateway, one, "3")


def undelivered(gateway: Gateway, ids: list[str]) -> None:
    gateway.dispatch("rajasms")
    for one in ids:
        rajasms(gateway, one, "4")


def rejected(gateway: Gateway, _ids: list[str]) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = refused
    gateway.dispatch("rajasms")


def expired(gateway: Gateway, _ids: list[str]) -> None:
    gateway.queued("rajasms")
    gateway.tick(601)


def cancelled(gateway: Gateway, ids: list[str]) -> None:
    for one in ids:
        cancel_message("acme", one, datetime.now(UTC))


def unknown(gateway: Gateway, _ids: list[str]) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = SILENT
    gateway.dispatch("rajasms")
    gateway.tick(4 * DAY)


ENDS = {
    end.__name__: end for end in (delivered, undelivered, rejected, expired, cancelled, unknown)
}


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("end", ENDS)
def test_the_write_that_makes_a_code_final_forgets_its_text(
    gateway: Gateway, end: str, count: int
) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    ids = codes(gateway, "rajasms", count)
    assert all(is_kept(gateway, one) for one in ids)
    ENDS[end](gateway, ids)
    assert gateway.statuses(ids) == [end] * count
    assert not any(is_kept(gateway, one) for one in ids)


@pytest.mark.parametrize("count", [1, 3])
def test_a_text_is_kept_until_its_own_message_is_final(gateway: Gateway, count: int) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    ids = codes(gateway, "rajasms", count)
    gateway.dispatch("rajasms")
    assert all(is_kept(gateway, one) for one in ids)
    rajasms(gateway, ids[0], "3")
    assert [is_kept(gateway, one) for one in ids] == [False] + [True] * (count - 1)


@pytest.mark.parametrize("count", [1, 3])
def test_a_late_receipt_settles_unknown_without_the_text(gateway: Gateway, count: int) -> None:
    ids = codes(gateway, "server2sms", count)
    gateway.wire.answers[SUBMIT["server2sms"]] = SILENT
    gateway.dispatch("server2sms")
    gateway.wire.answers["DeliveryNotifications"] = {"StatusCode": "1"}
    gateway.tick(4 * DAY)
    assert gateway.statuses(ids) == ["unknown"] * count
    for one in ids:
        server2sms(gateway, one, "0")
    assert gateway.statuses(ids) == ["delivered"] * count
    assert not any(is_kept(gateway, one) for one in ids)


@pytest.mark.parametrize("count", [1, 3])
def test_a_code_that_may_be_sent_again_still_has_its_text(gateway: Gateway, count: int) -> None:
    ids = codes(gateway, "rajasms", count, on_unknown="resend")
    gateway.wire.answers[SUBMIT["rajasms"]] = SILENT
    gateway.dispatch("rajasms")
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    gateway.dispatch("rajasms")
    assert gateway.statuses(ids) == ["submitted"] * count
    first, second = gateway.wire.sent
    assert [one["message"] for one in json.loads(second.body)["datapacket"]] == [TEXT] * count
    assert first.body == second.body


def test_each_of_a_mixed_answer_keeps_its_text_as_long_as_it_needs_it(gateway: Gateway) -> None:
    """Taken, refused, and to be tried again: the last outlives the submission that it came from."""
    ids = codes(gateway, "rajasms", 3, validity=3600)
    numbers = [gateway.view(one)["to"][1:] for one in ids]
    answers = zip(numbers, (10, 60, 90), (7, 0, 0), strict=True)
    gateway.wire.answers[SUBMIT["rajasms"]] = rajasms_answer(list(answers))
    gateway.dispatch("rajasms")
    assert gateway.statuses(ids) == ["submitted", "rejected", "accepted"]
    assert [is_kept(gateway, one) for one in ids] == [True, False, True]
    gateway.tick(1200, receipt_deadline=600)
    assert gateway.statuses(ids) == ["unknown", "rejected", "accepted"]
    assert [is_kept(gateway, one) for one in ids] == [False, False, True]
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    gateway.dispatch("rajasms")
    assert gateway.status(ids[2]) == "submitted"
    (packet,) = json.loads(gateway.wire.sent[-1].body)["datapacket"]
    assert (packet["number"], packet["message"]) == (numbers[2], TEXT)


def test_a_text_of_its_own_reaches_each_recipient_of_a_batch(gateway: Gateway) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    texts = [f"Your code is 48291{nth} ✓" for nth in range(4)]
    fields = [{"category": "otp"}, {}, {"category": "otp"}, {}]
    messages = [
        {"to": number("rajasms", nth), "text": text, "validity": 600, **fields[nth]}
        for nth, text in enumerate(texts)
    ]
    ids = gateway.accept({"messages": messages})
    gateway.dispatch("rajasms")
    said = {
        one["number"]: one["message"]
        for call in gateway.wire.sent
        for one in json.loads(call.body)["datapacket"]
    }
    assert said == {number("rajasms", nth)[1:]: text for nth, text in enumerate(texts)}
    shown = [(gateway.view(one)["text"], gateway.view(one)["text_withheld"]) for one in ids]
    assert shown == [(None, True), (texts[1], False), (None, True), (texts[3], False)]


@pytest.mark.parametrize("count", [1, 3])
def test_the_table_never_holds_a_code_that_can_be_read(gateway: Gateway, count: int) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    ids = codes(gateway, "rajasms", count)
    assert CODE not in str(table())
    gateway.dispatch("rajasms")
    assert CODE not in str(table())
    rajasms(gateway, ids[0], "3")
    assert CODE not in str(table())


@pytest.mark.parametrize("count", [1, 3])
def test_no_answer_tells_the_text_of_a_code(gateway: Gateway, count: int) -> None:
    now = datetime.now(UTC)
    ids = codes(gateway, "rajasms", count)
    listed = list_messages("acme", MessageQuery(), None, now)["messages"]
    cancelled = cancel_message("acme", ids[0], now, show_text=True)
    for view in (*listed, gateway.view(ids[-1]), cancelled):
        assert (view["text"], view["text_withheld"]) == (None, True)


@pytest.mark.parametrize(
    ("scopes", "text"), [("messages:send", None), ("messages:send messages:read", "Hello")]
)
def test_a_key_that_may_not_read_learns_no_text_by_cancelling(
    gateway: Gateway, scopes: str, text: str | None
) -> None:
    identifier = gateway.one(
        "rajasms", send_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat()
    )
    given = json.loads((ROOT / "events" / "send.json").read_text())
    path = f"/messages/{identifier}"
    given |= {"httpMethod": "DELETE", "path": path, "resource": path, "body": None}
    given["requestContext"]["authorizer"] = {"tenant": "acme", "scopes": scopes}
    for _ in range(2):  # a repeat changes nothing, and shows no more
        answer = SEND.handler(given, SimpleNamespace(function_name="send", aws_request_id="1"))
        view = json.loads(answer["body"])
        assert (answer["statusCode"], view["status"]) == (200, "cancelled")
        assert (view["text"], view["text_withheld"]) == (text, text is None)


def test_a_text_that_can_not_be_opened_any_more_is_not_sent(gateway: Gateway) -> None:
    """The message key was changed: it ends by its validity, and the timeline says why."""
    identifier = gateway.one("rajasms", **OTP)
    set_message_key("another-key-of-this-stack-" * 2)
    assert message_key().startswith(b"another")
    gateway.dispatch("rajasms")
    assert gateway.wire.sent == []
    assert gateway.status(identifier) == "accepted"
    assert "message key" in gateway.view(identifier)["timeline"][-1]["note"]
    gateway.tick(601)
    assert gateway.status(identifier) == "expired"


def test_the_same_body_has_another_digest_under_another_secret(
    gateway: Gateway,
) -> None:
    """Six digits are tried out in no time: a plain digest of the body would tell the code."""
    body = json.dumps({"to": number("rajasms"), **OTP}).encode()
    send("acme", body, datetime.now(UTC), "k-1")
    (record,) = (item for item in table() if item["pk"]["S"].startswith("REQUEST#"))
    assert record["digest"]["S"] != sha256(body).hexdigest()
    send("acme", body, datetime.now(UTC), "k-1")
    assert len([item for item in table() if item["sk"]["S"] == "M#000"]) == 1


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("late", [False, True])
def test_a_receipt_that_repeats_a_code_leaves_none_behind(
    gateway: Gateway, count: int, late: bool
) -> None:
    """Late, when the text is gone, each number in the vendor's words may be the code."""
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    ids = codes(gateway, "rajasms", count)
    gateway.dispatch("rajasms")
    if late:
        gateway.tick(4 * DAY)
    rajasms(gateway, ids[0], "3", deliverystatustext=f"delivered: {TEXT}")
    rajasms(gateway, ids[-1], "99", deliverystatustext=f"parked {CODE}")
    assert gateway.status(ids[0]) == "delivered"
    assert CODE not in str(table())

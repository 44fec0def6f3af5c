"""Events on the bus and signed webhooks, from the real stack with IAM enforced."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from e2e.receiver import Receiver, hook, listening, receiving, until
from e2e.test_triggers import put
from standardwebhooks import Webhook
from unit.events.test_builders import validator

from local.stack import LocalStack
from testing.deployed import NUMBERS, Api

SCOPES = ("messages:send", "messages:read", "webhooks:manage")
WHOLE = ["MessageAccepted", "MessageSubmitted", "MessageDelivered"]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def customer(stack: LocalStack) -> Api:
    """A tenant of its own."""
    return Api(stack, stack.key(f"t-{uuid4().hex[:12]}", SCOPES))


@pytest.fixture(scope="module")
def bus(stack: LocalStack) -> Callable[[], list[dict[str, Any]]]:
    """What has come to the bus since the module began."""
    return listening(stack)


def smsgw(stack: LocalStack, *arguments: str) -> str:
    """Runs the operator's command; what it prints."""
    own = {
        "AWS_ENDPOINT_URL": stack.facts["endpoint_url"],
        "AWS_DEFAULT_REGION": stack.facts["region"],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, "-m", "smsgw", "--stack", stack.facts["stack_name"], *arguments],
        env=os.environ | own,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_every_step_of_a_message_is_told_signed_and_on_the_bus(
    customer: Api, receiver: Receiver, bus: Callable[[], list[dict[str, Any]]]
) -> None:
    hook(customer, receiver, "/whole")
    (sent,) = customer.send({"to": NUMBERS["dinisoft"], "text": "told", "reference": "o-7"})
    customer.final(sent["id"])

    until(lambda: receiver.kinds_of("/whole", sent["id"]) == WHOLE)
    until(lambda: "BatchCompleted" in [one["type"] for one in receiver.at("/whole")])
    assert receiver.refused == []
    for event in receiver.at("/whole"):
        validator(event["type"]).validate(event)
    until(lambda: len([one for one in bus() if sent["id"] in one["detail"]["id"]]) >= 3)
    (delivered,) = {
        one["detail"]["id"]: one["detail"]
        for one in bus()
        if one["detail-type"] == "MessageDelivered" and one["detail"]["id"].startswith(sent["id"])
    }.values()
    validator("MessageDelivered").validate(delivered)
    assert delivered["data"]["reference"] == "o-7"
    assert delivered["data"]["to"] == "+88*********01"
    assert "told" not in json.dumps(bus())


def test_a_bus_that_refuses_neither_stops_nor_repeats_webhooks(
    stack: LocalStack, customer: Api, receiver: Receiver, bus: Callable[[], list[dict[str, Any]]]
) -> None:
    hook(customer, receiver, "/beside")
    role = (
        stack.client("lambda")
        .get_function_configuration(FunctionName=stack.facts["publish_events_function"])["Role"]
        .rpartition("/")[2]
    )
    refusal = {"Effect": "Deny", "Action": "events:PutEvents", "Resource": "*"}
    stack.client("iam").put_role_policy(
        RoleName=role,
        PolicyName="refused",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [refusal]}),
    )
    try:
        (sent,) = customer.send({"to": NUMBERS["dinisoft"], "text": "told beside"})
        customer.until(sent["id"], lambda message: bool(message["final"]))
        until(lambda: receiver.kinds_of("/beside", sent["id"]) == WHOLE)
        time.sleep(5)  # meanwhile the bus's reader tries again
        assert [one for one in bus() if sent["id"] in one["detail"]["id"]] == []
    finally:
        stack.client("iam").delete_role_policy(RoleName=role, PolicyName="refused")

    until(lambda: len([one for one in bus() if sent["id"] in one["detail"]["id"]]) >= 3)
    ids = [one["id"] for one in receiver.at("/beside")]
    assert len(ids) == len(set(ids))  # nothing was told twice


def test_a_change_that_nobody_understands_is_buried_and_redriven(
    stack: LocalStack, customer: Api, receiver: Receiver
) -> None:
    hook(customer, receiver, "/behind")
    batch = "01M8171WGKHBEDWV14PRHSE85G"
    item = {"pk": batch, "sk": "M#000", "day": "x", "status": "accepted"}
    written = {name: {"S": value} for name, value in item.items()}
    stack.client("dynamodb").put_item(
        TableName=stack.facts["table"], Item={**written, "timeline": {"L": [{"S": "no JSON"}]}}
    )
    (sent,) = customer.send({"to": NUMBERS["dinisoft"], "text": "told behind"})
    customer.final(sent["id"])
    until(lambda: receiver.kinds_of("/behind", sent["id"]) == WHOLE)

    def buried() -> list[str]:
        said = smsgw(stack, "dlq", "list", "--queue", "changes")
        return [line for line in said.splitlines() if batch in line]

    until(lambda: len(buried()) == 2)  # one by each reader
    assert all("not understood: " in line for line in buried())
    redriven = smsgw(stack, "dlq", "redrive", "--queue", "changes")
    assert "failed again, and dead letters again: 2 changes" in redriven
    assert len(until(buried)) == 2


def test_a_batch_of_several_is_told_message_by_message_and_once_as_a_whole(
    customer: Api, receiver: Receiver
) -> None:
    hook(customer, receiver, "/several")
    hook(customer, receiver, "/batches", events=["BatchCompleted"])
    stem = NUMBERS["server2sms"][:-2]
    sent = customer.send({"to": [f"{stem}{last}" for last in range(50, 62)], "text": "to all"})
    for one in sent:
        customer.final(one["id"])

    for one in sent:
        until(lambda one=one: receiver.kinds_of("/several", one["id"]) == WHOLE)  # type: ignore[misc]  # a default binds the loop's value
    (whole,) = {one["id"]: one for one in until(lambda: receiver.at("/batches"))}.values()
    assert whole["data"]["counts"] == {"delivered": 12}
    assert {one["type"] for one in receiver.at("/batches")} == {"BatchCompleted"}


def test_a_status_url_is_told_of_its_own_message_only(customer: Api, receiver: Receiver) -> None:
    made = hook(customer, receiver, "/registered", events=[])
    receiver.secrets["/status/42"] = made["secret"]
    url = receiver.url + "/status/42"
    (sent,) = customer.send({"to": NUMBERS["rajasms"], "text": "told", "status_url": url})
    customer.send({"to": NUMBERS["rajasms"], "text": "not told"})
    customer.final(sent["id"])

    until(lambda: receiver.kinds_of("/status/42", sent["id"]) == WHOLE)
    assert {one["data"]["message_id"] for one in receiver.at("/status/42")} == {sent["id"]}
    assert receiver.at("/registered") == []

    elsewhere = {"to": NUMBERS["jst"], "text": "told", "status_url": "https://example.com/x"}
    answer = customer("POST", "/messages", elsewhere)
    assert (answer.status, answer.body["type"]) == (422, "/problems/status-url-without-webhook")
    assert answer.body["pointer"] == "/status_url"


def test_the_status_url_of_an_event_and_of_a_queue_message_is_told(
    stack: LocalStack, receiver: Receiver
) -> None:
    customer = Api(stack, stack.key("demo", SCOPES))
    hook(customer, receiver, "/sources", events=[])
    url = receiver.url + "/by-source"
    receiver.secrets["/by-source"] = receiver.secrets["/sources"]
    body = {"to": NUMBERS["dinisoft"], "text": "told", "status_url": url}
    put(stack, {**body, "reference": "told-by-bus"})
    stack.client("sqs").send_message(
        QueueUrl=stack.facts["queue"],
        MessageBody=json.dumps({**body, "reference": "told-by-queue"}),
    )

    def is_reported(reference: str) -> None:
        listed = f"/messages?reference={reference}"
        (sent,) = until(lambda: customer("GET", listed).body["messages"])
        customer.final(sent["id"])
        until(lambda: receiver.kinds_of("/by-source", sent["id"]) == WHOLE)

    is_reported("told-by-bus")
    is_reported("told-by-queue")


def test_an_endpoint_that_was_down_is_told_when_it_is_back(
    customer: Api, receiver: Receiver
) -> None:
    made = hook(customer, receiver, "/down", events=["MessageAccepted"])
    receiver.answers["/down"] = 500
    (sent,) = customer.send({"to": NUMBERS["jst"], "text": "told late"})
    deliveries = f"/webhooks/{made['id']}/deliveries"
    (failed,) = until(lambda: customer("GET", deliveries).body["deliveries"])
    assert (failed["state"], failed["attempts"][0]["status_code"]) == ("waiting", 500)

    receiver.answers["/down"] = 200

    until(lambda: receiver.kinds_of("/down", sent["id"]))  # the second attempt, five seconds later
    until(lambda: customer("GET", deliveries).body["deliveries"][0]["state"] == "delivered")
    assert [one["id"] for one in receiver.at("/down")] == [failed["event_id"]]


def test_a_slow_endpoint_delays_no_fast_one(
    stack: LocalStack, customer: Api, receiver: Receiver
) -> None:
    """The emulator's queues hand out in order, without fairness: in one lane the last letter would
    be worked on after all of the slow one's had begun."""
    other = Api(stack, stack.key(f"t-{uuid4().hex[:12]}", SCOPES))
    hook(customer, receiver, "/slow", events=["MessageAccepted"])
    hook(other, receiver, "/fast", events=["MessageAccepted"])
    receiver.pauses["/slow"] = 8
    stem = NUMBERS["server2sms"][:-3]
    numbers = [f"{stem}{last}" for last in range(100, 400)]
    # For tomorrow, so that the emulator has nothing else to do.
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    customer.send({"to": numbers, "text": "many", "send_at": tomorrow})
    until(lambda: receiver.begun["/slow"])  # its letters stand in the queue
    one = {"to": NUMBERS["server2sms"], "text": "one", "send_at": tomorrow}
    (sent,) = other.send(one)

    until(lambda: receiver.kinds_of("/fast", sent["id"]))
    begun = receiver.begun["/slow"]
    receiver.pauses["/slow"] = 0
    assert begun < 270
    until(lambda: len({one["id"] for one in receiver.at("/slow")}) == 300)


def test_a_host_that_answers_no_challenge_is_told_nothing(
    customer: Api, receiver: Receiver
) -> None:
    receiver.mute.add("/mute")
    made = customer("POST", "/webhooks", {"url": receiver.url + "/mute"}).body
    receiver.secrets["/mute"] = made["secret"]
    hook(customer, receiver, "/willing", events=["MessageAccepted"])
    tested = customer("POST", f"/webhooks/{made['id']}/test")
    assert (tested.body["delivered"], tested.body["proven"]) == (True, False)
    (sent,) = customer.send({"to": NUMBERS["jst"], "text": "told to the willing"})
    until(lambda: receiver.kinds_of("/willing", sent["id"]))
    assert customer("GET", f"/webhooks/{made['id']}").body["state"] == "pending"
    assert [one["type"] for one in receiver.at("/mute")] == ["WebhookTest"]


def test_410_disables_and_the_answer_to_a_challenge_makes_it_active_again(
    customer: Api, receiver: Receiver, bus: Callable[[], list[dict[str, Any]]]
) -> None:
    made = hook(customer, receiver, "/gone", events=["MessageAccepted"])
    path = f"/webhooks/{made['id']}"
    receiver.answers["/gone"] = 410
    customer.send({"to": NUMBERS["jst"], "text": "gone"})
    until(lambda: customer("GET", path).body["state"] == "disabled")
    (failed,) = until(lambda: customer("GET", f"{path}/deliveries").body["deliveries"])
    assert failed["state"] == "failed"
    assert customer("POST", f"{path}/replay", {"ids": [failed["id"]]}).status == 409
    disabled = f"{made['id']}-disabled-"
    until(lambda: [one for one in bus() if one["detail"]["id"].startswith(disabled)])

    receiver.answers["/gone"] = 200
    assert customer("POST", f"{path}/test").body["delivered"] is True
    assert customer("GET", path).body["state"] == "active"
    assert [one["type"] for one in receiver.at("/gone")] == ["WebhookTest"]

    replayed = customer("POST", f"{path}/replay", {"ids": [failed["id"]]})
    assert (replayed.status, replayed.body["replayed"]) == (202, [failed["id"]])
    until(lambda: len(receiver.at("/gone")) == 2)


def test_what_failed_in_a_time_range_is_replayed(customer: Api, receiver: Receiver) -> None:
    made = hook(customer, receiver, "/range", events=["MessageAccepted"])
    path = f"/webhooks/{made['id']}"
    receiver.answers["/range"] = 410
    began = datetime.now(UTC) - timedelta(seconds=1)
    stem = NUMBERS["server2sms"][:-2]
    customer.send({"to": [f"{stem}{last}" for last in range(70, 73)], "text": "gone"})
    failed = f"{path}/deliveries?state=failed"
    until(lambda: len(customer("GET", failed).body["deliveries"]) == 3)
    known = customer("GET", failed).body["deliveries"]
    receiver.answers["/range"] = 200
    assert customer("POST", f"{path}/test").body["delivered"] is True

    before = {"created_to": began.isoformat()}
    nothing = customer("POST", f"{path}/replay", before)
    assert (nothing.status, nothing.body["type"]) == (422, "/problems/nothing-to-replay")
    during = {"created_from": began.isoformat(), "created_to": datetime.now(UTC).isoformat()}
    replayed = customer("POST", f"{path}/replay", during)
    ids = sorted(one["id"] for one in known)
    assert (replayed.status, replayed.body) == (202, {"replayed": ids, "cursor": None})

    wanted = {one["event_id"] for one in known}
    until(lambda: wanted <= {one["id"] for one in receiver.at("/range")})
    until(lambda: customer("GET", failed).body["deliveries"] == [])
    again = customer("POST", f"{path}/replay", {**during, "cursor": ids[-1]})
    assert (again.status, again.body) == (202, {"replayed": [], "cursor": None})


def test_both_secrets_sign_after_a_rotation(customer: Api, receiver: Receiver) -> None:
    made = hook(customer, receiver, "/rotated", events=[])
    path = f"/webhooks/{made['id']}"
    rotated = customer("POST", f"{path}/rotate").body
    assert rotated["secret"] != made["secret"]

    for secret in (made["secret"], rotated["secret"]):
        receiver.secrets["/rotated"] = secret
        assert customer("POST", f"{path}/test").body["delivered"] is True
    receiver.secrets["/rotated"] = "whsec_" + "A" * 43 + "="
    assert customer("POST", f"{path}/test").body["status_code"] == 401
    _, _, headers, _ = receiver.got[-1]
    assert len(headers["webhook-signature"].split()) == 2
    assert Webhook(rotated["secret"])
    stopped = customer("POST", f"{path}/rotate", {"stop_previous": True}).body
    assert stopped["previous_secret_until"] is None
    for secret, taken in ((rotated["secret"], False), (stopped["secret"], True)):
        receiver.secrets["/rotated"] = secret
        assert customer("POST", f"{path}/test").body["delivered"] is taken
    assert "secret" not in customer("GET", path).body


def test_a_repeat_with_the_same_key_makes_one_webhook(customer: Api, receiver: Receiver) -> None:
    body = {"url": receiver.url + "/once"}
    first, second = (
        customer("POST", "/webhooks", body, headers={"Idempotency-Key": "once"}) for _ in "ab"
    )
    assert (first.status, second.status) == (201, 201)
    assert first.body == second.body
    assert len(customer("GET", "/webhooks").body["webhooks"]) == 1


def test_a_webhook_is_its_tenants_own(customer: Api, receiver: Receiver, stranger: Api) -> None:
    made = hook(customer, receiver, "/own")
    other = Api(customer.stack, customer.stack.key(f"t-{uuid4().hex[:12]}", SCOPES))
    assert other("GET", f"/webhooks/{made['id']}").status == 404
    assert other("DELETE", f"/webhooks/{made['id']}").status == 404
    assert stranger("GET", "/webhooks").status == 403
    assert customer("DELETE", f"/webhooks/{made['id']}").body["id"] == made["id"]
    assert customer("GET", f"/webhooks/{made['id']}").status == 404

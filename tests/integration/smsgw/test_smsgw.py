"""The operator's command: what a message's life was, how it ends by hand, and dead letters."""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sms_gateway.config import vendor_accounts
from sms_gateway.messages.prices import price_of_number
from sms_gateway.messages.queue import EXPRESS
from sms_gateway.storage import dynamodb, message_repository
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.models import ItemKey, split_id
from sms_gateway.vendors.registry import VENDORS
from sms_gateway.vendors.types import Price
from smsgw import dead_letters, stream_redrive
from smsgw.__main__ import main
from smsgw.trigger_dead_letters import TRIGGERS
from testing.callbacks import rajasms
from testing.command import new_session
from testing.gateway import Gateway
from testing.numbers import number
from testing.queues import emptied
from testing.settings import ACCOUNTS, TEMPLATE, forget_settings, set_account
from testing.transport import SILENT, UNREACHABLE
from testing.vendor_answers import SUBMIT, TAKES

STACK = "operated"
NOBODY = "01J00000000000000000000000000"
OPEN = ("submitting", "submitted", "unknown")


QUEUES = {
    f"{vendor.capitalize()}{kind}": f"{STACK}-{vendor}-{kind}"
    for vendor in (*VENDORS, EXPRESS)
    for kind in ("Queue", "DeadLetters")
}
QUEUES |= {
    f"{resource}{kind}": f"{STACK}-{name}-{kind}"
    for name, resource in dead_letters.PREFIXES.items()
    for kind in ("Queue", "DeadLetters")
}
QUEUES |= {  # those of user pools are turned off
    f"{name}{kind}": f"{STACK}-{name}-{kind}"
    for name, kind in (
        ("FromEventbridge", "DeadLetters"),
        ("FromSqs", "DeadLetters"),
        ("Ingress", "Queue"),
        ("FromSns", "DeadLetters"),
    )
}
FUNCTIONS = {
    "FromEventbridgeFunction": f"{STACK}-from-eventbridge",
    "FromSnsFunction": f"{STACK}-from-sns",
}
OUTPUTS = {
    "TableName": "test-table",
    "AccountsSecretName": "test/vendors",
    "KeysSecretName": "test/keys",
    "PublishEventsFunctionName": "publish_events",
    "CallbackUrl": "https://x/callbacks",
}


@pytest.fixture(scope="module")
def dead_and_alive(stack: None) -> None:
    """The stack's queues."""
    for name in QUEUES.values():
        boto3.client("sqs").create_queue(QueueName=name)


def queue_url(name: str) -> str:
    return boto3.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]


def answered(answer: dict[str, Any], status: int = 200) -> Any:
    """An answer in place of AWS's own, as botocore's before-call event takes it."""
    return SimpleNamespace(status_code=status, headers={}), answer


def refused(code: str, said: str) -> Any:
    return answered({"Error": {"Code": code, "Message": said}, "ResponseMetadata": {}}, 400)


def describe_stacks(params: dict[str, Any], **_: Any) -> Any:
    """CloudFormation's answer for the one stack there is: moto's own needs more than we install."""
    if params["body"]["StackName"] != STACK:
        return refused("ValidationError", "Stack with id unheard-of does not exist")
    shown = [{"OutputKey": name, "OutputValue": value} for name, value in OUTPUTS.items()]
    return answered({"Stacks": [{"Outputs": shown}]})


def describe_stack_resource(params: dict[str, Any], **_: Any) -> Any:
    name = params["body"]["LogicalResourceId"]
    if name in FUNCTIONS:
        return answered({"StackResourceDetail": {"PhysicalResourceId": FUNCTIONS[name]}})
    if name not in QUEUES or name not in TEMPLATE["Resources"]:
        return refused("ValidationError", f"Resource {name} does not exist")
    return answered({"StackResourceDetail": {"PhysicalResourceId": queue_url(QUEUES[name])}})


def list_stack_resources(**_: Any) -> Any:
    """CloudFormation's list of the stack's queues."""
    shown = [
        {
            **{"ResourceType": "AWS::SQS::Queue", "ResourceStatus": "CREATE_COMPLETE"},
            **{"LogicalResourceId": name, "PhysicalResourceId": queue_url(physical)},
        }
        for name, physical in QUEUES.items()
        if name in TEMPLATE["Resources"]
    ]
    return answered({"StackResourceSummaries": shown})


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the command makes its clients from."""
    made = new_session(monkeypatch)
    made.register("before-call.cloudformation.DescribeStacks", describe_stacks)
    made.register("before-call.cloudformation.DescribeStackResource", describe_stack_resource)
    made.register("before-call.cloudformation.ListStackResources", list_stack_resources)
    return made


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def smsgw(
    gateway: Gateway,
    dead_and_alive: None,
    session: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Run]:
    """Runs a command; its exit status, output and errors. It leaves no dead letter behind."""
    monkeypatch.setenv("STACK_NAME", "test")  # which the command sets, and which is put back

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["--stack", STACK, "--yes", *arguments])
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    yield run
    for name in QUEUES.values():
        emptied(name)


def queue(vendor: str, kind: str) -> str:
    """A queue's address."""
    return queue_url(f"{STACK}-{vendor}-{kind}")


def buried(vendor: str, *bodies: str) -> None:
    """Dead letters of a vendor."""
    for body in bodies:
        boto3.client("sqs").send_message(QueueUrl=queue(vendor, "DeadLetters"), MessageBody=body)


def waiting(vendor: str, kind: str) -> int:
    """How many letters a queue has that can be had."""
    asked = boto3.client("sqs").get_queue_attributes(
        QueueUrl=queue(vendor, kind), AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(asked["Attributes"]["ApproximateNumberOfMessages"])


def complains(status: int, out: str, error: str) -> bool:
    """One readable line, and an exit status that says so."""
    line = re.fullmatch(r"smsgw: [^\n]{10,200}\n", error) is not None
    return status == 1 and out == "" and line and "Traceback" not in error


@pytest.mark.parametrize("count", [0, 3])
def test_a_message_is_shown_without_its_text_or_number(
    gateway: Gateway, smsgw: Run, count: int
) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = UNREACHABLE
    ids = gateway.many("rajasms", count) if count else [gateway.one("rajasms", reference="o-1")]
    gateway.dispatch("rajasms")
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    gateway.dispatch("rajasms")
    rajasms(gateway, ids[0], "3", deliverystatustext="Delivered Success")
    status, said, error = smsgw("messages", "show", ids[0])
    assert (status, error) == (0, "")
    head, *steps = said.splitlines()
    assert head.split() == [ids[0], "delivered", "tenant", "acme", "vendor", "rajasms"]
    assert len(steps) == len(gateway.view(ids[0])["timeline"])
    for word in ("never connected", "submitting", "callback", "Delivered Success", "first usable"):
        assert word in said
    for secret in ("Hello", number("rajasms")[1:], number("rajasms")[-8:]):
        assert secret not in said


def test_a_vendors_strange_answer_is_shown_without_text_or_number(
    gateway: Gateway, smsgw: Run
) -> None:
    gateway.wire.answers[SUBMIT["jst"]] = b"<html>no idea about 911000000001: Hello</html>"
    identifier = gateway.one("jst")
    gateway.dispatch("jst")
    said = smsgw("messages", "show", identifier)[1]
    assert "submitting" in said
    assert "911000000001" not in said
    assert "Hello" not in said


def test_a_refusal_that_repeats_the_request_is_shown_without_text_or_number(
    gateway: Gateway, smsgw: Run
) -> None:
    gateway.wire.answers[SUBMIT["jst"]] = {
        "status": "error",
        "message": "invalid number 911000000001 for Hello",
    }
    identifier = gateway.one("jst")
    gateway.dispatch("jst")
    assert gateway.status(identifier) == "rejected"
    said = smsgw("messages", "show", identifier)[1]
    assert "rejected" in said
    assert "911000000001" not in said
    assert "Hello" not in said


def put(gateway: Gateway, count: int, status: str) -> list[str]:
    """Messages in a status, in the submission's item or in the group's."""
    ids = gateway.many("rajasms", count) if count else [gateway.one("rajasms")]
    gateway.queued("rajasms")
    ItemUpdate(gateway.submission(ids[0]).key).set("status", status).apply()
    return ids


@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize("outcome", ["delivered", "undelivered", "rejected"])
@pytest.mark.parametrize("before", OPEN)
def test_what_has_left_and_is_open_can_be_settled(
    gateway: Gateway, smsgw: Run, before: str, outcome: str, count: int
) -> None:
    ids = put(gateway, count, before)
    status, said, error = smsgw("messages", "settle", ids[0], outcome, "--note", "asked by mail")
    assert (status, said, error) == (0, f"{ids[0]} is {outcome}\n", "")
    view = gateway.view(ids[0])
    last = view["timeline"][-1]
    assert (view["status"], view["final"]) == (outcome, True)
    assert (last["source"], last["note"], last["status"]) == ("operator", "asked by mail", outcome)
    assert gateway.statuses(ids[1:]) == [before] * (len(ids) - 1)


@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize(
    "before", ["scheduled", "accepted", "delivered", "undelivered", "rejected", "expired",
               "cancelled"],
)  # fmt: skip
def test_nothing_else_can_be_settled(gateway: Gateway, smsgw: Run, before: str, count: int) -> None:
    ids = put(gateway, count, before)
    said = smsgw("messages", "settle", ids[0], "delivered")
    assert complains(*said)
    assert before in said[2]
    assert gateway.statuses(ids) == [before] * len(ids)


@pytest.mark.parametrize("count", [0, 3])
def test_a_receipt_that_is_faster_than_the_operator_stands(
    gateway: Gateway, smsgw: Run, count: int
) -> None:
    ids = gateway.sent("rajasms", count)
    raced: list[object] = []

    def receipt(params: dict[str, Any], **_: Any) -> None:
        if not raced:
            raced.append(params)
            rajasms(gateway, ids[0], "3")

    events = dynamodb.client().meta.events
    events.register("provide-client-params.dynamodb.UpdateItem", receipt)
    try:
        said = smsgw("messages", "settle", ids[0], "undelivered")
    finally:
        events.unregister("provide-client-params.dynamodb.UpdateItem", receipt)
    assert raced
    assert complains(*said)
    assert gateway.status(ids[0]) == "delivered"


@pytest.mark.parametrize("count", [0, 3])
def test_what_an_operator_settled_stays_so_and_is_not_sent_again(
    gateway: Gateway, smsgw: Run, count: int
) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = SILENT
    ids = gateway.many("rajasms", count) if count else [gateway.one("rajasms")]
    records = gateway.queued("rajasms")
    gateway.work(records)
    for one in ids:
        assert smsgw("messages", "settle", one, "rejected")[0] == 0
    for after in (200, 300_000):
        gateway.work(records)
        gateway.tick(after)
        gateway.dispatch("rajasms")
    rajasms(gateway, ids[0], "4", sendingid=77)
    assert set(gateway.statuses(ids)) == {"rejected"}
    assert len(gateway.wire.sent) == 1


def test_settling_twice_is_refused(gateway: Gateway, smsgw: Run) -> None:
    ids = put(gateway, 0, "unknown")
    assert smsgw("messages", "settle", ids[0], "delivered")[0] == 0
    assert complains(*smsgw("messages", "settle", ids[0], "undelivered"))
    assert gateway.status(ids[0]) == "delivered"


@pytest.mark.parametrize("identifier", ["nothing", NOBODY, "KEYS", "+911000000001"])
@pytest.mark.parametrize("command", [("show",), ("settle", "delivered")], ids=lambda one: one[0])
def test_an_unknown_message_is_one_readable_line(
    smsgw: Run, command: tuple[str, ...], identifier: str
) -> None:
    assert complains(*smsgw("messages", command[0], identifier, *command[1:]))


def test_a_table_that_refuses_is_one_readable_line(
    gateway: Gateway, smsgw: Run, failing: Callable[..., None]
) -> None:
    identifier = gateway.one("rajasms")
    failing("Query")
    assert complains(*smsgw("messages", "show", identifier))


@pytest.mark.parametrize(
    "arguments", [("messages", "show", NOBODY), ("dlq", "list"), ("dlq", "redrive")], ids=str
)
def test_a_stack_that_is_not_there_is_one_readable_line(
    smsgw: Run, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    status = main(["--stack", "unheard-of", *arguments])
    shown = capsys.readouterr()
    assert complains(status, shown.out, shown.err)


def test_an_outcome_that_there_is_not_is_refused(smsgw: Run) -> None:
    assert smsgw("messages", "settle", NOBODY, "expired")[0] == 2


@pytest.mark.parametrize("letters", [0, 25])
def test_every_dead_letter_is_listed_and_stays(smsgw: Run, letters: int) -> None:
    bodies = [f"jst {NOBODY[:26]}/M#{nth:03d} 1" for nth in range(letters)]
    buried("jst", *bodies)
    for _ in range(2 if letters else 1):
        status, said, error = smsgw("dlq", "list", "--vendor", "jst")
        assert (status, error) == (0, "")
        *lines, last = said.splitlines()
        assert last == f"{letters} dead letters"
        assert sorted(line.split(maxsplit=2)[2] for line in lines[1:]) == bodies
        assert waiting("jst", "DeadLetters") == letters


def test_dead_letters_of_all_vendors_are_listed(smsgw: Run) -> None:
    for vendor in VENDORS:
        buried(vendor, f"{vendor} {NOBODY[:26]}/M#000 1")
    status, said, _ = smsgw("dlq", "list")
    assert status == 0
    lines = [line.split() for line in said.splitlines()]
    assert [line[0] for line in lines] == ["QUEUE", *VENDORS, str(len(VENDORS))]
    assert {line[1] for line in lines[1:-1]} == {"1"}


@pytest.mark.parametrize("command", ["list", "redrive", "dismiss"])
def test_all_queues_are_asked_at_the_same_time(smsgw: Run, session: Any, command: str) -> None:
    queues = [name for name in QUEUES if name.endswith("DeadLetters")]
    all_ask = threading.Barrier(len(queues), timeout=60)

    def wait(**_: Any) -> None:
        all_ask.wait()

    session.register("before-call.sqs.ReceiveMessage", wait)
    assert smsgw("dlq", command)[::2] == (0, "")


def test_queues_that_count_nothing_are_listed_in_two_calls_each_and_not_waited_for(
    smsgw: Run, session: Any
) -> None:
    asked: Counter[str] = Counter()
    waits: set[int] = set()

    def note(model: Any, params: dict[str, Any], **_: Any) -> None:
        asked[model.name] += 1
        if model.name == "ReceiveMessage":
            waits.add(params["WaitTimeSeconds"])

    session.register("provide-client-params", note)
    assert smsgw("dlq", "list")[1] == "0 dead letters\n"
    queues = sum(name.endswith("DeadLetters") for name in QUEUES)
    assert asked == {
        **{"DescribeStacks": 1, "ListStackResources": 1},
        **{"GetQueueAttributes": queues, "ReceiveMessage": queues},
    }
    assert waits == {0}


def test_what_is_redriven_is_sent_unless_it_was_before(gateway: Gateway, smsgw: Run) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    (before,) = gateway.sent("rajasms")
    dead = [gateway.one("rajasms") for _ in range(12)]
    gateway.queued("rajasms")
    buried("rajasms", *[f"rajasms {split_id(one)} 1" for one in [before, *dead]])
    status, said, error = smsgw("dlq", "redrive", "--vendor", "rajasms")
    assert (status, said, error) == (0, "back in their queues: 13 dead letters\n", "")
    assert (waiting("rajasms", "DeadLetters"), waiting("rajasms", "Queue")) == (0, 13)
    records: list[dict[str, Any]] = []
    while len(records) < 13:
        more = boto3.client("sqs").receive_message(
            QueueUrl=queue("rajasms", "Queue"), MaxNumberOfMessages=10
        )["Messages"]
        records += [{"messageId": one["MessageId"], "body": one["Body"]} for one in more]
    assert gateway.work(records * 2) == []
    assert set(gateway.statuses([before, *dead])) == {"submitted"}
    assert len(gateway.wire.sent) == 13


def test_dead_deliveries_are_named_without_their_events_and_put_back(smsgw: Run) -> None:
    lane = dead_letters.DELIVERIES
    message = {"tenant": "acme", "webhook": "W1", "id": "17-e-4", "body": "+8801000000001"}
    buried(lane, json.dumps(message))
    status, said, _ = smsgw("dlq", "list")
    assert (status, said.splitlines()[-1]) == (0, "1 dead letter")
    assert "W1 17-e-4" in said
    assert "+880" not in said
    assert smsgw("dlq", "redrive", "--queue", lane)[0] == 0
    assert (waiting(lane, "DeadLetters"), waiting(lane, "Queue")) == (0, 1)


GIVEN_UP: dict[str, dict[str, Any]] = {
    "requestContext": {
        "functionArn": "arn:aws:lambda:eu-central-1:123456789012:function:queue_webhooks"
    },
    "DDBStreamBatchInfo": {
        "shardId": "shard",
        "startSequenceNumber": "101",
        "endSequenceNumber": "103",
        "approximateArrivalOfFirstRecord": "2026-11-22T03:00:00Z",
        "batchSize": 3,
        "streamArn": "arn:aws:dynamodb:eu-central-1:123456789012:table/t/stream/x",
    },
}


class Streams:
    """DynamoDB's streams and Lambda, as the command calls them. The shard `shard` has the changes
    101 to `last`, with `gap` empty pages before them; the functions say `answers`, one after the
    other, and then that all is well."""

    def __init__(self, *answers: Any, last: int = 103, gap: int = 0, gone: bool = False) -> None:
        self.answers, self.last, self.gap, self.gone = list(answers), last, gap, gone
        self.invoked: list[tuple[str, list[str]]] = []
        self.records: list[Any] = []
        self.largest = 0

    def client(self, service: str, config: Any = None) -> Any:
        if service == "lambda":
            assert config.read_timeout > 120
            assert config.retries["total_max_attempts"] == 1
        return self if service in ("dynamodbstreams", "lambda") else real_client(service)

    def describe_stream(self, StreamArn: str, **more: str) -> dict[str, Any]:
        ranges = {"old": ("1", "50"), "other": ("90", None), "shard": ("101", None)}
        names = ["old", "other"] if not more else ["shard"]
        shards = []
        for name in names:
            first, last = ranges[name]
            between = {"StartingSequenceNumber": first}
            shards.append({"ShardId": name, "SequenceNumberRange": between})
            if last:
                between["EndingSequenceNumber"] = last
        description: dict[str, Any] = {"Shards": shards}
        if not more:
            description["LastEvaluatedShardId"] = "other"
        return {"StreamDescription": description}

    def get_shard_iterator(self, **asked: str) -> dict[str, str]:
        said: Any = {"Error": {"Code": "TrimmedDataAccessException", "Message": "gone"}}
        if self.gone:
            raise ClientError(said, "GetShardIterator")
        assert asked["ShardId"] != "old"
        if asked["ShardId"] == "other":
            said["Error"]["Code"] = "ValidationException"
            raise ClientError(said, "GetShardIterator")
        return {"ShardIterator": asked["SequenceNumber"]}

    def get_records(self, ShardIterator: str, Limit: int) -> dict[str, Any]:
        if self.gap:
            self.gap -= 1
            return {"Records": [], "NextShardIterator": ShardIterator}
        first = int(ShardIterator)
        when = datetime(2026, 11, 22, 3, tzinfo=UTC)
        found = [
            {
                "dynamodb": {
                    "SequenceNumber": str(number),
                    "ApproximateCreationDateTime": when,
                    "NewImage": {"rows": {"B": b"rows"}},
                }
            }
            for number in range(first, min(first + Limit, self.last + 1))
        ]
        return {"Records": found, "NextShardIterator": str(first + len(found))}

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        event = json.loads(Payload)
        assert event["redriven"] is True
        self.largest = max(self.largest, len(Payload))
        self.records += event["Records"]
        numbers = [one["dynamodb"]["SequenceNumber"] for one in event["Records"]]
        self.invoked.append((FunctionName, numbers))
        answer = self.answers.pop(0) if self.answers else {"batchItemFailures": []}
        error = {"FunctionError": "Unhandled"} if "errorType" in answer else {}
        return {"Payload": BytesIO(json.dumps(answer).encode()), **error}


real_client: Any = boto3.client


def failed(number: int) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": str(number)}]}


def given_up(**changed: Any) -> str:
    batch = GIVEN_UP["DDBStreamBatchInfo"]
    return json.dumps(GIVEN_UP | {"DDBStreamBatchInfo": batch | changed})


def test_changes_that_were_given_up_are_fetched_from_the_stream_and_told(
    smsgw: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = Streams(gap=3)
    monkeypatch.setattr(stream_redrive, "clients", streams)
    monkeypatch.setattr(stream_redrive, "PAUSE_SECONDS", 0)
    buried("changes", given_up())
    said = smsgw("dlq", "list", "--queue", "changes")[1]
    assert "queue_webhooks: 3 changes since 2026-11-22T03:00:00Z, not told in time" in said
    assert smsgw("dlq", "redrive", "--queue", "changes")[0] == 0
    assert streams.invoked == [("queue_webhooks", ["101", "102", "103"])]
    assert streams.records[0]["eventSourceARN"] == GIVEN_UP["DDBStreamBatchInfo"]["streamArn"]
    change = streams.records[0]["dynamodb"]
    assert change["ApproximateCreationDateTime"] == 1795316400.0
    assert change["NewImage"] == {"rows": {"B": "cm93cw=="}}  # as Lambda writes bytes
    assert waiting("changes", "DeadLetters") == 0


def test_changes_of_many_messages_are_told_in_slices_as_long_as_it_gets_on(
    smsgw: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each record a batch of 1,000: the function stops after five, and goes on with the sixth."""
    streams = Streams(failed(106), failed(111), last=112)
    monkeypatch.setattr(stream_redrive, "clients", streams)
    buried("changes", given_up(endSequenceNumber="112", batchSize=12))
    status, said, _ = smsgw("dlq", "redrive", "--queue", "changes")
    assert status == 0
    assert [(numbers[0], numbers[-1]) for _, numbers in streams.invoked] == [
        ("101", "112"),
        ("106", "112"),
        ("111", "112"),
    ]
    assert said.splitlines() == [
        *(f"queue_webhooks: {done} changes done" for done in (5, 10, 12)),
        "back in their queues: 1 dead letter",
    ]


def test_no_invocation_is_given_more_than_it_takes(
    smsgw: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = Streams(last=400)
    monkeypatch.setattr(stream_redrive, "clients", streams)
    monkeypatch.setattr(stream_redrive, "MAX_BATCH_BYTES", 5000)
    buried("changes", given_up(endSequenceNumber="399"))
    assert smsgw("dlq", "redrive", "--queue", "changes")[0] == 0
    got = [number for _, numbers in streams.invoked for number in numbers]
    assert got == [str(number) for number in range(101, 400)]
    assert 1000 < streams.largest < 5500


@pytest.mark.parametrize(
    ("streams", "word"),
    [
        (Streams(failed(101)), "101 can't be told now: mend what the log of queue_webhooks says"),
        (Streams(failed(102), failed(102)), "102 can't be told now (1 before it were told"),
        (Streams({"errorType": "NothingPublishedError"}), "101 can't be told now"),
        (Streams(last=102), "does not bring the change 103"),
        (Streams(gone=True), "24 hours"),
    ],
)
def test_changes_that_can_not_be_told_stay_dead(
    smsgw: Run, monkeypatch: pytest.MonkeyPatch, streams: Streams, word: str
) -> None:
    monkeypatch.setattr(stream_redrive, "clients", streams)
    monkeypatch.setattr(stream_redrive, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(stream_redrive, "MAX_EMPTY_PAGES", 3)
    buried("changes", given_up())
    status, _, error = smsgw("dlq", "redrive", "--queue", "changes")
    assert status == 1
    assert word in error
    assert re.fullmatch(r"smsgw: [^\n]{10,250}\n", error)
    assert waiting("changes", "DeadLetters") == 1  # and may be redriven again at once


def test_a_change_that_was_buried_is_found_in_its_shard_and_told_or_buried_again(
    smsgw: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = Streams({"batchItemFailures": [], "dead_lettered": ["102"]})
    monkeypatch.setattr(stream_redrive, "clients", streams)
    place = {
        "streamArn": "arn:stream",
        "startSequenceNumber": "102",
        "endSequenceNumber": "102",
        "approximateArrivalOfFirstRecord": "2026-11-22T03:04:58.000Z",
        "batchSize": 1,
    }
    letter = {"function": "publish_events", "batch": NOBODY[:26], "DDBStreamBatchInfo": place}
    boto3.client("sqs").send_message(
        QueueUrl=queue("changes", "DeadLetters"),
        MessageBody=json.dumps(letter),
        MessageAttributes={
            "reason": {"DataType": "String", "StringValue": "DecodeError at items.py:122"}
        },
    )
    said = smsgw("dlq", "list", "--queue", "changes")[1]
    assert "publish_events: 1 changes since 2026-11-22T03:04:58.000Z of batch 01J0" in said
    assert "not understood: DecodeError at items.py:122; kept by the stream for 24 hours" in said
    status, said, _ = smsgw("dlq", "redrive", "--queue", "changes")
    assert status == 0
    assert streams.invoked == [("publish_events", ["102"])]
    assert "failed again, and dead letters again: 1 change;" in said


UPLOADED = {
    "Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": "campaigns/acme/may+sale.csv"}}}]
}


def test_dead_letters_of_campaigns_are_listed_and_put_back(smsgw: Run) -> None:
    bodies = [NOBODY[:26], json.dumps(UPLOADED), "{}"]
    buried("campaigns", *bodies)
    status, said, error = smsgw("dlq", "list")
    assert (status, error) == (0, "")
    assert [line.split(maxsplit=2)[2] for line in said.splitlines()[1:-1]] == [
        f"campaign {NOBODY[:26]}",
        "uploaded campaigns/acme/may sale.csv",
        "an unreadable notification",
    ]
    assert smsgw("dlq", "redrive", "--queue", "campaigns")[1] == (
        "back in their queues: 3 dead letters\n"
    )
    back = emptied(QUEUES["CampaignQueue"])
    assert sorted(one.body for one in back) == sorted(bodies)
    assert waiting("campaigns", "DeadLetters") == 0


def test_only_the_vendor_that_is_named_is_redriven(smsgw: Run) -> None:
    for vendor in VENDORS:
        buried(vendor, f"{vendor} {NOBODY[:26]}/M#000 1")
    assert smsgw("dlq", "redrive", "--vendor", "jst")[0] == 0
    left = {vendor: waiting(vendor, "DeadLetters") for vendor in VENDORS}
    assert left == dict.fromkeys(VENDORS, 1) | {"jst": 0}


def test_a_letter_that_could_not_be_put_back_stays_dead(smsgw: Run, session: Any) -> None:
    buried("jst", f"jst {NOBODY[:26]}/M#000 1")
    session.register("before-call.sqs.SendMessage", lambda **_: refused("OverLimit", "not now"))
    assert complains(*smsgw("dlq", "redrive", "--vendor", "jst"))
    found = boto3.client("sqs").get_queue_attributes(
        QueueUrl=queue("jst", "DeadLetters"),
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    assert sum(map(int, found.values())) == 1
    assert waiting("jst", "Queue") == 0


def test_a_price_table_is_checked_before_it_is_stored(
    gateway: Gateway, smsgw: Run, tmp_path: Path
) -> None:
    set_account("jst")
    account = tmp_path / "account.json"
    prices: dict[str, Any] = {"currency": "INR", "per_segment": {"+91": 0.18}}
    account.write_text(json.dumps(ACCOUNTS["jst"] | {"prices": prices}))
    status, out, error = smsgw("vendors", "set", "jst", str(account), "--no-check")
    assert complains(status, out, error)
    assert "prices.per_segment" in error
    assert "0.18" not in error
    forget_settings()
    assert vendor_accounts.accounts().adapters["jst"].prices is None

    prices["per_segment"] = {"+91": "0.18"}
    account.write_text(json.dumps(ACCOUNTS["jst"] | {"prices": prices}))
    status, out, _ = smsgw("vendors", "set", "jst", str(account), "--no-check")
    assert (status, "JST is set" in out) == (0, True)
    forget_settings()
    assert price_of_number(vendor_accounts.accounts().adapters["jst"], number("jst"), 2) == Price(
        Decimal("0.36"), "INR"
    )


@pytest.mark.parametrize("rate", ["NaN", "Infinity", "1e999"])
def test_a_number_that_the_functions_can_not_read_is_not_stored(
    gateway: Gateway, smsgw: Run, tmp_path: Path, rate: str
) -> None:
    set_account("jst")
    account = tmp_path / "account.json"
    account.write_text(json.dumps(ACCOUNTS["jst"])[:-1] + f', "rate": {rate}}}')
    status, out, error = smsgw("vendors", "set", "jst", str(account), "--no-check")
    assert complains(status, out, error)
    assert "is not JSON" in error
    forget_settings()
    assert vendor_accounts.accounts().adapters["jst"].rate is None


def test_a_settled_member_leaves_its_group_alone(gateway: Gateway, smsgw: Run) -> None:
    ids = gateway.sent("rajasms", 3)
    assert smsgw("messages", "settle", ids[1], "undelivered")[0] == 0
    for one in (ids[0], ids[2]):
        rajasms(gateway, one, "3")
    assert gateway.statuses(ids) == ["delivered", "undelivered", "delivered"]
    gateway.tick(300_000)
    assert message_repository.find_submission(ItemKey(ids[0][:26], "S#000"))
    assert gateway.statuses(ids) == ["delivered", "undelivered", "delivered"]


def came(trigger: str, body: str, **attributes: str) -> None:
    """Puts what came by a trigger into its dead-letter queue."""
    boto3.client("sqs").send_message(
        QueueUrl=queue(TRIGGERS[trigger], "DeadLetters"),
        MessageBody=body,
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    )


def test_letters_of_sources_say_what_is_wrong_and_show_nothing_of_what_came(smsgw: Run) -> None:
    came(
        "from_eventbridge",
        '{"text": "secret"}',
        problem="invalid-request",
        reason="No.",
        pointer="/detail/to",
    )
    came("from_eventbridge", '{"text": "secret"}', ErrorCode="200", ErrorMessage="It is not there.")
    came("from_sqs", "secret", ERROR_CODE="NO_PERMISSIONS")
    came("from_sqs", "secret")
    status, said, error = smsgw("dlq", "list")
    assert (status, error) == (0, "")
    assert said.splitlines() == [
        "QUEUE             TRIES  WHAT IT IS",
        "from_eventbridge      1  invalid-request: No. (/detail/to)",
        "from_eventbridge      1  200 It is not there.",
        "from_sqs              1  NO_PERMISSIONS",
        "from_sqs              1  no reason given: see the logs",
        "4 dead letters",
    ]
    assert smsgw("dlq", "list", "--queue", "from_sqs")[1].endswith("2 dead letters\n")
    assert smsgw("dlq", "list", "--queue", "from_cognito")[1] == "0 dead letters\n"
    assert smsgw("dlq", "list", "--vendor", "jst")[1] == "0 dead letters\n"


def test_a_letter_of_the_queue_is_put_back_under_its_first_key(smsgw: Run) -> None:
    came("from_sqs", "body 1", idempotency_key="k", source="shop", reason="No.", problem="x")
    came("from_sqs", "body 2")  # moved by SQS itself, after five tries
    dead = boto3.client("sqs").receive_message(
        QueueUrl=queue("FromSqs", "DeadLetters"), MaxNumberOfMessages=10, VisibilityTimeout=0
    )
    identifiers = {one["Body"]: one["MessageId"] for one in dead["Messages"]}
    assert smsgw("dlq", "redrive", "--queue", "from_sqs")[1] == (
        "back in their queues: 2 dead letters\n"
    )
    back = boto3.client("sqs").receive_message(
        QueueUrl=queue("Ingress", "Queue"), MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )["Messages"]
    given = {
        one["Body"]: {n: value["StringValue"] for n, value in one["MessageAttributes"].items()}
        for one in back
    }
    assert given == {
        "body 1": {"idempotency_key": "k", "source": "shop"},
        "body 2": {"idempotency_key": f"queue/{identifiers['body 2']}"},
    }
    assert waiting("FromSqs", "DeadLetters") == 0


def test_a_letter_of_the_bus_is_handed_to_its_function_again(smsgw: Run, session: Any) -> None:
    invoked: list[Any] = []

    def invoke(params: dict[str, Any], **_: Any) -> Any:
        invoked.append((params["url_path"], params["headers"], params["body"]))
        return answered({"StatusCode": 202}, 202)

    session.register("before-call.lambda.Invoke", invoke)
    came("from_eventbridge", '{"id": "7"}', problem="x", reason="No.")
    assert smsgw("dlq", "redrive")[1] == "back in their queues: 1 dead letter\n"
    ((path, headers, body),) = invoked
    assert (path, body) == (
        f"/2015-03-31/functions/{STACK}-from-eventbridge/invocations",
        b'{"id": "7"}',
    )
    assert headers["X-Amz-Invocation-Type"] == "Event"
    assert waiting("FromEventbridge", "DeadLetters") == 0


@pytest.mark.parametrize(
    ("trigger", "body", "brought"),
    [
        ("from_eventbridge", {"id": "7"}, {"id": "7", "only": "1,3"}),
        ("from_sns", {"Records": [{"Sns": {}}]}, {"Records": [{"Sns": {}}], "only": "1,3"}),
    ],
)
def test_what_is_left_of_an_event_is_brought_for_those_who_are_left(
    smsgw: Run, session: Any, trigger: str, body: Any, brought: Any
) -> None:
    invoked = invocations(session)
    came(trigger, json.dumps(body), problem="recipients-left", reason="No.", only="1,3")
    assert smsgw("dlq", "redrive", "--queue", trigger)[0] == 0
    assert invoked == [brought]


def test_a_notification_that_sns_buried_alone_is_brought_as_its_function_takes_it(
    smsgw: Run, session: Any
) -> None:
    invoked = invocations(session)
    alone = {"Type": "Notification", "MessageId": "7", "Message": "Hé"}
    came("from_sns", json.dumps(alone), ErrorCode="500")
    assert smsgw("dlq", "redrive", "--queue", "from_sns")[0] == 0
    assert invoked == [{"Records": [{"Sns": alone}]}]


def test_a_code_of_a_user_pool_is_redriven_while_it_is_fresh_and_no_later(
    smsgw: Run, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{STACK}-FromCognito-DeadLetters"
    monkeypatch.setitem(QUEUES, "FromCognitoDeadLetters", name)
    monkeypatch.setitem(FUNCTIONS, "FromCognitoFunction", f"{STACK}-from-cognito")
    boto3.client("sqs").create_queue(QueueName=name)
    invoked = invocations(session)
    came("from_cognito", '{"userPoolId": "fresh"}', problem="x", reason="No.")
    assert smsgw("dlq", "redrive", "--queue", "from_cognito")[0] == 0
    assert invoked == [{"userPoolId": "fresh"}]
    came("from_cognito", '{"userPoolId": "old"}', problem="x", reason="No.")
    present = time.time
    monkeypatch.setattr(time, "time", lambda: present() + 301)
    said = smsgw("dlq", "redrive", "--queue", "from_cognito")[1]
    assert said.startswith(
        "back in their queues: 0 dead letters\nleft: 1 dead letter, as a code older than five"
    )
    assert len(invoked) == 1
    assert smsgw("dlq", "dismiss", "--queue", "from_cognito")[1] == (
        "removed, as they can't be sent: 1 dead letter\n"
    )
    assert waiting("FromCognito", "DeadLetters") == 0


def test_what_aws_gave_up_is_redriven_only_while_its_key_is_remembered(
    smsgw: Run, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its function may have accepted it and died: after a day its key would send it again.
    invoked = invocations(session)
    present = time.time
    came("from_sns", '{"Records": []}', ErrorCode="500")
    came("from_sns", '{"Records": [7]}', problem="settings-unavailable", reason="No.")
    monkeypatch.setattr(time, "time", lambda: present() + 18 * 3600 + 60)
    said = smsgw("dlq", "redrive", "--queue", "from_sns")[1]
    assert said.startswith(
        "back in their queues: 1 dead letter\nleft: 1 dead letter, as what is older than 18 hours"
    )
    assert invoked == [{"Records": [7]}]
    assert smsgw("dlq", "dismiss", "--queue", "from_sns")[1].endswith(": 0 dead letters\n")
    assert waiting("FromSns", "DeadLetters") == 1


def invocations(session: Any) -> list[Any]:
    """What functions are given from now on."""
    given: list[Any] = []

    def invoke(params: dict[str, Any], **_: Any) -> Any:
        given.append(json.loads(params["body"]))
        return answered({"StatusCode": 202}, 202)

    session.register("before-call.lambda.Invoke", invoke)
    return given


def test_what_only_tells_of_refused_recipients_is_not_redriven_but_dismissed(
    smsgw: Run, session: Any
) -> None:
    invoked = invocations(session)
    came("from_eventbridge", "{}", problem="recipients-refused", reason="3: No.", refused="1")
    came("from_eventbridge", '{"id": "7"}', problem="x", reason="No.")
    came("from_sqs", "{}", problem="recipients-refused", reason="3: No.", refused="1")
    assert "recipients-refused: 3: No.\n" in smsgw("dlq", "list", "--queue", "from_eventbridge")[1]
    status, said, error = smsgw("dlq", "redrive")
    assert (status, said) == (1, "back in their queues: 1 dead letter\n")
    assert error.startswith("smsgw: left: 2 dead letters, as recipients were refused for good")
    assert "smsgw dlq dismiss" in error
    assert invoked == [{"id": "7"}]
    assert (waiting("FromEventbridge", "DeadLetters"), waiting("FromSqs", "DeadLetters")) == (1, 1)
    assert waiting("Ingress", "Queue") == 0

    came("from_eventbridge", '{"id": "8"}', problem="x", reason="No.")
    assert smsgw("dlq", "dismiss", "--queue", "from_sqs")[1] == (
        "removed, as they can't be sent: 1 dead letter\n"
    )
    assert smsgw("dlq", "dismiss")[1] == "removed, as they can't be sent: 1 dead letter\n"
    assert (waiting("FromEventbridge", "DeadLetters"), waiting("FromSqs", "DeadLetters")) == (1, 0)
    assert smsgw("dlq", "redrive")[0] == 0
    assert invoked == [{"id": "7"}, {"id": "8"}]


def test_a_letter_whose_function_can_not_be_invoked_stays_dead(smsgw: Run, session: Any) -> None:
    session.register("before-call.lambda.Invoke", lambda **_: refused("AccessDenied", "not you"))
    came("from_eventbridge", '{"id": "7"}', problem="x", reason="No.")
    status, _, error = smsgw("dlq", "redrive")
    assert (status, "not you" in error) == (1, True)
    assert len(emptied(QUEUES["FromEventbridgeDeadLetters"])) == 1

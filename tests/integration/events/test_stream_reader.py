"""From the table's stream to events: each step told, under ids that never change."""

import json
import os
import random
import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.config import Config
from integration.webhooks.test_deliveries import FAST, hook

from sms_gateway.aws import clients
from sms_gateway.config import cached_setting
from sms_gateway.core.event import Event, EventType
from sms_gateway.core.timestamps import utc_now
from sms_gateway.events import eventbridge, webhook_fanout
from sms_gateway.events.stream_reader import NothingPublishedError, handle_records
from sms_gateway.messages.cancel import cancel_message
from sms_gateway.storage import cache, dynamodb
from sms_gateway.storage.models import ItemKey
from sms_gateway.webhooks import endpoints
from testing.balances import HOUR, on_the_hour, tell
from testing.callbacks import rajasms, server2sms
from testing.gateway import Gateway
from testing.queues import STREAM_DEAD, emptied
from testing.settings import ACCOUNTS, set_accounts
from testing.stream import PATTERNS, Stream, matches, streaming
from testing.transport import SILENT
from testing.vendor_answers import POLL, SUBMIT, arrived, rajasms_answer

WHOLE = ["MessageAccepted", "MessageSubmitted", "MessageDelivered", "BatchCompleted"]
DEADLINE = 259_300  # seconds: past the receipt deadline


@pytest.fixture
def stream(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stream]:
    # Not in tests/conftest.py: the emulator's functions would inherit it.
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "publish_events")
    yield from streaming()


def test_a_message_is_told_from_end_to_end(gateway: Gateway, stream: Stream) -> None:
    (identifier,) = gateway.sent("server2sms", reference="o-7")
    gateway.wire.answers[POLL["server2sms"]] = arrived
    gateway.tick(200)
    assert stream.publish() == []
    assert stream.kinds() == WHOLE
    accepted, submitted, delivered, completed = stream.got.events
    assert [one.id for one in (accepted, submitted, delivered)] == [
        f"{identifier}-{number}" for number in (1, 2, 4)
    ]
    assert completed.id == f"{identifier[:26]}-completed"
    assert delivered.data["vendor_code"] == "0"
    assert delivered.data["reference"] == "o-7"
    assert {one.tenant for one in stream.got.events} == {"acme"}
    timeline = gateway.view(identifier)["timeline"]
    times = {step["status"]: step["at"] for step in timeline}
    for one in (accepted, submitted, delivered):
        assert one.to_dict()["timestamp"] == times[str(one.data["status"])]


def test_a_submission_tells_of_all_its_messages(gateway: Gateway, stream: Stream) -> None:
    ids = gateway.sent("server2sms", 12)
    gateway.wire.answers[POLL["server2sms"]] = arrived
    gateway.tick(200)
    assert stream.publish() == []
    for one in ids:
        assert stream.kinds(one) == WHOLE[:3]
    (completed,) = [one for one in stream.got.events if one.type is EventType.COMPLETED]
    assert completed.data["counts"] == {"delivered": 12}


def test_every_change_that_finds_a_batch_complete_tells_the_same(
    gateway: Gateway, stream: Stream
) -> None:
    first, second = gateway.sent("rajasms", 2)
    stream.publish()
    rajasms(gateway, first, "3")
    rajasms(gateway, second, "3")
    for nth, record in enumerate(stream.records()):
        record["dynamodb"]["ApproximateCreationDateTime"] += nth
        stream.publish([record])
    got = [one.to_dict() for one in stream.got.events if one.type is EventType.COMPLETED]
    assert len(got) == 2
    assert got[0] == got[1]
    ends = [one.to_dict() for one in stream.got.events if one.type is EventType.DELIVERED]
    assert got[0]["timestamp"] == max(str(one["timestamp"]) for one in ends)


def test_of_a_mixed_answer_each_is_told_its_own(gateway: Gateway, stream: Stream) -> None:
    def answer(request: Any) -> Any:
        packets = json.loads(request.body)["datapacket"]
        return rajasms_answer(
            [(one["number"], 60 if n == 1 else 10, 7000 + n) for n, one in enumerate(packets)]
        )

    gateway.wire.answers[SUBMIT["rajasms"]] = answer
    first, second, third = gateway.sent("rajasms", 3)
    rajasms(gateway, first, "3")
    rajasms(gateway, third, "3")
    stream.publish()
    statuses = gateway.statuses([first, second, third])
    assert statuses[1] == "rejected"
    assert stream.kinds(second) == ["MessageAccepted", "MessageRejected"]
    assert stream.kinds(first)[:2] == ["MessageAccepted", "MessageSubmitted"]
    (completed,) = [one for one in stream.got.events if one.type is EventType.COMPLETED]
    assert completed.data["counts"] == {"delivered": 2, "rejected": 1}


@pytest.mark.parametrize("count", [0, 3])
def test_a_late_receipt_has_the_higher_number_and_completes_nothing_again(
    gateway: Gateway, stream: Stream, count: int
) -> None:
    ids = gateway.sent("server2sms", count)
    gateway.wire.answers[POLL["server2sms"]] = SILENT
    gateway.tick(DEADLINE)
    stream.publish()
    assert stream.kinds(ids[0])[2] == "MessageUnknown"
    assert stream.kinds().count("BatchCompleted") == 1
    server2sms(gateway, ids[0], "0")
    stream.publish()
    numbers = [one.to_dict().get("sequence") for one in stream.got.events]
    assert numbers[-1] == 4
    assert stream.kinds().count("BatchCompleted") == 1


def test_a_cancelled_batch_is_complete(gateway: Gateway, stream: Stream) -> None:
    ids = gateway.many("server2sms", 2)
    for one in ids:
        cancel_message("acme", one, utc_now())
    stream.publish()
    assert stream.kinds(ids[0]) == ["MessageAccepted", "MessageCancelled"]
    assert stream.kinds().count("BatchCompleted") == 1


def test_the_same_records_twice_are_the_same_events(gateway: Gateway, stream: Stream) -> None:
    gateway.sent("server2sms", 3)
    gateway.wire.answers[POLL["server2sms"]] = arrived
    gateway.tick(200)
    records = stream.records()
    stream.publish(records)
    first = {one.id: one.to_json() for one in stream.got.events}
    stream.got.events.clear()
    stream.publish(records)
    assert {one.id: one.to_json() for one in stream.got.events} == first


def test_killed_between_the_stream_and_the_bus_nothing_is_lost(
    gateway: Gateway, stream: Stream
) -> None:
    (identifier,) = gateway.sent("server2sms")
    records = stream.records()

    def die(events: Sequence[Event], until: float) -> set[str]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        handle_records(records, 120, die)
    assert stream.publish(records) == []
    assert stream.kinds(identifier[:26]) == WHOLE[:2]


def test_what_the_bus_refuses_comes_again(gateway: Gateway, stream: Stream) -> None:
    (identifier,) = gateway.sent("server2sms")
    records = stream.records()
    stream.got.refuses = {f"{identifier}-2"}
    failed = stream.publish(records)
    assert failed == [records[1]["dynamodb"]["SequenceNumber"]]
    stream.got.refuses = {f"{identifier}-1", f"{identifier}-2"}
    with pytest.raises(NothingPublishedError):
        stream.publish(records)
    stream.got.refuses = set()
    assert stream.publish(records[1:]) == []
    assert sorted(stream.kinds(identifier)) == ["MessageAccepted", "MessageSubmitted"]


def test_what_stands_behind_a_refusal_is_told_once_and_not_each_time(
    gateway: Gateway, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sms_gateway.events.stream_reader.EVENTS_PER_SEND", 2)
    ids = [gateway.sent("server2sms")[0] for _ in range(4)]
    records = stream.records()
    stream.got.refuses = {f"{ids[1]}-1"}
    for _ in range(20):
        with suppress(NothingPublishedError):
            records = again(records, stream.publish(records))
    assert len(stream.got.events) <= 2 * 20
    assert stream.kinds(ids[2]) == []
    stream.got.refuses = set()
    assert stream.publish(records) == []
    for one in ids:
        assert sorted(set(stream.kinds(one))) == ["MessageAccepted", "MessageSubmitted"]


def again(records: list[Any], failed: list[str]) -> list[Any]:
    """What the stream brings after an answer: all from the record that failed."""
    numbers = [one["dynamodb"]["SequenceNumber"] for one in records]
    return records[numbers.index(failed[0]) :] if failed else []


def test_no_letter_is_posted_again_because_the_bus_refuses(
    gateway: Gateway, stream: Stream
) -> None:
    """Each has a reader of the stream of its own: the bus's may fail as often as it likes."""
    endpoints.reset_cache()
    hook()
    (identifier,) = gateway.sent("server2sms")
    records = stream.records()
    stream.got.refuses = {f"{identifier}-1"}
    for _ in range(20):
        with pytest.raises(NothingPublishedError):
            stream.publish(records)
    assert handle_records(records, 120, webhook_fanout.enqueue_deliveries, operator=False) == {
        "batchItemFailures": []
    }
    assert len(emptied(FAST)) == 2


def unreadable(record: Any) -> Any:
    """A record with a log that is no JSON."""
    broken = json.loads(json.dumps(record))
    broken["dynamodb"]["NewImage"]["timeline"] = {"L": [{"S": "no JSON of +447700900001"}]}
    return broken


def test_an_unreadable_record_is_dead_lettered_and_the_rest_is_published(
    gateway: Gateway, stream: Stream, capsys: pytest.CaptureFixture[str]
) -> None:
    (identifier,) = gateway.sent("server2sms")
    records = stream.records()
    capsys.readouterr()
    assert stream.publish([unreadable(records[0]), *records]) == []
    assert stream.kinds(identifier) == ["MessageAccepted", "MessageSubmitted"]
    (letter,) = emptied(STREAM_DEAD)
    number = records[0]["dynamodb"]["SequenceNumber"]
    assert json.loads(letter.body) == {
        "function": "publish_events",
        "batch": identifier[:26],
        "DDBStreamBatchInfo": {
            "streamArn": records[0]["eventSourceARN"],
            "startSequenceNumber": number,
            "endSequenceNumber": number,
            "approximateArrivalOfFirstRecord": "2026-11-22T03:04:58.000Z",
            "batchSize": 1,
        },
    }
    reason = letter.message_attributes["reason"]["StringValue"]
    assert re.fullmatch(r"DecodeError at \w+\.py:\d+", reason)
    said = capsys.readouterr().out
    assert "PublishFailed" in said
    assert "+4477" not in said + letter.body


def test_an_unreadable_record_is_dead_lettered_after_those_before_it(
    gateway: Gateway, stream: Stream
) -> None:
    (identifier,) = gateway.sent("server2sms")
    records = stream.records()
    given = [records[0], unreadable(records[1]), records[1]]
    stream.got.refuses = {f"{identifier}-1"}
    for _ in range(3):
        with pytest.raises(NothingPublishedError):
            stream.publish(given)
    assert emptied(STREAM_DEAD) == []
    stream.got.refuses = {f"{identifier}-2"}
    assert stream.publish(given) == [records[1]["dynamodb"]["SequenceNumber"]]
    assert len(emptied(STREAM_DEAD)) == 1


def test_a_record_that_can_not_be_dead_lettered_comes_again(
    gateway: Gateway, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.sent("server2sms")
    records = stream.records()
    monkeypatch.setenv("STREAM_DEAD_LETTERS", os.environ["STREAM_DEAD_LETTERS"] + "-gone")
    broken = unreadable(records[1])
    assert stream.publish([records[0], broken]) == [broken["dynamodb"]["SequenceNumber"]]
    with pytest.raises(NothingPublishedError):
        stream.publish([broken])


def test_a_table_that_does_not_answer_buries_nothing(
    gateway: Gateway, stream: Stream, failing: Callable[..., None]
) -> None:
    gateway.many("server2sms", 2)
    records = stream.records()
    failing("Query")
    with pytest.raises(NothingPublishedError):
        stream.publish(records)
    assert emptied(STREAM_DEAD) == []


@pytest.mark.parametrize("sink", [eventbridge.publish, webhook_fanout.enqueue_deliveries])
def test_with_no_time_left_nobody_is_asked_and_everything_comes_again(
    gateway: Gateway, stream: Stream, monkeypatch: pytest.MonkeyPatch, sink: Any
) -> None:
    monkeypatch.setattr(eventbridge, "_client", lambda: pytest.fail("asked"))
    endpoints.reset_cache()
    hook()
    gateway.sent("server2sms")
    sent = [Event("e", EventType.ACCEPTED, 1_795_316_698_000, "acme", {"status": "accepted"})] * 25
    assert sink(sent, time.monotonic() - 1) == {"e"}
    with pytest.raises(NothingPublishedError):
        handle_records(stream.records(), 29, sink)
    assert emptied(FAST) == []


def test_webhooks_that_can_not_be_read_come_again(
    gateway: Gateway, stream: Stream, failing: Callable[..., None]
) -> None:
    endpoints.reset_cache()
    hook()
    gateway.sent("server2sms")
    records = stream.records()
    failing("Query", 1)
    with pytest.raises(NothingPublishedError):
        handle_records(records, 120, webhook_fanout.enqueue_deliveries, operator=False)
    assert handle_records(records, 120, webhook_fanout.enqueue_deliveries, operator=False) == {
        "batchItemFailures": []
    }
    assert len(emptied(FAST)) == 2


def test_a_low_balance_is_told_while_the_accounts_can_not_be_read(
    gateway: Gateway, stream: Stream
) -> None:
    tell("dinisoft", ["1"], utc_now(), balance_low=1000)
    (identifier,) = gateway.sent("server2sms")
    records = stream.records()
    cached_setting.reset_all()
    set_accounts("no JSON")
    assert stream.publish(records) == []
    assert stream.kinds(identifier) == ["MessageAccepted", "MessageSubmitted"]
    assert stream.kinds("balance-dinisoft") == ["BalanceLow"]
    assert emptied(STREAM_DEAD) == []


def test_a_balance_that_nobody_can_read_is_dead_lettered_and_messages_are_published(
    gateway: Gateway, stream: Stream
) -> None:
    cache.cache_put("BALANCE#rajasms", 1, [{"announced": {"low": {}}}])
    (identifier,) = gateway.sent("server2sms")
    assert stream.publish() == []
    assert stream.kinds(identifier) == ["MessageAccepted", "MessageSubmitted"]
    (letter,) = emptied(STREAM_DEAD)
    assert "KeyError" in letter.message_attributes["reason"]["StringValue"]


def test_webhooks_are_handed_nothing_of_the_operators(gateway: Gateway, stream: Stream) -> None:
    tell("dinisoft", ["1"], utc_now(), balance_low=1000)
    records = [*stream.records(), circuit("CLOSED", "OPEN")]
    assert len(records) > 2
    assert handle_records(records, 120, stream.got.put, operator=False) == {"batchItemFailures": []}
    assert stream.got.events == []


def test_with_too_little_time_the_rest_comes_again(gateway: Gateway, stream: Stream) -> None:
    gateway.sent("server2sms")
    records = stream.records()
    answer = handle_records(records, 60, stream.got.put)
    number = records[1]["dynamodb"]["SequenceNumber"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": number}]}
    assert stream.kinds() == ["MessageAccepted"]


def test_no_more_is_made_than_can_be_handed_over(
    gateway: Gateway, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sms_gateway.events.stream_reader.MAX_EVENTS", 3)
    gateway.sent("server2sms", 3)
    records = stream.records()
    failed = stream.publish(records)
    assert stream.kinds() == ["MessageAccepted"] * 3
    assert failed == [records[1]["dynamodb"]["SequenceNumber"]]
    assert stream.publish(records[1:]) == []
    assert stream.kinds()[3:] == ["MessageSubmitted"] * 3


def test_what_was_never_accepted_is_never_told(gateway: Gateway, stream: Stream) -> None:
    ids = gateway.many("server2sms", 2)
    records = stream.records()
    dynamodb.remove(ItemKey(ids[0][:26], "B"))
    assert stream.publish(records) == []
    assert stream.kinds() == []


def test_looks_and_other_writes_are_filtered_out(gateway: Gateway, stream: Stream) -> None:
    gateway.sent("server2sms")
    stream.everything()
    gateway.wire.answers[POLL["server2sms"]] = SILENT
    gateway.tick(200)  # a look that brings nothing
    gateway.tick(500)
    assert [one for one in stream.everything() if one["eventName"] == "MODIFY"]
    gateway.tick(2000)
    assert stream.records() == []


def test_the_filter_leaves_out_the_step_that_nobody_is_told_of(
    gateway: Gateway, stream: Stream
) -> None:
    gateway.sent("server2sms")
    written = stream.everything()
    assert [one["dynamodb"]["NewImage"].get("status", {}).get("S") for one in written] == [
        "accepted",
        "submitting",
        "submitted",
    ]


def test_a_verification_is_told_when_its_code_was_given(stream: Stream) -> None:
    """The item as docs/data-model.md draws it: first made, then tried in vain, then approved, then
    written once more."""
    item = {
        "pk": {"S": "01M6B73GE0J1K2M3N4P5Q6R7S9"},
        "sk": {"S": "V"},
        "owner": {"S": "acme"},
        "data": {"S": '{"to":"+8801000000001","mask":"######","reference":"login-7"}'},
        "version": {"N": "0"},
    }
    approved = {**item, "approved": {"N": "1793525455"}}
    images = [({}, item), (item, {**item, "version": {"N": "1"}}), (item, approved)]
    images.append((approved, {**approved, "version": {"N": "3"}}))
    records = [
        {"dynamodb": {"OldImage": old, "NewImage": new, "SequenceNumber": str(n)}}
        for n, (old, new) in enumerate(images)
    ]
    assert all(any(matches(one, record) for one in PATTERNS) for record in records)
    stream.publish(records)
    (event,) = stream.got.events
    assert (event.id, event.tenant) == ("01M6B73GE0J1K2M3N4P5Q6R7S9-approved", "acme")
    assert event.data["to"] == "+88*********01"
    assert event.to_dict()["timestamp"] == "2026-11-01T09:30:55.000Z"


def circuit(before: str | None, after: str) -> dict[str, Any]:
    key = {"pk": {"S": "CIRCUIT"}, "sk": {"S": "jst"}}
    change = {
        "Keys": key,
        "NewImage": {**key, "state": {"S": after}},
        "SequenceNumber": "4711",
        "ApproximateCreationDateTime": 1795316698.0,
    }
    if before:
        change["OldImage"] = {**key, "state": {"S": before}}
    return {"eventID": "1", "dynamodb": change}


@pytest.mark.parametrize(
    ("before", "after", "got"),
    [
        (None, "OPEN", ["VendorCircuitOpened"]),
        ("CLOSED", "OPEN", ["VendorCircuitOpened"]),
        ("OPEN", "HALF_OPEN", []),
        ("HALF_OPEN", "OPEN", []),
        ("HALF_OPEN", "CLOSED", ["VendorCircuitClosed"]),
        ("OPEN", "CLOSED", ["VendorCircuitClosed"]),
        ("CLOSED", "CLOSED", []),
    ],
)
def test_a_circuit_that_opens_or_closes_is_told(
    stream: Stream, before: str | None, after: str, got: list[str]
) -> None:
    stream.publish([circuit(before, after)])
    assert stream.kinds() == got
    assert all(one.tenant is None for one in stream.got.events)


def test_a_balance_is_told_when_it_falls_below_what_is_low(
    gateway: Gateway, stream: Stream
) -> None:
    tell("dinisoft", ["1500", "880", "700", "2000", "999.5"], utc_now(), balance_low=1000)
    stream.publish()
    assert [(one.type, one.data["amount"]) for one in stream.got.events] == [
        ("BalanceLow", "880"),
        ("BalanceToppedUp", "2000"),
        ("BalanceLow", "999.5"),
    ]
    assert len({one.id for one in stream.got.events}) == 3
    assert ACCOUNTS["dinisoft"].get("balance_low") is None


def test_a_balance_that_runs_out_is_told_at_72_hours_and_at_24(
    gateway: Gateway, stream: Stream
) -> None:
    """100 an hour, of each of the three products in use: they end within 100 to 20 hours."""
    tell("rajasms", [str(10_000 - 100 * hour) for hour in range(81)], on_the_hour(), HOUR)
    stream.publish()
    got = [one for one in stream.got.events if one.data["product"] == "otp"]
    assert len(stream.got.events) == 3 * len(got)
    assert [(one.type, one.data["within_hours"], one.data["amount"]) for one in got] == [
        ("BalanceRunsOut", 72, "7200"),
        ("BalanceRunsOut", 24, "2400"),
    ]
    assert {(one.data["per_day"], one.data["ends_by"]) for one in got} == {("2400", "use")}


def test_credit_that_expires_is_told_whatever_is_left(gateway: Gateway, stream: Stream) -> None:
    last_day = (utc_now() + 2 * HOUR).date().isoformat()
    tell("rajasms", ["900000"], utc_now(), expires=last_day)
    stream.publish()
    assert {(one.type, one.data["ends_by"]) for one in stream.got.events} == {
        ("BalanceRunsOut", "expiry")
    }


@pytest.mark.parametrize("order", ["in order", "backwards", "by chance"])
def test_a_batch_is_found_complete_at_a_bounded_price(
    gateway: Gateway, stream: Stream, order: str
) -> None:
    """Receipts one by one, each in a delivery of its own: the dearest case. Items read are counted,
    as the table returns them."""
    ids = gateway.sent("server2sms", 100)
    stream.publish()
    random.seed(7)
    got = {"in order": ids, "backwards": ids[::-1], "by chance": random.sample(ids, 100)}[order]
    read = [0]

    def counted(parsed: dict[str, Any], **_: Any) -> None:
        read[0] += len(parsed.get("Items", [])) if listening[0] else 0

    listening = [False]
    client = dynamodb.client()
    client.meta.events.register("after-call.dynamodb.Query", counted)
    try:
        for one in got:
            server2sms(gateway, one, "0")
            listening[0] = True
            stream.publish()
            listening[0] = False
    finally:
        client.meta.events.unregister("after-call.dynamodb.Query", counted)
    assert stream.kinds()[-1] == "BatchCompleted"
    assert stream.kinds().count("BatchCompleted") == 1
    assert read[0] <= 25 * 100, order


AT_ONCE = SimpleNamespace(sleep=lambda seconds: None, monotonic=time.monotonic)


class Answers:
    """PutEvents' answers, one after the other; it remembers what was put."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.put: list[list[str]] = []

    def put_events(self, Entries: list[dict[str, Any]]) -> Any:
        self.put.append([json.loads(one["Detail"])["id"] for one in Entries])
        codes = self.answers.pop(0) if self.answers else []
        codes = codes + [None] * (len(Entries) - len(codes))
        return {"Entries": [{"ErrorCode": c} if c else {"EventId": "1"} for c in codes]}


def events(count: int) -> list[Event]:
    return [Event(f"e{n}", EventType.OPENED, 1, None, {"vendor": "jst"}) for n in range(count)]


def test_what_one_entry_is_refused_is_put_again_without_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = Answers([None, "ThrottlingException"], [])
    monkeypatch.setattr(eventbridge, "_client", lambda: client)
    monkeypatch.setattr(eventbridge, "time", AT_ONCE)
    assert eventbridge.publish(events(3)) == set()
    assert client.put == [["e0", "e1", "e2"], ["e1"]]


def test_a_bus_that_goes_on_refusing_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Answers(*[["InternalFailure"]] * eventbridge.MAX_ATTEMPTS)
    monkeypatch.setattr(eventbridge, "_client", lambda: client)
    monkeypatch.setattr(eventbridge, "time", AT_ONCE)
    assert eventbridge.publish(events(2)) == {"e0"}


def test_events_go_ten_by_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Answers()
    monkeypatch.setattr(eventbridge, "_client", lambda: client)
    assert eventbridge.publish(events(25)) == set()
    assert sorted(len(page) for page in client.put) == [5, 10, 10]
    assert eventbridge.publish([]) == set()


def test_a_bus_that_hangs_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes connections and says nothing: each of our tries is one call."""
    impatient = clients.CONFIGS["events"].merge(Config(read_timeout=0.3))
    monkeypatch.setitem(clients.CONFIGS, "events", impatient)
    with socket.create_server(("127.0.0.1", 0), backlog=200) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL_EVENTBRIDGE", address)
        clients.reset()
        begun = time.monotonic()
        refused = eventbridge.publish(events(200), begun + 0.5)
        took = time.monotonic() - begun
        clients.reset()
    assert len(refused) == 200
    assert took < 0.5 + 0.3 + 1

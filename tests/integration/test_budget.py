"""The budget: what each path asks AWS for, to the call and the unit.

A dearer change is seen here. `make bench-cost` turns the same counts into dollars;
`make bench-scale` measures the scheduler with a million messages. Where a figure moves for a good
reason, change it here and in docs/data-model.md.
"""

import json
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, tzinfo
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from aws_lambda_powertools.utilities.circuit_breaker.persistence import base as circuit_store
from moto.dynamodb.models import dynamodb_backends

from bench.pricing import HOURLY
from sms_gateway.aws import clients, sqs
from sms_gateway.config import (
    cached_setting,
    policies,
    routes,
    stopped_tenants,
    vendor_accounts,
)
from sms_gateway.config.public_accounts import public_accounts
from sms_gateway.config.stopped_tenants import MAX_BYTES as STOPS_BYTES
from sms_gateway.config.stopped_tenants import NAME
from sms_gateway.config.stored_settings import MAX_BYTES
from sms_gateway.messages import acceptance
from sms_gateway.messages.search_marks import MAX_MARKS
from sms_gateway.messages.send import send
from sms_gateway.messages.views import batch_view
from sms_gateway.policies import quota
from sms_gateway.pumping_guard.settings import guard_of
from sms_gateway.scheduler import tick as scheduler_tick
from sms_gateway.scheduler import tick_run
from sms_gateway.storage import dynamodb, items, message_repository
from sms_gateway.vendor_accounts.balances import ask_hourly
from sms_gateway.vendors.registry import VENDORS
from sms_gateway.vendors.types import Request
from sms_gateway.verifications import check, start
from testing.balances import HOUR, on_the_hour, says, tell
from testing.callbacks import call, rajasms, server2sms
from testing.counting import Item, Meter, Tally, read_units, size_of, write_units
from testing.environment import ACCOUNT_ID, REGION
from testing.fast_motion import FastMotion
from testing.gateway import Gateway
from testing.numbers import number
from testing.paths import ROOT
from testing.processes import function
from testing.settings import set_account, set_guards, set_policy
from testing.stored import BEGAN, final, seen, ulid, waiting
from testing.vendor_answers import POLL, SUBMIT, TAKES, arrived
from testing.vendor_cases import adapter

SETTLED_BY_POLL = 200  # seconds
LINE = 300  # bytes of log that a step may write: one metric
IDLE = {"dynamodb.Query": len(items.SHARDS)}  # of a tick, whatever is due
LEASE_WRITES = 2  # write units of a tick with anything due, however much
HOTTEST = 10  # per cent of the due index's traffic that one partition has at most
LEASES = {"dynamodb.UpdateItem": 2}  # of a tick with anything due, however much
TEXT = "Your order 4711 has left our house and will be with you tomorrow between nine and noon."
DELIVERED: dict[str, Any] = {
    "jst": {"report": [{"mobile": number("jst")[3:], "status": "DELIVRD"}]},
    "dinisoft": {"Status": "0", "Text": "DELIVRD"},
    "server2sms": arrived,
}


def stored(key: Item) -> Item | None:
    """An item as moto keeps it, without a call."""
    found = dynamodb_backends[ACCOUNT_ID][REGION].get_item(dynamodb.table_name(), dict(key))
    return found.to_json()["Attributes"] if found else None


class Stopped(datetime):
    """A clock that stands: however slow the machine is, what a test read stays fresh."""

    _at = datetime.now(UTC)

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override] # less narrow
        return cls._at.astimezone(tz)


@pytest.fixture(autouse=True)
def _what_was_read_stays_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a circuit nor a setting that was read is read again within a test."""
    monkeypatch.setattr(circuit_store, "dt", SimpleNamespace(datetime=Stopped))
    stands = time.monotonic()
    monkeypatch.setattr(cached_setting, "time", SimpleNamespace(monotonic=lambda: stands))


@pytest.fixture
def meter(gateway: Gateway) -> Iterator[Meter]:
    gateway.wire.answers |= {SUBMIT[vendor]: TAKES[vendor] for vendor in VENDORS}
    vendor_accounts.accounts()  # what its reading costs is the minute's, not the message's
    public_accounts()
    routes.routes()
    stopped_tenants.stops()
    with Meter(stored).listening(dynamodb.client(), sqs.client()) as meter:
        yield meter


def spent(meter: Meter, work: Callable[[], object]) -> Tally:
    with meter.step() as tally:
        work()
    return tally


def of(tally: Tally) -> tuple[dict[str, int], float, float]:
    return dict(tally.calls), tally.writes, tally.reads


def accepted(gateway: Gateway, vendor: str, count: int, key: str | None = None) -> None:
    to = [number(vendor, nth) for nth in range(count)]
    body = json.dumps({"to": to if count > 1 else to[0], "text": TEXT}).encode()
    send("acme", body, datetime.now(UTC), key)


def test_sizes_are_dynamodbs_own() -> None:
    """docs.aws.amazon.com, "DynamoDB item sizes and formats"."""
    item = {
        "pk": {"S": "\u00e9"},
        "n": {"N": "1793525400120"},
        "b": {"B": b"abc"},
        "l": {"L": [{"S": "ab"}]},
    }
    assert size_of(item) == (2 + 2) + (1 + 8) + (1 + 3) + (1 + 3 + 1 + 2)
    due = {"pk": {"S": "p"}, "sk": {"S": "s"}, "shard": {"S": "00"}, "due": {"N": "5"}}
    assert write_units(None, due) == write_units(due, {**due, "shard": {"S": "00"}}) + 1 == 2
    assert write_units(due, {**due, "due": {"N": "6"}}) == 3
    assert write_units(due, {"pk": {"S": "p"}, "sk": {"S": "s"}}) == 2
    assert write_units(None, {**due, "data": {"S": "x" * 2000}}) == 3
    sent = {"pk": {"S": "p"}, "sk": {"S": "s"}, "day": {"S": "d"}, "marks": {"B": "YWJj"}}
    assert write_units(sent, {**sent, "marks": {"B": b"abc"}}) == 1


@pytest.mark.parametrize(("name", "settings"), [("send", 3), ("from_eventbridge", 4)])
def test_a_start_reads_each_of_its_settings_once(
    gateway: Gateway, meter: Meter, name: str, settings: int
) -> None:
    """One GetItem a setting, half a unit each, and the message key; then nothing for half a
    minute."""
    begin = {
        "dynamodb.GetItem": settings,
        "secretsmanager.GetSecretValue": 1,
        "dynamodb.PutItem": 1,
        "sqs.SendMessageBatch": 1,
    }
    cached_setting.reset_all()
    with Meter(stored).listening(
        dynamodb.client(), sqs.client(), clients.client("secretsmanager")
    ) as heard:
        first = spent(heard, lambda: sends(name))
        second = spent(heard, lambda: sends(name))
    reads = 0.5 * settings
    if name == "send":
        assert of(first) == (begin, 3, reads)
    else:  # each event is its own Idempotency-Key
        assert of(first) == ({**begin, "dynamodb.PutItem": 2}, 4, reads)
    assert not {"dynamodb.GetItem", "secretsmanager.GetSecretValue"} & second.calls.keys()


def sends(name: str) -> None:
    """Sends one message by a function or a trigger."""
    body = {"to": number("server2sms"), "text": TEXT}
    if name == "send":
        send("acme", json.dumps(body).encode(), datetime.now(UTC))
        return
    event = json.loads((ROOT / "events" / f"{name}.json").read_text())
    function(name).handler(event | {"id": str(uuid4()), "detail": body}, None)


def test_a_burst_of_starts_stays_below_what_one_partition_gives() -> None:
    """DynamoDB gives a partition 3,000 read units a second (docs.aws.amazon.com, "Burst and
    adaptive capacity"); each start reads two settings of the largest size at most, and who is
    stopped."""
    stops = {"pk": {"S": "SETTINGS"}, "sk": {"S": NAME}, "data": {"S": "x" * STOPS_BYTES}}
    assert (who := read_units([size_of(stops)], consistent=False)) == 0.5
    largest = {"pk": {"S": "SETTINGS"}, "sk": {"S": "routes"}, "data": {"S": "x" * MAX_BYTES}}
    assert 500 * (2 * read_units([size_of(largest)], consistent=False) + who) <= 3_000


@pytest.mark.parametrize("vendor", VENDORS)
def test_accepting_one(gateway: Gateway, meter: Meter, vendor: str) -> None:
    """The item, and its entries in `due` and `by_tenant`."""
    tally = spent(meter, lambda: accepted(gateway, vendor, 1))
    assert of(tally) == ({"dynamodb.PutItem": 1, "sqs.SendMessageBatch": 1}, 3, 0)
    assert tally.log_bytes == 0


def test_a_dashboards_lines(
    gateway: Gateway, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line for each step of a batch, however many messages it has."""
    monkeypatch.setenv("DASHBOARD", "true")
    assert 0 < spent(meter, lambda: accepted(gateway, "jst", 100)).log_bytes <= LINE
    assert spent(meter, lambda: gateway.dispatch("jst")).log_bytes <= 2 * LINE
    (identifier,) = gateway.sent("server2sms")
    assert 0 < spent(meter, lambda: server2sms(gateway, identifier, "0")).log_bytes <= LINE


def test_accepting_one_with_a_key(gateway: Gateway, meter: Meter) -> None:
    """The key's record is written: one unit more, eight for the whole life. A repeat finds it by
    that, and then the batch."""
    tally = spent(meter, lambda: accepted(gateway, "jst", 1, "k"))
    assert of(tally) == ({"dynamodb.PutItem": 2, "sqs.SendMessageBatch": 1}, 4, 0)
    again = spent(meter, lambda: accepted(gateway, "jst", 1, "k"))
    assert of(again) == ({"dynamodb.PutItem": 1, "dynamodb.GetItem": 2}, 1, 2)


@pytest.mark.parametrize(
    ("vendor", "count", "submissions"),
    [("rajasms", 100, 1), ("rajasms", 1000, 1), ("jst", 1000, 10), ("dinisoft", 1000, 20)],
)
def test_accepting_many(
    gateway: Gateway, meter: Meter, vendor: str, count: int, submissions: int
) -> None:
    """One unit a message; two for each submission and for the batch, with their index entries; and
    of more than a hundred numbers a unit for each 250, by which a search finds them."""
    tally = spent(meter, lambda: accepted(gateway, vendor, count))
    marked = count > MAX_MARKS
    calls = {
        "dynamodb.BatchWriteItem": -(-(count + submissions + marked) // 25),
        "dynamodb.PutItem": 1,
        "sqs.SendMessageBatch": -(-submissions // 10),
    }
    marks = math.ceil((4 * count + 60) / 1024) if marked else 0
    assert marks <= 0.01 * count
    assert of(tally) == (calls, count + 2 * submissions + 2 + marks, 0)
    assert tally.bytes_out / count <= 300
    assert tally.log_bytes == 0


@pytest.mark.parametrize("vendor", VENDORS)
def test_dispatching_one(gateway: Gateway, meter: Meter, vendor: str) -> None:
    """Taken, recorded; the circuit is read once in five seconds."""
    accepted(gateway, vendor, 1)
    tally = spent(meter, lambda: gateway.dispatch(vendor))
    assert of(tally) == ({"dynamodb.UpdateItem": 2, "dynamodb.GetItem": 1}, 2, 0.5)
    assert tally.log_bytes <= LINE


@pytest.mark.parametrize(
    ("vendor", "writes", "reads"),
    [("jst", 2, 3.5), ("dinisoft", 4, 5), ("server2sms", 2, 3.5), ("rajasms", 3, 3.5)],
)
def test_dispatching_a_hundred(
    gateway: Gateway, meter: Meter, vendor: str, writes: int, reads: float
) -> None:
    """The same for each submission, and its messages read; RajaSMS's ids make it larger."""
    accepted(gateway, vendor, 100)
    tally = spent(meter, lambda: gateway.dispatch(vendor))
    submissions = 2 if vendor == "dinisoft" else 1
    assert tally.calls["dynamodb.UpdateItem"] == 2 * submissions
    assert tally.calls["dynamodb.Query"] == submissions
    assert tally.writes == writes
    circuits = tally.calls["dynamodb.GetItem"] - submissions  # two at once may both read it
    assert tally.reads - 0.5 * circuits <= reads - 0.5
    assert tally.log_bytes <= LINE * submissions


@pytest.mark.parametrize(
    ("ahead", "writes", "reads"),
    [(12, 7, 2), (120, 11, 5)],
    ids=["seconds", "minutes"],
)
def test_waiting_for_a_vendors_rate(
    gateway: Gateway,
    meter: Meter,
    monkeypatch: pytest.MonkeyPatch,
    ahead: int,
    writes: int,
    reads: float,
) -> None:
    """What a submission costs more, with all its messages, than one that need not wait."""
    monkeypatch.setattr(acceptance, "MAX_TURN_SECONDS", 1_000.0)  # one ahead, however large
    set_account("rajasms", rate=1)
    stopped_tenants.stops()  # the half minute's, not the message's
    public_accounts()  # the minute's
    motion = FastMotion(gateway, "rajasms", monkeypatch)
    monkeypatch.setattr(Gateway, "tick", lambda *_: 0)  # what a tick costs is another test's

    def live(seconds: float) -> None:
        motion.plan(motion.at, lambda: gateway.many("rajasms", 2))
        motion.run(motion.at + seconds)

    at_once = spent(meter, lambda: live(5))
    gateway.many("rajasms", ahead)
    motion.run(motion.at + 5)
    waited = spent(meter, lambda: live(ahead + 10))
    assert len(motion.left) == 3
    assert (waited.writes - at_once.writes, waited.reads - at_once.reads) == (writes, reads)


@pytest.mark.parametrize(("vendor", "count"), [("rajasms", 1), ("rajasms", 30), ("server2sms", 30)])
def test_a_code_costs_what_another_text_costs(
    gateway: Gateway, meter: Meter, vendor: str, count: int
) -> None:
    """Its text is sealed with a key that is there, and goes in the write that makes it final."""

    def live(category: str) -> None:
        got = [
            {"to": number(vendor, nth), "text": f"{100_000 + nth} is your code for Acme. {TEXT}"}
            for nth in range(count)
        ]
        body = {"messages": got, "category": category, "validity": 600}
        answer = send("acme", json.dumps(body).encode(), datetime.now(UTC), category)
        gateway.dispatch(vendor)
        for one in answer["messages"]:
            (rajasms if vendor == "rajasms" else server2sms)(gateway, one["id"], "3")

    plain = spent(meter, lambda: live("transactional"))  # the circuit is read here, and not again
    code = spent(meter, lambda: live("otp"))
    assert code.writes == plain.writes
    assert code.reads <= plain.reads
    assert Counter(code.calls) <= Counter(plain.calls)


@pytest.mark.parametrize(("report", "reads"), [(server2sms, 1), (rajasms, 1)], ids=["s2s", "raja"])
def test_a_callback(gateway: Gateway, meter: Meter, report: Any, reads: float) -> None:
    """The message's item, and its place in `due`; read once to know whose it is."""
    (identifier,) = gateway.sent(report.__name__)
    word = "0" if report is server2sms else "3"
    looks = 2 if report is rajasms else 1  # of the test's own, for the id and the token
    tally = spent(meter, lambda: report(gateway, identifier, word))
    assert tally.calls["dynamodb.UpdateItem"] == 1
    assert (tally.writes, tally.reads - looks) == (2, reads)
    assert gateway.status(identifier) == "delivered"
    assert tally.log_bytes == 0


@pytest.mark.parametrize(
    ("vendor", "calls", "reads"),
    [
        ("server2sms", {"dynamodb.BatchGetItem": 1}, 3),
        ("rajasms", {"dynamodb.GetItem": 1, "dynamodb.BatchGetItem": 1}, 3),
    ],
)
def test_a_callback_on_one_of_a_hundred(
    gateway: Gateway, meter: Meter, vendor: str, calls: dict[str, int], reads: float
) -> None:
    """The message, what its batch shares, and the submission; RajaSMS's ids stand there first."""
    ids = gateway.sent(vendor, 100)
    token = gateway.token(vendor, gateway.submission(ids[0]).key)
    got = {"status_respon": [{"sendingid": vendor_id(gateway, ids[7]), "deliverystatus": "3"}]}
    tally = spent(
        meter,
        lambda: (
            call(vendor, token, body=got)
            if vendor == "rajasms"
            else call(vendor, token, {"DST": "0", "RSN": "000", "ID": ids[7]})
        ),
    )
    assert gateway.status(ids[7]) == "delivered"
    assert of(tally) == ({**calls, "dynamodb.UpdateItem": 1}, 1, reads)


def vendor_id(gateway: Gateway, identifier: str) -> str:
    """The vendor's id of a message."""
    return str(gateway.view(identifier)["vendor_id"])


def test_a_callback_on_all_of_a_hundred_reads_what_they_share_once(
    gateway: Gateway, meter: Meter
) -> None:
    """At most a hundred items a call: the batch's own is the hundred and first."""
    ids = gateway.sent("rajasms", 100)
    sub = gateway.submission(ids[0])
    assert sub.result
    rows = [
        {"sendingid": sub.result.vendor_id_of(offset), "deliverystatus": "3"}
        for offset in range(100)
    ]
    token = gateway.token("rajasms", sub.key)
    tally = spent(meter, lambda: call("rajasms", token, body={"status_respon": rows}))
    assert set(gateway.statuses(ids)) == {"delivered"}
    reading = {"dynamodb.GetItem": 1, "dynamodb.BatchGetItem": 2}
    assert tally.calls == {**reading, "dynamodb.UpdateItem": 100}
    assert (tally.writes, tally.reads) == (100, 102)
    assert tally.log_bytes == 0


def test_a_callback_costs_no_more_however_often_it_names_a_message(
    gateway: Gateway, meter: Meter
) -> None:
    """Its first final word is written; another callback on it writes nothing."""
    ids = gateway.sent("rajasms", 2)
    sending = vendor_id(gateway, ids[0])
    rows = [{"sendingid": sending, "deliverystatus": str(nth % 5)} for nth in range(1000)]
    token = gateway.token("rajasms", gateway.submission(ids[0]).key)
    reading = {"dynamodb.GetItem": 1, "dynamodb.BatchGetItem": 1}
    tally = spent(meter, lambda: call("rajasms", token, body={"status_respon": rows}))
    # One for the status, one for the word 0, which nobody knows.
    assert of(tally) == ({**reading, "dynamodb.UpdateItem": 2}, 2, 3)
    assert gateway.status(ids[0]) == "delivered"
    final = [{"sendingid": sending, "deliverystatus": word} for word in "34"]
    again = spent(meter, lambda: call("rajasms", token, body={"status_respon": final}))
    assert of(again) == (reading, 0, 3)


@pytest.mark.parametrize("vendor", DELIVERED)
def test_a_poll_that_brings_the_receipt(gateway: Gateway, meter: Meter, vendor: str) -> None:
    """As a callback, and the clock's leases, which all that is due share."""
    (identifier,) = gateway.sent(vendor)
    gateway.wire.answers[POLL[vendor]] = DELIVERED[vendor]
    tally = spent(meter, lambda: gateway.tick(SETTLED_BY_POLL))
    assert gateway.status(identifier) == "delivered"
    calls = {"dynamodb.BatchGetItem": 1, "dynamodb.UpdateItem": 1 + LEASES["dynamodb.UpdateItem"]}
    assert of(tally) == ({**IDLE, **calls}, 2 + 2, 1 + 0.5 * len(items.SHARDS))
    assert tally.log_bytes == 0


def test_a_poll_without_news(gateway: Gateway, meter: Meter) -> None:
    """The item, and its place in the due index taken away and made anew."""
    gateway.wire.answers[POLL["server2sms"]] = {"StatusCode": "1"}
    gateway.sent("server2sms")
    tally = spent(meter, lambda: gateway.tick(SETTLED_BY_POLL))
    assert tally.writes == 3 + 2
    assert tally.calls["dynamodb.UpdateItem"] == 1 + 2


def test_a_tick_with_forty_due_costs_no_more_for_each(gateway: Gateway, meter: Meter) -> None:
    gateway.wire.answers[POLL["server2sms"]] = arrived
    ids = [gateway.sent("server2sms")[0] for _ in range(40)]
    tally = spent(meter, lambda: gateway.tick(SETTLED_BY_POLL))
    assert set(gateway.statuses(ids)) == {"delivered"}
    calls = {"dynamodb.BatchGetItem": 1, "dynamodb.UpdateItem": 40 + 2}
    assert of(tally) == ({**IDLE, **calls}, 2 * 40 + 2, 40 + 0.5 * len(items.SHARDS))
    assert gateway.wire.count(POLL["server2sms"]) == 1


def test_an_idle_tick_queries_each_shard_once(gateway: Gateway, meter: Meter) -> None:
    tally = spent(meter, gateway.tick)
    assert of(tally) == (IDLE, 0, 0.5 * len(items.SHARDS))
    assert tally.log_bytes == 0


@pytest.mark.parametrize("vendor", ["rajasms", "dinisoft"])
def test_an_hour_of_an_account_with_a_week_behind_it(
    gateway: Gateway, meter: Meter, vendor: str
) -> None:
    """The question, the answer and the hours: at most what the idle bill counts."""
    start = on_the_hour()
    amounts = [str(10_000_000 - 997 * hour) for hour in range(168)]
    tell(vendor, amounts, start, HOUR, expires="2027-01-01", balance_low=10**7)
    account = {vendor: adapter(vendor, balance_low=10**7)}
    tally = spent(meter, lambda: ask_hourly(account, start + 168 * HOUR, says("9000000")))
    calls = {"BatchGetItem": 1, "UpdateItem": 2, "GetItem": 1, "PutItem": 1}
    assert tally.calls == {f"dynamodb.{name}": times for name, times in calls.items()}
    assert tally.writes <= HOURLY["write units"]
    assert tally.reads <= HOURLY["read units"] + 1
    minute = spent(meter, lambda: ask_hourly(account, start + 168 * HOUR, says("9000000")))
    assert of(minute) == ({"dynamodb.BatchGetItem": 1}, 0, 1)


@pytest.mark.parametrize("floor", [None, 100])
def test_only_a_floor_is_read_and_once_a_minute(
    gateway: Gateway, meter: Meter, floor: float | None
) -> None:
    set_account("dinisoft", balance_floor=floor)
    accepted(gateway, "jst", 1)

    def send_three() -> None:
        for _ in range(3):
            accepted(gateway, "dinisoft", 1)

    tally = spent(meter, send_three)
    reads = tally.calls["dynamodb.GetItem"]
    assert (reads, tally.writes) == (0 if floor is None else 1, 3 * 3)


@pytest.mark.parametrize("vendor", ["rajasms", "server2sms"])
def test_a_hundred_from_accept_to_final(gateway: Gateway, meter: Meter, vendor: str) -> None:
    """One unit at acceptance, one at the receipt; the rest is shared by all."""
    ids: list[str] = []

    def live() -> None:
        ids.extend(gateway.sent(vendor, 100))
        for one in ids:
            (rajasms(gateway, one, "3") if vendor == "rajasms" else server2sms(gateway, one, "0"))
        gateway.tick(SETTLED_BY_POLL)

    tally = spent(meter, live)
    assert set(gateway.statuses(ids)) == {"delivered"}
    assert (tally.writes - 2) / 100 <= 2.12


def test_a_hundred_that_are_polled(gateway: Gateway, meter: Meter) -> None:
    gateway.wire.answers[POLL["server2sms"]] = arrived
    gateway.sent("server2sms", 100)
    tally = spent(meter, lambda: gateway.tick(SETTLED_BY_POLL))
    assert (tally.writes, tally.calls["dynamodb.UpdateItem"]) == (2 + 100 + 2, 2 + 100 + 1)
    assert tally.log_bytes == 0


def test_reading_a_status(gateway: Gateway, meter: Meter) -> None:
    """One read for a message alone; two, and its submission's, for one of several."""
    single, grouped = gateway.sent("rajasms")[0], gateway.sent("rajasms", 3)
    alone = spent(meter, lambda: gateway.status(single))
    assert of(alone) == ({"dynamodb.Query": 1}, 0, 1)
    first = spent(meter, lambda: gateway.status(grouped[0]))
    assert of(first) == ({"dynamodb.Query": 2}, 0, 1.5)
    second = spent(meter, lambda: gateway.status(grouped[1]))
    assert of(second) == ({"dynamodb.BatchGetItem": 1, "dynamodb.Query": 1}, 0, 2.5)


def test_reading_a_batch_and_a_list(gateway: Gateway, meter: Meter) -> None:
    """A batch is one query over its partition. A list is one for each day, and for each batch one
    for as many messages as the page has room for and one for their submissions."""
    gateway.sent("rajasms", 100)
    identifier = gateway.sent("rajasms", 100)[0][:26]
    tally = spent(meter, lambda: message_repository.whole_batch(identifier))
    assert tally.calls == {"dynamodb.Query": 1}
    assert (tally.items, tally.reads) == (102, 3)
    ask = function("status").handler
    event = {
        "httpMethod": "GET",
        "path": "/messages",
        "queryStringParameters": {"limit": "10"},
        "headers": {},
        "requestContext": {"authorizer": {"tenant": "acme", "scopes": "messages:read"}},
    }
    tally = spent(meter, lambda: ask(event, gateway.context))
    assert tally.calls == {"dynamodb.Query": 3}
    assert (tally.items, tally.reads) == (2 + 11 + 1, 0.5 + 1 + 1)


def verified(vendor: str, key: str | None = None) -> str:
    """Begins a verification; its id."""
    body = json.dumps({"to": number(vendor), "text": "Code {code}"}).encode()
    return str(start.start_verification("acme", body, datetime.now(UTC), key)["id"])


def test_a_verification_costs_two_units_more_than_its_message(meter: Meter) -> None:
    """The verification, and the sends to its number."""
    calls = {
        "dynamodb.GetItem": 1,
        "dynamodb.PutItem": 2,
        "dynamodb.BatchWriteItem": 1,
        "sqs.SendMessageBatch": 1,
    }
    assert of(spent(meter, lambda: verified("dinisoft"))) == (calls, 5, 1)
    keyed = {**calls, "dynamodb.GetItem": 2, "dynamodb.PutItem": 3}
    assert of(spent(meter, lambda: verified("rajasms", "k-1"))) == (keyed, 6, 2)


def test_a_guarded_code_costs_three_units_more_and_four_when_it_is_approved(
    gateway: Gateway, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its country, its number block and, where there are few users, all such countries; half a read
    for each 4 KB of their 14 days; the number, when it is approved. Each thing that is told of the
    client is one more. Deployed and off, the setting is read, no more."""
    monkeypatch.setenv("PUMPING_GUARD", "true")
    verified("jst")  # reads the setting: the minute's, not the code's
    assert of(spent(meter, lambda: verified("dinisoft")))[1:] == (5, 1)
    set_guards({"acme": {"mode": "block", "rules": {"country_hour": 100, "prefix_day": 100}}})
    for read in (vendor_accounts.accounts, routes.routes, stopped_tenants.stops, guarded_tenants):
        read()
    verified("dinisoft")  # reads the accounts anew
    tally = spent(meter, lambda: verified("dinisoft"))
    assert (tally.writes, tally.reads) == (5 + 3, 1 + 2 * 0.5)
    assert (tally.calls["dynamodb.UpdateItem"], tally.calls["dynamodb.Query"]) == (3, 2)
    one, now = verified("dinisoft"), datetime.now(UTC)
    monkeypatch.setattr(check, "digests_equal", lambda *_: True)
    checked = spent(meter, lambda: check.check_code("acme", one, b'{"code": "000000"}', now))
    assert of(checked) == ({"dynamodb.GetItem": 1, "dynamodb.UpdateItem": 5}, 1 + 4, 1)


def guarded_tenants() -> object:
    return guard_of("acme")


def test_a_check_of_our_own_code_costs_one_unit(meter: Meter) -> None:
    one, now = verified("dinisoft"), datetime.now(UTC)
    checked = spent(meter, lambda: check.check_code("acme", one, b'{"code": "000000"}', now))
    assert of(checked) == ({"dynamodb.GetItem": 1, "dynamodb.UpdateItem": 1}, 1, 1)
    shown = spent(meter, lambda: start.show_verification("acme", one, now))
    assert of(shown) == ({"dynamodb.GetItem": 1}, 0, 1)


def test_a_check_that_the_vendor_judges_costs_two_units(gateway: Gateway, meter: Meter) -> None:
    gateway.wire.answers["VerifyToken"] = {"StatusCode": "1"}
    one, now = verified("server2sms"), datetime.now(UTC)
    checked = spent(
        meter,
        lambda: check.check_code("acme", one, b'{"code": "123456"}', now, send=gateway.wire),
    )
    assert of(checked) == ({"dynamodb.GetItem": 1, "dynamodb.UpdateItem": 2}, 2, 1)


@pytest.mark.parametrize("count", [0, 100])
def test_a_price_table_costs_no_write_and_no_read(
    gateway: Gateway, meter: Meter, count: int
) -> None:
    costs = []
    for prices in (None, {"currency": "CHF", "per_segment": {"+44": "0.06", "+": "0.1"}}):
        set_account("server2sms", prices=prices)
        vendor_accounts.accounts()

        def life(priced: bool = prices is not None) -> None:
            ids = gateway.sent("server2sms", count)
            assert (gateway.view(ids[0])["price"] is not None) is priced
            whole = message_repository.whole_batch(ids[0][:26])
            assert whole
            assert bool(batch_view(*whole)["price"]) is priced

        tally = spent(meter, life)
        del tally.calls["dynamodb.GetItem"]  # of the circuit among them, every five seconds
        costs.append((tally.writes, dict(tally.calls)))
    assert costs[0] == costs[1]


def test_a_hundred_of_jst_from_accept_to_final(gateway: Gateway, meter: Meter) -> None:
    """At most 2.3 write units a message: one at acceptance, one at the receipt, the rest shared."""
    rows = [{"mobile": number("jst", nth)[3:], "status": "DELIVRD"} for nth in range(100)]
    gateway.wire.answers[POLL["jst"]] = {"report": rows}
    with meter.step() as tally:
        ids = gateway.sent("jst", 100)
        gateway.tick(300)
    assert set(gateway.statuses(ids)) == {"delivered"}
    assert (tally.writes - LEASE_WRITES) / 100 <= 2.1


def test_a_hundred_of_dinisoft_from_accept_to_final(gateway: Gateway, meter: Meter) -> None:
    """Two submissions of fifty, whose messages each have an id of their own at the vendor."""

    def delivered(request: Request) -> dict[str, Any]:
        asked = parse_qs(urlsplit(request.url).query)["messageid"][0]
        return {"Status": "0", "Text": "DELIVRD", "Message_ID": asked}

    gateway.wire.answers[POLL["dinisoft"]] = delivered
    with meter.step() as tally:
        ids = gateway.sent("dinisoft", 100)
        gateway.tick(300)
    assert set(gateway.statuses(ids)) == {"delivered"}
    assert (tally.writes - LEASE_WRITES) / 100 <= 2.2


def wait(count: int) -> None:
    """Stores so many submissions that are due, the same ones in every run."""
    draw = random.Random("due")  # noqa: S311 - the same in every run
    dynamodb.put_all([item for _ in range(count) for item in waiting(ulid(draw), 1)])


def arrive(count: int) -> None:
    """Stores batches of a hundred messages that are final."""
    draw = random.Random("final")  # noqa: S311 - the same in every run
    dynamodb.put_all([item for _ in range(count // 100) for item in final(ulid(draw), 100)])


def tick(gateway: Gateway, after: int) -> int:
    """Runs the clock so many seconds after all was accepted; the vendor has no news."""
    gateway.wire.answers[POLL["server2sms"]] = {"StatusCode": "1"}
    with ThreadPoolExecutor(scheduler_tick.THREADS) as pool:
        now = datetime.fromtimestamp(BEGAN + after, UTC)
        run = tick_run.TickRun(
            vendor_accounts.accounts().adapters, pool, now, math.inf, gateway.wire
        )
        return scheduler_tick.check_all_due(run)


def test_a_tick_asks_the_same_however_much_is_stored(gateway: Gateway, meter: Meter) -> None:
    """To the call and the unit: what is final is never looked at."""
    wait(20)
    found = []
    for after, more in ((4_000, 0), (8_000, 100), (16_000, 2_000)):
        arrive(more)
        with meter.step() as tally:
            assert tick(gateway, after) == 20
        found.append((tally.calls, tally.writes, tally.reads, tally.items))
    assert found[0] == found[1] == found[2]


def test_no_partition_of_the_due_index_has_a_tenth_of_the_traffic(
    gateway: Gateway, meter: Meter
) -> None:
    wait(100)
    traffic = Counter[str]()
    with seen(traffic):
        assert tick(gateway, 4_000) == 100
    assert set(traffic) == set(items.SHARDS)
    assert 100 * max(traffic.values()) / traffic.total() < HOTTEST


def test_a_policy_is_read_once_and_costs_no_message_anything(
    gateway: Gateway, meter: Meter
) -> None:
    """One unit for each process and version; a key's is in the authorizer's answer."""
    set_policy("acme", '{"categories": ["transactional"]}')
    accepted(gateway, "server2sms", 1)  # reads the settings anew
    policies._read.clear()
    first = spent(meter, lambda: accepted(gateway, "server2sms", 1))
    assert of(first) == (
        {"dynamodb.GetItem": 1, "dynamodb.PutItem": 1, "sqs.SendMessageBatch": 1},
        3,
        1,
    )
    again = spent(meter, lambda: accepted(gateway, "server2sms", 1))
    assert of(again) == ({"dynamodb.PutItem": 1, "sqs.SendMessageBatch": 1}, 3, 0)


def test_a_limit_costs_a_request_one_write_unit_and_a_share_of_a_number_one_more(
    gateway: Gateway, meter: Meter
) -> None:
    """However many recipients it has, and with a key's limits too; with an Idempotency-Key one
    read unit, so that a repeat is not counted. A share of a number is one unit a recipient."""
    day = {"messages_per_day": 5_000, "segments_per_day": 9_000, "requests_per_second": 900}
    own = '{"messages_per_day": 4000, "requests_per_second": 300}'

    def costs(count: int, key: str | None = None) -> Tally:
        to = [number("rajasms", nth) for nth in range(count)]
        body = json.dumps({"to": to, "text": TEXT}).encode()
        now = datetime.now(UTC)
        return spent(meter, lambda: send("acme", body, now, key, key_id="K", key_policy=own))

    set_policy("acme", json.dumps(day))
    costs(1)  # reads the settings
    quota._buckets.clear()
    one = {"dynamodb.UpdateItem": 1, "dynamodb.PutItem": 1, "sqs.SendMessageBatch": 1}
    assert of(costs(1)) == (one, 3 + 1, 0)
    many = costs(100)
    assert (many.calls["dynamodb.UpdateItem"], many.writes) == (1, 100 + 2 + 2 + 1)
    named = costs(1, "order-1")
    assert (named.writes, named.reads) == (4 + 1, 1)
    again = costs(1, "order-1")
    assert (again.writes, again.reads) == (0, 3)  # the record, then its batch
    set_policy("acme", json.dumps({**day, "most_per_number_per_day": 50}))
    costs(1)
    assert costs(1).writes == 3 + 2

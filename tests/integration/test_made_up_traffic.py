"""`make demo`: made-up traffic of past days, as the gateway itself would have stored it."""

import json
import math
import re
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import pytest

from local import demo
from local.endings import VENDOR_WORDS
from local.past import TENANTS, Made, PastTraffic
from local.simulators.registry import SIMULATORS
from sms_gateway.config import api_keys
from sms_gateway.config.public_accounts import public_accounts
from sms_gateway.config.routes import routes
from sms_gateway.config.stack_keys import message_key
from sms_gateway.core.status import Status
from sms_gateway.core.ulids import created_at
from sms_gateway.events.change_mapping import events_of
from sms_gateway.events.read_context import ReadContext
from sms_gateway.messages.listing import list_messages, parse_query
from sms_gateway.receipts.apply import ReceiptUpdate, apply_updates
from sms_gateway.storage import dynamodb
from sms_gateway.storage.models import split_id
from sms_gateway.vendors.types import DeliveryReport
from sms_gateway.verifications.start import show_verification
from smsgw.stack import LOCAL_STACK
from testing.gateway import Gateway
from testing.settings import set_routes

DAY = date(2026, 11, 20)
KEYS = {tenant: f"{nth:012x}" for nth, tenant in enumerate(TENANTS)}
BUCKET = "demo-campaigns"
HUNDREDS = {name: str(one.first_number)[:-3] for name, one in SIMULATORS.items()}


@pytest.fixture
def past(gateway: Gateway) -> PastTraffic:
    return PastTraffic(public_accounts(), routes(), KEYS, message_key)


@pytest.fixture
def facts(gateway: Gateway) -> Iterator[demo.Facts]:
    """What `make run` tells of its stack; here it is the faked one."""
    client = boto3.client("s3")
    client.create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    yield {
        "stack_name": "sms-gateway",
        "table": dynamodb.table_name(),
        "campaigns_bucket": BUCKET,
        "url": "http://127.0.0.1:1/v1",
    }
    client.delete_object(Bucket=BUCKET, Key=demo.CAMPAIGN)
    client.delete_bucket(Bucket=BUCKET)


def stored() -> list[dict[str, Any]]:
    """All that the table has, in one order."""
    items = dynamodb.client().scan(TableName=dynamodb.table_name())["Items"]
    return sorted(items, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))


def content_of(made: Made) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(made.items[-1]["data"]["S"])
    return content


def test_a_day_is_always_the_same_and_another_day_is_another(past: PastTraffic) -> None:
    assert list(past.day(DAY)) == list(past.day(DAY))
    ids = [{one.items[-1]["pk"]["S"] for one in past.day(DAY + timedelta(n))} for n in (0, 1)]
    assert not ids[0] & ids[1]


def test_every_vendor_tenant_and_end_has_its_part_and_the_day_its_hours(past: PastTraffic) -> None:
    made = [one for back in range(3) for one in past.day(DAY - timedelta(back))]
    heads = [one.items[-1] for one in made]
    assert {one.tenant for one in made} == set(TENANTS)
    assert {head["vendor"]["S"] for head in heads} == set(VENDOR_WORDS)
    ends = Counter(head["status"]["S"] for head in heads)
    assert set(ends) == {"delivered", "undelivered", "rejected", "expired"}
    assert ends["delivered"] > 0.8 * len(heads)
    hours = Counter(created_at(head["pk"]["S"]).hour for head in heads)
    assert hours[10] > hours[3]


def test_all_happened_within_its_day(past: PastTraffic) -> None:
    for one in past.day(DAY):
        steps = [json.loads(step["S"])[0] for step in one.items[-1]["timeline"]["L"]]
        assert steps == sorted(steps)
        days = {datetime.fromtimestamp(at / 1000, UTC).date() for at in steps}
        assert days == {DAY} == {created_at(one.items[-1]["pk"]["S"]).date()}


def test_no_subscriber_is_named_and_texts_are_plainly_made_up(past: PastTraffic) -> None:
    for one in past.day(DAY):
        content, vendor = content_of(one), one.items[-1]["vendor"]["S"]
        # Nine hundred numbers from the first: those that the simulators' vendor_number gives.
        nth = int(content["to"][1:]) - SIMULATORS[vendor].first_number
        assert 0 <= nth < 900, content["to"]
        if content.get("category") == "otp":
            assert "text" not in content
        else:
            assert re.match(r"Made-up |Dear Asha, your order A-\d+ is", content["text"])


def test_a_made_up_message_is_stored_as_a_real_one(past: PastTraffic, gateway: Gateway) -> None:
    real: dict[str, set[str]] = {}
    for vendor in VENDOR_WORDS:
        (identifier,) = gateway.sent(vendor)
        key = split_id(identifier)
        assert key
        report = DeliveryReport(Status.DELIVERED, code="0", text="x", at=datetime.now(UTC))
        update = ReceiptUpdate(key, Status.DELIVERED, report, 0)
        assert apply_updates([update], vendor, 1, "poll", datetime.now(UTC)) == [True]
        real[vendor] = set(gateway.item(key))
    for one in past.day(DAY):
        head = one.items[-1]
        if head["status"]["S"] == "delivered" and one.tenant != "bank":
            # A real one here has no API key; when the handset got it is not told by all vendors.
            # Without marks a search looks into it.
            own = set(head) - {"restored", "key"}
            assert own | {"done", "marks"} == real[head["vendor"]["S"]] | {"done"}
        assert not set(head) & {"due", "shard", "seed", "sealed"}


def test_the_api_lists_the_days_and_shows_verifications(facts: demo.Facts) -> None:
    assert demo.fill(facts, []) == 0
    now = datetime.now(UTC)
    yesterday = (now - timedelta(days=1)).date()
    bounds = {"created_from": f"{yesterday}T00:00:00Z", "created_to": f"{now.date()}T00:00:00Z"}
    for tenant in TENANTS:
        query, _ = parse_query({**bounds, "limit": "100"})
        found = list_messages(tenant, query, None, now)["messages"]
        assert len(found) >= 20
        assert all(one["final"] and one["key_id"] for one in found)
    codes = [show_verification("bank", one["batch_id"], now) for one in found]
    assert {"approved", "expired"} <= {one["status"] for one in codes}


def test_a_second_time_adds_nothing(facts: demo.Facts, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.fill(facts, []) == 0
    before = stored()
    first = capsys.readouterr().out
    assert first.count("messages added") == 3
    assert demo.fill(facts, []) == 0
    assert stored() == before
    again = capsys.readouterr().out
    assert again.count(" 0 messages added, ") == 3
    assert f"{demo.CAMPAIGN} was there" in again


class AfterSome(list[int]):
    """Ctrl-C after so many messages."""

    def __init__(self, some: int) -> None:
        super().__init__()
        self.left = some

    def __bool__(self) -> bool:
        self.left -= 1
        return self.left < 0


def test_what_is_stopped_is_whole_as_far_as_it_came_and_goes_on(facts: demo.Facts) -> None:
    assert demo.fill(facts, AfterSome(60)) == 130
    heads = {item["pk"]["S"] for item in stored() if item["sk"]["S"] == "M#000"}
    codes = {item["pk"]["S"] for item in stored() if item["sk"]["S"] == "V"}
    assert len(heads) == 60
    assert codes <= heads
    assert demo.fill(facts, []) == 0
    assert len({item["pk"]["S"] for item in stored() if item["sk"]["S"] == "M#000"}) == 345


def test_a_signal_is_noted_and_breaks_nothing_off() -> None:
    before = signal.getsignal(signal.SIGINT)
    with demo._interrupts() as stopped:
        signal.raise_signal(signal.SIGINT)
        assert stopped == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is before


def test_nobody_hears_of_the_past(past: PastTraffic) -> None:
    context = ReadContext(full=False, operator=True, until=math.inf)
    for one in past.day(DAY):
        dynamodb.put_all(one.items)
        for item in one.items:
            assert list(events_of({"dynamodb": {"NewImage": item}}, context)) == []


def test_what_has_no_route_is_left_out_and_the_rest_is_the_same(past: PastTraffic) -> None:
    whole = {one.items[-1]["pk"]["S"] for one in past.day(DAY)}
    set_routes(json.dumps({"routes": [{"prefix": "+62", "vendors": ["rajasms"]}]}))
    less = PastTraffic(past.accounts, routes(), KEYS, message_key)
    left = {one.items[-1]["pk"]["S"] for one in less.day(DAY)}
    assert left < whole
    assert left


def test_a_campaign_has_rows_to_numbers_of_no_subscriber() -> None:
    _, *rows = demo.campaign_file().decode().splitlines()
    assert len(rows) == demo.CAMPAIGN_ROWS
    numbers = [row.split(",")[0] for row in rows]
    assert len(set(numbers)) > demo.CAMPAIGN_ROWS - 3
    assert all(one[1:].startswith(tuple(HUNDREDS.values())) for one in numbers)


def test_a_tenants_key_is_made_once(facts: demo.Facts) -> None:
    demo.fill(facts, [])
    (mine,) = [key for key in api_keys.list_keys() if key.tenant == "shop"]
    api_keys.revoke_key(mine.id, datetime.now(UTC))
    demo.fill(facts, [])
    (still,) = [key for key in api_keys.list_keys() if key.tenant == "shop"]
    assert still.revoked_at


class NotOurs(BaseHTTPRequestHandler):
    """A server that is no emulator."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_error(404)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        (None, "is missing: start the local stack with `make run`"),
        ("", "is not as `make run` writes it"),
        ("https://dynamodb.eu-central-1.amazonaws.com", "is not on this machine"),
        ("http://127.0.0.1.example.com:4566", "is not on this machine"),
        ("http://127.0.0.1:{free}", "the local stack does not run: start it with `make run`"),
        ("http://127.0.0.1:{other}", "the local stack does not run: start it with `make run`"),
    ],
)
def test_anything_else_than_the_running_local_stack_is_refused_in_a_line(
    endpoint: str | None,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    server = HTTPServer(("127.0.0.1", 0), NotOurs)
    Thread(target=server.serve_forever, daemon=True).start()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        ports = {"free": unused.getsockname()[1], "other": server.server_port}
    if endpoint is not None:
        LOCAL_STACK.parent.mkdir()
        facts = dict.fromkeys(demo.FACTS, "x") | {"endpoint_url": endpoint.format(**ports)}
        LOCAL_STACK.write_text(json.dumps(facts) if endpoint else '{"endpoint_url": ')
    try:
        assert demo.main() == 1
    finally:
        server.shutdown()
        server.server_close()
    error = capsys.readouterr().err
    assert error.startswith("make demo: ")
    assert said in error
    assert error.count("\n") == 1

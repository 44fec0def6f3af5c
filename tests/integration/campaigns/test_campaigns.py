"""Campaigns: an uploaded CSV becomes messages, each row once, whatever stops the worker."""

import csv
import io
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote_plus, unquote_plus

import boto3
import click
import pytest
from moto.s3.exceptions import NoSuchUpload
from moto.s3.models import S3Backend

from sms_gateway.aws import clients as aws_clients
from sms_gateway.campaigns import chunks, file_check, s3_files, settings, worker
from sms_gateway.campaigns import model as campaign
from sms_gateway.campaigns import (
    repository as campaign_repository,
)
from sms_gateway.campaigns.cancel import cancel_unsent
from sms_gateway.campaigns.model import Campaign
from sms_gateway.campaigns.results import MAX_FAILURES, write_results
from sms_gateway.campaigns.views import refuse_campaign
from sms_gateway.config import api_keys, cached_setting, routes, vendor_accounts
from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.messages import listing
from sms_gateway.storage import dynamodb, message_repository
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.models import ItemKey
from sms_gateway.vendor_accounts.balances import get_balances
from sms_gateway.vendors.types import VendorResponse
from smsgw.__main__ import ROOT as SMSGW
from smsgw.errors import CommandError
from smsgw.line import Command, Work
from testing.gateway import Gateway
from testing.numbers import number
from testing.paths import ROOT
from testing.processes import function
from testing.queues import emptied
from testing.rights import acting_as, may
from testing.settings import (
    ACCOUNTS,
    set_accounts,
    set_campaign_defaults,
    set_guards,
    set_policy,
    set_stopped,
)
from testing.stream import Stream, streaming
from testing.vendor_answers import POLL, SUBMIT, TAKES, arrived
from testing.vendor_cases import adapter

STATUS, CAMPAIGN = function("status"), function("campaign_worker")
QUEUE = "campaigns"


@pytest.fixture
def bucket(gateway: Gateway) -> Iterator[Any]:
    """An empty bucket and a tenant that may send."""
    api_keys.create_key("acme", ("messages:send",), "", datetime.now(UTC))
    client = boto3.client("s3")
    client.create_bucket(
        Bucket=s3_files.bucket_name(),
        CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
    )
    boto3.client("sqs").create_queue(QueueName=QUEUE)
    set_campaign_defaults({})
    yield client
    for one in client.list_objects_v2(Bucket=s3_files.bucket_name()).get("Contents", []):
        client.delete_object(Bucket=s3_files.bucket_name(), Key=one["Key"])
    client.delete_bucket(Bucket=s3_files.bucket_name())
    emptied(QUEUE)


def upload(bucket: Any, body: str | bytes, key: str = "campaigns/acme/spring sale.csv") -> str:
    """Uploads a file; S3's notice of it, as the queue has it."""
    raw = body.encode() if isinstance(body, str) else body
    answer = bucket.put_object(Bucket=s3_files.bucket_name(), Key=key, Body=raw)
    one = {"key": quote_plus(key), "eTag": answer["ETag"].strip('"'), "size": len(raw)}
    return json.dumps(
        {"Records": [{"s3": {"bucket": {"name": s3_files.bucket_name()}, "object": one}}]}
    )


def work(body: str, remaining: float = 1000) -> None:
    worker.handle_record(body, remaining)


def to_the_end(notice: str) -> Campaign:
    """Works until nobody is called any more; the file's campaign."""
    work(notice)
    while waiting := emptied(QUEUE):
        for one in waiting:
            work(one.body)
    key = unquote_plus(json.loads(notice)["Records"][0]["s3"]["object"]["key"])
    (found,) = (one for one in campaign_repository.list_campaigns() if one.key == key)
    return found


def results(bucket: Any, key: str = "results/acme/spring sale.csv") -> list[dict[str, str]]:
    body = bucket.get_object(Bucket=s3_files.bucket_name(), Key=key)["Body"].read().decode()
    return list(csv.DictReader(io.StringIO(body)))


def rows(count: int) -> str:
    return "".join(f"{number('server2sms', nth)},Hello {nth}\r\n" for nth in range(count))


def shown(identifier: str, tenant: str = "acme") -> Any:
    answer = STATUS.handler(
        {
            "httpMethod": "GET",
            "path": f"/batches/{identifier}",
            "headers": {},
            "requestContext": {"authorizer": {"tenant": tenant, "scopes": "messages:read"}},
        },
        SimpleNamespace(),
    )
    return answer["statusCode"], json.loads(answer["body"])


def stored() -> Counter[str]:
    """How many messages of accepted batches the table holds, by text."""
    items = dynamodb.client().scan(TableName=dynamodb.table_name())["Items"]
    accepted = {item["pk"]["S"] for item in items if "tenant" in item}
    texts: Counter[str] = Counter()
    for batch in accepted - {"KEYS"}:
        whole = message_repository.whole_batch(batch)
        assert whole
        texts.update(message.content.text for message, _ in whole[1])
    return texts


def test_every_row_becomes_a_message_and_a_line_of_the_results(bucket: Any) -> None:
    one = to_the_end(upload(bucket, "to,text\r\n" + rows(1100)))
    assert (one.state, one.rows, one.row, one.sent, one.refused) == ("sending", 1100, 1100, 1100, 0)
    assert stored() == Counter({f"Hello {nth}": 1 for nth in range(1100)})
    lines = results(bucket)
    assert [line["row"] for line in lines] == [str(nth) for nth in range(1, 1101)]
    assert {line["status"] for line in lines} == {"accepted"}
    status, body = shown(one.id)
    assert status == 200
    assert body["total"] == 1100
    assert body["counts"] == {"accepted": 1100}
    assert body["campaign"]["results"] == "results/acme/spring sale.csv"
    assert shown(one.id, "another")[0] == 404


class Killed(BaseException):
    """The end of a worker: nothing catches it."""


def kill_at(nth: int, when: str) -> Callable[[], bool]:
    """Kills the worker at its nth call of AWS, before or after it is done; what is returned ends
    that, and says whether it came to it."""
    clients = [aws_clients.client(name) for name in ("dynamodb", "s3", "sqs")]
    left = [nth]

    def handler(**_: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    for client in clients:
        client.meta.events.register_first(f"{when}-call", handler)

    def end() -> bool:
        for client in clients:
            client.meta.events.unregister(f"{when}-call", handler)
        return left[0] < 0

    return end


def much_later() -> None:
    """Whoever was at work is dead."""
    for item in dynamodb.client().scan(TableName=dynamodb.table_name())["Items"]:
        if item["sk"]["S"].startswith("R#"):
            ItemUpdate(ItemKey(item["pk"]["S"], item["sk"]["S"])).set("started", 0).apply()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worker_killed_at_any_call_leaves_each_row_once(bucket: Any, when: str) -> None:
    body = "to,text\n" + rows(3) + "nobody,Hello\n"
    nth = 0
    while True:
        notice = upload(bucket, body, f"campaigns/acme/{when}-{nth}.csv")
        end = kill_at(nth, when)
        with suppress(Killed):
            to_the_end(notice)
        killed = end()
        much_later()
        done = to_the_end(notice)
        assert (done.state, done.row, done.sent, done.refused) == ("sending", 4, 3, 1)
        lines = results(bucket, f"results/acme/{when}-{nth}.csv")
        assert [line["status"] for line in lines] == ["accepted"] * 3 + ["refused"]
        nth += 1
        if not killed:
            break
    assert nth > 30
    assert stored() == Counter({f"Hello {row}": nth for row in range(3)})


def fails(bucket: Any, body: str | bytes, key: str = "campaigns/acme/a.csv") -> tuple[Any, str]:
    """Works on a file that can't be sent: its problem's type, and the only line of its results."""
    one = to_the_end(upload(bucket, body, key))
    assert (one.state, one.row, one.sent, one.final) == ("failed", 0, 0, True)
    assert stored() == Counter()
    (line,) = results(bucket, one.results_key)
    assert one.problem
    assert line["status"] == "failed"
    assert one.problem["detail"] in line["problem"]
    return one.problem["type"].removeprefix("/problems/"), one.problem["detail"]


ONE = number("server2sms")


def test_a_spreadsheets_file_is_read_chunk_by_chunk(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 2)
    key = "campaigns/acme/NAME.CSV"
    body = (
        "\ufeff\ufeffsep=;\r\n To ;Name;Template;Region;;\r\n"
        f"{ONE};Ani;Hi {{name}}, you;;;\r\n"
        ";;;;;\r\n"
        '01712345678;Budi;"Hi {Name};";bd;;\r\n'
        "01712345678;Citra;Hi;;;\r\n"
    )
    done = to_the_end(upload(bucket, body, key))
    assert (done.state, done.row, done.sent, done.refused) == ("sending", 3, 2, 1)
    assert stored() == Counter({"Hi Ani, you": 1, "Hi Budi;": 1})
    lines = results(bucket, "results/acme/NAME.CSV")
    assert [line["status"] for line in lines] == ["accepted", "accepted", "refused"]
    assert lines[2]["problem"].startswith(
        "invalid-number (to): The number does not say its country"
    )


def test_a_quote_that_is_not_closed_loses_its_own_row_only(bucket: Any) -> None:
    body = (
        'to,text\n+8801000000041,"Big sale today\n+8801000000042,Your code is 1234\n'
        '+8801000000043,Your new TV is 55"\n+8801000000044,bye\n'
    )
    done = to_the_end(upload(bucket, body, "campaigns/acme/a.csv"))
    assert (done.row, done.sent, done.refused) == (4, 3, 1)
    assert stored() == Counter({"Your code is 1234": 1, 'Your new TV is 55"': 1, "bye": 1})


@pytest.mark.parametrize(
    ("body", "slug", "words"),
    [
        ("number,text\n+1,Hi\n", "campaign-columns", 'no column "to"'),
        ("to,to,text\n+1,+1,Hi\n", "campaign-columns", "twice"),
        ("to,reference\n+1,a\n", "campaign-columns", '"text" or a column "template"'),
        ("to,text,template\n+1,a,b\n", "campaign-columns", '"text" or a column "template"'),
        ("", "campaign-columns", "no first line"),
        ("to,text\n\r\n", "campaign-empty", "no rows"),
        (f"to,text\n{ONE},Hi\n".encode("utf-16"), "campaign-encoding", "UTF-16"),
        (f"to,text\n{ONE},Hi\n{ONE},café\n".encode("latin-1"), "campaign-encoding", "(byte 42)"),
        (f"to,text\n{ONE},{'x' * 2_000_000}\n", "campaign-line-too-long", "line at byte 8 "),
        (f"to,text\n{ONE},Hi\n".encode("utf-16-le"), "campaign-encoding", "UTF-16"),
    ],
)
def test_a_file_that_can_not_be_sent_sends_nothing_and_says_why(
    bucket: Any, body: str | bytes, slug: str, words: str
) -> None:
    got, detail = fails(bucket, body)
    assert got == slug
    assert words in detail


def test_a_million_and_one_rows_send_nothing(bucket: Any) -> None:
    slug, detail = fails(bucket, b"to,text\n" + b"+1,a\n" * 1_000_001)
    assert slug == "campaign-too-many-rows"
    assert "1000000" in detail


@pytest.mark.parametrize(
    ("body", "block", "look"),
    [
        (b"to,text\n" + b"\n" * 3_000_000, 30.0, 0.0),  # no row in it
        (b"to,text\n" + b'x","\n' * 200, 0.0, 0.25),  # each row is looked for in all behind it
    ],
)
def test_a_file_that_takes_too_long_to_check_fails_and_says_why(
    bucket: Any, monkeypatch: pytest.MonkeyPatch, body: bytes, block: float, look: float
) -> None:
    """On a clock that goes on by so many seconds at each block, and each time somebody looks."""
    real, late = time.time, [0.0]

    def slow() -> float:
        late[0] += look
        return real() + late[0]

    def reading(**_: Any) -> None:
        late[0] += block

    notice = upload(bucket, body)
    events = aws_clients.client("s3").meta.events
    events.register("before-call.s3.GetObject", reading)
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", slow)
        work(notice, 50)
    events.unregister("before-call.s3.GetObject", reading)
    (one,) = campaign_repository.list_campaigns()
    assert one.problem
    assert (one.state, one.problem["type"]) == ("failed", "/problems/campaign-too-slow")
    for call in emptied(QUEUE):
        work(call.body)
    (line,) = results(bucket)
    assert "remove empty lines" in line["problem"]
    assert stored() == Counter()


def test_a_worker_without_the_time_to_check_a_file_leaves_it_to_the_next(bucket: Any) -> None:
    one = to_the_end(upload(bucket, "to,text\n" + rows(1)))
    assert one.state == "sending"
    work(upload(bucket, "to,text\n" + rows(2)), file_check.CHECK_SECONDS - 1)
    later_one = campaign_repository.list_campaigns()[-1]
    assert (later_one.state, later_one.rows) == ("reading", None)
    assert [call.body for call in emptied(QUEUE)] == [later_one.id]


def test_a_refusal_that_will_not_last_stops_the_campaign_until_it_is_resumed(
    gateway: Gateway, bucket: Any
) -> None:
    set_accounts({**ACCOUNTS, "dinisoft": {}})
    body = "to,text\n" + rows(3) + f"nobody,Hello\n{number('dinisoft')},Hello there\n"
    notice = upload(bucket, body)
    one = to_the_end(notice)
    assert (one.state, one.row, one.sent, one.refused) == ("failed", 0, 0, 0)
    assert one.problem
    assert one.problem["type"] == "/problems/vendor-not-configured"
    assert (one.problem["vendor"], one.problem["retryable"]) == ("dinisoft", False)
    assert one.problem["detail"] == (
        "Row 5: The account at dinisoft is not usable; the operator must mend its settings. "
        "Then resume the campaign: it goes on at row 1."
    )
    operate("resume", one.id)
    assert to_the_end(notice).state == "failed"  # nothing was mended
    set_accounts(ACCOUNTS)
    operate("resume", one.id)
    one = to_the_end(notice)
    assert (one.state, one.row, one.sent, one.refused) == ("sending", 5, 4, 1)
    assert stored() == Counter({f"Hello {nth}": 1 for nth in range(3)} | {"Hello there": 1})
    assert [line["status"] for line in results(bucket)] == [
        *["accepted"] * 3,
        "refused",
        "accepted",
    ]


@pytest.mark.parametrize(
    ("key", "slug"),
    [
        ("campaigns/nobody/a.csv", "unknown-tenant"),
        ("campaigns/a.csv", "campaign-name"),
        ("campaigns/acme/a.txt", "campaign-name"),
        ("campaigns/acme/b/a.csv", "campaign-name"),
    ],
)
def test_a_file_in_the_wrong_place_says_where_it_belongs(bucket: Any, key: str, slug: str) -> None:
    assert fails(bucket, f"to,text\n{ONE},Hi\n", key)[0] == slug


def test_a_test_key_entitles_no_tenant_to_a_campaign(bucket: Any) -> None:
    api_keys.create_key("tester", ["messages:send"], "", datetime.now(UTC), test=True)
    key = "campaigns/tester/a.csv"
    assert fails(bucket, f"to,text\n{ONE},Hi\n", key)[0] == "unknown-tenant"


def test_a_tenant_whose_key_was_revoked_sends_no_campaign(bucket: Any) -> None:
    api_keys.revoke_key(api_keys.list_keys()[0].id, datetime.now(UTC))
    assert fails(bucket, f"to,text\n{ONE},Hi\n")[0] == "unknown-tenant"


def test_a_stopped_tenants_campaign_fails_and_goes_on_when_it_is_resumed(bucket: Any) -> None:
    set_stopped("acme")
    notice = upload(bucket, "to,text\r\n" + rows(3))
    failed = to_the_end(notice)
    assert failed.problem
    assert (failed.state, failed.problem["type"]) == ("failed", "/problems/tenant-stopped")
    assert stored() == {}
    set_stopped()
    operate("resume", failed.id)
    work(failed.id)
    assert stored().total() == 3


def test_a_campaigns_rows_obey_its_tenants_policy(bucket: Any) -> None:
    written = json.dumps({"recipients": [number("jst", 0)]})
    set_policy("acme", written)
    file = f"to,text\n{number('jst', 0)},Hi\n{number('jst', 1)},Hi\n"
    done = to_the_end(upload(bucket, file))
    assert (done.sent, done.refused) == (1, 1)
    assert "does not allow this number" in results(bucket)[1]["problem"]


@pytest.mark.parametrize(("category", "sent"), [("otp", 3), ("transactional", 4)])
def test_a_campaigns_codes_are_guarded_and_its_other_messages_are_not(
    bucket: Any, monkeypatch: pytest.MonkeyPatch, category: str, sent: int
) -> None:
    monkeypatch.setenv("PUMPING_GUARD", "true")
    set_guards({"acme": {"mode": "block"}})
    set_campaign_defaults({"acme": {"category": category}})
    file = "to,text\n" + "".join(f"{number('jst', nth)},Code 1{nth}\n" for nth in range(4))
    checked = to_the_end(upload(bucket, file, "check/acme/codes.csv"))
    assert checked.refused == 0  # and nothing is counted of it
    done = to_the_end(upload(bucket, file))
    for action in ("BatchGetItem", "Query", "UpdateItem"):
        assert may("CampaignWorkerFunction", action, "GUARD#acme#country#IN")
    assert (done.sent, done.refused) == (sent, 4 - sent)
    problems = [one["problem"] for one in results(bucket)]
    assert problems[:sent] == [""] * sent
    assert all("nobody typed in" in problem for problem in problems[sent:])


def test_settings_that_are_not_valid_send_nothing(bucket: Any) -> None:
    set_campaign_defaults({"*": {"catgory": "otp"}})
    assert fails(bucket, f"to,text\n{ONE},Hi\n")[0] == "campaign-settings"


def test_a_bad_row_is_refused_and_the_rest_goes_on(bucket: Any) -> None:
    set_campaign_defaults({"*": {"category": "promotional"}, "acme": {"from": "ACME"}})
    over = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    lines = [
        "to,name,template,reference,send_at",
        f'{number("server2sms", 0)},Ani,"Hi {{name}}, {{{{you}}}}",r-0,',
        f"{number('server2sms', 1)},,Hi {{name}},,",
        f"{number('server2sms', 2)},x,Hi {{nmae}},,",
        f"{number('server2sms', 3)},x",
        "12,x,Hi {name},,",
        f"{number('server2sms', 5)},x,Hi {{name}},,{over}",
        f"{number('server2sms', 6)},x,Hi {{name}},,tomorrow",
        f'{number("server2sms", 7)},x,"never closed,,',
        f"{number('server2sms', 7)},x,{'x' * 40_000},,",
        f'{number("server2sms", 7)},x,"a\0\x07",,',
        f'{number("server2sms", 8)},"two\r\nlines",Hi {{name}},,{later}',
        f"{number('server2sms', 9)},x,Hi {{name}},{'r' * 65},",
    ]
    one = to_the_end(upload(bucket, "\ufeff" + "\r\n".join(lines)))
    got = results(bucket)
    assert [line["status"] for line in got] == [
        "accepted",
        *["refused"] * 9,
        "scheduled",
        "refused",
    ]
    assert [line["problem"].partition(":")[0] for line in got] == [
        "",
        "missing-placeholder (template)",
        "missing-placeholder (template)",
        "broken-row",
        "invalid-number (to)",
        "send-at-in-the-past (send_at)",
        "invalid-request (send_at)",
        "broken-row",
        "broken-row",
        "control-characters (text)",
        "",
        "invalid-request (reference)",
    ]
    assert (one.sent, one.refused) == (2, 10)
    assert stored() == Counter({"Hi Ani, {you}": 1, "Hi two\r\nlines": 1})
    whole = message_repository.whole_batch(got[0]["id"][:26])
    assert whole
    content = whole[1][0][0].content
    assert (content.sender, content.category, content.reference) == ("ACME", "promotional", "r-0")


def test_an_upload_that_is_repeated_sends_nothing_again(bucket: Any) -> None:
    body = "to,text\n" + rows(2)
    first = to_the_end(upload(bucket, body))
    assert to_the_end(upload(bucket, body)).id == first.id
    assert stored() == Counter({"Hello 0": 1, "Hello 1": 1})


def test_a_file_that_is_replaced_before_it_was_read_is_not_sent(bucket: Any) -> None:
    old = upload(bucket, "to,text\n" + rows(2))
    new = upload(bucket, "to,text\n" + rows(3))
    work(old)
    work(new)
    first, second = campaign_repository.list_campaigns()
    assert first.problem
    assert (first.state, first.problem["type"]) == ("failed", "/problems/campaign-file-replaced")
    assert (second.state, second.sent) == ("sending", 3)
    assert [line["status"] for line in results(bucket)] == ["accepted"] * 3
    work(first.id)
    assert len(results(bucket)) == 3  # the older campaign leaves it alone


def test_a_worker_out_of_time_calls_the_next_one(bucket: Any) -> None:
    work(upload(bucket, "to,text\n" + rows(2)), 5)
    (one,) = campaign_repository.list_campaigns()
    assert (one.state, one.row) == ("reading", 0)
    (call,) = emptied(QUEUE)
    assert call.body == one.id
    work(call.body)
    assert stored() == Counter({"Hello 0": 1, "Hello 1": 1})


def test_the_clock_calls_a_worker_for_a_campaign_whose_own_died(
    gateway: Gateway, bucket: Any
) -> None:
    notice = upload(bucket, "to,text\n" + rows(2))
    end = kill_at(12, "before")
    with pytest.raises(Killed):
        work(notice)
    assert end()
    assert gateway.tick(after=30) == 0
    assert gateway.tick(after=campaign.WORKER_TIMEOUT_SECONDS + 1) == 1
    much_later()
    (call,) = emptied(QUEUE)
    work(call.body)
    assert stored() == Counter({"Hello 0": 1, "Hello 1": 1})


def test_two_workers_at_one_campaign_send_each_row_once(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_part = S3Backend.upload_part

    def as_s3_does(backend: S3Backend, name: str, upload: str, *part: Any) -> Any:
        """moto breaks at the part of an upload that the other worker has just completed."""
        try:
            return upload_part(backend, name, upload, *part)
        except KeyError:
            raise NoSuchUpload(upload_id=upload) from None

    monkeypatch.setattr(S3Backend, "upload_part", as_s3_does)
    notice = upload(bucket, "to,text\n" + rows(40))
    for setting in (
        vendor_accounts.accounts,
        routes.routes,
        settings.campaign_defaults,
    ):
        setting()  # a function reads them before it has threads
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, [notice] * 4))
    much_later()
    to_the_end(notice)
    assert stored() == Counter({f"Hello {nth}": 1 for nth in range(40)})


def test_results_are_written_again_until_every_message_is_final(
    gateway: Gateway, bucket: Any
) -> None:
    gateway.wire.answers[SUBMIT["server2sms"]] = TAKES["server2sms"]
    one = to_the_end(upload(bucket, "to,text\n" + rows(3)))
    assert not one.final
    gateway.dispatch("server2sms")
    gateway.wire.answers[POLL["server2sms"]] = arrived
    gateway.tick(after=campaign.WORKER_TIMEOUT_SECONDS + 60)
    gateway.tick(after=campaign.WORKER_TIMEOUT_SECONDS + 60)
    for call in emptied(QUEUE):
        work(call.body)
    assert {line["status"] for line in results(bucket)} == {"delivered"}
    status, body = shown(one.id)
    assert (status, body["final"], body["counts"]) == (200, True, {"delivered": 3})
    assert gateway.tick(after=100_000) == 0
    work(one.id)  # it is over


@pytest.fixture
def stream(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stream]:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "publish_events")
    yield from streaming()


def got(stream: Stream, kind: str = "") -> list[dict[str, Any]]:
    """The documents of what was told since the last call, of one kind if one is given."""
    stream.got.events.clear()
    assert stream.publish() == []
    return [one.to_dict() for one in stream.got.events if one.type == kind or not kind]


def delivered(gateway: Gateway) -> None:
    """Every message is delivered, and the campaign's results are written."""
    gateway.wire.answers[SUBMIT["server2sms"]] = TAKES["server2sms"]
    gateway.wire.answers[POLL["server2sms"]] = arrived
    gateway.dispatch("server2sms")
    for _ in range(2):
        gateway.tick(after=campaign.WORKER_TIMEOUT_SECONDS + 60)
    for call in emptied(QUEUE):
        work(call.body)


@pytest.mark.parametrize("count", [1, 7])
def test_all_that_is_told_of_a_campaign_names_it_and_its_end_is_told_once(
    gateway: Gateway, bucket: Any, stream: Stream, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 5)
    one = to_the_end(upload(bucket, "to,text\n" + rows(count) + "12,Hi\n"))
    delivered(gateway)
    every = got(stream)
    assert {document["data"]["campaign_id"] for document in every} == {one.id}
    ended = [document for document in every if document["type"] == "BatchCompleted"]
    whole = [document for document in ended if document["data"]["batch_id"] == one.id]
    batches = {document["data"]["batch_id"] for document in ended} - {one.id}
    assert batches == batches_of(one.id)
    assert len(batches) == (1 if count == 1 else 2)
    (document,) = whole
    assert document["data"] == {
        "batch_id": one.id,
        "campaign_id": one.id,
        "total": count,
        "counts": {"delivered": count},
        "state": "done",
        "rows_refused": 1,
    }
    assert document["tenant"] == "acme"
    work(one.id)
    assert got(stream, "BatchCompleted") == []


def batches_of(identifier: str) -> set[str]:
    """The ids of the batches that a campaign's chunks became."""
    items = dynamodb.query("pk = :pk", {":pk": {"S": identifier}})
    return {item["batch"]["S"] for item in items if "batch" in item}


def test_a_campaign_that_failed_and_was_resumed_comes_to_two_ends(
    gateway: Gateway, bucket: Any, stream: Stream
) -> None:
    api_keys.revoke_key((key := api_keys.list_keys()[0]).id, datetime.now(UTC))
    notice = upload(bucket, "to,text\n" + rows(2))
    one = to_the_end(notice)
    (failed,) = got(stream, "BatchCompleted")
    assert (failed["data"]["state"], failed["data"]["total"]) == ("failed", 0)
    api_keys.create_key(key.tenant, key.scopes, "", datetime.now(UTC))
    operate("resume", one.id)
    to_the_end(notice)
    delivered(gateway)
    done = [one for one in got(stream, "BatchCompleted") if "state" in one["data"]]
    assert [one["data"]["state"] for one in done] == ["done"]
    assert done[0]["id"] != failed["id"]


def test_nothing_is_told_of_a_campaign_in_nobodys_folder(bucket: Any, stream: Stream) -> None:
    one = to_the_end(upload(bucket, f"to,text\n{ONE},Hi\n", "campaigns/a b/a.csv"))
    assert one.final
    assert got(stream) == []


def test_a_list_of_a_campaign_s_messages_says_where_they_are(bucket: Any) -> None:
    one = to_the_end(upload(bucket, "to,text\n" + rows(2)))

    def page(tenant: str) -> dict[str, Any]:
        query, cursor = listing.parse_query({"batch_id": one.id})
        return listing.list_messages(tenant, query, cursor, datetime.now(UTC), refuse_campaign)

    with pytest.raises(InvalidRequestError) as refused:
        page("acme")
    assert refused.value.slug == "batch-is-a-campaign"
    assert "results/acme/spring sale.csv" in str(refused.value)
    assert page("another") == {"messages": [], "cursor": None}


def test_a_test_key_learns_of_no_campaign(bucket: Any) -> None:
    one = to_the_end(upload(bucket, "to,text\n" + rows(2)))

    def asked(path: str, *, test: bool, **query: str) -> int:
        key = {"tenant": "acme", "scopes": "messages:read", **({"test": "true"} if test else {})}
        event = {"httpMethod": "GET", "path": path, "queryStringParameters": query}
        event["requestContext"] = {"authorizer": key}
        return int(function("status").handler(event, None)["statusCode"])

    assert asked("/messages", test=False, batch_id=one.id) == 422
    assert asked("/messages", test=True, batch_id=one.id) == 200
    assert asked(f"/batches/{one.id}", test=True) == 404


def test_a_queue_message_that_nobody_wrote_is_a_failure(bucket: Any) -> None:
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 50_000)
    test = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"})
    stranger = json.loads(upload(bucket, "to,text\n" + rows(1)))
    stranger["Records"][0]["s3"]["bucket"]["name"] = "another"
    bodies = ["nonsense", "[]", test, json.dumps(stranger)]
    records = [{"messageId": str(nth), "body": body} for nth, body in enumerate(bodies)]
    answer = CAMPAIGN.handler({"Records": records}, context)
    assert [one["itemIdentifier"] for one in answer["batchItemFailures"]] == ["0", "1", "3"]
    assert stored() == Counter()


def operate(what: str, *words: str) -> None:
    def run(_command: Command, _line: click.Context, work: Work) -> Any:
        return work()

    with SMSGW.make_context("smsgw", ["campaigns", what, *words], obj=run) as line:
        SMSGW.invoke(line)


def test_a_campaign_is_paused_resumed_and_cancelled(
    bucket: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    notice = upload(bucket, "to,text\n" + rows(1002))
    work(notice, 5)
    (one,) = campaign_repository.list_campaigns()
    operate("pause", one.id)
    to_the_end(notice)
    assert stored() == Counter()
    with pytest.raises(CommandError, match="is paused: only one that is reading"):
        operate("pause", one.id)
    operate("resume", one.id)
    assert to_the_end(notice).sent == 1002
    with pytest.raises(CommandError, match="the campaign is sending: only one that is paused"):
        operate("resume", one.id)
    operate("list")
    operate("show", one.id)
    said = capsys.readouterr().out
    assert "1002 in the file, 1002 read, 1002 sent, 0 refused" in said
    assert "results/acme/spring sale.csv" in said
    with pytest.raises(CommandError, match="there is no campaign x"):
        operate("show", "x")


def test_cancelling_takes_back_what_has_not_left(gateway: Gateway, bucket: Any) -> None:
    notice = upload(bucket, "to,text\n" + rows(1002))
    end = kill_at(80, "before")
    with pytest.raises(Killed):
        work(notice)
    assert end()
    (one,) = campaign_repository.list_campaigns()
    operate("cancel", one.id)
    much_later()
    done = to_the_end(notice)
    assert (done.state, done.final) == ("cancelled", True)
    gateway.dispatch("server2sms")  # nobody answers: nothing may leave
    assert gateway.wire.sent == []
    assert {line["status"] for line in results(bucket)} <= {"cancelled"}
    assert done.row in (0, 1000)


def later(count: int, vendor: str = "server2sms", seconds: int = 0) -> str:
    """A file of rows for tomorrow, `seconds` apart."""
    at = datetime.now(UTC) + timedelta(days=1)
    return "to,text,send_at\r\n" + "".join(
        f"{number(vendor, nth)},Hello,{(at + timedelta(seconds=nth * seconds)).isoformat()}\r\n"
        for nth in range(count)
    )


def times(most: int) -> Callable[[float], bool]:
    """Time for so many looks at the clock."""
    left = [most]

    def time_for(_: float) -> bool:
        left[0] -= 1
        return left[0] >= 0

    return time_for


def test_a_campaign_that_was_read_is_cancelled_as_long_as_messages_wait(
    gateway: Gateway, bucket: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    one = to_the_end(upload(bucket, later(1002)))
    assert (one.state, one.final) == ("sending", False)
    operate("cancel", one.id)
    operate("show", one.id)
    assert "rows 1 to 1002 are still to be cancelled" in capsys.readouterr().out
    gateway.tick(after=1)
    for call in emptied(QUEUE):
        work(call.body)
    (one,) = campaign_repository.list_campaigns()
    assert (one.state, one.rows_left_to_cancel, one.final) == ("cancelled", 0, True)
    assert {line["status"] for line in results(bucket)} == {"cancelled"}
    gateway.tick(after=90_000)
    assert gateway.queued("server2sms") == []
    operate("show", one.id)
    assert "still to be cancelled" not in capsys.readouterr().out
    assert shown(one.id)[1]["counts"] == {"cancelled": 1002}


def test_a_campaign_whose_messages_are_all_final_is_not_cancelled(
    gateway: Gateway, bucket: Any
) -> None:
    gateway.wire.answers[SUBMIT["server2sms"]] = TAKES["server2sms"]
    one = to_the_end(upload(bucket, "to,text\r\n" + rows(3)))
    gateway.dispatch("server2sms")
    gateway.wire.answers[POLL["server2sms"]] = arrived
    gateway.tick(after=campaign.WORKER_TIMEOUT_SECONDS + 60)
    gateway.tick(after=campaign.WORKER_TIMEOUT_SECONDS + 60)
    for call in emptied(QUEUE):
        work(call.body)
    with pytest.raises(CommandError, match="each of its messages: nothing is left to cancel"):
        operate("cancel", one.id)


def test_what_was_handed_to_a_vendor_is_not_taken_back(gateway: Gateway, bucket: Any) -> None:
    gateway.wire.answers[SUBMIT["dinisoft"]] = TAKES["dinisoft"]
    body = "to,text\r\n" + "".join(f"{number('dinisoft', nth)},Hello\r\n" for nth in range(60))
    one = to_the_end(upload(bucket, body))
    queued = gateway.queued("dinisoft")
    assert gateway.work(queued[:1]) == []
    operate("cancel", one.id)
    work(one.id)
    statuses = Counter(line["status"] for line in results(bucket))
    sent = len(gateway.wire.sent)
    assert statuses == {"submitted": sent, "cancelled": 60 - sent}
    assert 0 < sent < 60
    assert gateway.work(queued[1:]) == []  # their tasks are still in the queue
    assert len(gateway.wire.sent) == sent


def test_taking_back_goes_on_where_a_worker_ran_out_of_time(bucket: Any) -> None:
    apart_by_time = later(202, "dinisoft", seconds=1).partition("\r\n")[2]
    one = to_the_end(upload(bucket, later(1000) + apart_by_time))
    operate("cancel", one.id)
    found = campaign_repository.find_campaign(one.id)
    assert found

    def statuses(first: int) -> set[str]:
        chunk = campaign_repository.find_chunk(one.id, first)
        assert chunk
        assert chunk.batch
        return {item["status"]["S"] for item in message_repository.submissions_of(chunk.batch)}

    begun = cancel_unsent(found, times(2))  # 160 of the last chunk's 202
    assert begun
    assert begun.rows_left_to_cancel == 1202
    assert (statuses(1001), statuses(1)) == ({"cancelled", "scheduled"}, {"scheduled"})
    half = cancel_unsent(begun, times(2))  # the rest of it
    assert half
    assert half.rows_left_to_cancel == 1000
    assert (statuses(1001), statuses(1)) == ({"cancelled"}, {"scheduled"})
    assert cancel_unsent(begun, times(9)) is None  # another worker is ahead
    whole = cancel_unsent(half, times(9))
    assert whole
    assert whole.rows_left_to_cancel == 0
    assert statuses(1) == {"cancelled"}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worker_killed_while_it_takes_back_leaves_nothing_to_send(bucket: Any, when: str) -> None:
    nth = 0
    while True:
        name = f"cancel-{when}-{nth}"
        notice = upload(bucket, later(3, "dinisoft", seconds=1), f"campaigns/acme/{name}.csv")
        operate("cancel", to_the_end(notice).id)
        end = kill_at(nth, when)
        with suppress(Killed):
            to_the_end(notice)
        killed = end()
        done = to_the_end(notice)
        assert (done.state, done.rows_left_to_cancel, done.final) == ("cancelled", 0, True)
        lines = results(bucket, f"results/acme/{name}.csv")
        assert [line["status"] for line in lines] == ["cancelled"] * 3
        nth += 1
        if not killed:
            break
    assert nth > 12


@pytest.mark.parametrize(("what", "state"), [("cancel", "cancelled"), ("pause", "paused")])
def test_nothing_is_accepted_of_a_campaign_that_was_stopped_meanwhile(
    bucket: Any, what: str, state: str
) -> None:
    notice = upload(bucket, "to,text\r\n" + rows(3))
    client = aws_clients.client("dynamodb")
    stopped: list[str] = []

    def stop(params: Any, **_: Any) -> None:
        if not stopped and b"R#0000001" in params["body"]:
            stopped.append(what)
            operate(what, campaign_repository.list_campaigns()[0].id)

    # As late as can be: when the worker is about to write the chunk.
    for call in ("PutItem", "TransactWriteItems"):
        client.meta.events.register(f"before-call.dynamodb.{call}", stop)
    one = to_the_end(notice)
    for call in ("PutItem", "TransactWriteItems"):
        client.meta.events.unregister(f"before-call.dynamodb.{call}", stop)
    assert stopped
    assert (one.state, one.row) == (state, 0)
    assert stored() == Counter()


def test_results_that_take_longer_than_a_worker_has_go_on_where_it_stopped(bucket: Any) -> None:
    one = to_the_end(upload(bucket, "to,text\r\n" + rows(1002)))
    ItemUpdate(one.item_key).remove("tally").apply()
    write_results(running(one), times(2))  # begins, and holds the first chunk
    now = running(one).results_file
    assert now
    assert (now.next, now.parts, bool(now.pending)) == (1001, [], True)
    write_results(running(one), times(99))
    assert [line["row"] for line in results(bucket)] == [str(nth) for nth in range(1, 1003)]
    tally = running(one).tally
    assert tally
    assert tally.counts == {"accepted": 1002}


def running(one: Campaign) -> Campaign:
    found = campaign_repository.find_campaign(one.id)
    assert found
    return found


def test_what_was_held_of_results_and_is_gone_is_written_again(bucket: Any) -> None:
    one = to_the_end(upload(bucket, "to,text\r\n" + rows(1002)))
    ItemUpdate(one.item_key).remove("tally").apply()
    write_results(running(one), times(2))  # begins, and holds the first chunk
    now = running(one).results_file
    assert now
    assert now.pending
    bucket.delete_object(Bucket=s3_files.bucket_name(), Key=f"unfinished/{one.id}")
    write_results(running(one), times(99))
    assert len(results(bucket)) == 1002


def test_a_part_that_another_worker_wrote_over_is_written_again(bucket: Any) -> None:
    one = to_the_end(upload(bucket, "to,text\r\n" + rows(3)))
    ItemUpdate(one.item_key).remove("tally").apply()
    write_results(running(one), times(2))  # begins, and writes the only part
    now = running(one).results_file
    assert now
    s3_files.put_part(one.results_key, now.upload, 1, b"what the slower one found")
    write_results(running(one), times(99))
    assert [line["status"] for line in results(bucket)] == ["accepted"] * 3


@pytest.mark.parametrize("fault", ["no bucket", "uploads that are gone"])
def test_results_that_can_not_be_written_are_given_up_and_that_is_said(
    bucket: Any, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    one = to_the_end(upload(bucket, "to,text\r\n" + rows(3)))
    ItemUpdate(one.item_key).remove("tally").apply()
    bucket.delete_object(Bucket=s3_files.bucket_name(), Key=one.results_key)
    events = s3_files._client().meta.events
    operation = "CreateMultipartUpload" if fault == "no bucket" else "UploadPart"
    code = "AccessDenied" if fault == "no bucket" else "NoSuchUpload"
    refused = (
        SimpleNamespace(status_code=403, headers={}),
        {"Error": {"Code": code}, "ResponseMetadata": {}},
    )
    begun: list[str] = []

    def refuse(**_: Any) -> Any:
        begun.append(operation)
        return refused

    events.register(f"before-call.s3.{operation}", refuse)
    try:
        for _ in range(MAX_FAILURES + 3):  # as often as the scheduler wakes a worker
            work(one.id)
            assert emptied(QUEUE) == []  # no worker wakes the next one at once
    finally:
        events.unregister(f"before-call.s3.{operation}", refuse)
    assert len(begun) == MAX_FAILURES
    given_up = running(one)
    assert "due" not in (dynamodb.get(one.item_key) or {})
    problem = shown(one.id)[1]["campaign"]["problem"]
    assert problem["type"] == "/problems/results-not-written"
    assert f"smsgw campaigns results {one.id}" in problem["detail"]
    assert (given_up.state, given_up.final) == ("sending", False)
    assert caplog.messages[-1] == "results given up"
    assert "ResultsGivenUp" in capsys.readouterr().out
    operate("results", one.id)
    work(one.id)
    assert len(results(bucket)) == 3
    assert shown(one.id)[1]["campaign"]["problem"] is None


def test_results_begin_anew_at_once_and_wait_before_they_do_so_again(bucket: Any) -> None:
    """One worker with time for a hundred parts: it must not spend it on uploads that are gone."""
    one = to_the_end(upload(bucket, "to,text\r\n" + rows(3)))
    ItemUpdate(one.item_key).remove("tally").apply()
    gone = (
        SimpleNamespace(status_code=404, headers={}),
        {"Error": {"Code": "NoSuchUpload"}, "ResponseMetadata": {}},
    )
    begun: list[str] = []

    def refuse(**_: Any) -> Any:
        begun.append("a part")
        return gone

    events = s3_files._client().meta.events
    events.register("before-call.s3.UploadPart", refuse)
    try:
        assert write_results(running(one), times(100)) is False
    finally:
        events.unregister("before-call.s3.UploadPart", refuse)
    assert len(begun) == 2
    waiting = running(one)
    assert (waiting.result_failures, waiting.results_file) == (2, None)
    due = int(dynamodb.get(one.item_key)["due"]["N"])  # type: ignore[index]  # it is there
    assert time.time() + 60 < due <= time.time() + 120
    write_results(waiting, times(100))
    assert len(results(bucket)) == 3


def apart(program: str) -> Any:
    """What a program says that has a process and a table of its own."""
    done = subprocess.run(
        [sys.executable, "-m", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_a_hundred_thousand_rows_are_each_accepted_once_though_three_workers_die() -> None:
    assert apart("testing.campaign_killed") == {"deaths": 3, "most": 1, "rows": 100_000}


def test_a_chunk_takes_eight_write_units_beside_its_messages() -> None:
    """Its record in a transaction, its batch's end, the campaign's own moves."""
    found = apart("testing.campaign_units")
    assert found["writes"] <= 8
    assert found["reads"] <= 4
    assert found["results"] <= 60
    assert found["calls"] <= 11


def test_the_function_answers_its_event(bucket: Any) -> None:
    upload(bucket, "to,text\n" + rows(1))  # another content than the notice tells of
    event = json.loads((ROOT / "events" / "campaign_worker.json").read_text())
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 50_000)
    assert CAMPAIGN.handler(event, context) == {"batchItemFailures": []}
    (one,) = campaign_repository.list_campaigns()
    assert one.problem
    assert one.problem["type"] == "/problems/campaign-file-replaced"
    assert stored() == Counter()


def test_parts_carry_no_checksum_that_s3_would_want_to_see_again(bucket: Any) -> None:
    client, sent = aws_clients.client("s3"), []

    def look(request: Any, **_: Any) -> None:
        sent.append({name.lower() for name in request.headers})

    client.meta.events.register_first("before-send.s3", look)
    to_the_end(upload(bucket, "to,text\n" + rows(1)))
    client.meta.events.unregister("before-send.s3", look)
    assert len(sent) >= 5  # two readings, the results' owner, a part and its beginning and end
    names = set().union(*sent)
    assert not {one for one in names if "checksum" in one or "trailer" in one}


def test_a_campaign_goes_as_far_as_the_limit_and_on_from_there(bucket: Any) -> None:
    """60 a day of 90 rows: the chunk is cut; then it stops, and goes on later."""
    set_policy("acme", '{"messages_per_day": 60}')
    notice = upload(bucket, "to,text\r\n" + rows(90))
    with acting_as("CampaignWorkerFunction"):
        work(notice)
    failed = to_the_end(notice)
    assert (failed.state, failed.row, failed.sent) == ("failed", 60, 60)
    assert failed.problem is not None
    assert failed.problem["type"] == "/problems/quota-exhausted"
    assert "goes on at row 61" in failed.problem["detail"]
    set_policy("acme", '{"messages_per_day": 9000}')
    operate("resume", failed.id)
    work(failed.id)
    done = campaign_repository.find_campaign(failed.id)
    assert done is not None
    assert (done.state, done.row, done.sent) == ("sending", 90, 90)
    assert Counter(stored().values()) == {1: 90}  # each text once


def test_a_campaigns_row_whose_number_had_its_share_is_refused(bucket: Any) -> None:
    set_policy("acme", '{"most_per_number_per_day": 1}')
    twice = rows(3) + rows(2)
    read = to_the_end(upload(bucket, "to,text\r\n" + twice))
    assert (read.state, read.row, read.sent, read.refused) == ("sending", 5, 3, 2)


def with_floor(amount: str, after: int = 0) -> None:
    """Server2sms has told an amount, and its account has a floor of 1,000."""
    set_accounts(ACCOUNTS | {"server2sms": ACCOUNTS["server2sms"] | {"balance_floor": 1000}})
    answer = VendorResponse(200, json.dumps({"StatusCode": "1", "Credits": amount}).encode())
    now = datetime.now(UTC) + timedelta(seconds=after)
    get_balances({"server2sms": adapter("server2sms")}, now, lambda *_: answer)
    cached_setting.reset_all()


def test_a_campaign_stops_before_the_floor_and_goes_on_when_it_is_topped_up(bucket: Any) -> None:
    """2,500 rows with credit for 2,100: two chunks go, and 1,100 credits are left for codes."""
    with_floor("3100")
    failed = to_the_end(upload(bucket, "to,text\r\n" + rows(2500)))
    assert (failed.state, failed.row, failed.sent) == ("failed", 2000, 2000)
    assert failed.problem is not None
    assert failed.problem["type"] == "/problems/balance-floor"
    assert "goes on at row 2001" in failed.problem["detail"]
    with_floor("9000", after=61)
    operate("resume", failed.id)
    work(failed.id)
    done = campaign_repository.find_campaign(failed.id)
    assert done is not None
    assert (done.state, done.sent) == ("sending", 2500)


def test_a_campaign_does_not_start_below_the_floor(bucket: Any) -> None:
    with_floor("999")
    failed = to_the_end(upload(bucket, "to,text\r\n" + rows(3)))
    assert (failed.state, failed.sent) == ("failed", 0)
    assert failed.problem is not None
    assert failed.problem["vendor"] == "server2sms"
    assert stored() == Counter()


def test_what_was_counted_for_a_chunk_that_does_not_go_is_given_back(bucket: Any) -> None:
    with_floor("1500")
    assert to_the_end(upload(bucket, "to,text\r\n" + rows(600))).state == "failed"
    small = to_the_end(upload(bucket, "to,text\r\n" + rows(500), "campaigns/acme/small.csv"))
    assert (small.state, small.sent) == ("sending", 500)


def test_campaigns_share_what_is_above_the_floor(bucket: Any) -> None:
    with_floor("1500")
    names = [f"campaigns/acme/{name}.csv" for name in ("one", "two", "three")]
    ends = [to_the_end(upload(bucket, "to,text\r\n" + rows(240), name)) for name in names]
    states = [(one.state, one.sent) for one in ends]
    assert states == [("sending", 240), ("sending", 240), ("failed", 0)]


def test_without_a_floor_a_campaign_counts_nothing(bucket: Any) -> None:
    assert to_the_end(upload(bucket, "to,text\r\n" + rows(3))).state == "sending"
    items = dynamodb.client().scan(TableName=dynamodb.table_name())["Items"]
    assert not [item for item in items if item["pk"]["S"].startswith("PLANNED#")]

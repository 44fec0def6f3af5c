"""Campaigns: an uploaded CSV becomes messages, each row once, whatever stops the worker."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote_plus, unquote_plus

import boto3
import pytest
from integration.stage import Gateway, emptied, forget_settings, function, number

from sms_gateway import apikeys, aws, campaigns, files, table
from sms_gateway.campaign import Campaign
from sms_gateway.records import Key
from sms_gateway.table import Change

STATUS, CAMPAIGN = function("status"), function("campaign")
QUEUE = "campaigns"


@pytest.fixture
def bucket(gateway: Gateway) -> Iterator[Any]:
    """An empty bucket and a tenant that may send."""
    apikeys.create("acme", ("messages:send",), "", datetime.now(UTC))
    client = boto3.client("s3")
    client.create_bucket(
        Bucket=files.bucket(), CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    boto3.client("sqs").create_queue(QueueName=QUEUE)
    set_defaults({})
    yield client
    for one in client.list_objects_v2(Bucket=files.bucket()).get("Contents", []):
        client.delete_object(Bucket=files.bucket(), Key=one["Key"])
    client.delete_bucket(Bucket=files.bucket())
    emptied(QUEUE)


def set_defaults(defaults: object) -> None:
    boto3.client("ssm").put_parameter(
        Name="/test/campaigns", Value=json.dumps(defaults), Type="String", Overwrite=True
    )
    forget_settings()


def upload(bucket: Any, body: str | bytes, key: str = "campaigns/acme/spring sale.csv") -> str:
    """Uploads a file; S3's notice of it, as the queue has it."""
    raw = body.encode() if isinstance(body, str) else body
    answer = bucket.put_object(Bucket=files.bucket(), Key=key, Body=raw)
    one = {"key": quote_plus(key), "eTag": answer["ETag"].strip('"'), "size": len(raw)}
    return json.dumps({"Records": [{"s3": {"bucket": {"name": files.bucket()}, "object": one}}]})


def work(body: str, remaining: float = 1000) -> None:
    campaigns.receive(body, remaining)


def to_the_end(notice: str) -> Campaign:
    """Works until nobody is called any more; the file's campaign."""
    work(notice)
    while waiting := emptied(QUEUE):
        for one in waiting:
            work(one.body)
    key = unquote_plus(json.loads(notice)["Records"][0]["s3"]["object"]["key"])
    (found,) = (one for one in table.all_campaigns() if one.key == key)
    return found


def results(bucket: Any, key: str = "results/acme/spring sale.csv") -> list[dict[str, str]]:
    body = bucket.get_object(Bucket=files.bucket(), Key=key)["Body"].read().decode()
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
    items = table.client().scan(TableName=table.name())["Items"]
    accepted = {item["pk"]["S"] for item in items if "tenant" in item}
    texts: Counter[str] = Counter()
    for batch in accepted - {"KEYS"}:
        whole = table.whole_batch(batch)
        assert whole
        texts.update(message.content.text for message, _ in whole[1])
    return texts


def test_every_row_becomes_a_message_and_a_line_of_the_results(bucket: Any) -> None:
    one = to_the_end(upload(bucket, "to,text\r\n" + rows(1100)))
    assert (one.state, one.rows, one.row, one.sent, one.refused) == ("done", 1100, 1100, 1100, 0)
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
    clients = [aws.client(name, files.CONFIG) for name in ("dynamodb", "s3", "sqs", "ssm")]
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
    for item in table.client().scan(TableName=table.name())["Items"]:
        if item["sk"]["S"].startswith("R#"):
            Change(Key(item["pk"]["S"], item["sk"]["S"])).put("started", 0).apply()


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
        assert (done.state, done.row, done.sent, done.refused) == ("done", 4, 3, 1)
        lines = results(bucket, f"results/acme/{when}-{nth}.csv")
        assert [line["status"] for line in lines] == ["accepted"] * 3 + ["refused"]
        assert stored() == Counter({f"Hello {row}": nth + 1 for row in range(3)})
        nth += 1
        if not killed:
            break
    assert nth > 30

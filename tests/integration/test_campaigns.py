"""Campaigns: an uploaded CSV becomes messages, each row once, whatever stops the worker."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote_plus

import boto3
import pytest
from integration.stage import Gateway, emptied, forget_settings, function, number

from sms_gateway import apikeys, campaigns, files, table
from sms_gateway.campaign import Campaign

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
    """Works until nobody is called any more; the campaign."""
    work(notice)
    while waiting := emptied(QUEUE):
        for one in waiting:
            work(one.body)
    return only()


def only() -> Campaign:
    (one,) = table.all_campaigns()
    return one


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
    one = to_the_end(upload(bucket, "to,text\r\n" + rows(2500)))
    assert (one.state, one.rows, one.row, one.sent, one.refused) == ("done", 2500, 2500, 2500, 0)
    assert stored() == Counter({f"Hello {nth}": 1 for nth in range(2500)})
    lines = results(bucket)
    assert [line["row"] for line in lines] == [str(nth) for nth in range(1, 2501)]
    assert {line["status"] for line in lines} == {"accepted"}
    status, body = shown(one.id)
    assert status == 200
    assert body["total"] == 2500
    assert body["counts"] == {"accepted": 2500}
    assert body["campaign"]["results"] == "results/acme/spring sale.csv"
    assert shown(one.id, "another")[0] == 404

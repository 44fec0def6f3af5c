"""AWS and the vendors over HTTP, as benchmarks and tests share them."""

import json
from typing import Any

import boto3
import pytest
import urllib3

from testing.aws import served
from testing.server import parse
from testing.template import TABLE

ASK: dict[str, Any] = {"endpoint_url": "", "aws_access_key_id": "a", "aws_secret_access_key": "b"}


def test_a_request_is_read_when_it_is_whole() -> None:
    request = b"POST /a?b=c%20d HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi"
    assert parse(request[:-1]) is None
    found = parse(request + b"GET")
    assert found
    asked, size = found
    assert (asked.method, asked.path, asked.fields, asked.body) == (
        "POST",
        "/a",
        {"b": "c d"},
        b"hi",
    )
    assert size == len(request)


def test_the_table_is_the_templates_and_holds_conditions() -> None:
    with served() as aws:
        table = boto3.client("dynamodb", **ASK | {"endpoint_url": aws.base})
        indexes = table.describe_table(TableName="bench")["Table"]["GlobalSecondaryIndexes"]
        assert len(indexes) == len(TABLE["GlobalSecondaryIndexes"])
        item = {"pk": {"S": "p"}, "sk": {"S": "s"}}
        new = "attribute_not_exists(pk)"
        table.put_item(TableName="bench", Item=item, ConditionExpression=new)
        with pytest.raises(table.exceptions.ConditionalCheckFailedException):
            table.put_item(TableName="bench", Item=item, ConditionExpression=new)
        with aws.unchanged():
            table.put_item(TableName="bench", Item=item | {"sk": {"S": "t"}})
        assert {**aws.items(), "SETTINGS": {}, "ACCOUNTS": {}} == {
            "p": {"s": item},
            "SETTINGS": {},
            "ACCOUNTS": {},
        }


def test_vendors_answer_at_the_same_address() -> None:
    with served() as aws:
        account = aws.accounts["server2sms"]
        got = urllib3.request("POST", f"{account['base_url']}/SendTextSMS", body=b"{}")
        assert json.loads(got.data)["StatusCode"] != "1"
        assert aws.vendors.sent() == []

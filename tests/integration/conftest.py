"""The whole core on moto: the template's own table, its queues, the secret and the parameter."""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from moto import mock_aws
from moto.core.models import botocore_stubber

from sms_gateway import queues, settings, table
from sms_gateway.vendors import VENDORS
from tests.integration.stage import ACCOUNTS, TEMPLATE, Gateway, Wire, set_accounts, set_routes

os.environ |= {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "STACK_NAME": "test",
    "TABLE_NAME": "test-table",
    "ACCOUNTS_SECRET": "test/vendors",
    "ROUTES_PARAMETER": "/test/routes",
    "RETENTION_DAYS": "90",
    "CALLBACK_URL": "https://api.example.com/v1/callbacks",
    "DISPATCH_WORKERS": "2",
    "POWERTOOLS_SERVICE_NAME": "sms-gateway",
    "POWERTOOLS_METRICS_NAMESPACE": "SmsGateway",
    "POWERTOOLS_LOG_LEVEL": "INFO",
    "QUEUE_JST": "https://sqs.eu-central-1.amazonaws.com/123456789012/jst",
    "QUEUE_DINISOFT": "https://sqs.eu-central-1.amazonaws.com/123456789012/dinisoft",
    "QUEUE_SERVER2SMS": "https://sqs.eu-central-1.amazonaws.com/123456789012/server2sms",
    "QUEUE_RAJASMS": "https://sqs.eu-central-1.amazonaws.com/123456789012/rajasms",
}
os.environ.pop("AWS_ENDPOINT_URL", None)
os.environ.pop("AWS_PROFILE", None)
@pytest.fixture
def aws() -> Iterator[None]:
    """The stack's resources, empty; nothing is remembered from an earlier test."""
    with mock_aws():
        _forget()
        properties = TEMPLATE["Resources"]["Table"]["Properties"]
        boto3.client("dynamodb").create_table(
            TableName=os.environ["TABLE_NAME"],
            **{
                name: properties[name]
                for name in (
                    "BillingMode",
                    "AttributeDefinitions",
                    "KeySchema",
                    "GlobalSecondaryIndexes",
                )
            },
        )
        sqs = boto3.client("sqs")
        for vendor in VENDORS:
            sqs.create_queue(QueueName=os.environ[f"QUEUE_{vendor.upper()}"].rpartition("/")[2])
        set_accounts(ACCOUNTS)
        set_routes(TEMPLATE["Resources"]["RoutesParameter"]["Properties"]["Value"])
        yield
        _forget()


def _forget() -> None:
    table.client.cache_clear()
    queues._client.cache_clear()
    settings.forget()


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def gateway(aws: None, wire: Wire) -> Gateway:
    return Gateway(wire)


class Refusal:
    """The body of an answer that DynamoDB gives in its bad moments."""

    def __init__(self, code: str) -> None:
        self._code = code

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield json.dumps({"__type": self._code}).encode()


@pytest.fixture
def failing(aws: None) -> Iterator[Callable[..., None]]:
    """`failing("Query")` makes DynamoDB refuse an operation from then on, at most `times` times;
    `lost` lets it do its work first and only loses the answer."""
    handlers: list[tuple[str, Any]] = []

    def fail(operation: str, times: int = 1_000_000, *, lost: bool = False) -> None:
        left = [times]

        def refuse(event_name: str, request: Any, **others: Any) -> AWSResponse | None:
            if not left[0]:
                return None
            left[0] -= 1
            if not lost:
                return AWSResponse(request.url, 400, {}, Refusal("AccessDeniedException"))
            botocore_stubber(event_name, request, **others)
            return AWSResponse(request.url, 500, {}, Refusal("InternalServerError"))

        name = f"before-send.dynamodb.{operation}"
        table.client().meta.events.register_first(name, refuse)
        handlers.append((name, refuse))

    yield fail
    for name, handler in handlers:
        table.client().meta.events.unregister(name, handler)

"""The whole core on moto: the template's own table, its queues, secrets and settings."""

import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.responses import DynamoHandler

from sms_gateway.aws import clients
from sms_gateway.config import cached_setting
from sms_gateway.dispatch import circuit_breaker
from sms_gateway.messages.queue import EXPRESS
from sms_gateway.storage import dynamodb
from sms_gateway.vendors.registry import VENDORS
from testing.environment import ACCOUNT_ID, REGION
from testing.gateway import Gateway
from testing.processes import new_worker
from testing.queues import DEAD_LETTERS, LANES, STREAM_DEAD, drained, emptied, queue_name
from testing.rights import check_rights
from testing.settings import (
    ACCOUNTS,
    CALLBACK_KEY,
    MESSAGE_KEY,
    ROUTES,
    SEARCH_KEY,
    SENDERS,
    SOURCES,
    TEMPLATE,
    WEBHOOK_KEY,
    WRITTEN,
    published,
    set_accounts,
    set_callback_keys,
    set_message_key,
    set_search_key,
    set_webhook_key,
)
from testing.transport import Wire

SETTINGS = [
    {
        "pk": {"S": partition},
        "sk": {"S": name},
        "data": {"S": written},
        "version": {"N": "1"},
    }
    for partition, name, written in (
        ("SETTINGS", "routes", ROUTES),
        ("SETTINGS", "sources", json.dumps(SOURCES)),
        ("SETTINGS", "senders", json.dumps(SENDERS)),
        ("ACCOUNTS", "accounts", published(ACCOUNTS)),
    )
]


@pytest.fixture(scope="session")
def atomic() -> Iterator[None]:
    """Each call is one step, as on AWS: moto reads, writes and answers without a lock, so that a
    condition may be wrong by the time of the write, and an item may change while it is answered.
    Bounds that are the wrong way round are refused, as on AWS: moto finds nothing."""
    lock, call_action = threading.RLock(), DynamoHandler.call_action

    def one_at_a_time(handler: DynamoHandler) -> Any:
        with lock:
            return call_action(handler)

    query = DynamoHandler.query

    def in_order(handler: DynamoHandler) -> Any:
        values = handler.body.get("ExpressionAttributeValues", {})
        bounds = re.search(
            r"BETWEEN (:\w+) AND (:\w+)", handler.body.get("KeyConditionExpression", "")
        )
        if bounds and values[bounds[1]]["S"] > values[bounds[2]]["S"]:
            raise MockValidationException("The BETWEEN operator requires an upper bound")
        return query(handler)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DynamoHandler, "call_action", one_at_a_time)
        patch.setattr(DynamoHandler, "query", in_order)
        yield


@pytest.fixture(scope="session")
def stack(atomic: None) -> Iterator[None]:
    """The stack's resources, made once: making them and their clients takes most of a test."""
    with mock_aws():
        _forget()
        properties = TEMPLATE["Resources"]["Table"]["Properties"]
        kept = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
        boto3.client("dynamodb").create_table(
            TableName=os.environ["TABLE_NAME"], **{name: properties[name] for name in kept}
        )
        sqs = boto3.client("sqs")
        for name in (*VENDORS, "declared", EXPRESS):
            sqs.create_queue(QueueName=queue_name(name))
        for name in (DEAD_LETTERS, STREAM_DEAD):
            sqs.create_queue(QueueName=name)
        for lane in LANES:
            sqs.create_queue(QueueName=lane)
        _set_secrets()
        yield
        _forget()


@pytest.fixture
def aws(stack: None) -> Iterator[None]:
    """The stack, empty but for routes and sources; settings that the test writes are put back, and
    what was read of them forgotten."""
    new_worker()
    dynamodb.put_all(SETTINGS)
    yield
    dynamodb_backends[ACCOUNT_ID][REGION].tables[os.environ["TABLE_NAME"]].items.clear()
    for name in (*VENDORS, "declared", EXPRESS):
        drained(name)
    for name in (DEAD_LETTERS, STREAM_DEAD):
        emptied(name)
    for lane in LANES:
        emptied(lane)
    if WRITTEN:
        _set_secrets()
        WRITTEN.clear()


def _set_secrets() -> None:
    set_accounts(ACCOUNTS)
    set_callback_keys(CALLBACK_KEY)
    set_message_key(MESSAGE_KEY)
    set_search_key(SEARCH_KEY)
    set_webhook_key(WEBHOOK_KEY)


def _forget() -> None:
    clients.reset()
    circuit_breaker._store.cache_clear()
    cached_setting.reset_all()


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def gateway(aws: None, wire: Wire) -> Iterator[Gateway]:
    """The gateway, held to the rights of its functions' roles."""
    events = dynamodb.client().meta.events
    events.register_first("provide-client-params.dynamodb", check_rights)
    yield Gateway(wire)
    events.unregister("provide-client-params.dynamodb", check_rights)


@pytest.fixture
def failing(aws: None) -> Iterator[Callable[..., None]]:
    """`failing("Query")` makes DynamoDB refuse an operation from then on, at most `times` times;
    with `lost` it does its work, the answer gets lost, and botocore asks again."""
    handlers: list[tuple[str, Any]] = []
    refused = (
        SimpleNamespace(status_code=400, headers={}),
        {
            "Error": {"Code": "ThrottlingException", "Message": "in a test"},
            "ResponseMetadata": {},
        },
    )

    def fail(operation: str, times: int = 1_000_000, *, lost: bool = False) -> None:
        left = [times]

        def handler(**_: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                return None
            return 0 if lost else refused  # for needs-retry, 0 is the pause

        name = f"{'needs-retry' if lost else 'before-call'}.dynamodb.{operation}"
        dynamodb.client().meta.events.register_first(name, handler)
        handlers.append((name, handler))

    yield fail
    for name, handler in handlers:
        dynamodb.client().meta.events.unregister(name, handler)

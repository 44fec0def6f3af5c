"""AWS's clients: made in our own way, and the same as botocore makes them."""

from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import NoRegionError

from sms_gateway.aws import clients
from sms_gateway.storage import dynamodb

_plain: Any = botocore.session.Session()
REGIONS = sorted(
    {
        (partition, region)
        for partition in _plain.get_available_partitions()
        for region in _plain.get_available_regions("dynamodb", partition)
    }
)


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """Neither other tests' clients, nor these for them."""
    clients.forget()
    yield
    clients.forget()


def _by_rules(region: str) -> str:
    """Where a client with rules sends its calls."""
    sent: list[str] = []

    def caught(request: Any, **_: Any) -> None:
        sent.append(request.url)
        raise InterruptedError

    client = _plain.create_client("dynamodb", region_name=region)
    client.meta.events.register("before-send.dynamodb", caught)
    with pytest.raises(InterruptedError):
        client.list_tables()
    return sent[0].rstrip("/")


@pytest.mark.parametrize(("partition", "region"), REGIONS)
def test_the_tables_endpoint_is_the_one_that_botocores_rules_say(
    monkeypatch: pytest.MonkeyPatch, partition: str, region: str
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, region)
    client = dynamodb.client()
    assert client.meta.region_name == region
    assert client.meta.endpoint_url == _by_rules(region)


def test_an_endpoint_that_is_given_is_the_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:4566")
    assert dynamodb.client().meta.endpoint_url == "http://127.0.0.1:4566"


def test_a_client_that_could_not_be_made_at_first_handles_each_event_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handled: list[str] = []

    def handler(event_name: str, **_: Any) -> None:
        handled.append(event_name)

    monkeypatch.setattr(clients, "BUILTIN_HANDLERS", [("before-call.sqs.*", handler)])
    with monkeypatch.context() as nowhere:
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            nowhere.delenv(name, raising=False)
        with pytest.raises(NoRegionError):
            clients.client("sqs", Config())
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    client = clients.client("sqs", Config())
    client.meta.events.register_first("before-send", _interrupt)
    with pytest.raises(InterruptedError):
        client.send_message(QueueUrl="https://sqs/1/q", MessageBody="b")
    assert handled == ["before-call.sqs.SendMessage"]


def _interrupt(**_: Any) -> None:
    raise InterruptedError

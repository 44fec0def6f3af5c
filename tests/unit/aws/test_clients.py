"""AWS's clients: made in our own way, and the same as botocore makes them."""

from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import NoRegionError

from sms_gateway.aws import botocore_shortcuts, clients
from sms_gateway.events import eventbridge
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
def _reset() -> Iterator[None]:
    """Neither other tests' clients, nor these for them."""
    clients.reset()
    yield
    clients.reset()


@pytest.fixture(params=[False, True], ids=["shortcuts", "plain"])
def plain(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether clients are made without our shortcuts; with and without, in turn."""
    monkeypatch.setenv("SMS_GATEWAY_PLAIN_BOTOCORE", "1" if request.param else "")
    clients.reset()
    return bool(request.param)


def test_one_variable_switches_all_shortcuts_off(plain: bool) -> None:
    session: Any = clients._session
    endpoint = clients.client("dynamodb")._endpoint
    used = (session, session.get_component("data_loader"), endpoint._response_parser_factory)
    home = "botocore" if plain else "sms_gateway"
    assert {type(one).__module__.partition(".")[0] for one in used} == {home}


def test_pools_hold_a_connection_for_each_call_at_once() -> None:
    configs: Any = clients.CONFIGS  # botocore sets its options as attributes that no stub knows
    assert configs["dynamodb"].max_pool_connections == 2 * dynamodb.MAX_PARALLEL_WRITES
    assert configs["events"].max_pool_connections == eventbridge.MAX_PARALLEL_CALLS


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


@pytest.mark.usefixtures("plain")
def test_an_endpoint_that_is_given_is_the_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:4566")
    assert dynamodb.client().meta.endpoint_url == "http://127.0.0.1:4566"


@pytest.mark.usefixtures("plain")
def test_a_client_that_could_not_be_made_at_first_handles_each_event_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handled: list[str] = []

    def handler(event_name: str, **_: Any) -> None:
        handled.append(event_name)

    for module in (botocore_shortcuts, botocore.handlers):
        monkeypatch.setattr(module, "BUILTIN_HANDLERS", [("before-call.sqs.*", handler)])
    clients.reset()
    with monkeypatch.context() as nowhere:
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            nowhere.delenv(name, raising=False)
        with pytest.raises(NoRegionError):
            clients.client("sqs")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    client = clients.client("sqs")
    client.meta.events.register_first("before-send", _interrupt)
    with pytest.raises(InterruptedError):
        client.send_message(QueueUrl="https://sqs/1/q", MessageBody="b")
    assert handled == ["before-call.sqs.SendMessage"]


def _interrupt(**_: Any) -> None:
    raise InterruptedError

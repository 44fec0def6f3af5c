"""AWS's clients: made in our own way, and the same as botocore makes them."""

from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest

from sms_gateway import aws, table

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
    aws.forget()
    yield
    aws.forget()


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
    client = table.client()
    assert client.meta.region_name == region
    assert client.meta.endpoint_url == _by_rules(region)


def test_an_endpoint_that_is_given_is_the_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:4566")
    assert table.client().meta.endpoint_url == "http://127.0.0.1:4566"

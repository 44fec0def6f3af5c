"""What is left of botocore's data in the layer still makes every client, and the same requests."""

import re
import runpy
import shutil
from pathlib import Path
from typing import Any

import botocore
import botocore.session
import pytest
from botocore.config import Config

LAYER = Path(__file__).parent.parent.parent / "layers" / "gateway"
WHOLE = Path(botocore.__file__).parent / "data"
TRIM: dict[str, Any] = runpy.run_path(str(LAYER / "trim.py"))
CALLS = [
    ("dynamodb", "describe_table", {"TableName": "t"}),
    ("sqs", "send_message", {"QueueUrl": "https://sqs/1/q", "MessageBody": "b"}),
    ("secretsmanager", "get_secret_value", {"SecretId": "s"}),
    ("ssm", "get_parameter", {"Name": "p"}),
    ("s3", "get_object", {"Bucket": "campaigns", "Key": "campaigns/acme/a b.csv"}),
    ("s3", "create_multipart_upload", {"Bucket": "campaigns", "Key": "results/acme/a.csv"}),
]


@pytest.fixture(scope="module")
def trimmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root: Path = tmp_path_factory.mktemp("python")
    data = root / "botocore" / "data"
    data.mkdir(parents=True)
    (root / "boto3" / "data").mkdir(parents=True)
    for part in WHOLE.iterdir():
        if part.is_file():
            shutil.copy(part, data)
        elif part.name in TRIM["SERVICES"] | {"sns"}:
            shutil.copytree(part, data / part.name)
    TRIM["trim"](root)
    return data


def request(data: Path, service: str, operation: str, region: str, given: Any) -> Any:
    """What would be sent: its address, headers that matter, and body."""
    session = botocore.session.get_session()
    loader = session.get_component("data_loader")
    loader._search_paths = [str(data)]
    client: Any = session.create_client(
        service,
        region,
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(user_agent="u"),
    )
    sent: list[Any] = []

    def catch(request: Any, **_: Any) -> Any:
        sent.append((request.url, request.headers.get("X-Amz-Target"), request.body))
        raise InterruptedError

    client.meta.events.register_first("before-send", catch)
    with pytest.raises(InterruptedError):
        getattr(client, operation)(**given)
    return sent[0]


@pytest.mark.parametrize("region", ["eu-central-1", "us-gov-west-1", "cn-north-1"])
@pytest.mark.parametrize(("service", "operation", "given"), CALLS)
def test_a_trimmed_description_makes_the_same_request(
    trimmed: Path, service: str, operation: str, given: Any, region: str
) -> None:
    assert request(trimmed, service, operation, region, given) == request(
        WHOLE, service, operation, region, given
    )


def test_what_no_function_reads_is_gone(trimmed: Path) -> None:
    assert not (trimmed / "sns").exists()
    assert (trimmed / "endpoints.json").stat().st_size < 50_000
    for described in trimmed.rglob("service-2.json"):
        assert not re.search(r'"documentation":"[^"]', described.read_text())

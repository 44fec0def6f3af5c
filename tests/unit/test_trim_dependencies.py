"""What the layers ship: libraries as published, less whole files; and reduced API descriptions that
make the same requests."""

import copy
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import botocore
import botocore.session
import pytest
from botocore import xform_name
from botocore.config import Config

from sms_gateway.aws import botocore_shortcuts, clients
from testing.aws import ENVIRONMENT, served
from testing.sealed import POOL, sealed

ROOT = Path(__file__).parent.parent.parent
LAYERS = ROOT / "layers"
GATEWAY = LAYERS / "gateway"
INSTALLED = Path(botocore.__file__).parent.parent
WHOLE = INSTALLED / "botocore" / "data"
TRIM: dict[str, Any] = runpy.run_path(str(GATEWAY / "trim_dependencies.py"))
REDUCE: dict[str, Any] = runpy.run_path(str(GATEWAY / "reduce_descriptions.py"))
PACKAGES = ("boto3", "botocore", "phonenumbers", "ulid", "urllib3")
ITEM = {"pk": {"S": "p"}, "sk": {"S": "s"}}
PART = {"Bucket": "campaigns", "Key": "results/acme/a b.csv"}
OF_PARTS = PART | {"UploadId": "u", "MultipartUpload": {"Parts": [{"ETag": "e", "PartNumber": 1}]}}
CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("dynamodb", "batch_get_item", {"RequestItems": {"t": {"Keys": [ITEM]}}}),
    ("dynamodb", "batch_write_item", {"RequestItems": {"t": [{"PutRequest": {"Item": ITEM}}]}}),
    ("dynamodb", "delete_item", {"TableName": "t", "Key": ITEM}),
    ("dynamodb", "get_item", {"TableName": "t", "Key": ITEM, "ConsistentRead": True}),
    ("dynamodb", "put_item", {"TableName": "t", "Item": ITEM}),
    ("dynamodb", "query", {"TableName": "t", "KeyConditionExpression": "pk = :p"}),
    (
        "dynamodb",
        "transact_write_items",
        {"TransactItems": [{"Put": {"TableName": "t", "Item": ITEM}}], "ClientRequestToken": "c"},
    ),
    ("dynamodb", "update_item", {"TableName": "t", "Key": ITEM, "UpdateExpression": "SET a = :a"}),
    ("sqs", "send_message", {"QueueUrl": "https://sqs/1/q", "MessageBody": "b"}),
    (
        "sqs",
        "send_message_batch",
        {"QueueUrl": "https://sqs/1/q", "Entries": [{"Id": "1", "MessageBody": "b"}]},
    ),
    ("secretsmanager", "get_secret_value", {"SecretId": "s"}),
    ("s3", "get_object", PART),
    ("s3", "head_object", PART),
    ("s3", "put_object", PART | {"Body": b"to"}),
    ("s3", "create_multipart_upload", PART),
    ("s3", "upload_part", PART | {"UploadId": "u", "PartNumber": 1, "Body": b"to"}),
    ("s3", "complete_multipart_upload", OF_PARTS),
    ("events", "put_events", {"Entries": [{"Source": "s", "DetailType": "t", "Detail": "{}"}]}),
    ("kms", "decrypt", {"CiphertextBlob": b"sealed", "KeyId": "k"}),
]


def install(root: Path, *packages: str) -> None:
    """Puts packages into a folder; of the services that no function calls, one."""

    def unwanted(folder: str, names: list[str]) -> set[str]:
        services = {one for one in names if (WHOLE / one).is_dir()} - TRIM["SERVICES"] - {"sns"}
        return services if Path(folder) == WHOLE else set()

    for name in packages:
        shutil.copytree(INSTALLED / name, root / name, ignore=unwanted)


def files(root: Path) -> dict[str, bytes]:
    """Every file in a folder, with what it holds."""
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


@pytest.fixture(scope="module")
def trimmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layer's folder, as far as trimming changes it."""
    root: Path = tmp_path_factory.mktemp("python")
    install(root, *PACKAGES)
    TRIM["trim"](root)
    return root


@pytest.fixture(scope="module")
def reduced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reduced descriptions."""
    folder: Path = tmp_path_factory.mktemp("data") / "botocore_data"
    REDUCE["write_reduced"](folder)
    return folder


def test_every_file_that_is_left_is_as_published(trimmed: Path) -> None:
    left = files(trimmed)
    assert {name for name, held in left.items() if (INSTALLED / name).read_bytes() != held} == set()
    code = {
        str(path.relative_to(INSTALLED))
        for name in PACKAGES
        for path in (INSTALLED / name).rglob("*.py")
        if "examples" not in path.parts
    }
    assert code <= left.keys()


def test_what_no_function_reads_is_left_out(trimmed: Path) -> None:
    data = trimmed / "botocore" / "data"
    assert {one.name for one in data.iterdir() if one.is_dir()} == TRIM["SERVICES"]
    assert TRIM["SERVICES"] == REDUCE["OPERATIONS"].keys()
    assert not list(data.rglob("examples-1.json"))
    assert len([*(data / "dynamodb").iterdir()]) == 1
    assert not list(trimmed.rglob("__pycache__"))


def test_a_service_that_botocore_lost_fails_the_build(tmp_path: Path) -> None:
    for folder in ("botocore/data", "boto3/data"):
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(FileNotFoundError):
        TRIM["trim"](tmp_path)


def test_the_build_comes_to_the_same_whatever_the_hash_seed(tmp_path: Path) -> None:
    """Trimmed, reduced and compiled by the makefile's own lines."""
    makefile = (GATEWAY / "Makefile").read_text()
    lines = [
        line.strip() for line in makefile.splitlines() if re.search(r"\$\(PYTHON\) .*LAYER", line)
    ]
    assert len(lines) == 3
    layers, processes = [tmp_path / "1", tmp_path / "2"], []
    for layer in layers:
        install(layer, "botocore", "ulid")
        shutil.copytree(INSTALLED / "boto3" / "data", layer / "boto3" / "data")
        shutil.copytree(GATEWAY / "sms_gateway" / "aws", layer / "sms_gateway" / "aws")
        command = " && ".join(lines).replace("$(LAYER)", str(layer))
        process = subprocess.Popen(
            ["/bin/sh", "-c", command.replace("$(PYTHON)", sys.executable)],
            cwd=GATEWAY,
            env={"PYTHONHASHSEED": layer.name, "PATH": os.environ["PATH"]},
        )
        processes.append(process)
    assert [process.wait() for process in processes] == [0, 0]
    one, other = (files(layer) for layer in layers)
    assert any(name.endswith(".pyc") for name in one)
    assert one.keys() == other.keys()
    assert {name for name in one if one[name] != other[name]} == set()


def sent(client: Any, operation: str, given: dict[str, Any]) -> Any:
    """What would be sent: its address, headers that matter, and body."""
    requests: list[Any] = []

    def catch(request: Any, **_: Any) -> Any:
        headers = {
            name: str(value)
            for name, value in request.headers.items()
            if name not in ("Authorization", "X-Amz-Date", "amz-sdk-invocation-id")
        }
        body = request.body.read() if hasattr(request.body, "read") else request.body
        requests.append((request.method, request.url, headers, body))
        raise InterruptedError

    client.meta.events.register_first("before-send", catch)
    with pytest.raises(InterruptedError):
        getattr(client, operation)(**copy.deepcopy(given))
    return requests[0]


@pytest.mark.parametrize("region", ["eu-central-1", "us-gov-west-1", "cn-north-1"])
@pytest.mark.parametrize(("service", "operation", "given"), CALLS)
def test_our_client_with_a_reduced_description_makes_the_same_request(
    monkeypatch: pytest.MonkeyPatch,
    reduced: Path,
    service: str,
    operation: str,
    given: dict[str, Any],
    region: str,
) -> None:
    config = Config(user_agent="u")
    monkeypatch.delenv("SMS_GATEWAY_PLAIN_BOTOCORE", raising=False)
    monkeypatch.setitem(clients.CONFIGS, service, config)
    with monkeypatch.context() as patched:
        patched.setenv("AWS_REGION", region)
        patched.setenv("AWS_DEFAULT_REGION", region)
        whole: Any = botocore.session.get_session().create_client(service, config=config)
        patched.setattr(botocore_shortcuts, "REDUCED", reduced)
        clients.reset()
        ours = clients.client(service)
    clients.reset()
    assert ours.meta.method_to_api_mapping.keys() < whole.meta.method_to_api_mapping.keys()
    assert sent(ours, operation, given) == sent(whole, operation, given)


def test_every_operation_that_is_left_is_tried_here_and_called_by_a_function() -> None:
    left = {(service, name) for service, names in REDUCE["OPERATIONS"].items() for name in names}
    tried = {(service, name) for service, name, _ in CALLS}
    assert tried == {(service, xform_name(name)) for service, name in left}
    written = "".join(one.read_text() for one in (GATEWAY / "sms_gateway").rglob("*.py"))
    called = set(re.findall(r"client\([^()]*\)\.([a-z_]+)\(", written))
    # KMS is called by the Encryption SDK; a link is signed for an operation that is called, too.
    assert called - {"generate_presigned_url"} == {
        xform_name(name) for service, name in left if service != "kms"
    }


def test_an_operation_that_a_service_lost_fails_the_build() -> None:
    described = {"metadata": {"serviceId": "SQS"}, "operations": {}, "shapes": {}}
    with pytest.raises(ValueError, match=r"SQS has no .'SendMessage'"):
        REDUCE["keep_operations"](described, {"SendMessage"})


def test_reduced_descriptions_hold_no_documentation(reduced: Path) -> None:
    assert (reduced / "endpoints.json").stat().st_size < 50_000
    described = [*reduced.rglob("service-2.json")]
    assert len(described) == len(REDUCE["OPERATIONS"])
    for one in described:
        assert not re.search(r'"documentation":"[^"]', one.read_text())


def run(code: str, *path: Path, **variables: str) -> Any:
    """What a process prints that has these folders first on its path; as JSON."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env=ENVIRONMENT
        | variables
        | {"PYTHONPATH": os.pathsep.join(map(str, (*path, GATEWAY, INSTALLED)))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("plain", ["", "1"], ids=["shortcuts", "plain"])
def test_a_layer_works_with_our_shortcuts_and_without(
    trimmed: Path, reduced: Path, plain: str
) -> None:
    """Clients with paging, numbers, ULIDs, and a pool of connections."""
    core = trimmed / "sms_gateway"
    if not core.exists():
        shutil.copytree(GATEWAY / "sms_gateway", core)
        shutil.copytree(reduced, core / "aws" / "botocore_data")
    code = """
import json, urllib3
from ulid import ULID
from sms_gateway.aws import clients
from sms_gateway.sms import phone_numbers
table = clients.client("dynamodb")
table.get_paginator("query"), urllib3.PoolManager()
loader = clients._session.get_component("data_loader")
found = {service: loader.load_service_model(service, "service-2") for service in ("s3", "sqs")}
print(json.dumps([
    phone_numbers.to_e164("07911 123456", "GB"),
    str(ULID.from_timestamp(0))[:10],
    len(table.meta.method_to_api_mapping) < 20,
]))
"""
    assert run(code, trimmed, SMS_GATEWAY_PLAIN_BOTOCORE=plain) == [
        "+447911123456",
        "0000000000",
        not plain,
    ]


@pytest.mark.parametrize("plain", ["", "1"], ids=["shortcuts", "plain"])
def test_a_code_of_cognito_is_opened_by_kms_and_with_shortcuts_without_boto3(plain: str) -> None:
    with served() as memory:
        ciphertext = b64encode(sealed(b"482913", memory.base)).decode()
        code = f"""
import base64, json, sys
from sms_gateway.triggers.cognito_decryption import decrypt_code
opened = decrypt_code(base64.b64decode({ciphertext!r}), {POOL!r})
print(json.dumps([opened, "boto3.session" in sys.modules]))
"""
        got = run(code, AWS_ENDPOINT_URL=memory.base, SMS_GATEWAY_PLAIN_BOTOCORE=plain)
    assert got == ["482913", bool(plain)]


def test_boto3_is_the_published_one_whenever_the_encryption_sdk_uses_it() -> None:
    """A provider that makes its own clients makes them by boto3."""
    code = """
import json, sys
from sms_gateway.triggers import cognito_decryption
waits = "boto3.session" not in sys.modules
left = [str(one) for one in sys.meta_path if "sms_gateway" in str(one)]
from aws_encryption_sdk import StrictAwsKmsMasterKeyProvider
StrictAwsKmsMasterKeyProvider(key_ids=["arn:aws:kms:eu-central-1:123456789012:key/k"])
import boto3
print(json.dumps([waits, left, boto3.__file__, boto3.client.__module__]))
"""
    assert run(code) == [True, [], str(INSTALLED / "boto3" / "__init__.py"), "boto3"]

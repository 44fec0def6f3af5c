"""What is left in the layers still makes every client and the same requests, with less to start."""

import ast
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

import aws_encryption_sdk
import botocore
import botocore.session
import pytest
from aws_encryption_sdk.key_providers.kms import KMSMasterKey
from botocore import xform_name
from botocore.config import Config
from botocore.loaders import Loader

from sms_gateway.aws import clients
from testing.aws import ENVIRONMENT, served

ROOT = Path(__file__).parent.parent.parent
LAYERS = ROOT / "layers"
INSTALLED = Path(botocore.__file__).parent.parent
WHOLE = INSTALLED / "botocore" / "data"
TRIM: dict[str, Any] = runpy.run_path(str(LAYERS / "gateway" / "trim.py"))
TRIM_SDK: dict[str, Any] = runpy.run_path(str(LAYERS / "cognito" / "trim.py"))
TRIMMED = {path.partition("/")[0] for path in (*TRIM["STATEMENTS"], *TRIM["STAND_INS"])}
LEFT_OUT = {
    "asyncio",
    "aws_encryption_sdk.caches",
    "boto3",
    "botocore.docs.bcdoc",
    "html.entities",
    "html.parser",
    "importlib.metadata",
    "phonenumbers.asyoutypeformatter",
    "phonenumbers.data.alt_format_44",
    "phonenumbers.phonenumbermatcher",
    "phonenumbers.shortnumberinfo",
}
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
    ("ssm", "get_parameter", {"Name": "p"}),
    ("s3", "get_object", PART),
    ("s3", "head_object", PART),
    ("s3", "put_object", PART | {"Body": b"to"}),
    ("s3", "create_multipart_upload", PART),
    ("s3", "upload_part", PART | {"UploadId": "u", "PartNumber": 1, "Body": b"to"}),
    ("s3", "complete_multipart_upload", OF_PARTS),
    ("events", "put_events", {"Entries": [{"Source": "s", "DetailType": "t", "Detail": "{}"}]}),
    ("kms", "decrypt", {"CiphertextBlob": b"sealed", "KeyId": "k"}),
]


@pytest.fixture(scope="module")
def trimmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gateway's layer, as far as trimming changes it."""
    root: Path = tmp_path_factory.mktemp("python")
    kept = TRIM["OPERATIONS"].keys() | {"sns"}

    def unwanted(folder: str, names: list[str]) -> set[str]:
        services = {one for one in names if (WHOLE / one).is_dir()} - kept
        return {"__pycache__"} | (services if Path(folder) == WHOLE else set())

    for name in TRIMMED:
        source = INSTALLED / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=unwanted)
        else:
            shutil.copy(source, root)
    (root / "boto3" / "data").mkdir(parents=True)
    TRIM["trim"](root)
    return root


@pytest.fixture(scope="module")
def trimmed_sdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cognito function's layer, as far as trimming changes it."""
    root: Path = tmp_path_factory.mktemp("cognito")
    shutil.copytree(INSTALLED / "aws_encryption_sdk", root / "aws_encryption_sdk")
    TRIM_SDK["trim"](root)
    return root


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
def test_our_client_with_a_trimmed_description_makes_the_same_request(
    monkeypatch: pytest.MonkeyPatch,
    trimmed: Path,
    service: str,
    operation: str,
    given: dict[str, Any],
    region: str,
) -> None:
    config = Config(user_agent="u")
    with monkeypatch.context() as patched:
        patched.setenv("AWS_REGION", region)
        patched.setenv("AWS_DEFAULT_REGION", region)
        whole: Any = botocore.session.get_session().create_client(service, config=config)
        patched.setattr(Loader, "BUILTIN_DATA_PATH", str(trimmed / "botocore" / "data"))
        clients.forget()
        ours = clients.client(service, config)
    clients.forget()
    assert ours.meta.method_to_api_mapping.keys() < whole.meta.method_to_api_mapping.keys()
    assert sent(ours, operation, given) == sent(whole, operation, given)


def test_every_operation_that_is_left_is_tried_here_and_asked_for_by_a_function() -> None:
    left = {(service, name) for service, names in TRIM["OPERATIONS"].items() for name in names}
    tried = {(service, name) for service, name, _ in CALLS}
    assert tried == {(service, xform_name(name)) for service, name in left}
    written = "".join(one.read_text() for one in (LAYERS / "gateway/sms_gateway").rglob("*.py"))
    asked = set(re.findall(r"client\([^()]*\)\.([a-z_]+)\(", written))
    # KMS is asked by the Encryption SDK.
    assert asked == {xform_name(name) for service, name in left if service != "kms"}


def test_an_operation_that_a_service_lost_fails_the_build() -> None:
    described = {"metadata": {"serviceId": "SQS"}, "operations": {}, "shapes": {}}
    with pytest.raises(ValueError, match=r"SQS has no .'SendMessage'"):
        TRIM["_reduce"](described, {"SendMessage"})


def test_what_no_function_reads_is_gone(trimmed: Path) -> None:
    data = trimmed / "botocore" / "data"
    assert not (data / "sns").exists()
    assert (data / "endpoints.json").stat().st_size < 50_000
    for described in data.rglob("service-2.json"):
        assert not re.search(r'"documentation":"[^"]', described.read_text())


def run(code: str, *path: Path, **variables: str) -> Any:
    """What a process prints that has the trimmed parts first on its path, and the functions' core;
    as JSON."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env=ENVIRONMENT
        | variables
        | {"PYTHONPATH": os.pathsep.join(map(str, (*path, LAYERS / "gateway", INSTALLED)))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("function", ["callback", "send", "cognito"])
def test_a_start_loads_nothing_that_was_left_out(
    trimmed: Path, trimmed_sdk: Path, function: str
) -> None:
    code = "import app, json, sys; print(json.dumps([*sys.modules]))"
    loaded = set(run(code, ROOT / "functions" / function, trimmed, trimmed_sdk))
    own = "receipts.callbacks" if function == "callback" else "messages.send"
    assert f"sms_gateway.{own}" in loaded
    assert loaded & LEFT_OUT == set()


def test_what_is_left_still_works(trimmed: Path) -> None:
    """Clients with paging, numbers, ULIDs, and a pool of connections."""
    code = """
import json, urllib3
from botocore.config import Config
from botocore.loaders import Loader
from ulid import ULID
from sms_gateway.aws import clients
from sms_gateway.sms import phone_numbers
table = clients.client("dynamodb", Config())
table.get_paginator("query"), urllib3.PoolManager()
print(json.dumps([phone_numbers.e164("07911 123456", ["GB"]), str(ULID.from_timestamp(0))[:10]]))
"""
    assert run(code, trimmed) == ["+447911123456", "0000000000"]


def test_a_library_that_has_changed_fails_the_build(trimmed: Path, trimmed_sdk: Path) -> None:
    """Here because all was taken out before."""
    for module, patterns in TRIM["STATEMENTS"].items():
        with pytest.raises(ValueError, match=Path(module).name):
            TRIM["_take_out"](trimmed / module, patterns)
    with pytest.raises(ValueError, match="boto3"):
        TRIM_SDK["trim"](trimmed_sdk)


def test_what_stands_in_has_every_name_that_is_asked_of_it() -> None:
    """Also by parts of the libraries that nothing here loads yet."""
    (instead,) = TRIM["STAND_INS"].values()
    given: dict[str, Any] = {}
    exec(instead, given)  # noqa: S102 - our own text
    asked = set()
    for package in ("aws_lambda_powertools", "msgspec", "ulid", "urllib3"):
        for module in (INSTALLED / package).rglob("*.py"):
            for node in ast.walk(ast.parse(module.read_text())):
                if isinstance(node, ast.ImportFrom) and node.module == "typing_extensions":
                    asked |= {alias.name for alias in node.names}
    assert asked <= given.keys()


def test_a_code_of_cognito_is_opened_by_kms_without_boto3(trimmed: Path, trimmed_sdk: Path) -> None:
    with served() as memory:
        client: Any = botocore.session.get_session().create_client(
            "kms",
            "eu-central-1",
            endpoint_url=memory.base,
            aws_access_key_id="a",
            aws_secret_access_key="b",
        )
        sealed, _ = aws_encryption_sdk.EncryptionSDKClient(
            commitment_policy=aws_encryption_sdk.CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT
        ).encrypt(
            source=b"482913",
            key_provider=KMSMasterKey(key_id=ENVIRONMENT["COGNITO_KEY"], client=client),
            algorithm=aws_encryption_sdk.Algorithm.AES_256_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384,
        )
        code = f"""
import base64, json, sys
from sms_gateway.triggers.cognito_decryption import unseal
code = unseal(base64.b64decode({b64encode(sealed).decode()!r}))
print(json.dumps([code, "boto3" in sys.modules]))
"""
        opened = run(code, trimmed, trimmed_sdk, AWS_ENDPOINT_URL=memory.base)
    assert opened == ["482913", False]

"""What DynamoDB answers is read as botocore reads it, only faster."""

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.parsers import BaseJSONParser

from sms_gateway.aws import clients

ONCE = Config(retries={"total_max_attempts": 1})
KEY = {"pk": {"S": "p"}, "sk": {"S": "B"}}
ITEM: dict[str, Any] = {
    **KEY,
    "count": {"N": "3"},
    "on": {"BOOL": True},
    "none": {"NULL": True},
    "timeline": {"L": [{"S": '["B":,"\u00e9"]'}, {"M": {"a": {"SS": ["x"]}}}]},
}
PACKED = ITEM | {"rows": {"B": b64encode(b"\x00packed").decode()}}
TABLE: Any = {"TableName": "t"}
READ = TABLE | {"Key": KEY}
KEYS: Any = {"RequestItems": {"t": {"Keys": [KEY]}}}
QUERY = TABLE | {"KeyConditionExpression": "pk = :pk"}
ANSWERS: list[tuple[str, Any, int, Any]] = [
    ("get_item", READ, 200, {"Item": ITEM}),
    ("get_item", READ, 200, {"Item": PACKED}),
    ("get_item", READ, 200, {}),
    ("query", QUERY, 200, {"Items": [ITEM, PACKED], "Count": 2, "LastEvaluatedKey": KEY}),
    ("batch_get_item", KEYS, 200, {"Responses": {"t": [ITEM]}, "UnprocessedKeys": {}}),
    ("update_item", READ, 200, {"Attributes": ITEM}),
    ("put_item", TABLE | {"Item": KEY}, 200, {}),
    ("transact_write_items", {"TransactItems": []}, 200, {}),
    (
        "put_item",
        TABLE | {"Item": KEY},
        400,
        {
            "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
            "message": "The conditional request failed",
            "Item": PACKED,
        },
    ),
    (
        "transact_write_items",
        {"TransactItems": []},
        400,
        {
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": "Transaction cancelled",
            "CancellationReasons": [{"Code": "None"}, {"Code": "ConditionalCheckFailed"}],
        },
    ),
    ("get_item", READ, 400, {"__type": "x#ValidationException", "message": "no"}),
]


def read(client: Any, operation: str, given: Any, status: int, body: bytes) -> Any:
    """What a call comes to that is answered so, also where it is an error."""

    class Raw:
        def stream(self, **_: Any) -> Iterator[bytes]:
            yield body

    def answer(**_: Any) -> AWSResponse:
        headers: Any = {"x-amzn-requestid": "1"}
        return AWSResponse("https://dynamodb", status, headers, Raw())

    client.meta.events.register_first("before-send", answer)
    try:
        return getattr(client, operation)(**given)
    except ClientError as error:
        return {**error.response, "text": str(error)}
    finally:
        client.meta.events.unregister("before-send", answer)


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The functions' own client."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.delenv("SMS_GATEWAY_PLAIN_BOTOCORE", raising=False)
    clients.reset()
    monkeypatch.setitem(clients.CONFIGS, "dynamodb", ONCE)
    yield clients.client("dynamodb")
    clients.reset()


@pytest.fixture
def theirs() -> Any:
    """botocore's."""
    return botocore.session.get_session().create_client(
        "dynamodb",
        "eu-central-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=clients.BASE_CONFIG.merge(ONCE),
    )


@pytest.mark.parametrize(("operation", "given", "status", "answer"), ANSWERS)
def test_an_answer_is_read_as_botocore_does(
    ours: Any, theirs: Any, operation: str, given: Any, status: int, answer: Any
) -> None:
    body = json.dumps(answer).encode()
    found, known = (read(one, operation, given, status, body) for one in (ours, theirs))
    # Of an error botocore leaves out its type, which is the code as well.
    found.pop("__type", None)
    assert {name: value for name, value in found.items() if name in known} == known
    assert found.keys() - known.keys() <= {"message", "Message"}


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"Item": '])
def test_what_is_no_json_is_read_as_botocore_does(ours: Any, theirs: Any, body: bytes) -> None:
    for status in (200, 400, 503):
        assert read(ours, "get_item", READ, status, body) == read(
            theirs, "get_item", READ, status, body
        )


def test_an_answer_is_not_walked_value_by_value(ours: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore's own way is taken for bytes alone: a version that reads in another way, so that
    msgspec is passed by, is seen here."""
    walked: list[str] = []
    botocores: Any = BaseJSONParser
    whole = botocores._handle_structure

    def watched(parser: Any, shape: Any, value: Any) -> Any:
        walked.append(shape.name)
        return whole(parser, shape, value)

    monkeypatch.setattr(BaseJSONParser, "_handle_structure", watched)
    assert read(ours, "get_item", READ, 200, json.dumps({"Item": ITEM}).encode())["Item"] == ITEM
    assert walked == []
    packed = read(ours, "get_item", READ, 200, json.dumps({"Item": PACKED}).encode())["Item"]
    assert packed["rows"]["B"] == b"\x00packed"
    assert walked


def test_other_services_answers_are_read_by_botocore(ours: Any) -> None:
    """They have times and bytes."""
    kms = clients.client("kms")
    sealed = json.dumps({"KeyId": "k", "Plaintext": b64encode(b"code").decode()}).encode()
    assert read(kms, "decrypt", {"CiphertextBlob": b"x"}, 200, sealed)["Plaintext"] == b"code"

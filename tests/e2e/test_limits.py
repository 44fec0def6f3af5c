"""A limit of one message a day is obeyed on every way in, with IAM enforced.

Each way has a tenant of its own, and is asked to send two messages: one goes.
"""

import itertools
import json
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import aws_encryption_sdk
import pytest
from aws_encryption_sdk import CommitmentPolicy, StrictAwsKmsMasterKeyProvider
from botocore.session import Session

from local.stack import REGION, ROOT, SOURCES, LocalStack
from testing.deployed import Api

PATIENCE = 120  # seconds; a running function knows its settings within a minute
POLICY_SECONDS = 31  # within which every running function reads the policies again
POOL = f"{REGION}_Limited01"
WAYS = ("http", "bus", "queue", "topic", "cognito", "direct", "campaign")
numbers = (f"+8801000000{nth}" for nth in itertools.count(800))


@pytest.fixture(scope="module")
def limited(stack: LocalStack) -> Iterator[dict[str, Api]]:
    """Return a caller of each way's tenant, which may send one message a day."""
    for way in WAYS:
        stack.run_smsgw("tenants", "set", f"limit-{way}", "-", given='{"messages_per_day": 1}')
    stack.set_setting(
        "sources",
        {
            "bus": {**SOURCES["bus"], "limited": {"tenant": "limit-bus"}},
            "queue": {**SOURCES["queue"], "limited": {"tenant": "limit-queue"}},
            "topic": {**SOURCES["topic"], "messages": {"tenant": "limit-topic"}},
            "cognito": {**SOURCES["cognito"], POOL: {"tenant": "limit-cognito"}},
            "direct": {"tenant": "limit-direct"},
        },
    )
    time.sleep(POLICY_SECONDS)
    scopes = ("messages:send", "messages:read", "verifications")
    yield {way: Api(stack, stack.key(f"limit-{way}", scopes)) for way in WAYS}
    stack.set_setting("sources", SOURCES)
    for way in WAYS:
        stack.run_smsgw("tenants", "remove", f"limit-{way}")


def used(caller: Api) -> int:
    (usage,) = caller("GET", "/usage").body["limits"]
    assert (usage["quota"], usage["limit"]) == ("messages_per_day", 1)
    found: int = usage["used"]
    return found


def sent(caller: Api) -> int:
    return len(caller("GET", "/messages").body["messages"])


def repeated(caller: Api, send: Callable[[], object]) -> None:
    """Ask until one is counted: until then the function does not know whose it is."""
    end = time.monotonic() + PATIENCE
    while True:
        send()
        for _ in range(8):
            if used(caller):
                return
            time.sleep(0.5)
        assert time.monotonic() < end


def two(**fields: Any) -> dict[str, Any]:
    return {"to": [next(numbers), next(numbers)], "text": "One of two", **fields}


def left(stack: LocalStack, way: str) -> None:
    """Wait for the dead letter of the second one."""
    end = time.monotonic() + PATIENCE
    while "allows 1 messages a day" not in (
        listed := stack.run_smsgw("dlq", "list", "--queue", way)
    ):
        assert time.monotonic() < end, listed
        time.sleep(1)


def test_http_and_its_verifications(limited: dict[str, Api]) -> None:
    caller = limited["http"]
    answer = caller("POST", "/messages", two())
    assert answer.status == 202
    (over,) = answer.body["rejected"]
    assert over["problem"]["type"] == "/problems/quota-exhausted"
    code = caller("POST", "/verifications", {"to": next(numbers), "text": "Code {code}"})
    assert (code.status, code.body["used"], code.body["limit"]) == (429, 1, 1)
    assert int(code.headers["Retry-After"]) >= 1
    assert (used(caller), sent(caller)) == (1, 1)


def test_the_bus(stack: LocalStack, limited: dict[str, Api]) -> None:
    def put() -> None:
        entry = {
            "EventBusName": stack.facts["bus"],
            "Source": "limited",
            "DetailType": "SendMessage",
            "Detail": json.dumps(two()),
        }
        assert stack.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0

    repeated(limited["bus"], put)
    left(stack, "from_eventbridge")
    assert (used(limited["bus"]), sent(limited["bus"])) == (1, 1)


def test_the_queue(stack: LocalStack, limited: dict[str, Api]) -> None:
    def put() -> None:
        stack.client("sqs").send_message(
            QueueUrl=stack.facts["queue"],
            MessageBody=json.dumps(two()),
            MessageAttributes={"source": {"DataType": "String", "StringValue": "limited"}},
        )

    repeated(limited["queue"], put)
    left(stack, "from_sqs")
    assert (used(limited["queue"]), sent(limited["queue"])) == (1, 1)


def test_the_topic(stack: LocalStack, limited: dict[str, Api]) -> None:
    def put() -> None:
        to = ", ".join((next(numbers), next(numbers)))
        stack.client("sns").publish(
            TopicArn=stack.facts["topic"],
            Message="One of two",
            MessageAttributes={"to": {"DataType": "String", "StringValue": to}},
        )

    repeated(limited["topic"], put)
    left(stack, "from_sns")
    assert (used(limited["topic"]), sent(limited["topic"])) == (1, 1)


def test_cognito(
    stack: LocalStack, limited: dict[str, Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    provider = StrictAwsKmsMasterKeyProvider(
        key_ids=[stack.facts["cognito_key"]], botocore_session=Session()
    )
    client = aws_encryption_sdk.EncryptionSDKClient(
        commitment_policy=CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT
    )
    algorithm = aws_encryption_sdk.Algorithm.AES_256_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384
    event = json.loads((ROOT / "events" / "from_cognito.json").read_text())
    event["userPoolId"], event["region"] = POOL, REGION

    def invoke() -> str:
        sealed, _ = client.encrypt(
            source=b"482914",
            key_provider=provider,
            encryption_context={"userpool-id": POOL},
            algorithm=algorithm,
        )
        event["request"]["code"] = b64encode(sealed).decode()  # the same one is the same request
        event["request"]["userAttributes"]["phone_number"] = next(numbers)
        answer = stack.client("lambda").invoke(
            FunctionName=stack.facts["from_cognito_function"], Payload=json.dumps(event)
        )
        failed = answer["Payload"].read().decode()
        return str(failed) if "FunctionError" in answer else ""

    repeated(limited["cognito"], invoke)
    assert "allows 1 messages a day" in invoke()
    assert (used(limited["cognito"]), sent(limited["cognito"])) == (1, 1)


def test_direct_invocation(stack: LocalStack, limited: dict[str, Api]) -> None:
    answers: list[Any] = []

    def invoke() -> None:
        answer = stack.client("lambda").invoke(
            FunctionName=stack.facts["from_invocation_function"],
            Payload=json.dumps({"message": two()}),
        )
        answers.append(json.loads(answer["Payload"].read()))

    repeated(limited["direct"], invoke)
    (over,) = answers[-1]["rejected"]
    assert over["problem"]["type"] == "/problems/quota-exhausted"
    invoke()
    assert "quota-exhausted" in answers[-1]["errorMessage"]
    assert (used(limited["direct"]), sent(limited["direct"])) == (1, 1)


def test_a_campaign(stack: LocalStack, limited: dict[str, Api]) -> None:
    body = "to,text\n" + "".join(f"{next(numbers)},One of two\n" for _ in range(2))
    stack.client("s3").put_object(
        Bucket=stack.facts["campaigns_bucket"],
        Key="campaigns/limit-campaign/two.csv",
        Body=body.encode(),
    )
    end = time.monotonic() + PATIENCE
    while not (found := campaigns(stack)) or found[0]["state"] != "failed":
        assert time.monotonic() < end, found
        time.sleep(0.5)
    shown = stack.run_smsgw("campaigns", "show", str(found[0]["id"]))
    assert "allows 1 messages a day" in shown
    assert (used(limited["campaign"]), sent(limited["campaign"])) == (1, 1)


def campaigns(stack: LocalStack) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(stack.run_smsgw("campaigns", "list", "--json"))
    return [one for one in listed if one["tenant"] == "limit-campaign"]

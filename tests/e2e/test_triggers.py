"""Sending without HTTP: each source of the deployed stack, with IAM enforced."""

import json
import time
from base64 import b64encode
from typing import Any

import aws_encryption_sdk
import pytest
import urllib3
from aws_encryption_sdk import CommitmentPolicy, StrictAwsKmsMasterKeyProvider
from botocore.session import Session

from local.stack import REGION, ROOT, SOURCES, USER_POOL, LocalStack
from testing.deployed import PATIENCE, Api

ON_CALL = SOURCES["topic"]["alarms"]["to"][0]


def texts(stack: LocalStack, number: str) -> list[str]:
    """What the simulated handset of a number has got."""
    address = f"{stack.simulators}/_handset?number={number.removeprefix('+')}"
    shown: list[str] = urllib3.request("GET", address).json()["texts"]
    return shown


def arrived(stack: LocalStack, number: str, text: str) -> list[str]:
    """What a handset has got, when `text` is among it."""
    end = time.monotonic() + PATIENCE
    while text not in (got := texts(stack, number)):
        assert time.monotonic() < end, got
        time.sleep(0.3)
    return got


def dead_letters(stack: LocalStack, name: str) -> str:
    """The address of a source's dead-letter queue."""
    resource = stack.client("cloudformation").describe_stack_resource(
        StackName=stack.facts["stack_name"], LogicalResourceId=f"{name}DeadLetters"
    )
    return str(resource["StackResourceDetail"]["PhysicalResourceId"])


def put(stack: LocalStack, detail: Any, source: str = "demo") -> None:
    """Puts an event on the stack's bus."""
    answer = stack.client("events").put_events(
        Entries=[
            {
                "EventBusName": stack.facts["bus"],
                "Source": source,
                "DetailType": "SendMessage",
                "Detail": json.dumps(detail),
            }
        ]
    )
    assert answer["FailedEntryCount"] == 0


def test_an_event_on_the_bus_is_delivered(stack: LocalStack, api: Api) -> None:
    number = "+8801000000061"
    put(stack, {"to": number, "text": "Sent by the bus", "reference": "by-bus"})
    assert arrived(stack, number, "Sent by the bus") == ["Sent by the bus"]
    (message,) = api("GET", "/messages?reference=by-bus").body["messages"]
    assert api.final(message["id"])["status"] == "delivered"


def test_a_message_of_the_queue_is_sent_once_under_its_key(stack: LocalStack) -> None:
    number = "+8801000000062"
    body = json.dumps({"to": number, "text": "Sent by the queue"})
    for _ in range(2):
        stack.client("sqs").send_message(
            QueueUrl=stack.facts["queue"],
            MessageBody=body,
            MessageAttributes={"idempotency_key": {"DataType": "String", "StringValue": "once"}},
        )
    last = json.dumps({"to": number, "text": "the last"})
    arrived(stack, number, "Sent by the queue")
    stack.client("sqs").send_message(QueueUrl=stack.facts["queue"], MessageBody=last)
    assert arrived(stack, number, "the last") == ["Sent by the queue", "the last"]


def test_an_alarm_goes_to_those_on_call(stack: LocalStack) -> None:
    cloudwatch = stack.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="disk",
        Namespace="Shop",
        MetricName="DiskUsed",
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=95,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[stack.facts["topic"]],
    )
    reason = "97 % of the disk is used"
    cloudwatch.set_alarm_state(AlarmName="disk", StateValue="ALARM", StateReason=reason)
    arrived(stack, ON_CALL, f"ALARM disk: {reason}")


def test_a_message_of_the_topic_goes_to_its_numbers(stack: LocalStack) -> None:
    numbers = ["+8801000000063", "+8801000000064"]
    stack.client("sns").publish(
        TopicArn=stack.facts["topic"],
        Message="Sent by the topic",
        MessageAttributes={"to": {"DataType": "String", "StringValue": ", ".join(numbers)}},
    )
    for number in numbers:
        arrived(stack, number, "Sent by the topic")


def test_a_function_is_invoked_directly_to_send(stack: LocalStack, api: Api) -> None:
    number = "+8801000000065"
    event = {"idempotency_key": "direct-1", "message": {"to": number, "text": "invoked"}}

    def invoke(given: Any) -> tuple[bool, Any]:
        answer = stack.client("lambda").invoke(
            FunctionName=stack.facts["from_invocation_function"], Payload=json.dumps(given)
        )
        return "FunctionError" in answer, json.loads(answer["Payload"].read())

    failed, first = invoke(event)
    assert not failed, first
    assert invoke(event) == (False, first)
    assert api.final(first["messages"][0]["id"])["status"] == "delivered"
    assert texts(stack, number) == ["invoked"]
    failed, problem = invoke({**event, "tenant": "another"})
    assert failed
    assert "invalid-request" in problem["errorMessage"]  # its type is the emulator's own


def test_a_state_machine_sends(stack: LocalStack) -> None:
    number = "+8801000000070"
    written = (ROOT / "events" / "send.asl.json").read_text()
    definition = written.replace(
        "${FromInvocationFunctionArn}", stack.facts["from_invocation_function"]
    )
    role = stack.client("iam").create_role(
        RoleName="tells-customers",
        AssumeRolePolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "states.amazonaws.com"},
                        "Action": "sts:AssumeRole",
                    }
                ],
            }
        ),
    )["Role"]["Arn"]
    stack.client("iam").put_role_policy(
        RoleName="tells-customers",
        PolicyName="send",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "lambda:InvokeFunction",
                        "Resource": stack.facts["from_invocation_function"],
                    }
                ],
            }
        ),
    )
    states = stack.client("stepfunctions")
    machine = states.create_state_machine(
        name="tell",
        definition=definition,
        roleArn=role,
    )["stateMachineArn"]
    started = states.start_execution(
        stateMachineArn=machine, input=json.dumps({"order": "7", "customer": {"phone": number}})
    )["executionArn"]
    assert arrived(stack, number, "Order 7 is on its way") == ["Order 7 is on its way"]
    end = time.monotonic() + PATIENCE
    while (seen := states.describe_execution(executionArn=started))["status"] == "RUNNING":
        assert time.monotonic() < end
        time.sleep(0.3)
    assert seen["status"] == "SUCCEEDED", seen
    sms = json.loads(seen["output"])["sms"]
    assert sms["message_id"].startswith(sms["batch_id"])


def test_a_code_of_cognito_is_decrypted_and_sent(
    stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    number = "+8801000000066"
    provider = StrictAwsKmsMasterKeyProvider(
        key_ids=[stack.facts["cognito_key"]], botocore_session=Session()
    )
    client = aws_encryption_sdk.EncryptionSDKClient(
        commitment_policy=CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT
    )
    sealed, _ = client.encrypt(
        source=b"482913",
        key_provider=provider,
        encryption_context={"userpool-id": USER_POOL},
        algorithm=aws_encryption_sdk.Algorithm.AES_256_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384,
    )
    event = json.loads((ROOT / "events" / "from_cognito.json").read_text())
    event["userPoolId"], event["region"] = USER_POOL, REGION
    event["request"]["userAttributes"]["phone_number"] = number
    event["request"]["code"] = b64encode(sealed).decode()
    answer = stack.client("lambda").invoke(
        FunctionName=stack.facts["from_cognito_function"], Payload=json.dumps(event)
    )
    assert "FunctionError" not in answer, answer["Payload"].read()
    assert arrived(stack, number, "Your code is 482913") == ["Your code is 482913"]


def test_what_can_never_be_sent_is_buried_with_its_reason(stack: LocalStack) -> None:
    put(stack, {"to": "+8801000000067", "text": "never"}, source="stranger")
    stack.client("sqs").send_message(QueueUrl=stack.facts["queue"], MessageBody="never")
    stack.client("sns").publish(TopicArn=stack.facts["topic"], Message="never")
    reasons = {
        "from_eventbridge": 'unknown-source: The sources parameter has no "stranger" under "bus"; '
        "it has: demo.",
        "from_sqs": "malformed-json: The body must be one JSON object in UTF-8: Expecting value at "
        "line 1, column 1.",
        "from_sns": "no-recipient: The message is no CloudWatch alarm and has no attribute `to`",
    }
    for way, reason in reasons.items():
        end = time.monotonic() + PATIENCE
        while reason not in (listed := stack.run_smsgw("dlq", "list", "--queue", way)):
            assert time.monotonic() < end, listed
        assert "never" not in listed


def test_a_dead_letter_is_brought_again(stack: LocalStack) -> None:
    numbers = {"FromEventbridge": "+8801000000068", "FromSqs": "+8801000000069"}
    event = json.loads((ROOT / "events" / "from_eventbridge.json").read_text())
    event |= {"source": "demo", "account": "000000000000"}
    event["detail"] = {"to": numbers["FromEventbridge"], "text": "again"}
    bodies = {"FromEventbridge": event, "FromSqs": {"to": numbers["FromSqs"], "text": "again"}}
    sqs = stack.client("sqs")
    for name, body in bodies.items():
        sqs.send_message(QueueUrl=dead_letters(stack, name), MessageBody=json.dumps(body))
    for way in ("from_eventbridge", "from_sqs"):
        assert "back in their queues" in stack.run_smsgw("dlq", "redrive", "--queue", way)
    for number in numbers.values():
        assert arrived(stack, number, "again") == ["again"]

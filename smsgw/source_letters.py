"""Dead letters of sources. Each holds what came, so that it can be taken once more; of that only
what is wrong with it is shown. But for notices: these only tell which recipients of what was sent
were refused for good."""

import json
from typing import Any

import boto3
from botocore.exceptions import ClientError

# The ways in, with the beginning of their resources' names.
WAYS = {
    "from_eventbridge": "FromEventbridge",
    "from_sqs": "FromSqs",
    "from_sns": "FromSns",
    "from_cognito": "FromCognito",
}
ATTRIBUTES = ("source", "idempotency_key", "only")  # that a message of the queue brings


def said(letter: Any) -> str:
    """What may be shown: our own reason, or that of the AWS service that gave up. Never what came,
    which has a number and a text."""
    given = _texts(letter)
    if "reason" in given:
        where = f" ({given['pointer']})" if "pointer" in given else ""
        return f"{given['problem']}: {given['reason']}{where}"
    words = [given[name] for name in ("ERROR_CODE", "ErrorCode", "ERROR_MESSAGE", "ErrorMessage")
             if name in given]  # fmt: skip
    return " ".join(words) or "no reason given: see the logs"


def is_notice(letter: Any) -> bool:
    """Whether a letter holds nothing that could be sent."""
    return "refused" in _texts(letter)


def again(stack: str, way: str, letter: Any) -> None:
    """Brings what came to its function once more, under the same key: what was sent meanwhile is
    not sent again. Raises ValueError for a letter that is no event."""
    if way == "from_sqs":
        _put_back(stack, letter)
        return
    event = json.loads(letter["Body"])
    if way == "from_sns" and "Records" not in event:
        event = {"Records": [{"Sns": event}]}  # SNS buries the notification alone
    if only := _texts(letter).get("only"):
        event["only"] = only
    boto3.client("lambda").invoke(
        FunctionName=f"{resource(stack, f'{WAYS[way]}Function')}:live",
        InvocationType="Event",
        Payload=json.dumps(event, ensure_ascii=False).encode(),
    )


def resource(stack: str, name: str) -> str | None:
    """A resource of the stack; None when it is not there, as for a way in that is turned off."""
    try:
        found = boto3.client("cloudformation").describe_stack_resource(
            StackName=stack, LogicalResourceId=name
        )
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return found["StackResourceDetail"]["PhysicalResourceId"]


def _put_back(stack: str, letter: Any) -> None:
    given = {name: value for name, value in _texts(letter).items() if name in ATTRIBUTES}
    # A message put back has another id, which may not become another key.
    given.setdefault("idempotency_key", f"queue/{letter['MessageId']}")
    boto3.client("sqs").send_message(
        QueueUrl=str(resource(stack, "IngressQueue")),
        MessageBody=letter["Body"],
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in given.items()
        },
    )


def _texts(letter: Any) -> dict[str, str]:
    """A letter's attributes of kind String."""
    given = letter.get("MessageAttributes", {})
    return {name: one["StringValue"] for name, one in given.items() if "StringValue" in one}

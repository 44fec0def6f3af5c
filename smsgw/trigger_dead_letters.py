"""Dead-letter messages of triggers.

Each holds what came, so that it can be sent again; only the problem is shown. A notice holds
nothing to send: it says which recipients were refused for good.
"""

import json
import time
from typing import Any

from botocore.exceptions import ClientError

from smsgw import clients

TRIGGERS = {  # by function folder: the prefix of its resources' logical ids
    "from_eventbridge": "FromEventbridge",
    "from_sqs": "FromSqs",
    "from_sns": "FromSns",
    "from_cognito": "FromCognito",
}
MAX_CODE_SECONDS = 300  # how long Lambda itself tries
# Idempotency keys are forgotten after 24 hours, and Lambda tries an event again for six.
MAX_UNDECIDED_SECONDS = 18 * 3600
NOTICE = (
    "as recipients were refused for good and there is nothing to send. "
    "Mend the numbers or texts at their source (`smsgw dlq list` says which), send those again as "
    "new messages, then `smsgw dlq dismiss`"
)
OLD_CODE = (
    "as a code older than five minutes is not sent: let users ask again, then `smsgw dlq dismiss`"
)
UNDECIDED = (
    "as what is older than 18 hours may have been sent, and its key is forgotten. Look "
    "with GET /messages, send what is missing as new messages, then delete them with `aws sqs`"
)
KEPT_ATTRIBUTES = ("source", "idempotency_key", "only")  # of a message of the ingress queue


def describe(message: Any) -> str:
    """Say why it is dead: our own reason, or that of the AWS service that gave up.

    Never show what came, which has a number and a text.
    """
    attributes = _string_attributes(message)
    if "reason" in attributes:
        where = f" ({attributes['pointer']})" if "pointer" in attributes else ""
        return f"{attributes['problem']}: {attributes['reason']}{where}"
    names = ("ERROR_CODE", "ErrorCode", "ERROR_MESSAGE", "ErrorMessage")
    words = [attributes[name] for name in names if name in attributes]
    return " ".join(words) or "no reason given: see the logs"


def why_it_stays(trigger: str, message: Any) -> str | None:
    """Return why a dead letter can't be redriven and what to do, to be read behind a number."""
    attributes = _string_attributes(message)
    age = time.time() - int(message["Attributes"]["SentTimestamp"]) / 1000
    if "refused" in attributes:
        return NOTICE
    if trigger == "from_cognito" and age > MAX_CODE_SECONDS:
        return OLD_CODE
    if "reason" not in attributes and age > MAX_UNDECIDED_SECONDS:
        return UNDECIDED  # its function gave no reason: it may have sent it and died
    return None


def redrive(stack: str, trigger: str, message: Any) -> None:
    """Hand what came to its function again, under the same key.

    What was sent meanwhile is not sent again. Raise ValueError for a message that is no event.
    """
    if trigger == "from_sqs":
        _return_to_ingress_queue(stack, message)
        return
    event = json.loads(message["Body"])
    if trigger == "from_sns" and "Records" not in event:
        event = {"Records": [{"Sns": event}]}  # SNS's own dead letter is the notification alone
    if only := _string_attributes(message).get("only"):
        event["only"] = only
    clients.client("lambda").invoke(
        FunctionName=str(physical_id(stack, f"{TRIGGERS[trigger]}Function")),
        InvocationType="Event",
        Payload=json.dumps(event, ensure_ascii=False).encode(),
    )


def physical_id(stack: str, logical_id: str) -> str | None:
    """Find a resource of the stack; None when it is not there, as for a trigger that is off."""
    try:
        found = clients.client("cloudformation").describe_stack_resource(
            StackName=stack, LogicalResourceId=logical_id
        )
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return str(found["StackResourceDetail"]["PhysicalResourceId"])


def _return_to_ingress_queue(stack: str, message: Any) -> None:
    attributes = {
        name: value
        for name, value in _string_attributes(message).items()
        if name in KEPT_ATTRIBUTES
    }
    # A message put back has another id, which may not become another key.
    attributes.setdefault("idempotency_key", f"queue/{message['MessageId']}")
    clients.client("sqs").send_message(
        QueueUrl=str(physical_id(stack, "IngressQueue")),
        MessageBody=message["Body"],
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    )


def _string_attributes(message: Any) -> dict[str, str]:
    given = message.get("MessageAttributes", {})
    return {
        name: attribute["StringValue"]
        for name, attribute in given.items()
        if "StringValue" in attribute
    }

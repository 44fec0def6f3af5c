"""`smsgw dlq`: what could not be worked on, and its way back.

Three kinds: submissions (one queue a vendor), deliveries to webhooks (two lanes), and changes of
the table that could not be told. Of these the letter names only the place in the table's stream,
which keeps them for 24 hours: they are fetched from there and published again.
"""

import argparse
import json
from collections.abc import Iterator
from typing import Any

import boto3

from sms_gateway.vendors import VENDORS
from smsgw import changes

DELIVERIES = ("deliveries", "slow-deliveries")
STREAM = "changes"
NAMES = {"deliveries": "Delivery", "slow-deliveries": "SlowDelivery", "changes": "Stream"}
HOLD = 30  # seconds that a dead letter is hidden from others while it is looked at or moved


def show(options: argparse.Namespace) -> None:
    """Prints every dead letter: which submission, of how many messages, tried how often."""
    found = 0
    for vendor in _kinds(options):
        queue = _url(options.stack, vendor, "DeadLetters")
        letters = list(_letters(queue))  # none is let go before the last is read
        for letter in letters:
            found += 1
            tries = letter["Attributes"]["ApproximateReceiveCount"]
            print(f"{vendor:12}  received {tries:>3} times  {_said(vendor, letter['Body'])}")
            _client().change_message_visibility(
                QueueUrl=queue, ReceiptHandle=letter["ReceiptHandle"], VisibilityTimeout=0
            )
    print(f"{found} dead letters")


def redrive(options: argparse.Namespace) -> None:
    """Puts dead letters back into their queues. A submission that has been sent meanwhile is not
    sent again: its record forbids it. An event may be told twice."""
    moved = 0
    for kind in _kinds(options):
        dead = _url(options.stack, kind, "DeadLetters")
        for letter in _letters(dead):
            _again(options, kind, letter)
            _client().delete_message(QueueUrl=dead, ReceiptHandle=letter["ReceiptHandle"])
            moved += 1
    print(f"{moved} dead letters are back in their queues")


def _kinds(options: argparse.Namespace) -> list[str]:
    return [options.vendor] if options.vendor else [*VENDORS, *DELIVERIES, STREAM]


def _said(kind: str, body: str) -> str:
    """What may be shown of a letter: never an event, which may hold a number and a text."""
    if kind in DELIVERIES:
        parcel = json.loads(body)
        return f"{parcel['webhook']} {parcel['id']}"
    if kind == STREAM:
        batch = json.loads(body)["DDBStreamBatchInfo"]
        since = batch["approximateArrivalOfFirstRecord"]
        return f"{batch['batchSize']} changes since {since}, kept by the stream for 24 hours"
    return body


def _again(options: argparse.Namespace, kind: str, letter: Any) -> None:
    """Puts a letter back. Raises CommandError when the changes it names are gone, or can't be
    published now."""
    if kind == STREAM:
        changes.publish(json.loads(letter["Body"])["DDBStreamBatchInfo"], options.outputs)
        return
    group = "redriven"
    if kind in DELIVERIES:
        group = json.loads(letter["Body"])["webhook"]
    _client().send_message(
        QueueUrl=_url(options.stack, kind, "Queue"),
        MessageBody=letter["Body"],
        MessageGroupId=group,
    )


def _letters(queue: str) -> Iterator[Any]:
    seen: set[str] = set()
    while True:
        answer = _client().receive_message(
            QueueUrl=queue,
            MaxNumberOfMessages=10,
            VisibilityTimeout=HOLD,
            WaitTimeSeconds=1,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        fresh = [one for one in answer.get("Messages", []) if one["MessageId"] not in seen]
        if not fresh:
            return
        seen.update(one["MessageId"] for one in fresh)
        yield from fresh


def _url(stack: str, vendor: str, kind: str) -> str:
    found = boto3.client("cloudformation").describe_stack_resource(
        StackName=stack, LogicalResourceId=f"{NAMES.get(vendor, vendor.capitalize())}{kind}"
    )
    return found["StackResourceDetail"]["PhysicalResourceId"]


def _client() -> Any:
    return boto3.client("sqs")

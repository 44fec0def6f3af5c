"""`smsgw dlq`: what could not be worked on, and its way back."""

import argparse
from collections.abc import Iterator
from typing import Any

import boto3

from sms_gateway.vendors import VENDORS

HOLD = 30  # seconds that a dead letter is hidden from others while it is looked at or moved


def show(options: argparse.Namespace) -> None:
    """Prints every dead letter: which submission, of how many messages, tried how often."""
    found = 0
    for vendor in _vendors(options):
        queue = _url(options.stack, vendor, "DeadLetters")
        letters = list(_letters(queue))  # none is let go before the last is read
        for letter in letters:
            found += 1
            tries = letter["Attributes"]["ApproximateReceiveCount"]
            print(f"{vendor:12}  received {tries:>3} times  {letter['Body']}")
            _client().change_message_visibility(
                QueueUrl=queue, ReceiptHandle=letter["ReceiptHandle"], VisibilityTimeout=0
            )
    print(f"{found} dead letters")


def redrive(options: argparse.Namespace) -> None:
    """Puts dead letters back into their queues. A submission that has been sent meanwhile is not
    sent again: its record forbids it."""
    moved = 0
    for vendor in _vendors(options):
        dead, alive = (_url(options.stack, vendor, kind) for kind in ("DeadLetters", "Queue"))
        for letter in _letters(dead):
            _client().send_message(
                QueueUrl=alive, MessageBody=letter["Body"], MessageGroupId="redriven"
            )
            _client().delete_message(QueueUrl=dead, ReceiptHandle=letter["ReceiptHandle"])
            moved += 1
    print(f"{moved} dead letters are back in their queues")


def _vendors(options: argparse.Namespace) -> list[str]:
    return [options.vendor] if options.vendor else list(VENDORS)


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
        StackName=stack, LogicalResourceId=f"{vendor.capitalize()}{kind}"
    )
    return found["StackResourceDetail"]["PhysicalResourceId"]


def _client() -> Any:
    return boto3.client("sqs")

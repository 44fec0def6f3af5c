"""`smsgw dlq`: what could not be worked on, and its way back."""

import argparse
from collections.abc import Iterator
from typing import Any

import boto3

from sms_gateway.vendors import VENDORS
from smsgw import source_letters
from smsgw.source_letters import WAYS

HOLD = 30  # seconds that a dead letter is hidden from others while it is looked at or moved


def show(options: argparse.Namespace) -> None:
    """Prints every dead letter: which submission, of how many messages, tried how often; or what
    was wrong with what came by a source."""
    found = 0
    for vendor, queue in _queues(options):
        letters = list(_letters(queue))  # none is let go before the last is read
        for letter in letters:
            found += 1
            tries = letter["Attributes"]["ApproximateReceiveCount"]
            print(f"{vendor:12}  received {tries:>3} times  {_said(vendor, letter)}")
            _client().change_message_visibility(
                QueueUrl=queue, ReceiptHandle=letter["ReceiptHandle"], VisibilityTimeout=0
            )
    print(f"{found} dead letters")


def redrive(options: argparse.Namespace) -> None:
    """Puts dead letters back into their queues, or hands what came by a source to its function. A
    submission that has been sent meanwhile is not sent again: its record forbids it."""
    moved = 0
    for kind, dead in _queues(options):
        # All are read first: what is buried again meanwhile waits for the next time.
        for letter in list(_letters(dead)):
            _again(options.stack, kind, letter)
            _client().delete_message(QueueUrl=dead, ReceiptHandle=letter["ReceiptHandle"])
            moved += 1
    print(f"{moved} dead letters are back in their queues")


def _again(stack: str, kind: str, letter: Any) -> None:
    if kind in WAYS:
        source_letters.again(stack, kind, letter)
        return
    alive = _url(stack, kind, "Queue")
    _client().send_message(QueueUrl=alive, MessageBody=letter["Body"], MessageGroupId="redriven")


def _queues(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """The dead-letter queues that are asked for: a vendor or a way in, and the queue's address."""
    every = not (options.vendor or options.way)
    for vendor in VENDORS if every else filter(None, [options.vendor]):
        yield vendor, _url(options.stack, vendor, "DeadLetters")
    for way in WAYS if every else filter(None, [options.way]):
        if queue := source_letters.resource(options.stack, f"{WAYS[way]}DeadLetters"):
            yield way, queue


def _said(kind: str, letter: Any) -> str:
    return source_letters.said(letter) if kind in WAYS else str(letter["Body"])


def _letters(queue: str) -> Iterator[Any]:
    seen: set[str] = set()
    while True:
        answer = _client().receive_message(
            QueueUrl=queue,
            MaxNumberOfMessages=10,
            VisibilityTimeout=HOLD,
            WaitTimeSeconds=1,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
            MessageAttributeNames=["All"],
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

"""`smsgw dlq`: what could not be worked on, and its way back.

Five kinds: submissions (one queue a vendor), work on campaigns, deliveries to webhooks (two lanes),
what came by a source, and changes of the table that could not be told. Of these the letter names
only the place in the table's stream, which keeps them for 24 hours: they are fetched from there and
published again.
"""

import argparse
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import unquote_plus

import boto3
from botocore.exceptions import ClientError

from sms_gateway.vendors.registry import VENDORS
from smsgw import changes, source_letters
from smsgw.errors import CommandError
from smsgw.source_letters import WAYS

DELIVERIES = ("deliveries", "slow-deliveries")
STREAM = "changes"
CAMPAIGNS = "campaigns"
NAMES = {
    "deliveries": "Delivery",
    "slow-deliveries": "SlowDelivery",
    STREAM: "Stream",
    CAMPAIGNS: "Campaign",
}
KINDS = (*VENDORS, CAMPAIGNS, *DELIVERIES, STREAM, *WAYS)
VISIBILITY_SECONDS = 30  # seconds that a dead letter is hidden from others while it is looked at or moved
STREAM_VISIBILITY_SECONDS = 900  # and while changes are told: an invocation may take two minutes


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
    submission that has been sent meanwhile is not sent again: its record forbids it. An event may
    be told twice. Raises CommandError when there are notices, which stay, after all others."""
    moved = buried = notices = 0
    for kind, dead in _queues(options):
        letters = _letters(dead, STREAM_VISIBILITY_SECONDS if kind == STREAM else VISIBILITY_SECONDS)
        if kind in (STREAM, *WAYS):
            # All are read first: what is buried again meanwhile waits for the next time.
            letters = iter(list(letters))
        for letter in letters:
            if kind in WAYS and source_letters.is_notice(letter):
                notices += 1
                _let_go(dead, [letter])
                continue
            try:
                buried += _again(options, kind, letter)
            except BaseException:
                _let_go(dead, [letter, *letters] if kind == STREAM else [])
                raise
            _client().delete_message(QueueUrl=dead, ReceiptHandle=letter["ReceiptHandle"])
            moved += 1
    print(f"{moved} dead letters are back in their queues")
    if buried:
        print(f"{buried} changes are not understood yet and were buried again: smsgw dlq list")
    if notices:
        raise CommandError(
            f"{notices} letters only tell of recipients that were refused for good: they hold "
            "nothing to send. Mend the numbers or texts at their source (`smsgw dlq list` says "
            "which), send those again as new messages, then `smsgw dlq dismiss`"
        )


def dismiss(options: argparse.Namespace) -> None:
    """Removes the notices about refused recipients; all other letters stay."""
    gone = 0
    for kind, dead in _queues(options):
        if kind not in WAYS:
            continue
        for letter in list(_letters(dead)):
            if source_letters.is_notice(letter):
                _client().delete_message(QueueUrl=dead, ReceiptHandle=letter["ReceiptHandle"])
                gone += 1
            else:
                _let_go(dead, [letter])
    print(f"{gone} letters about refused recipients are removed")


def _queues(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """The dead-letter queues that are asked for: what is in it, and its address."""
    for kind in [options.vendor] if options.vendor else KINDS:
        if kind not in WAYS:
            yield kind, _url(options.stack, kind, "DeadLetters")
        elif queue := source_letters.resource(options.stack, f"{WAYS[kind]}DeadLetters"):
            yield kind, queue


def _said(kind: str, letter: Any) -> str:
    """What may be shown of a letter: never an event, which may hold a number and a text."""
    if kind in WAYS:
        return source_letters.said(letter)
    body = str(letter["Body"])
    if kind in DELIVERIES:
        parcel = json.loads(body)
        return f"{parcel['webhook']} {parcel['id']}"
    if kind == STREAM:
        return changes.said(letter)
    if kind == CAMPAIGNS:
        return _campaign(body)
    return body


def _campaign(body: str) -> str:
    """A call to go on with a campaign is its id; a notice of S3 is JSON and names files."""
    if not body.startswith("{"):
        return f"campaign {body}"
    try:
        files = [unquote_plus(one["s3"]["object"]["key"]) for one in json.loads(body)["Records"]]
    except (ValueError, KeyError, TypeError):
        return "a notice that nobody can read"
    return f"uploaded {', '.join(files)}"


def _again(options: argparse.Namespace, kind: str, letter: Any) -> int:
    """Puts a letter back; how many of its changes were buried again. Raises CommandError when the
    changes it names are gone, or can't be published now."""
    if kind == STREAM:
        return changes.publish(json.loads(letter["Body"])).buried
    if kind in WAYS:
        source_letters.again(options.stack, kind, letter)
        return 0
    group = "redriven"
    if kind in DELIVERIES:
        group = json.loads(letter["Body"])["webhook"]
    _client().send_message(
        QueueUrl=_url(options.stack, kind, "Queue"),
        MessageBody=letter["Body"],
        MessageGroupId=group,
    )
    return 0


def _let_go(queue: str, letters: list[Any]) -> None:
    """Shows letters to others again at once."""
    for letter in letters:
        with suppress(ClientError):
            _client().change_message_visibility(
                QueueUrl=queue, ReceiptHandle=letter["ReceiptHandle"], VisibilityTimeout=0
            )


def _letters(queue: str, hold: int = VISIBILITY_SECONDS) -> Iterator[Any]:
    seen: set[str] = set()
    while True:
        answer = _client().receive_message(
            QueueUrl=queue,
            MaxNumberOfMessages=10,
            VisibilityTimeout=hold,
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
        StackName=stack, LogicalResourceId=f"{NAMES.get(vendor, vendor.capitalize())}{kind}"
    )
    return found["StackResourceDetail"]["PhysicalResourceId"]


def _client() -> Any:
    return boto3.client("sqs")

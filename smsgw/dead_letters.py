"""`smsgw dlq`: list, redrive and dismiss dead letters.

There are five kinds: submissions (one queue a vendor), work on campaigns, deliveries to webhooks
(two lanes), triggered sends, and changes of the table that were not published. A dead letter of
changes only names their place in the table's stream, which keeps them for 24 hours: they are
fetched from there and published again.
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
VISIBILITY_SECONDS = 30  # for which a dead letter is hidden from others while it is read or moved
STREAM_VISIBILITY_SECONDS = 900  # and while changes are published: an invocation may take 120


def show(options: argparse.Namespace) -> None:
    """Print every dead letter: what it holds, and why a triggered send failed."""
    found = 0
    for kind, queue in _queues(options):
        letters = list(_letters(queue))  # all are read before the first is released
        for letter in letters:
            found += 1
            received = letter["Attributes"]["ApproximateReceiveCount"]
            print(f"{kind:12}  received {received:>3} times  {_describe(kind, letter)}")
            _client().change_message_visibility(
                QueueUrl=queue, ReceiptHandle=letter["ReceiptHandle"], VisibilityTimeout=0
            )
    print(f"{found} dead letters")


def redrive(options: argparse.Namespace) -> None:
    """Put dead letters back into their queues, or invoke the function of a triggered send again.

    A submission that was sent meanwhile is not sent again: its record forbids it. An event may be
    published twice. Raise CommandError when there are notices, which stay, after all others.
    """
    redriven = failed_changes = notices = 0
    for kind, queue in _queues(options):
        letters = _letters(
            queue, STREAM_VISIBILITY_SECONDS if kind == STREAM else VISIBILITY_SECONDS
        )
        if kind in (STREAM, *WAYS):
            # All are read first: what becomes a dead letter again waits for the next redrive.
            letters = iter(list(letters))
        for letter in letters:
            if kind in WAYS and source_letters.is_notice(letter):
                notices += 1
                _release(queue, [letter])
                continue
            try:
                failed_changes += _redrive_letter(options, kind, letter)
            except BaseException:
                _release(queue, [letter, *letters] if kind == STREAM else [])
                raise
            _client().delete_message(QueueUrl=queue, ReceiptHandle=letter["ReceiptHandle"])
            redriven += 1
    print(f"{redriven} dead letters are back in their queues")
    if failed_changes:
        print(f"{failed_changes} changes failed again and are dead letters again: smsgw dlq list")
    if notices:
        raise CommandError(
            f"{notices} dead letters are notices of recipients that were refused for good: they "
            "hold nothing to send. Mend the numbers or texts at their source (`smsgw dlq list` "
            "says which), send those again as new messages, then `smsgw dlq dismiss`"
        )


def dismiss(options: argparse.Namespace) -> None:
    """Delete the notices of refused recipients; all other dead letters stay."""
    deleted = 0
    for kind, queue in _queues(options):
        if kind not in WAYS:
            continue
        for letter in list(_letters(queue)):
            if source_letters.is_notice(letter):
                _client().delete_message(QueueUrl=queue, ReceiptHandle=letter["ReceiptHandle"])
                deleted += 1
            else:
                _release(queue, [letter])
    print(f"{deleted} notices of refused recipients are deleted")


def _queues(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Yield the kind and the URL of each dead-letter queue that the options select."""
    for kind in [options.vendor] if options.vendor else KINDS:
        if kind not in WAYS:
            yield kind, _url(options.stack, kind, "DeadLetters")
        elif queue := source_letters.resource(options.stack, f"{WAYS[kind]}DeadLetters"):
            yield kind, queue


def _describe(kind: str, letter: Any) -> str:
    """Describe a dead letter without its event, which may hold a number and a text."""
    if kind in WAYS:
        return source_letters.said(letter)
    body = str(letter["Body"])
    if kind in DELIVERIES:
        delivery = json.loads(body)
        return f"{delivery['webhook']} {delivery['id']}"
    if kind == STREAM:
        return changes.said(letter)
    if kind == CAMPAIGNS:
        return _describe_campaign(body)
    return body


def _describe_campaign(body: str) -> str:
    """Describe a campaign worker's message: a campaign's id, or S3's notification of files."""
    if not body.startswith("{"):
        return f"campaign {body}"
    try:
        files = [unquote_plus(one["s3"]["object"]["key"]) for one in json.loads(body)["Records"]]
    except (ValueError, KeyError, TypeError):
        return "an unreadable notification"
    return f"uploaded {', '.join(files)}"


def _redrive_letter(options: argparse.Namespace, kind: str, letter: Any) -> int:
    """Redrive one dead letter, and return how many of its changes failed again.

    Raise CommandError when the changes it names are gone, or can't be published now.
    """
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


def _release(queue: str, letters: list[Any]) -> None:
    """Make dead letters visible to others at once."""
    for letter in letters:
        with suppress(ClientError):
            _client().change_message_visibility(
                QueueUrl=queue, ReceiptHandle=letter["ReceiptHandle"], VisibilityTimeout=0
            )


def _letters(queue: str, visibility: int = VISIBILITY_SECONDS) -> Iterator[Any]:
    """Receive each dead letter once, and hide it from others for `visibility` seconds."""
    seen: set[str] = set()
    while True:
        answer = _client().receive_message(
            QueueUrl=queue,
            MaxNumberOfMessages=10,
            VisibilityTimeout=visibility,
            WaitTimeSeconds=1,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
            MessageAttributeNames=["All"],
        )
        fresh = [one for one in answer.get("Messages", []) if one["MessageId"] not in seen]
        if not fresh:
            return
        seen.update(one["MessageId"] for one in fresh)
        yield from fresh


def _url(stack: str, kind: str, suffix: str) -> str:
    name = f"{NAMES.get(kind, kind.capitalize())}{suffix}"
    found = boto3.client("cloudformation").describe_stack_resource(
        StackName=stack, LogicalResourceId=name
    )
    return found["StackResourceDetail"]["PhysicalResourceId"]


def _client() -> Any:
    return boto3.client("sqs")

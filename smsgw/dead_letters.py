"""`smsgw dlq`: list, redrive and dismiss dead-letter messages.

There are dead-letter queues for submissions (one a vendor, one for all described, one for codes),
campaigns, webhook deliveries, triggers, and changes of the table that could not be published. A
message of the last names only places in the table's stream, which keeps changes for 24 hours: they
are read from there again.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import unquote_plus

import click
from botocore.exceptions import ClientError

from sms_gateway.messages.queue import DECLARED, EXPRESS
from sms_gateway.vendors.registry import VENDORS
from smsgw import clients, stream_redrive, trigger_dead_letters
from smsgw.errors import CommandError
from smsgw.line import Area, given
from smsgw.resources import QUEUE, Resources, count
from smsgw.stack import Stack, pass_stack
from smsgw.tables import Row, show
from smsgw.terminal import counted, say
from smsgw.trigger_dead_letters import TRIGGERS

DELIVERIES = "deliveries"  # of both lanes: the fast one finds out again whose are slow
STREAM = "changes"
CAMPAIGNS = "campaigns"
PREFIXES = {  # of logical ids; the others' are their names, capitalized
    DELIVERIES: "Delivery",
    STREAM: "Stream",
    CAMPAIGNS: "Campaign",
}
QUEUES = (*VENDORS, DECLARED, EXPRESS, CAMPAIGNS, DELIVERIES, STREAM, *TRIGGERS)
AREA = Area("dlq", "Dead letters: what failed for good.")
HIDE_SECONDS = 30  # from other readers, while a message is shown or moved
HIDE_STREAM_SECONDS = 900  # publishing its changes takes up to two minutes an invocation


chosen: Callable[[Callable[..., None]], Callable[..., None]] = click.option(
    "--vendor",
    "--queue",
    "name",
    type=click.Choice(QUEUES),
    metavar="NAME",
    help="Only those of a vendor, of codes, of campaigns, of deliveries, unpublished changes, or "
    f"a trigger: {', '.join(QUEUES)}.",
)


@AREA.command("list", help="List dead letters; they stay.", reads=True, lists=True)
@chosen
@pass_stack
def show_all(stack: Stack, name: str | None) -> None:
    """Print every dead-letter message: what it holds, and why a triggered send failed."""
    sqs = clients.client("sqs")
    queues = _queues(stack, name)
    with ThreadPoolExecutor(len(QUEUES)) as pool:
        rows = [row for some in pool.map(partial(_rows, sqs), queues) for row in some]
    if rows or given("json"):
        show(rows, {"queue": "QUEUE", "received": "TRIES", "what": "WHAT IT IS"})
    if not given("json"):
        say(counted(len(rows), "dead letter"))


def _rows(sqs: Any, queue: tuple[str, str]) -> list[Row]:
    """Return a row for each message of a queue."""
    name, url = queue
    rows: list[Row] = []
    # None is released before the last is read.
    for message in list(_receive(sqs, url, believe=True)):
        rows.append(
            {
                "queue": name,
                "received": int(message["Attributes"]["ApproximateReceiveCount"]),
                "what": _describe(name, message),
            }
        )
        sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )
    return rows


@AREA.command(
    "redrive",
    help="Put them back into their queues.",
    examples=("smsgw dlq redrive --queue campaigns",),
)
@chosen
@pass_stack
def redrive(stack: Stack, name: str | None) -> None:
    """Put messages back into their queues, or invoke a trigger's function with its event again.

    A submission that was sent meanwhile is not sent again: its record forbids it. An event may be
    published twice. Raise CommandError when there are notices, which stay, after all others.
    """
    sqs = clients.client("sqs")
    moved = dead_again = 0
    stay: Counter[str] = Counter()
    for queue, url in _with_letters(sqs, stack, name):
        messages = _receive(sqs, url, HIDE_STREAM_SECONDS if queue == STREAM else HIDE_SECONDS)
        if queue in (STREAM, *TRIGGERS):
            # Read all first: what fails again meanwhile waits for the next time.
            messages = iter(list(messages))
        for message in messages:
            if queue in TRIGGERS and (why := trigger_dead_letters.why_it_stays(queue, message)):
                stay[why] += 1
                _release(sqs, url, [message])
                continue
            try:
                dead_again += _redrive(sqs, stack, queue, message)
            except BaseException:
                _release(sqs, url, [message, *messages] if queue == STREAM else [])
                raise
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            moved += 1
    say(f"back in their queues: {counted(moved, 'dead letter')}")
    if dead_again:
        again = counted(dead_again, "change")
        say(f"failed again, and dead letters again: {again}; smsgw dlq list")
    notices = stay.pop(trigger_dead_letters.NOTICE, 0)
    for why, times in stay.items():
        say(_left(times, why))
    if notices:
        raise CommandError(_left(notices, trigger_dead_letters.NOTICE))


def _left(count: int, why: str) -> str:
    return f"left: {counted(count, 'dead letter')}, {why}"


@AREA.command(
    "dismiss",
    help="Delete notices of refused recipients.",
    harm="deletes notices of recipients that were refused, and codes that are too old",
)
@chosen
@pass_stack
def dismiss(stack: Stack, name: str | None) -> None:
    """Remove notices about refused recipients and codes that are too old; all others stay."""
    sqs = clients.client("sqs")
    removed = 0
    for queue, url in _with_letters(sqs, stack, name):
        if queue not in TRIGGERS:
            continue
        for message in list(_receive(sqs, url)):
            if _is_read_only(queue, message):
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                removed += 1
            else:
                _release(sqs, url, [message])
    say(f"removed, as they can't be sent: {counted(removed, 'dead letter')}")


def _is_read_only(name: str, message: Any) -> bool:
    why = trigger_dead_letters.why_it_stays(name, message)
    return why in (trigger_dead_letters.NOTICE, trigger_dead_letters.OLD_CODE)


def _queues(stack: Stack, chosen: str | None) -> list[tuple[str, str]]:
    """Return the name and the URL of each dead-letter queue, or of the chosen one."""
    urls = Resources(stack).of(QUEUE)
    logical = {name: f"{_prefix(name)}DeadLetters" for name in ([chosen] if chosen else QUEUES)}
    return [(name, urls[one]) for name, one in logical.items() if one in urls]


def _with_letters(sqs: Any, stack: Stack, chosen: str | None) -> list[tuple[str, str]]:
    """Return those of the queues that have a message; all are asked at the same time."""
    queues = _queues(stack, chosen)
    with ThreadPoolExecutor(len(QUEUES)) as pool:
        full = pool.map(lambda queue: any(_receive(sqs, queue[1], 0)), queues)
        return [queue for queue, has_any in zip(queues, full, strict=True) if has_any]


def _describe(name: str, message: Any) -> str:
    """Describe a message without its event, which may hold a number and a text."""
    if name in TRIGGERS:
        return trigger_dead_letters.describe(message)
    body = str(message["Body"])
    if name == DELIVERIES:
        delivery = json.loads(body)
        return f"{delivery['webhook']} {delivery['id']}"
    if name == STREAM:
        return stream_redrive.describe(message)
    if name == CAMPAIGNS:
        return _describe_campaign(body)
    return body


def _describe_campaign(body: str) -> str:
    """Describe a campaign worker's message: a campaign's id, or S3's notification of files."""
    if not body.startswith("{"):
        return f"campaign {body}"
    try:
        files = [
            unquote_plus(record["s3"]["object"]["key"]) for record in json.loads(body)["Records"]
        ]
    except (ValueError, KeyError, TypeError):
        return "an unreadable notification"
    return f"uploaded {', '.join(files)}"


def _redrive(sqs: Any, stack: Stack, name: str, message: Any) -> int:
    """Redrive one message, and return how many of its changes are dead letters again.

    Raise CommandError when the changes it names are gone, or can't be published now.
    """
    if name == STREAM:
        return stream_redrive.redrive(json.loads(message["Body"])).dead_again
    if name in TRIGGERS:
        trigger_dead_letters.redrive(stack.name, name, message)
        return 0
    group = "redriven"
    if name == DELIVERIES:
        group = json.loads(message["Body"])["webhook"]
    sqs.send_message(
        QueueUrl=str(trigger_dead_letters.physical_id(stack.name, f"{_prefix(name)}Queue")),
        MessageBody=message["Body"],
        MessageGroupId=group,
    )
    return 0


def _release(sqs: Any, url: str, messages: list[Any]) -> None:
    """Make messages visible to other readers at once."""
    for message in messages:
        with suppress(ClientError):
            sqs.change_message_visibility(
                QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )


def _receive(
    sqs: Any, url: str, hide_seconds: int = HIDE_SECONDS, *, believe: bool = False
) -> Iterator[Any]:
    """Yield a queue's messages, each once, until a second brings no other.

    `believe` a queue that counts none, and wait for no second: what came in the last minute may
    not be counted yet.
    """
    seen: set[str] = set()
    while True:
        wait = 0 if believe and not count(url)[0] else 1
        answer = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=hide_seconds,
            WaitTimeSeconds=wait,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            MessageAttributeNames=["All"],
        )
        fresh = [
            message for message in answer.get("Messages", []) if message["MessageId"] not in seen
        ]
        if not fresh:
            return
        seen.update(message["MessageId"] for message in fresh)
        yield from fresh


def _prefix(name: str) -> str:
    """Return what the logical ids of a queue and of its dead letters begin with."""
    return TRIGGERS.get(name) or PREFIXES.get(name, name.capitalize())

"""The one module that talks to SQS: a queue a vendor, a message a submission; calls for
campaigns; deliveries; dead letters."""

import math
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sms_gateway.aws import clients
from sms_gateway.core.observability import count, log
from sms_gateway.core.value_object import Value
from sms_gateway.storage.models import Key

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef


class Task(Value, frozen=True):
    """What a queue message says: which submission, of how many messages, to which vendor."""

    vendor: str
    key: Key
    messages: int

    def __str__(self) -> str:
        return f"{self.vendor} {self.key} {self.messages}"

    @classmethod
    def parse(cls, body: str) -> "Task":
        """The inverse of str(); ValueError for anything else."""
        vendor, key, messages = body.split(" ")
        return cls(vendor, Key.parse(key), int(messages))


LONGEST_DELAY = 900  # seconds, SQS's own limit
SENDERS = 8  # calls at once


def _client() -> "SQSClient":
    made: SQSClient = clients.client("sqs")
    return made


def wake(url: str, campaign: str) -> None:
    """Calls a worker for a campaign by the queue at `url`. Never raises: the clock calls again."""
    try:
        _client().send_message(QueueUrl=url, MessageBody=campaign)
    except (ClientError, BotoCoreError) as error:
        log.error("not called", extra={"campaign": campaign, "error": str(error)})
        count("NotEnqueued", vendor="campaigns")


def enqueue(
    vendor: str, submissions: Sequence[tuple[Key, int]], tenant: str, delay: int = 0
) -> None:
    """Hands submissions (key and count of messages) to a vendor's dispatchers after `delay`
    seconds (at most 900). The tenant is the fair-queue group. Never raises: what is not handed
    over now, the clock hands over."""
    entries: list[SendMessageBatchRequestEntryTypeDef] = [
        {
            "Id": str(number),
            "MessageBody": str(Task(vendor, key, messages)),
            "MessageGroupId": tenant,
            "DelaySeconds": min(delay, LONGEST_DELAY),
        }
        for number, (key, messages) in enumerate(submissions)
    ]
    url = os.environ[f"QUEUE_{vendor.upper()}"]
    for start in range(0, len(entries), 10):
        page = entries[start : start + 10]
        try:
            answer = _client().send_message_batch(QueueUrl=url, Entries=page)
            failed = len(answer.get("Failed", []))
        except (ClientError, BotoCoreError) as error:
            log.error("not enqueued", extra={"vendor": vendor, "error": str(error)})
            failed = len(page)
        if failed:
            count("NotEnqueued", failed, vendor=vendor)


def bury(url: str, letter: str, words: Mapping[str, str]) -> None:
    """Puts what can't be worked on into a dead-letter queue, with `words` as its attributes (at
    most ten, none of them empty). Raises when SQS does not take it."""
    _client().send_message(
        QueueUrl=url,
        MessageBody=letter,
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in words.items()
        },
    )


class Letter(Value, frozen=True):
    """A message for another queue than the vendors'; `group` is its fair-queue group, `delay` is
    seconds (at most 900)."""

    body: str
    group: str
    delay: int = 0


def post(url: str, letters: Sequence[Letter], until: float = math.inf) -> list[bool]:
    """Puts letters into a queue; which of them it took. Begins no call after `until` (monotonic
    seconds). Never raises."""
    pages = [letters[start : start + 10] for start in range(0, len(letters), 10)]
    if len(pages) < 2:
        return [taken for page in pages for taken in _post_page(url, page, until)]
    with ThreadPoolExecutor(min(SENDERS, len(pages))) as pool:
        done = pool.map(lambda page: _post_page(url, page, until), pages)
        return [taken for page in done for taken in page]


def _post_page(url: str, page: Sequence[Letter], until: float) -> list[bool]:
    if time.monotonic() > until:
        return [False] * len(page)
    entries: list[SendMessageBatchRequestEntryTypeDef] = [
        {
            "Id": str(number),
            "MessageBody": letter.body,
            "MessageGroupId": letter.group,
            "DelaySeconds": min(letter.delay, LONGEST_DELAY),
        }
        for number, letter in enumerate(page)
    ]
    try:
        answer = _client().send_message_batch(QueueUrl=url, Entries=entries)
    except (ClientError, BotoCoreError) as error:
        log.error("not enqueued", extra={"letters": len(page), "error": str(error)})
        return [False] * len(page)
    failed = {one["Id"] for one in answer.get("Failed", [])}
    return [entry["Id"] not in failed for entry in entries]

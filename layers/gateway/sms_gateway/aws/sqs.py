"""The one module that talks to SQS: send messages in batches, and dead letters."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from sms_gateway.aws import clients
from sms_gateway.aws.errors import AWS_ERRORS
from sms_gateway.core.error_places import describe
from sms_gateway.core.observability import logger
from sms_gateway.core.value_object import ValueObject

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef


MAX_DELAY_SECONDS = 900  # seconds, SQS's own limit

MAX_PARALLEL_CALLS = 8  # calls at once


def client() -> "SQSClient":
    """Return this process's one client of SQS."""
    made: SQSClient = clients.client("sqs")
    return made


def send_to_dead_letter_queue(url: str, body: str, attributes: Mapping[str, str]) -> None:
    """Put what can't be handled into a dead-letter queue.

    `attributes` are at most ten, none of them empty. Raise AWS_ERRORS.
    """
    client().send_message(
        QueueUrl=url,
        MessageBody=body,
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    )


class QueueMessage(ValueObject, frozen=True):
    """A message for another queue than the vendors'.

    `group` is its fair-queue group, `delay` is seconds (at most 900).
    """

    body: str
    group: str
    delay: int = 0


def send_batch(url: str, messages: Sequence[QueueMessage], until: float = math.inf) -> list[bool]:
    """Put messages into a queue; return which of them it took.

    Begin no call after `until` (monotonic seconds). Never raise.
    """
    pages = [messages[start : start + 10] for start in range(0, len(messages), 10)]
    if len(pages) < 2:
        return [taken for page in pages for taken in _send_page(url, page, until)]
    with ThreadPoolExecutor(min(MAX_PARALLEL_CALLS, len(pages))) as pool:
        done = pool.map(lambda page: _send_page(url, page, until), pages)
        return [taken for page in done for taken in page]


def _send_page(url: str, page: Sequence[QueueMessage], until: float) -> list[bool]:
    if time.monotonic() > until:
        return [False] * len(page)
    entries: list[SendMessageBatchRequestEntryTypeDef] = [
        {
            "Id": str(number),
            "MessageBody": message.body,
            "MessageGroupId": message.group,
            "DelaySeconds": min(message.delay, MAX_DELAY_SECONDS),
        }
        for number, message in enumerate(page)
    ]
    try:
        answer = client().send_message_batch(QueueUrl=url, Entries=entries)
    except AWS_ERRORS as error:
        logger.error("not enqueued", extra={"messages": len(page), "error": describe(error)})
        return [False] * len(page)
    failed = {entry["Id"] for entry in answer.get("Failed", [])}
    return [entry["Id"] not in failed for entry in entries]


def partial_batch_response(failed_ids: Iterable[str]) -> dict[str, Any]:
    """Report to Lambda's event source which records of a batch failed; it delivers them again."""
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failed_ids]}

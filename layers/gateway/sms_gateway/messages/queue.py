"""The vendors' queues: a message a submission."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sms_gateway.core.observability import count, log
from sms_gateway.core.value_object import Value
from sms_gateway.storage.models import Key

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef
from sms_gateway.aws.sqs import LONGEST_DELAY, _client


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

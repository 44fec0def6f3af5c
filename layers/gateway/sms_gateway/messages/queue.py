"""The vendors' queues: a message a submission."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sms_gateway.core.observability import increment, logger
from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage.models import ItemKey

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef
from sms_gateway.aws.sqs import MAX_DELAY_SECONDS, _client


class SubmissionTask(ValueObject, frozen=True):
    """What a queue message says: which submission, of how many messages, to which vendor."""

    vendor: str
    key: ItemKey
    messages: int

    def __str__(self) -> str:
        return f"{self.vendor} {self.key} {self.messages}"

    @classmethod
    def parse(cls, body: str) -> "SubmissionTask":
        """The inverse of str(); ValueError for anything else."""
        vendor, key, messages = body.split(" ")
        return cls(vendor, ItemKey.parse(key), int(messages))


def enqueue_submissions(
    vendor: str, submissions: Sequence[tuple[ItemKey, int]], tenant: str, delay: int = 0
) -> None:
    """Hands submissions (key and count of messages) to a vendor's dispatchers after `delay`
    seconds (at most 900). The tenant is the fair-queue group. Never raises: what is not handed
    over now, the clock hands over."""
    entries: list[SendMessageBatchRequestEntryTypeDef] = [
        {
            "Id": str(number),
            "MessageBody": str(SubmissionTask(vendor, key, messages)),
            "MessageGroupId": tenant,
            "DelaySeconds": min(delay, MAX_DELAY_SECONDS),
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
            logger.error("not enqueued", extra={"vendor": vendor, "error": str(error)})
            failed = len(page)
        if failed:
            increment("NotEnqueued", failed, vendor=vendor)

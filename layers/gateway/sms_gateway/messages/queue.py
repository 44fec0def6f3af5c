"""The vendors' queues: a message a submission."""

import os
from collections.abc import Sequence

from sms_gateway.aws import sqs
from sms_gateway.core.observability import increment
from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage.models import ItemKey


class SubmissionTask(ValueObject, frozen=True):
    """A queue message: a submission's vendor, key and number of messages."""

    vendor: str
    key: ItemKey
    messages: int

    def __str__(self) -> str:
        return f"{self.vendor} {self.key} {self.messages}"

    @classmethod
    def parse(cls, body: str) -> "SubmissionTask":
        """Parse what str() returns. Raises ValueError for anything else."""
        vendor, key, messages = body.split(" ")
        return cls(vendor, ItemKey.parse(key), int(messages))


def enqueue_submissions(
    vendor: str, submissions: Sequence[tuple[ItemKey, int]], tenant: str, delay: int = 0
) -> None:
    """Enqueue submissions (key, number of messages) after `delay` seconds (at most 900).

    The tenant is the fair-queue group. Never raises: the scheduler enqueues what is missing.
    """
    messages = [
        sqs.QueueMessage(str(SubmissionTask(vendor, key, count)), tenant, delay)
        for key, count in submissions
    ]
    failed = sqs.send_batch(os.environ[f"QUEUE_{vendor.upper()}"], messages).count(False)
    if failed:
        increment("NotEnqueued", failed, vendor=vendor)

"""The vendors' queues: a message a submission."""

import os
from collections.abc import Sequence
from typing import Self

from sms_gateway.aws import sqs
from sms_gateway.core.observability import increment
from sms_gateway.core.sandbox import is_sandbox
from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage.models import ItemKey
from sms_gateway.vendors.registry import VENDORS

# The sandbox has no queue: each one that is polled costs, also while nobody tests (ADR 0053).
SANDBOX_HOST = next(iter(VENDORS))
DECLARED = "declared"  # all described vendors share one, for the same reason (ADR 0065)
URGENT_SECONDS = 600  # of validity left, in which a message does not wait behind a campaign


class SubmissionTask(ValueObject, frozen=True):
    """A queue message: a submission's vendor, key and number of messages.

    An `urgent` one goes ahead of the vendor's line. `place` is its place there, or, of an urgent
    one, the time that it has booked (epoch ms): whoever comes back books no second one.
    """

    vendor: str
    key: ItemKey
    messages: int
    urgent: bool = False
    place: int | None = None

    def __str__(self) -> str:
        turn = ("urgent" if self.urgent else "") + ("" if self.place is None else f"@{self.place}")
        return f"{self.vendor} {self.key} {self.messages} {turn}".rstrip()

    @classmethod
    def parse(cls, body: str) -> Self:
        """Parse what str() returns. Raises ValueError for anything else."""
        vendor, key, messages, *rest = body.split(" ")
        if len(rest) > 1:
            raise ValueError("not a submission's task")
        lane, at, place = rest[0].partition("@") if rest else ("", "", "")
        if lane not in ("", "urgent"):
            raise ValueError("not a submission's lane")
        return cls(
            vendor,
            ItemKey.parse(key),
            int(messages),
            urgent=bool(lane),
            place=int(place) if at else None,
        )


def make_task(
    vendor: str, key: ItemKey, messages: int, seconds_left: float, *, code: bool
) -> SubmissionTask:
    """Make a submission's task.

    One message is urgent when it is a one-time `code`, or has few `seconds_left` of its validity.
    """
    urgent = messages == 1 and (code or seconds_left <= URGENT_SECONDS)
    return SubmissionTask(vendor, key, messages, urgent=urgent)


def queue_of(vendor: str) -> str:
    """Return the name of the queue that a vendor's submissions wait in."""
    if is_sandbox(vendor):
        return SANDBOX_HOST
    return vendor if vendor in VENDORS else DECLARED


def enqueue_submissions(tasks: Sequence[SubmissionTask], tenant: str, delay: int = 0) -> None:
    """Enqueue submissions of one vendor after `delay` seconds (at most 900).

    The tenant is the fair-queue group; its tests are another, and those for a described vendor,
    which shares a queue. Never raises: the scheduler enqueues what is missing.
    """
    vendor = tasks[0].vendor
    prefix = "test." if is_sandbox(vendor) else "" if vendor in VENDORS else f"{vendor}."
    group = prefix + tenant.removeprefix(prefix)
    messages = [sqs.QueueMessage(str(task), group, delay) for task in tasks]
    url = os.environ[f"QUEUE_{queue_of(vendor).upper()}"]  # none where described vendors are off
    failed = sqs.send_batch(url, messages).count(False) if url else len(messages)
    if failed:
        increment("NotEnqueued", failed, vendor=vendor)

"""The queues of submissions: one for each vendor, and one for the codes of all.

A code waits behind no campaign: the express queue has workers of its own.
"""

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
EXPRESS = "express"
DECLARED = "declared"  # all described vendors share one, for the same reason (ADR 0065)
URGENT_SECONDS = 600  # of validity left, in which a message does not wait behind a campaign


class SubmissionTask(ValueObject, frozen=True):
    """A queue message: a submission's vendor, key and number of messages.

    An `urgent` one goes ahead of the vendor's line; a `code`, which is urgent, has the express
    queue. `place` is its place in the line, or, of an urgent one, the time that it has booked
    (epoch ms): whoever comes back books no second one. `segments` are those of all messages where
    the vendor counts them.
    """

    vendor: str
    key: ItemKey
    messages: int
    urgent: bool = False
    place: int | None = None
    code: bool = False
    segments: int = 0

    def __str__(self) -> str:
        lane = "code" if self.code else "urgent" if self.urgent else ""
        turn = lane + ("" if self.place is None else f"@{self.place}")
        size = f"{self.messages}/{self.segments}" if self.segments else f"{self.messages}"
        return f"{self.vendor} {self.key} {size} {turn}".rstrip()

    @classmethod
    def parse(cls, body: str) -> Self:
        """Parse what str() returns. Raises ValueError for anything else."""
        vendor, key, size, *rest = body.split(" ")
        if len(rest) > 1:
            raise ValueError("not a submission's task")
        lane, at, place = rest[0].partition("@") if rest else ("", "", "")
        if lane not in ("", "urgent", "code"):
            raise ValueError("not a submission's lane")
        messages, _, segments = size.partition("/")
        return cls(
            vendor,
            ItemKey.parse(key),
            int(messages),
            urgent=bool(lane),
            place=int(place) if at else None,
            code=lane == "code",
            segments=int(segments or 0),
        )


def make_task(
    vendor: str, key: ItemKey, messages: int, seconds_left: float, *, code: bool, segments: int = 0
) -> SubmissionTask:
    """Make a submission's task.

    One message is urgent when it is a one-time `code`, or has few `seconds_left` of its validity.
    """
    code = code and messages == 1
    urgent = messages == 1 and (code or seconds_left <= URGENT_SECONDS)
    return SubmissionTask(vendor, key, messages, urgent=urgent, code=code, segments=segments)


def queue_of(vendor: str) -> str:
    """Return the name of the queue that a vendor's submissions wait in."""
    if is_sandbox(vendor):
        return SANDBOX_HOST
    return vendor if vendor in VENDORS else DECLARED


def enqueue_submissions(tasks: Sequence[SubmissionTask], tenant: str, delay: int = 0) -> None:
    """Enqueue submissions of one vendor after `delay` seconds (at most 900).

    The tenant is the fair-queue group; its tests are another, and those for a described vendor,
    which shares a queue. So are its codes by vendor, so that a vendor which hangs delays the codes
    of others least. `tenant` may be such a group. Never raises: the scheduler enqueues what is
    missing.
    """
    vendor, tenant = tasks[0].vendor, tenant.rpartition(".")[2]
    test, own = is_sandbox(vendor), f"{vendor}.{tenant}"
    group = f"test.{tenant}" if test else tenant if vendor in VENDORS else own
    codes = [] if test else [task for task in tasks if task.code]  # tests stand before no live one
    others = [task for task in tasks if test or not task.code]
    failed = _put(EXPRESS, codes, own, delay) + _put(queue_of(vendor), others, group, delay)
    if failed:
        increment("NotEnqueued", failed, vendor=vendor)


def _put(name: str, tasks: Sequence[SubmissionTask], group: str, delay: int) -> int:
    """Put tasks into a queue; return how many it did not take."""
    messages = [sqs.QueueMessage(str(task), group, delay) for task in tasks]
    url = os.environ[f"QUEUE_{name.upper()}"]  # none where described vendors are off
    return sqs.send_batch(url, messages).count(False) if url else len(messages)


def holds_code(body: str) -> bool:
    """Whether a queue message is that of a code."""
    return any(lane.startswith("code") for lane in body.split(" ")[3:4])

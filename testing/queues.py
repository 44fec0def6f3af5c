"""The queues of a stack on the faked AWS."""

import os
from typing import Any

from moto.sqs.models import sqs_backends

from testing.environment import ACCOUNT_ID, REGION

DEAD_LETTERS = os.environ["DEAD_LETTERS"].rpartition("/")[2]
STREAM_DEAD = os.environ["STREAM_DEAD_LETTERS"].rpartition("/")[2]
LANES = ("deliveries", "slow")  # the queues of deliveries to webhooks


def queue_name(vendor: str) -> str:
    """Return a vendor's queue."""
    return os.environ[f"QUEUE_{vendor.upper()}"].rpartition("/")[2]


def drained(vendor: str) -> list[Any]:
    """Take everything out of a vendor's queue, delayed or not."""
    return emptied(queue_name(vendor))


def emptied(name: str) -> list[Any]:
    """Take everything out of a queue."""
    queue = sqs_backends[ACCOUNT_ID][REGION].queues[name]
    waiting = list(queue._messages)
    queue._messages.clear()
    queue._pending_messages.clear()
    return waiting

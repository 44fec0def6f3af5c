"""The queues of a stack on the faked AWS."""

import os
from typing import Any

from moto.sqs.models import sqs_backends

from sms_gateway.messages.queue import EXPRESS
from testing.environment import ACCOUNT_ID, REGION

DEAD_LETTERS = os.environ["DEAD_LETTERS"].rpartition("/")[2]
STREAM_DEAD = os.environ["STREAM_DEAD_LETTERS"].rpartition("/")[2]
LANES = ("deliveries", "slow")  # the queues of deliveries to webhooks


def queue_name(vendor: str) -> str:
    """Return a vendor's queue."""
    return os.environ[f"QUEUE_{vendor.upper()}"].rpartition("/")[2]


def drained(vendor: str) -> list[Any]:
    """Take what is a vendor's out of its queue and that of codes, delayed or not."""
    return emptied(queue_name(vendor)) + emptied(queue_name(EXPRESS), f"{vendor} ")


def emptied(name: str, beginning: str = "") -> list[Any]:
    """Take everything that begins so out of a queue."""
    queue = sqs_backends[ACCOUNT_ID][REGION].queues[name]
    waiting = [one for one in queue._messages if one.body.startswith(beginning)]
    queue._messages[:] = [one for one in queue._messages if one not in waiting]
    queue._pending_messages.difference_update(waiting)
    return waiting

"""How many attempts one host of a tenant gets within a minute, over all workers.

A worker makes a few without asking, so that a delivery alone costs no write. Beyond, it books a
block of the minute in the table. What comes after the last block waits for a later minute.
"""

import os
from threading import Lock

from sms_gateway.webhooks import minute_counter
from sms_gateway.webhooks.minute_counter import MINUTE_SECONDS

UNBOOKED = 10  # that a worker makes in a minute besides; deliver_webhooks has at most 15 workers
BLOCK = 10  # attempts booked by one write: as many as an invocation makes


def take(tenant: str, host: str, now: int) -> int:
    """Take one attempt at `now` (epoch seconds); return for how many seconds it must wait, or 0.

    Who waits is counted too: each full minute of those ahead is one more to wait. Raise
    ServiceUnavailableError.
    """
    with _lock:
        minute = now // MINUTE_SECONDS
        if _minute != [minute]:
            _minute[:] = [minute]
            _left.clear()
        most = int(os.environ["WEBHOOK_RATE"])  # booked attempts a minute
        left = _left.get((tenant, host), UNBOOKED)
        if left > 0:
            _left[tenant, host] = left - 1
            return 0
        block = 1 if left < 0 else BLOCK  # below zero the minute is known to be full
        booked = minute_counter.count(tenant, host, now, block)
        _left[tenant, host] = block - 1 if booked <= most else -1
    if booked <= most:
        return 0
    ahead = (booked - 1) // most - 1
    return minute_counter.seconds_left(now) + ahead * MINUTE_SECONDS


def reset() -> None:
    """Forget what this worker took, as a new one does."""
    _minute.clear()
    _left.clear()


_lock = Lock()
_minute: list[int] = []
_left: dict[tuple[str, str], int] = {}  # of the unbooked or the block; -1 in a full minute

"""Whose turn it is at a vendor with a rate, and what becomes of a submission that must wait.

A short wait is slept through, and the rate is booked at its end: what is booked, a code waits for.
Up to 15 minutes it waits in the queue, for as long as the line
before it takes; what waits longer is held in the due index, and no queue has it. So it goes round
once or twice however long it waits.
"""

import time
from math import ceil

from msgspec.structs import replace

from sms_gateway.aws.sqs import MAX_DELAY_SECONDS
from sms_gateway.core.observability import logger
from sms_gateway.core.status import Status
from sms_gateway.core.value_object import ValueObject
from sms_gateway.dispatch.outcome_handling import REQUEUE_AFTER
from sms_gateway.messages.queue import SubmissionTask, enqueue_submissions
from sms_gateway.storage import message_repository, rate_limiter
from sms_gateway.storage.message_updates import MessageUpdate
from sms_gateway.storage.models import Submission
from sms_gateway.vendors.adapter import Adapter

MAX_SLEEP_MS = 5_000  # that a worker waits for the account's rate
AHEAD_MS = 500  # that all but urgent ones book before they leave
MAX_URGENT_MS = 300_000  # ahead that urgent ones book: more than half of a code's life is no use
LATE_MS = 60_000  # after which a booked time counts as given up
# Come back a little early, so that the rate does not lie idle; who lost its turn a little earlier.
EARLY_MS, EARLIER_MS = 3_000, 4_900
UNWATCHED_SECONDS = REQUEUE_AFTER // 4  # of waiting in which the scheduler requeues nothing
RELEASE_SECONDS = 300  # before its turn, the scheduler enqueues what it holds


class Wait(ValueObject, frozen=True):
    """A submission's turn (epoch ms), its place, and the time that it takes of the rate (ms)."""

    turn: int
    place: int | None
    cost: int


def take_turn(adapter: Adapter, task: SubmissionTask) -> Wait | None:
    """Wait for a vendor's rate and book it; return how long to wait when that is too long."""
    if not adapter.rate:
        return None
    cost = round(1000 * adapter.seconds(task.messages, task.segments))
    if task.urgent:
        return _take_urgent(task, cost)
    if task.place is not None and _find_sendable(task) is None:
        return None  # and book nothing: it was cancelled, or is the second of two deliveries
    return _take_in_line(task, cost)


def _take_urgent(task: SubmissionTask, cost: int) -> Wait | None:
    now = _now_ms()
    start = task.place
    if start is None or start + LATE_MS < now:
        start = rate_limiter.book_urgent(task.vendor, now, cost, now + MAX_URGENT_MS)
    if start is None:
        return Wait(now + MAX_URGENT_MS // 2, None, cost)
    if start > now + MAX_SLEEP_MS:
        return Wait(start, start, cost)
    time.sleep(max(0, start - now) / 1000)
    return None


def _take_in_line(task: SubmissionTask, cost: int) -> Wait | None:
    place, patience = task.place, _now_ms() + MAX_SLEEP_MS
    while True:
        now = _now_ms()
        start, taken = rate_limiter.leave(task.vendor, now, cost, now + AHEAD_MS, place)
        if taken:
            time.sleep(max(0, start - now) / 1000)
            return None
        if start <= patience and place is None:
            joined = rate_limiter.join(task.vendor, cost)
            place, start = joined.number, joined.turn
        if start > patience:
            return Wait(start, place, cost)
        time.sleep(max(AHEAD_MS // 2, start + 1 - now) / 1000)


def wait_for_turn(task: SubmissionTask, wait: Wait, group: str) -> None:
    """Put a submission where it waits for its turn; `group` is its fair-queue group.

    Nobody waits who is no longer sendable. Who will have expired by then takes no place, and asks
    again later: the line may have become shorter.
    """
    now = time.time()
    place = wait.place
    early = EARLY_MS if task.place is None else EARLIER_MS
    seconds = _seconds_until(wait.turn - early, now)
    watched = seconds > UNWATCHED_SECONDS
    expires = 0
    if watched:
        sub = _find_sendable(task)
        if sub is None:
            logger.info("submission not sendable", extra={"submission": str(task.key)})
            return
        expires = sub.expires
        if now + seconds >= expires:
            _look_again(task, int(now), expires)
            return
    if place is None and not task.urgent:
        taken = rate_limiter.join(task.vendor, wait.cost)
        place = taken.number
        seconds = _seconds_until(taken.turn - early, now)
    task = replace(task, place=place)
    turn = int(now) + seconds
    if seconds > MAX_DELAY_SECONDS:
        _check_at(task, min(turn - RELEASE_SECONDS, expires)).set("held", place or 0).apply()
        return
    if watched and not _check_at(task, min(turn + REQUEUE_AFTER, expires)).apply():
        return
    enqueue_submissions([task], group, seconds)


def _find_sendable(task: SubmissionTask) -> Submission | None:
    sub = message_repository.find_submission(task.key)
    waits = sub is not None and sub.status is Status.ACCEPTED and sub.vendor == task.vendor
    return sub if waits else None


def _look_again(task: SubmissionTask, now: int, expires: int) -> None:
    left = expires - now
    if left > RELEASE_SECONDS:
        _check_at(task, now + left // 4).set("held", 0).apply()
    else:
        _check_at(task, expires).apply()


def _now_ms() -> int:
    return int(time.time() * 1000)


def _seconds_until(when: int, now: float) -> int:
    return max(1, ceil(when / 1000 - now))


def _check_at(task: SubmissionTask, when: int) -> MessageUpdate:
    change = MessageUpdate(task.key).schedule_check(when)
    return change.if_in("status", Status.ACCEPTED).if_in("vendor", task.vendor)

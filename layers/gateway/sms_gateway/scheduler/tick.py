"""The scheduler's tick: advance every due submission by one step.

It sends what was scheduled, requeues what was never claimed, resolves interrupted calls, polls for
receipts and closes what is past its deadline.
"""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from sms_gateway.campaigns import queue
from sms_gateway.config.vendor_accounts import accounts
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.timestamps import utc_now
from sms_gateway.dispatch.outcome_handling import REQUEUE_AFTER
from sms_gateway.scheduler import search_index
from sms_gateway.scheduler.receipt_polling import poll_vendor
from sms_gateway.scheduler.submissions import advance
from sms_gateway.scheduler.tick_run import RESERVE_SECONDS, TickRun
from sms_gateway.storage import due_index, dynamodb, items
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.models import ItemKey
from sms_gateway.vendor_accounts.balances import BALANCE_MINUTES, ask_hourly
from sms_gateway.vendors.types import chunks
from sms_gateway.webhooks import retry_scheduler

THREADS = 16
LEASE_SECONDS = 55  # the function stops before
PAGE_SIZE = 200  # submissions a partition and query
SUBMISSIONS_AT_ONCE = 500  # read and polled together
LATER_RESERVE_SECONDS = 10  # for balances and webhook retries, however many messages are due


def run(remaining: float) -> int:
    """Do a minute's work within `remaining` seconds; return how many submissions were checked."""
    until = time.time() + remaining - RESERVE_SECONDS
    events_on = os.environ["EVENTS"] != "none"
    with ThreadPoolExecutor(THREADS) as pool:
        tick = TickRun({}, pool, utc_now(), until, accounts_known=False, find_accounts=accounts)
        if events_on or tick.now.minute < BALANCE_MINUTES:
            tick.until -= LATER_RESERVE_SECONDS
        checked = check_all_due(tick)
        tick.until = until
        refresh_balances(tick)
        if events_on:
            checked += retry_scheduler.enqueue_due(
                pool, tick.now_seconds, lambda: tick.has_time_for(RESERVE_SECONDS)
            )
        search_index.sort_into_runs(tick.now, tick.has_time_for)
    return checked


def refresh_balances(run: TickRun) -> None:
    """In the first minutes of an hour, ask for the balances that nobody asked for in it."""
    if run.now.minute >= BALANCE_MINUTES or not run.has_time_for(RESERVE_SECONDS):
        return
    run.need_accounts()
    try:
        ask_hourly(run.adapters, run.now, run.send)
    except Exception:  # webhooks' retries come after it, whatever went wrong
        logger.exception("balances not refreshed")
        increment("BalanceFailed", vendor="all")


def check_all_due(run: TickRun) -> int:
    """Check everything due while there is time; return how many submissions were checked."""
    due = _query_due(run, items.SHARDS)
    leased = due_index.lease(list(due), run.now_seconds, LEASE_SECONDS) if due else []
    try:
        due = {shard: due[shard] for shard in leased}
        while due and run.has_time_for(RESERVE_SECONDS):
            for keys in chunks(due_index.round_robin(due), SUBMISSIONS_AT_ONCE):
                if run.has_time_for(RESERVE_SECONDS):
                    check_due(run, keys)
            due = _query_due(run, [shard for shard, keys in due.items() if len(keys) == PAGE_SIZE])
    finally:
        if leased:
            due_index.release(leased)
    return run.checked


def _query_due(run: TickRun, shards: Sequence[str]) -> dict[str, list[ItemKey]]:
    """Return what is due, by shard; shards without any are left out."""
    return due_index.query_due(run.pool, shards, run.now_seconds, PAGE_SIZE)


def check_due(run: TickRun, keys: Sequence[ItemKey]) -> None:
    """Advance each submission, then poll for the receipts of all together.

    Polls come last: scheduled messages must not wait for a slow vendor.
    """
    run.need_accounts()
    run.due_polls.clear()
    current: dict[ItemKey, items.Item] = {}
    for page in run.pool.map(_read_items, chunks(keys, 100)):
        current |= page
    run.checked += sum(run.pool.map(lambda key: _check_item(run, key, current[key]), current))
    for vendor, polls in run.due_polls.items():
        try:
            poll_vendor(run, run.adapters_of(polls[0][0])[vendor], polls)
        except Exception:
            logger.exception("receipt poller failed", extra={"vendor": vendor})
            increment("ReceiptPollerError", vendor=vendor)


def _read_items(keys: Sequence[ItemKey]) -> dict[ItemKey, items.Item]:
    """Read the items anew, since the index lags; those that can't be read stay due."""
    try:
        return dynamodb.get_many(keys)
    except ServiceUnavailableError:
        logger.exception("due submissions not read", extra={"submissions": len(keys)})
        increment("SubmissionCheckFailed", len(keys))
        return {}


def _check_item(run: TickRun, key: ItemKey, item: items.Item) -> bool:
    try:
        if key.sort == "C":
            return _enqueue_campaign(run, key, item)
        # Another run may have advanced it; an item without a vendor is no submission.
        sub = items.read_submission(item) if "vendor" in item else None
        if sub is None or sub.due is None or sub.due > run.now_seconds:
            return False
        advance(run, sub)
        return True
    except Exception:
        # One broken submission must not hold up the others.
        logger.exception("submission check failed", extra={"submission": str(key)})
        increment("SubmissionCheckFailed")
        _postpone(run, key)
        return False


def _enqueue_campaign(run: TickRun, key: ItemKey, item: items.Item) -> bool:
    """Wake the worker of a campaign that stalled, or whose results are due."""
    if "due" not in item or int(item["due"]["N"]) > run.now_seconds:
        return False
    queue.enqueue_campaign(os.environ["CAMPAIGN_QUEUE"], key.batch)
    _postpone(run, key)
    return True


def _postpone(run: TickRun, key: ItemKey) -> None:
    """Reschedule a broken item, or many of them would fill every query."""
    try:
        ItemUpdate(key).schedule_check(run.now_seconds + REQUEUE_AFTER).apply()
    except ServiceUnavailableError:
        logger.warning("check not postponed", extra={"submission": str(key)})

"""The one clock: looks at whatever is due and takes it one step further.

Scheduled messages are handed out, accepted ones that never left are handed out again, calls that
were cut short are settled, receipts are asked for, deadlines close what is left.
"""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from sms_gateway.campaigns import queue
from sms_gateway.config.vendor_accounts import accounts
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.timestamps import utc_now
from sms_gateway.dispatch.outcome_handling import REQUEUE_AFTER
from sms_gateway.scheduler.receipt_polling import ask_vendor
from sms_gateway.scheduler.submissions import advance
from sms_gateway.scheduler.tick_run import RESERVE_SECONDS, TickRun
from sms_gateway.storage import due_index, dynamodb, items
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.models import ItemKey
from sms_gateway.vendor_accounts.balances import get_balances
from sms_gateway.vendors.types import chunks
from sms_gateway.webhooks import retry_scheduler

THREADS = 16
LEASE_SECONDS = 55  # seconds; the poll function stops before
PAGE_SIZE = 200  # submissions taken from a partition at a time
SUBMISSIONS_AT_ONCE = 500  # submissions read, and asked for, together
WEBHOOK_RESERVE_SECONDS = (
    10  # seconds of a run that messages leave to webhooks, however many are due
)


def run(remaining: float) -> int:
    """One minute's work within `remaining` seconds; returns how many submissions it looked at."""
    until = time.time() + remaining - RESERVE_SECONDS
    known = True
    try:
        adapters = accounts().adapters
    except ServiceUnavailableError:
        adapters, known = {}, False  # what needs no vendor goes on
    told = os.environ["EVENTS"] != "none"
    with ThreadPoolExecutor(THREADS) as pool:
        minute = TickRun(
            adapters,
            pool,
            now(),
            until - WEBHOOK_RESERVE_SECONDS if told else until,
            accounts_known=known,
        )
        looked = process_all_due(minute)
        if told:
            minute.until = until
            looked += run_event_housekeeping(minute)
    return looked


def run_event_housekeeping(run: TickRun) -> int:
    """What only those who want events pay for: deliveries that are due, and once an hour the
    balances of the accounts that say when theirs is low. Returns how many deliveries moved."""
    if run.now.minute == 0:
        asked = {name: one for name, one in run.adapters.items() if one.balance_low is not None}
        try:
            get_balances(asked, run.now, run.send)
        except ServiceUnavailableError:
            logger.exception("balances not asked")
    return retry_scheduler.enqueue_due(
        run.pool, run.now_seconds, lambda: run.has_time_for(RESERVE_SECONDS)
    )


def process_all_due(run: TickRun) -> int:
    """Looks at everything due, while there is time; returns how many submissions it looked at."""
    waiting = _due(run, items.SHARDS)
    held = due_index.lease(list(waiting), run.now_seconds, LEASE_SECONDS) if waiting else []
    try:
        waiting = {shard: waiting[shard] for shard in held}
        while waiting and run.has_time_for(RESERVE_SECONDS):
            for keys in chunks(due_index.round_robin(waiting), SUBMISSIONS_AT_ONCE):
                if run.has_time_for(RESERVE_SECONDS):
                    process_due(run, keys)
            waiting = _due(run, [one for one, keys in waiting.items() if len(keys) == PAGE_SIZE])
    finally:
        if held:
            due_index.release(held)
    return run.processed


def _due(run: TickRun, shards: Sequence[str]) -> dict[str, list[ItemKey]]:
    """What is due, by partition of the index; those without anything are left out."""
    return due_index.query_due(run.pool, shards, run.now_seconds, PAGE_SIZE)


def process_due(run: TickRun, keys: Sequence[ItemKey]) -> None:
    """Takes each of the submissions one step further; receipts are asked for together, and last:
    what was scheduled must not wait for a vendor that is slow to answer."""
    run.to_ask.clear()
    found: dict[ItemKey, items.Item] = {}
    for some in run.pool.map(_read, chunks(keys, 100)):
        found |= some
    run.processed += sum(run.pool.map(lambda key: _process_item(run, key, found[key]), found))
    for vendor, waiting in run.to_ask.items():
        try:
            ask_vendor(run, run.adapters[vendor], waiting)
        except Exception:
            logger.exception("asking failed", extra={"vendor": vendor})
            increment("AskFailed", vendor=vendor)


def _read(keys: Sequence[ItemKey]) -> dict[ItemKey, items.Item]:
    """Read anew, since the index lags behind. What can't be read now is still due."""
    try:
        return dynamodb.get_many(keys)
    except ServiceUnavailableError:
        logger.exception("look failed", extra={"submissions": len(keys)})
        increment("LookFailed", len(keys))
        return {}


def _process_item(run: TickRun, key: ItemKey, item: items.Item) -> bool:
    try:
        if key.sort == "C":
            return _enqueue_campaign(run, key, item)
        # Another run may have looked at it since; an item without a vendor is no submission.
        sub = items.read_submission(item) if "vendor" in item else None
        if sub is None or sub.due is None or sub.due > run.now_seconds:
            return False
        advance(run, sub)
        return True
    except Exception:
        # One submission that can't be looked at must not keep the others from their time.
        logger.exception("look failed", extra={"submission": str(key)})
        increment("LookFailed")
        _postpone(run, key)
        return False


def _enqueue_campaign(run: TickRun, key: ItemKey, item: items.Item) -> bool:
    """A campaign whose worker died, or whose results are to be looked at again."""
    if "due" not in item or int(item["due"]["N"]) > run.now_seconds:
        return False
    queue.enqueue_campaign(os.environ["CAMPAIGN_QUEUE"], key.batch)
    _postpone(run, key)
    return True


def _postpone(run: TickRun, key: ItemKey) -> None:
    """Behind what is due now, or many broken ones would fill every look."""
    try:
        ItemUpdate(key).schedule_check(run.now_seconds + REQUEUE_AFTER).apply()
    except ServiceUnavailableError:
        logger.warning("not put off", extra={"submission": str(key)})


def now() -> datetime:
    """The present, in UTC."""
    return utc_now()

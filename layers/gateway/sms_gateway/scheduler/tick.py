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
from sms_gateway.core.observability import count, log
from sms_gateway.core.problems import Unavailable
from sms_gateway.core.timestamps import utc_now
from sms_gateway.dispatch.outcome_handling import GRACE
from sms_gateway.scheduler.receipt_polling import _ask
from sms_gateway.scheduler.submissions import _step
from sms_gateway.scheduler.tick_run import MARGIN, Tick
from sms_gateway.storage import due_index, dynamodb, items
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.models import Key
from sms_gateway.vendor_accounts.balances import balances
from sms_gateway.vendors.types import chunks
from sms_gateway.webhooks import retry_scheduler

THREADS = 16
LEASE = 55  # seconds; the poll function stops before
A_LOOK = 200  # submissions taken from a partition at a time
AT_ONCE = 500  # submissions read, and asked for, together
FOR_DELIVERIES = 10  # seconds of a run that messages leave to webhooks, however many are due


def run(remaining: float) -> int:
    """One minute's work within `remaining` seconds; returns how many submissions it looked at."""
    until = time.time() + remaining - MARGIN
    known = True
    try:
        adapters = accounts().adapters
    except Unavailable:
        adapters, known = {}, False  # what needs no vendor goes on
    told = os.environ["EVENTS"] != "none"
    with ThreadPoolExecutor(THREADS) as pool:
        minute = Tick(adapters, pool, now(), until - FOR_DELIVERIES if told else until, known=known)
        looked = tick(minute)
        if told:
            minute.until = until
            looked += besides(minute)
    return looked


def besides(run: Tick) -> int:
    """What only those who want events pay for: deliveries that are due, and once an hour the
    balances of the accounts that say when theirs is low. Returns how many deliveries moved."""
    if run.now.minute == 0:
        asked = {name: one for name, one in run.adapters.items() if one.balance_low is not None}
        try:
            balances(asked, run.now, run.send)
        except Unavailable:
            log.exception("balances not asked")
    return retry_scheduler.wake(run.pool, run.seconds, lambda: run.time_for(MARGIN))


def tick(run: Tick) -> int:
    """Looks at everything due, while there is time; returns how many submissions it looked at."""
    waiting = _due(run, items.SHARDS)
    held = due_index.lease(list(waiting), run.seconds, LEASE) if waiting else []
    try:
        waiting = {shard: waiting[shard] for shard in held}
        while waiting and run.time_for(MARGIN):
            for keys in chunks(due_index.round_robin(waiting), AT_ONCE):
                if run.time_for(MARGIN):
                    look_at(run, keys)
            waiting = _due(run, [one for one, keys in waiting.items() if len(keys) == A_LOOK])
    finally:
        if held:
            due_index.release(held)
    return run.looked


def _due(run: Tick, shards: Sequence[str]) -> dict[str, list[Key]]:
    """What is due, by partition of the index; those without anything are left out."""
    return due_index.query_due(run.pool, shards, run.seconds, A_LOOK)


def look_at(run: Tick, keys: Sequence[Key]) -> None:
    """Takes each of the submissions one step further; receipts are asked for together, and last:
    what was scheduled must not wait for a vendor that is slow to answer."""
    run.asked.clear()
    found: dict[Key, items.Item] = {}
    for some in run.pool.map(_read, chunks(keys, 100)):
        found |= some
    run.looked += sum(run.pool.map(lambda key: _look(run, key, found[key]), found))
    for vendor, waiting in run.asked.items():
        try:
            _ask(run, run.adapters[vendor], waiting)
        except Exception:
            log.exception("asking failed", extra={"vendor": vendor})
            count("AskFailed", vendor=vendor)


def _read(keys: Sequence[Key]) -> dict[Key, items.Item]:
    """Read anew, since the index lags behind. What can't be read now is still due."""
    try:
        return dynamodb.get_many(keys)
    except Unavailable:
        log.exception("look failed", extra={"submissions": len(keys)})
        count("LookFailed", len(keys))
        return {}


def _look(run: Tick, key: Key, item: items.Item) -> bool:
    try:
        if key.sort == "C":
            return _call_worker(run, key, item)
        # Another run may have looked at it since; an item without a vendor is no submission.
        sub = items.read_submission(item) if "vendor" in item else None
        if sub is None or sub.due is None or sub.due > run.seconds:
            return False
        _step(run, sub)
        return True
    except Exception:
        # One submission that can't be looked at must not keep the others from their time.
        log.exception("look failed", extra={"submission": str(key)})
        count("LookFailed")
        _put_off(run, key)
        return False


def _call_worker(run: Tick, key: Key, item: items.Item) -> bool:
    """A campaign whose worker died, or whose results are to be looked at again."""
    if "due" not in item or int(item["due"]["N"]) > run.seconds:
        return False
    queue.wake(os.environ["CAMPAIGN_QUEUE"], key.batch)
    _put_off(run, key)
    return True


def _put_off(run: Tick, key: Key) -> None:
    """Behind what is due now, or many broken ones would fill every look."""
    try:
        ItemUpdate(key).look_at(run.seconds + GRACE).apply()
    except Unavailable:
        log.warning("not put off", extra={"submission": str(key)})


def now() -> datetime:
    """The present, in UTC."""
    return utc_now()

"""A dispatch worker: takes queued submissions and hands them to their vendor, side by side."""

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from sms_gateway.config.vendor_accounts import accounts
from sms_gateway.core.observability import count, log
from sms_gateway.core.problems import Unavailable
from sms_gateway.dispatch.submission import dispatch
from sms_gateway.dispatch.vendor_session import Desk, Send
from sms_gateway.messages import queue
from sms_gateway.vendors import http_client

MARGIN = 5  # seconds kept for writing what was heard
MOST_RECORDS = 10  # worked on at once; the calls at once are bounded by the account's concurrency


def work(
    records: Sequence[Mapping[str, Any]], remaining: float, send: Send = http_client.send
) -> dict[str, Any]:
    """Works on one delivery of the queue within `remaining` seconds. Answers the records that
    failed; one whose vendor can't be used now is left to the clock."""
    until = time.time() + remaining - MARGIN
    try:
        known = accounts()
    except Unavailable:
        return {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in records]}
    callbacks = os.environ["CALLBACK_URL"].rstrip("/")
    workers = int(os.environ["DISPATCH_WORKERS"])
    with ExitStack() as opened:
        desks = {
            vendor: opened.enter_context(
                Desk(adapter, callbacks, known.callback_key, until, workers, send, known.adapters)
            )
            for vendor, adapter in known.adapters.items()
        }
        if len(records) == 1:
            done = [_one(records[0], desks)]
        else:
            with ThreadPoolExecutor(MOST_RECORDS) as pool:
                done = list(pool.map(lambda record: _one(record, desks), records))
    failed = [r["messageId"] for r, good in zip(records, done, strict=True) if not good]
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failed]}


def _one(record: Mapping[str, Any], desks: Mapping[str, Desk]) -> bool:
    try:
        task = queue.Task.parse(record["body"])
        desk = desks.get(task.vendor)
        if desk is None:
            log.error("vendor not usable", extra={"vendor": task.vendor, "task": str(task.key)})
            count("VendorNotUsable", vendor=task.vendor)
            return True
        with desk.turn(task.messages):
            if desk.time_for(task.messages) and desk.may_start(task.messages):
                dispatch(task.key, desk)
            else:
                queue.enqueue(task.vendor, [(task.key, task.messages)], _group(record), 2)
    except Exception:
        log.exception("dispatch failed", extra={"queue_message": record["messageId"]})
        count("DispatchFailed")
        return False
    return True


def _group(record: Mapping[str, Any]) -> str:
    return str(record.get("attributes", {}).get("MessageGroupId", "again"))

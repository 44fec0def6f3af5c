"""A dispatch worker: takes queued submissions and hands them to their vendor, side by side."""

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from sms_gateway.config.vendor_accounts import accounts
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.dispatch.submission import dispatch
from sms_gateway.dispatch.vendor_session import Send, VendorSession
from sms_gateway.messages import queue
from sms_gateway.vendors import http_client

RESERVE_SECONDS = 5  # seconds kept for writing what was heard
MAX_RECORDS = 10  # worked on at once; the calls at once are bounded by the account's concurrency


def handle_records(
    records: Sequence[Mapping[str, Any]], remaining: float, send: Send = http_client.send
) -> dict[str, Any]:
    """Works on one delivery of the queue within `remaining` seconds. Answers the records that
    failed; one whose vendor can't be used now is left to the clock."""
    until = time.time() + remaining - RESERVE_SECONDS
    try:
        known = accounts()
    except ServiceUnavailableError:
        return {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in records]}
    callbacks = os.environ["CALLBACK_URL"].rstrip("/")
    workers = int(os.environ["DISPATCH_WORKERS"])
    with ExitStack() as opened:
        desks = {
            vendor: opened.enter_context(
                VendorSession(
                    adapter, callbacks, known.callback_key, until, workers, send, known.adapters
                )
            )
            for vendor, adapter in known.adapters.items()
        }
        if len(records) == 1:
            done = [_handle_record(records[0], desks)]
        else:
            with ThreadPoolExecutor(MAX_RECORDS) as pool:
                done = list(pool.map(lambda record: _handle_record(record, desks), records))
    failed = [r["messageId"] for r, good in zip(records, done, strict=True) if not good]
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failed]}


def _handle_record(record: Mapping[str, Any], desks: Mapping[str, VendorSession]) -> bool:
    try:
        task = queue.SubmissionTask.parse(record["body"])
        desk = desks.get(task.vendor)
        if desk is None:
            logger.error("vendor not usable", extra={"vendor": task.vendor, "task": str(task.key)})
            increment("VendorNotUsable", vendor=task.vendor)
            return True
        with desk.claim_slot(task.messages):
            if desk.has_time_for(task.messages) and desk.acquire_rate(task.messages):
                dispatch(task.key, desk)
            else:
                queue.enqueue_submissions(
                    task.vendor, [(task.key, task.messages)], _group(record), 2
                )
    except Exception:
        logger.exception("dispatch failed", extra={"queue_message": record["messageId"]})
        increment("DispatchFailed")
        return False
    return True


def _group(record: Mapping[str, Any]) -> str:
    return str(record.get("attributes", {}).get("MessageGroupId", "again"))

"""A dispatch worker: send queued submissions to their vendors, in parallel."""

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from sms_gateway.aws.sqs import partial_batch_response
from sms_gateway.config.stack_keys import callback_keys
from sms_gateway.config.vendor_accounts import accounts
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.sandbox import is_sandbox
from sms_gateway.dispatch.stopped import hold_if_stopped
from sms_gateway.dispatch.submission import dispatch
from sms_gateway.dispatch.turns import take_turn, wait_for_turn
from sms_gateway.dispatch.vendor_session import Send, VendorSession
from sms_gateway.messages import queue
from sms_gateway.vendors import http_client

RESERVE_SECONDS = 5  # for writing the vendor's last answer
NO_TIME_SECONDS = 2  # until another worker may have the time that this one lacks
MAX_RECORDS = 10  # threads; the account's concurrency bounds the calls


def handle_records(
    records: Sequence[Mapping[str, Any]], remaining: float, send: Send = http_client.send
) -> dict[str, Any]:
    """Handle one batch of the queue within `remaining` seconds; return the failed records.

    A submission whose vendor is not usable is left to the scheduler.
    """
    until = time.time() + remaining - RESERVE_SECONDS
    try:
        opened = _sessions(records, until, send)
    except ServiceUnavailableError:
        return partial_batch_response(r["messageId"] for r in records)
    with ExitStack() as stack:
        sessions = {vendor: stack.enter_context(one) for vendor, one in opened.items()}
        if len(records) == 1:
            handled = [_handle_record(records[0], sessions)]
        else:
            with ThreadPoolExecutor(MAX_RECORDS) as pool:
                handled = list(pool.map(lambda record: _handle_record(record, sessions), records))
    failed = [r["messageId"] for r, ok in zip(records, handled, strict=True) if not ok]
    return partial_batch_response(failed)


def _sessions(
    records: Sequence[Mapping[str, Any]], until: float, send: Send
) -> dict[str, VendorSession]:
    """Open a session for each vendor that records may name.

    Raises ServiceUnavailableError where they need accounts that can't be read.
    """
    tests = [is_sandbox(str(record["body"]).partition(" ")[0]) for record in records]
    codes = all(queue.holds_code(str(record["body"])) for record in records)
    sessions: dict[str, VendorSession] = {}
    if any(tests):
        from sms_gateway.dispatch.sandbox_session import sandbox_sessions  # few test: starts faster

        sessions |= sandbox_sessions(until)
    if not all(tests):
        configured, callback_key = accounts(), callback_keys().current.encode()
        callback_base = os.environ["CALLBACK_URL"].rstrip("/")
        workers = int(os.environ["DISPATCH_WORKERS"])
        sessions |= {
            vendor: VendorSession(
                adapter,
                callback_base,
                callback_key,
                until,
                workers,
                send,
                configured.adapters,
                codes=codes,
            )
            for vendor, adapter in configured.adapters.items()
        }
    return sessions


def _handle_record(record: Mapping[str, Any], sessions: Mapping[str, VendorSession]) -> bool:
    try:
        task = queue.SubmissionTask.parse(record["body"])
        session = sessions.get(task.vendor)
        if session is None:
            logger.error("vendor not usable", extra={"vendor": task.vendor, "task": str(task.key)})
            increment("VendorNotUsable", vendor=task.vendor)
            return True
        if hold_if_stopped(task.key, task.vendor):
            return True
        # An urgent one books first: while it sleeps, others may use the calls.
        first = task.urgent and session.has_time_for(task.messages)
        wait = take_turn(session.adapter, task) if first else None
        with session.claim_slot(task.messages):
            if wait:
                wait_for_turn(task, wait, _message_group(record))
            elif not session.has_time_for(task.messages, task.segments):
                queue.enqueue_submissions([task], _message_group(record), NO_TIME_SECONDS)
            elif not task.urgent and (wait := take_turn(session.adapter, task)):
                wait_for_turn(task, wait, _message_group(record))
            elif not hold_if_stopped(task.key, task.vendor):  # again: it has waited meanwhile
                dispatch(task.key, session)
    except Exception:
        logger.exception("dispatch failed", extra={"queue_message": record["messageId"]})
        increment("DispatchFailed")
        return False
    return True


def _message_group(record: Mapping[str, Any]) -> str:
    return str(record.get("attributes", {}).get("MessageGroupId", "again"))

"""The one module that talks to EventBridge."""

import math
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sms_gateway.aws import clients
from sms_gateway.core.event import Event
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.timestamps import from_ms

SOURCE = "sms-gateway"
# PutEvents takes 10 entries of 256 KB in all at the least; 10 of ours have 200,000 bytes at most.
PAGE_SIZE = 10
MAX_PARALLEL_CALLS = 8  # at once
MAX_ATTEMPTS = 3  # ours alone, since botocore's own would not know when the time is over


def _client() -> Any:
    return clients.client("events")


def publish(events: Sequence[Event], until: float = math.inf) -> set[str]:
    """Puts events on the stack's bus, those refused again a little later; the ids of those that it
    still refused. Begins no call after `until` (monotonic seconds). Never raises."""
    pages = [events[start : start + PAGE_SIZE] for start in range(0, len(events), PAGE_SIZE)]
    if len(pages) < 2:
        return {one for page in pages for one in _publish_page(page, until)}
    with ThreadPoolExecutor(min(MAX_PARALLEL_CALLS, len(pages))) as pool:
        done = pool.map(lambda page: _publish_page(page, until), pages)
        return {one for refused in done for one in refused}


def _publish_page(page: Sequence[Event], until: float) -> list[str]:
    left = list(page)
    for attempt in range(MAX_ATTEMPTS):
        if attempt:
            time.sleep(0.1 * 4**attempt)
        if time.monotonic() > until:
            break
        left = _log_refused(left)
        if not left:
            return []
    increment("EventsRefused", len(left))
    return [one.id for one in left]


def _log_refused(page: Sequence[Event]) -> list[Event]:
    entries = [
        {
            "EventBusName": os.environ["EVENT_BUS"],
            "Source": SOURCE,
            "DetailType": one.type,
            "Time": from_ms(one.at),
            "Detail": one.to_json(),
        }
        for one in page
    ]
    try:
        answer = _client().put_events(Entries=entries)
    except (ClientError, BotoCoreError) as error:
        logger.error("the bus refused", extra={"events": len(page), "error": str(error)})
        return list(page)
    codes = [said.get("ErrorCode") for said in answer["Entries"]]
    if any(codes):
        logger.warning("the bus refused some", extra={"codes": sorted({c for c in codes if c})})
    return [one for one, code in zip(page, codes, strict=True) if code]

"""The only module that calls EventBridge."""

import math
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sms_gateway.aws import clients
from sms_gateway.aws.errors import AWS_ERRORS
from sms_gateway.core.error_places import describe
from sms_gateway.core.event import Event
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.timestamps import from_ms

SOURCE = "sms-gateway"
# PutEvents takes 10 entries of 256 KB in all; ten of ours have at most 200,000 bytes.
PAGE_SIZE = 10
MAX_PARALLEL_CALLS = 8
MAX_ATTEMPTS = 3  # ours alone: botocore's retries know no deadline


def _client() -> Any:
    return clients.client("events")


def publish(events: Sequence[Event], until: float = math.inf) -> set[str]:
    """Publish events to the stack's bus, with retries; return the ids of those still refused.

    Begins no call after `until` (monotonic seconds). Never raises.
    """
    pages = [events[start : start + PAGE_SIZE] for start in range(0, len(events), PAGE_SIZE)]
    if len(pages) < 2:
        return {event_id for page in pages for event_id in _publish_page(page, until)}
    with ThreadPoolExecutor(min(MAX_PARALLEL_CALLS, len(pages))) as pool:
        results = pool.map(lambda page: _publish_page(page, until), pages)
        return {event_id for refused in results for event_id in refused}


def _publish_page(page: Sequence[Event], until: float) -> list[str]:
    remaining = list(page)
    for attempt in range(MAX_ATTEMPTS):
        if attempt:
            time.sleep(0.1 * 4**attempt)
        if time.monotonic() > until:
            break
        remaining = _put_events(remaining)
        if not remaining:
            return []
    increment("EventsRefused", len(remaining))
    return [event.id for event in remaining]


def _put_events(page: Sequence[Event]) -> list[Event]:
    entries = [
        {
            "EventBusName": os.environ["EVENT_BUS"],
            "Source": SOURCE,
            "DetailType": event.type,
            "Time": from_ms(event.at),
            "Detail": event.to_json(),
        }
        for event in page
    ]
    try:
        response = _client().put_events(Entries=entries)
    except AWS_ERRORS as error:
        logger.error(
            "events refused by the bus", extra={"events": len(page), "error": describe(error)}
        )
        return list(page)
    codes = [entry.get("ErrorCode") for entry in response["Entries"]]
    if any(codes):
        logger.warning(
            "events partly refused by the bus", extra={"codes": sorted({c for c in codes if c})}
        )
    return [event for event, code in zip(page, codes, strict=True) if code]

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
from sms_gateway.core.observability import count, log
from sms_gateway.core.timestamps import from_ms

SOURCE = "sms-gateway"
# PutEvents takes 10 entries of 256 KB in all at the least; 10 of ours have 200,000 bytes at most.
PAGE = 10
CALLS = 8  # at once
TRIES = 3  # ours alone, since botocore's own would not know when the time is over


def _client() -> Any:
    return clients.client("events")


def put(events: Sequence[Event], until: float = math.inf) -> set[str]:
    """Puts events on the stack's bus, those refused again a little later; the ids of those that it
    still refused. Begins no call after `until` (monotonic seconds). Never raises."""
    pages = [events[start : start + PAGE] for start in range(0, len(events), PAGE)]
    if len(pages) < 2:
        return {one for page in pages for one in _put(page, until)}
    with ThreadPoolExecutor(min(CALLS, len(pages))) as pool:
        done = pool.map(lambda page: _put(page, until), pages)
        return {one for refused in done for one in refused}


def _put(page: Sequence[Event], until: float) -> list[str]:
    left = list(page)
    for attempt in range(TRIES):
        if attempt:
            time.sleep(0.1 * 4**attempt)
        if time.monotonic() > until:
            break
        left = _refused(left)
        if not left:
            return []
    count("EventsRefused", len(left))
    return [one.id for one in left]


def _refused(page: Sequence[Event]) -> list[Event]:
    entries = [
        {
            "EventBusName": os.environ["EVENT_BUS"],
            "Source": SOURCE,
            "DetailType": one.kind,
            "Time": from_ms(one.at),
            "Detail": one.body(),
        }
        for one in page
    ]
    try:
        answer = _client().put_events(Entries=entries)
    except (ClientError, BotoCoreError) as error:
        log.error("the bus refused", extra={"events": len(page), "error": str(error)})
        return list(page)
    codes = [said.get("ErrorCode") for said in answer["Entries"]]
    if any(codes):
        log.warning("the bus refused some", extra={"codes": sorted({c for c in codes if c})})
    return [one for one, code in zip(page, codes, strict=True) if code]

"""`smsgw messages tail`: each change of a tenant's latest messages, as it comes."""

import json
import time
from itertools import islice

from sms_gateway.core.timestamps import rfc3339, utc_now
from smsgw.cancelling import batches_of
from smsgw.line import given
from smsgw.message_rows import line_of, rows_of_batch
from smsgw.terminal import flush, say

PAUSE_SECONDS = 2
MAX_BATCHES = 50  # looked at each time: the newest


def follow(tenant: str, key_id: str | None) -> None:
    """Print the latest messages' statuses, then each change, until KeyboardInterrupt."""
    known: dict[str, str] = {}
    while True:
        known = _tell_changes(tenant, key_id, known)
        flush()
        time.sleep(PAUSE_SECONDS)


def _tell_changes(tenant: str, key_id: str | None, known: dict[str, str]) -> dict[str, str]:
    """Print what changed, the oldest message first; return what is known now."""
    now: dict[str, str] = {}
    for batch in reversed(list(islice(batches_of(tenant), MAX_BATCHES))):
        for row in rows_of_batch(batch, key_id):
            now[row["id"]] = row["status"]
            if known.get(row["id"]) == row["status"]:
                continue
            at = rfc3339(utc_now())
            say(json.dumps({**row, "seen_at": at}) if given("json") else line_of(row))
    return now

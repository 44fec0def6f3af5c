"""results/<name>.csv: a line for each row, with its message's id, status and problem.

It is written when the last row was read, and again, further apart each time, until every message
is final. A million rows take longer than one worker has: the file is an upload in parts, and each
part that is done is remembered with the first row of the next. S3 takes no small parts, so a worker
whose time ends within one leaves what it has in a file for the next. Memory holds one part.
"""

import csv
import io
import time
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sms_gateway.campaigns import repository as campaign_repository
from sms_gateway.campaigns import s3_files
from sms_gateway.campaigns.model import Campaign, Chunk, Report, Tally
from sms_gateway.core.problems import Conflict, NotFound, Unavailable
from sms_gateway.core.status import Status
from sms_gateway.messages.prices import sums
from sms_gateway.messages.views import outcome
from sms_gateway.storage import message_repository
from sms_gateway.storage.dynamodb import Change
from sms_gateway.storage.message_state import price_of_message

COLUMNS = ("row", "id", "status", "problem")
PART = 6 * 1024 * 1024  # bytes; S3 takes none below 5 MB but the last
A_CHUNK = 15.0  # seconds that a chunk, and then writing the part, may take at the worst
A_PART = 25.0  # seconds that must be left to begin with one
FIRST_LOOK, LAST_LOOK = 60, 86_400  # seconds from one file to the next

TimeFor = Callable[[float], bool]


def report(one: Campaign, time_for: TimeFor) -> None:
    """Writes the results as far as there is time. Raises Unavailable when AWS does not answer."""
    current: Campaign | None = one
    while current is not None and time_for(A_PART):
        current = _step(current, time_for)


def _step(one: Campaign, time_for: TimeFor) -> Campaign | None:
    """A part more; None when the file is done, or another worker is at it."""
    if one.report is None:
        if (s3_files.owner(one.results) or "") > one.id:
            _close(one)  # a later file of the same name has its results there
            return None
        return _keep(one, Report(s3_files.begin(one.results, one.id)))
    now = one.report
    try:
        if now.parts and not now.held and now.next > one.row:
            s3_files.finish(one.results, now.upload, now.parts)
            _settle(one, Tally(int(time.time()), now.counts, now.prices))
            return None
        body, following = _part(one, now, time_for)
        if following.next <= one.row and len(body) < s3_files.SMALLEST_PART:
            following.held = (s3_files.put(one.unfinished, body), len(body))
        else:
            etag = s3_files.put_part(one.results, now.upload, len(now.parts) + 1, body)
            following.parts = [*now.parts, etag]
    except (Conflict, NotFound):
        # Put together by a worker that died before it could say so, or given up by S3, or written
        # over by one that was slower: once more.
        return _keep(one, Report(s3_files.begin(one.results, one.id)))
    return _keep(one, following)


def _part(one: Campaign, now: Report, time_for: TimeFor) -> tuple[bytes, Report]:
    """The next part, or as much of it as there is time for, at least a chunk; and the report behind
    it, but for where that stands."""
    written = io.StringIO(newline="")
    rows = csv.writer(written)
    if now.held is not None:
        etag, size = now.held
        written.write(b"".join(s3_files.blocks(one.unfinished, etag, 0, size)).decode())
    elif not now.parts:
        rows.writerow(COLUMNS)
        if one.problem is not None:
            rows.writerow(("", "", one.state, f"{one.problem['type']}: {one.problem['detail']}"))
    counts, prices = Counter(now.counts), dict(now.prices)
    following = now.next
    while following <= one.row and written.tell() < PART:
        if following > now.next and not time_for(A_CHUNK):
            break
        chunk = campaign_repository.chunk(one.id, following)
        if chunk is None:
            raise Unavailable("A chunk of the campaign is not there; try again.")
        _write(one, chunk, rows, counts, prices)
        following += chunk.count
    after = Report(now.upload, now.parts, next=following, counts=dict(counts), prices=prices)
    return written.getvalue().encode(), after


def _write(
    one: Campaign, chunk: Chunk, rows: Any, counts: Counter[str], prices: dict[str, Any]
) -> None:
    found: dict[int, Any] = {}
    if chunk.batch:
        whole = message_repository.whole_batch(chunk.batch)
        found = {message.key.position: (message, sub) for message, sub in whole[1]} if whole else {}
        for part in sums(price_of_message(*pair) for pair in found.values()):
            amount, messages = prices.get(part["currency"], ("0", 0))
            total = Decimal(amount) + Decimal(part["amount"])
            prices[part["currency"]] = (f"{total:f}", messages + part["messages"])
    for offset, position in enumerate(chunk.positions):
        row = chunk.first + offset
        if position < 0:
            rows.writerow((row, "", "refused", chunk.refused[offset]))
        else:
            status, problem = outcome(*found[position]) if position in found else ("gone", "")
            counts[status] += 1
            rows.writerow((row, chunk.message(offset), status, problem))


def _keep(one: Campaign, now: Report) -> Campaign | None:
    change = Change(one.place).put("report", now).put("turn", one.turn + 1)
    return campaign_repository.move(one, change)


def _settle(one: Campaign, tally: Tally) -> None:
    """What the file says is kept; what is not final is looked at again, later each time."""
    change = Change(one.place).put("tally", tally).drop("report").put("turn", one.turn + 1)
    if all(Status(status).final for status in tally.counts if status != "gone"):
        change.put("final", 1).look_at(None)
    else:
        wait = min((FIRST_LOOK + one.sent // 1000) * 2 ** min(one.looks, 20), LAST_LOOK)
        change.put("looks", one.looks + 1).look_at(int(time.time()) + wait)
    # What a worker took in meanwhile is not in the file: then it is written again.
    campaign_repository.move(one, change.when("row", one.row))


def _close(one: Campaign) -> None:
    change = Change(one.place).put("final", 1).put("turn", one.turn + 1).look_at(None)
    campaign_repository.move(one, change)

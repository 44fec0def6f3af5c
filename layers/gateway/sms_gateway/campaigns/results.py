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
from sms_gateway.campaigns.model import Campaign, Chunk, ResultsFile, Tally
from sms_gateway.core.problems import ConflictError, NotFoundError, ServiceUnavailableError
from sms_gateway.core.status import Status
from sms_gateway.messages.prices import sum_prices
from sms_gateway.messages.views import status_and_problem
from sms_gateway.storage import message_repository
from sms_gateway.storage.message_state import price_of_message
from sms_gateway.storage.message_updates import MessageUpdate

COLUMNS = ("row", "id", "status", "problem")
PART_BYTES = 6 * 1024 * 1024  # bytes; S3 takes none below 5 MB but the last
CHUNK_SECONDS = 15.0  # seconds that a chunk, and then writing the part, may take at the worst
PART_SECONDS = 25.0  # seconds that must be left to begin with one
FIRST_RUN_SECONDS, LAST_RUN_SECONDS = 60, 86_400  # seconds from one file to the next

HasTimeFor = Callable[[float], bool]


def write_results(one: Campaign, time_for: HasTimeFor) -> None:
    """Writes the results as far as there is time. Raises Unavailable when AWS does not answer."""
    current: Campaign | None = one
    while current is not None and time_for(PART_SECONDS):
        current = _step(current, time_for)


def _step(one: Campaign, time_for: HasTimeFor) -> Campaign | None:
    """A part more; None when the file is done, or another worker is at it."""
    if one.results_file is None:
        if (s3_files.campaign_of(one.results_key) or "") > one.id:
            _close(one)  # a later file of the same name has its results there
            return None
        return _save(one, ResultsFile(s3_files.begin_upload(one.results_key, one.id)))
    now = one.results_file
    try:
        if now.parts and not now.pending and now.next > one.row:
            s3_files.finish_upload(one.results_key, now.upload, now.parts)
            _finish(one, Tally(int(time.time()), now.counts, now.prices))
            return None
        body, following = _write_part(one, now, time_for)
        if following.next <= one.row and len(body) < s3_files.MIN_PART_BYTES:
            following.pending = (s3_files.put_file(one.unfinished_key, body), len(body))
        else:
            etag = s3_files.put_part(one.results_key, now.upload, len(now.parts) + 1, body)
            following.parts = [*now.parts, etag]
    except (ConflictError, NotFoundError):
        # Put together by a worker that died before it could say so, or given up by S3, or written
        # over by one that was slower: once more.
        return _save(one, ResultsFile(s3_files.begin_upload(one.results_key, one.id)))
    return _save(one, following)


def _write_part(one: Campaign, now: ResultsFile, time_for: HasTimeFor) -> tuple[bytes, ResultsFile]:
    """The next part, or as much of it as there is time for, at least a chunk; and the report behind
    it, but for where that stands."""
    written = io.StringIO(newline="")
    rows = csv.writer(written)
    if now.pending is not None:
        etag, size = now.pending
        written.write(b"".join(s3_files.read_blocks(one.unfinished_key, etag, 0, size)).decode())
    elif not now.parts:
        rows.writerow(COLUMNS)
        if one.problem is not None:
            rows.writerow(("", "", one.state, f"{one.problem['type']}: {one.problem['detail']}"))
    counts, prices = Counter(now.counts), dict(now.prices)
    following = now.next
    while following <= one.row and written.tell() < PART_BYTES:
        if following > now.next and not time_for(CHUNK_SECONDS):
            break
        chunk = campaign_repository.find_chunk(one.id, following)
        if chunk is None:
            raise ServiceUnavailableError("A chunk of the campaign is not there; try again.")
        _write_rows(one, chunk, rows, counts, prices)
        following += chunk.count
    after = ResultsFile(now.upload, now.parts, next=following, counts=dict(counts), prices=prices)
    return written.getvalue().encode(), after


def _write_rows(
    one: Campaign, chunk: Chunk, rows: Any, counts: Counter[str], prices: dict[str, Any]
) -> None:
    found: dict[int, Any] = {}
    if chunk.batch:
        whole = message_repository.whole_batch(chunk.batch)
        found = {message.key.position: (message, sub) for message, sub in whole[1]} if whole else {}
        for part in sum_prices(price_of_message(*pair) for pair in found.values()):
            amount, messages = prices.get(part["currency"], ("0", 0))
            total = Decimal(amount) + Decimal(part["amount"])
            prices[part["currency"]] = (f"{total:f}", messages + part["messages"])
    for offset, position in enumerate(chunk.positions):
        row = chunk.first + offset
        if position < 0:
            rows.writerow((row, "", "refused", chunk.refused[offset]))
        else:
            status, problem = (
                status_and_problem(*found[position]) if position in found else ("gone", "")
            )
            counts[status] += 1
            rows.writerow((row, chunk.message(offset), status, problem))


def _save(one: Campaign, now: ResultsFile) -> Campaign | None:
    change = MessageUpdate(one.item_key).set("report", now).set("turn", one.version + 1)
    return campaign_repository.update(one, change)


def _finish(one: Campaign, tally: Tally) -> None:
    """What the file says is kept; what is not final is looked at again, later each time."""
    change = (
        MessageUpdate(one.item_key)
        .set("tally", tally)
        .remove("report")
        .set("turn", one.version + 1)
    )
    if all(Status(status).final for status in tally.counts if status != "gone"):
        change.set("final", 1).schedule_check(None)
    else:
        wait = min(
            (FIRST_RUN_SECONDS + one.sent // 1000) * 2 ** min(one.result_runs, 20), LAST_RUN_SECONDS
        )
        change.set("looks", one.result_runs + 1).schedule_check(int(time.time()) + wait)
    # What a worker took in meanwhile is not in the file: then it is written again.
    campaign_repository.update(one, change.if_in("row", one.row))


def _close(one: Campaign) -> None:
    change = (
        MessageUpdate(one.item_key)
        .set("final", 1)
        .set("turn", one.version + 1)
        .schedule_check(None)
    )
    campaign_repository.update(one, change)

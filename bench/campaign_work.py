"""The work on a campaign as bench/campaign.py measures it, in a process that has nothing else:
python -m bench.campaign_work rate|units|memory|killed|cancelled.

The code is the function's own, up to the bytes of HTTP for the rate, up to the table's and the
file's module for the memory. The vendors have nothing to do with it.
"""

import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import Any
from unittest.mock import patch

from bench.aws import Memory

ROWS, SAMPLE = 1_000_000, 20_000
CHUNK = 1000
CAMPAIGN = "01JB2QK8W3Z5Y7X9V1T4R6P8N0"
HEADER = b"to,name,template,reference\r\n"


def line(nth: int) -> bytes:
    """A row; all are as long, so that any part of the file can be made when it is asked for."""
    row = f'+{911_000_000_000 + nth},"Ani {nth:07d}",Your order {{name}} is ready.,r-{nth:07d}\r\n'
    return row.encode()


class File:
    """The uploaded file, made where it is read, and the results, of which only sizes are kept."""

    def __init__(self, rows: int) -> None:
        self.rows, self.wide = rows, len(line(0))
        self.size = len(HEADER) + rows * self.wide
        self.parts: list[int] = []

    def blocks(self, _key: str, _etag: str, start: int, size: int) -> Iterator[bytes]:
        """As files.blocks."""
        if size != self.size:
            raise ValueError("another file")
        if not start:
            yield HEADER
            start = len(HEADER)
        nth = (start - len(HEADER)) // self.wide
        while nth < self.rows:
            until = min(nth + 12_000, self.rows)  # about as many as one block has
            yield b"".join(map(line, range(nth, until)))
            nth = until

    def put_part(self, _key: str, _upload: str, _number: int, body: bytes) -> str:
        """As files.put_part."""
        self.parts.append(len(body))
        return f'"{len(self.parts)}"'


class Killed(BaseException):
    """The end of a worker: nothing catches it."""


class Table(Memory):
    """A table that keeps campaigns and chunks, and makes messages up when they are read."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        self.pattern: dict[str, Any] = {}
        self.rows: dict[str, list[str]] = {}  # references by batch
        self.accepted: set[str] = set()
        self.calls_left = -1
        self.receipt: dict[str, Any] = {}  # what each message has beside what was accepted

    def answer(self, target: str, path: str, body: bytes) -> bytes:
        """Answers, or kills who asks when its calls are over."""
        self.calls_left -= 1
        if self.calls_left == 0:
            raise Killed
        return super().answer(target, path, body)

    def _put(self, item: dict[str, Any]) -> None:
        batch, kind = item["pk"]["S"], item["sk"]["S"][:1]
        if kind == "B":
            self.accepted.add(batch)
        elif kind == "M":
            own = json.loads(item["data"]["S"])
            self.rows.setdefault(batch, []).append(own["reference"])
        if item["sk"]["S"][:2] in ("M#", "S#") or item["sk"]["S"] == "B":
            if len(self.pattern) < CHUNK + 20:
                self.pattern[item["sk"]["S"]] = item
            return
        super()._put(item)

    def _get(self, key: dict[str, Any]) -> dict[str, Any] | None:
        if key["sk"]["S"] == "B" and key["pk"]["S"] in self.accepted:
            head: dict[str, Any] = self.pattern["B"] | key
            return head
        return super()._get(key)

    def _Query(self, asked: Any) -> Any:
        batch = asked["ExpressionAttributeValues"].get(":pk", {}).get("S", "")
        if batch == "KEYS":
            key = {"tenant": "acme", "scopes": "messages:send", "label": "", "sk": "0" * 64}
            item = {name: {"S": value} for name, value in key.items()} | {"created": {"N": "0"}}
            return {"Items": [item], "Count": 1, "ScannedCount": 1}
        items = [
            one | {"pk": {"S": batch}} | (self.receipt if sort[0] == "M" else {})
            for sort, one in sorted(self.pattern.items())
        ]
        return {"Items": items, "Count": len(items), "ScannedCount": len(items)}


@contextmanager
def staged(rows: int) -> Iterator[tuple[File, Any]]:
    """The file, and the wire that everything else goes over."""
    from bench.wire import Wire
    from sms_gateway.campaigns import model as campaign
    from sms_gateway.campaigns import s3_files

    file, memory = File(rows), Table()
    memory._put(
        campaign.campaign_item(CAMPAIGN, "acme", "campaigns/acme/a.csv", "e", file.size, 1, 1)
    )
    with (
        patch.object(s3_files, "blocks", file.blocks),
        patch.object(s3_files, "owner", lambda _key: None),
        patch.object(s3_files, "begin", lambda _key, _campaign: "upload"),
        patch.object(s3_files, "put_part", file.put_part),
        patch.object(s3_files, "finish", lambda *_: None),
    ):
        yield file, Wire(memory)


def _whole(done: Any, rows: int) -> None:
    told = (done.state, done.sent, sum(done.tally.counts.values()))
    if told != ("done", rows, rows):
        raise ValueError(f"the campaign ended as {told}")


def rate() -> dict[str, float]:
    """Rows a second of one CPU, accepting and then writing results, with every call of AWS."""
    from sms_gateway.campaigns import repository as campaign_repository
    from sms_gateway.campaigns import worker

    with staged(SAMPLE) as (_, wire), redirect_stdout(StringIO()):
        started = time.process_time()
        worker.handle_record(CAMPAIGN, 10_000)
        cpu = time.process_time() - started - wire.spent
        done = campaign_repository.find_campaign(CAMPAIGN)
    _whole(done, SAMPLE)
    return {"seconds": cpu, "calls": len(wire.times)}


def units() -> dict[str, float]:
    """What a chunk costs beside its messages, which are billed like any others: write units; read
    units without and for one results file, in which every message has its receipt; calls of the
    table that follow one another, its messages' among them."""
    from bench.counting import Meter, Tally
    from sms_gateway.campaigns import repository as campaign_repository
    from sms_gateway.campaigns import worker
    from sms_gateway.core.status import Status
    from sms_gateway.storage import dynamodb
    from sms_gateway.storage import items as storage_items
    from sms_gateway.storage.models import TimelineEntry

    of_results = 0.0

    class Beside(Meter):
        """Bills what has to do with the campaign and its chunks, and what its results read."""

        def _bill(self, total: Tally, name: str, params: Any, *rest: Any) -> None:
            nonlocal of_results
            if name == "BatchWriteItem" or params.get("Item", {}).get("sk") == {"S": "B"}:
                return  # of its messages
            before = total.reads
            super()._bill(total, name, params, *rest)
            if name == "Query":
                of_results += total.reads - before

    with staged(SAMPLE) as (_, wire):
        table_of_ours: Any = wire.memory
        log = storage_items.timeline_attribute(
            [TimelineEntry(1, Status.DELIVERED, "poll", "jst", 1, "DELIVRD")]
        )
        table_of_ours.receipt = {"status": {"S": "delivered"}, "timeline": log}
        # The items before a change are asked for past the counting: they stand in this process.
        meter = Beside(table_of_ours._get)
        with meter.listening(dynamodb.client()):
            worker.handle_record(CAMPAIGN, 10_000)
        done = campaign_repository.find_campaign(CAMPAIGN)
    _whole(done, SAMPLE)
    chunks, calls = SAMPLE / CHUNK, meter.total.calls
    side_by_side = calls["dynamodb.BatchWriteItem"]
    one_by_one = calls.total() - side_by_side + side_by_side / dynamodb.MAX_PARALLEL_WRITES
    return {
        "writes": meter.total.writes / chunks,
        "reads": (meter.total.reads - of_results) / chunks,
        "results": of_results / chunks,
        "calls": one_by_one / chunks,
    }


def memory() -> dict[str, float]:
    """The most memory (MB) that the work on a million rows takes; the table's writes of messages
    are left out, which hold one chunk at a time."""
    from sms_gateway.campaigns import repository as campaign_repository
    from sms_gateway.campaigns import worker
    from sms_gateway.storage import dynamodb, message_repository

    with staged(ROWS) as (file, _), redirect_stdout(StringIO()):
        real = dynamodb.put_all
        calls = []

        def put_all(items: Any) -> None:
            calls.append(len(items))
            if len(calls) == 1:
                real(items)

        kept: dict[str, Any] = {}

        def whole_batch(batch: str) -> Any:
            if not kept:
                kept["first"] = found(batch)
            return kept["first"]

        found = message_repository.whole_batch
        with (
            patch.object(dynamodb, "put_all", put_all),
            patch.object(message_repository, "whole_batch", whole_batch),
        ):
            started = time.monotonic()
            worker.handle_record(CAMPAIGN, 10_000)
            seconds = time.monotonic() - started
        done = campaign_repository.find_campaign(CAMPAIGN)
    _whole(done, ROWS)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "peak": peak,
        "seconds": seconds,
        "results": sum(file.parts),
        "parts": len(file.parts),
    }


def killed() -> dict[str, float]:
    """A campaign of a hundred thousand rows whose worker dies three times: how often the row that
    was accepted most often was, and how many rows were."""
    from sms_gateway.campaigns import repository as campaign_repository
    from sms_gateway.campaigns import worker

    rows = 100_000
    with staged(rows) as (_, wire), redirect_stdout(StringIO()):
        memory: Any = wire.memory
        deaths = 0
        for calls in (700, 1_311, 1_702):  # anywhere in a chunk
            memory.calls_left = calls
            try:
                worker.handle_record(CAMPAIGN, 10_000)
            except Killed:
                deaths += 1
            for item in memory.partitions[CAMPAIGN].values():
                if "started" in item:
                    item["started"] = {"N": "0"}  # whoever wrote it is surely dead
        memory.calls_left = -1
        worker.handle_record(CAMPAIGN, 10_000)
        done = campaign_repository.find_campaign(CAMPAIGN)
    _whole(done, rows)
    sent: Counter[str] = Counter()
    for batch in memory.accepted:
        sent.update(memory.rows[batch])
    return {"deaths": deaths, "most": max(sent.values()), "rows": len(sent)}


class Waiting(Memory):
    """A table in which every row of a campaign waits for tomorrow, in `each` submissions a
    chunk; `asked` is what it was asked for."""

    def __init__(self, rows: int, each: int) -> None:
        from sms_gateway.campaigns import model as campaign
        from sms_gateway.core.status import Status
        from sms_gateway.storage.items import batch_item, message_item, submission_item
        from sms_gateway.storage.models import Batch, ItemKey, Submission

        super().__init__("http://127.0.0.1:1")
        self.asked: list[str] = []
        one = campaign.campaign_item(CAMPAIGN, "acme", "campaigns/acme/a.csv", "e", 1, 1, 1)
        one |= {"state": {"S": "cancelled"}, "row": {"N": str(rows)}, "sent": {"N": str(rows)}}
        self._put(one)
        for first in range(1, rows, CHUNK):
            batch = f"01JB2QK8W3Z5Y7X9{first:010d}"
            chunk = campaign.Chunk(first, CHUNK, 1, batch, 0, range(CHUNK), {})
            self._put(campaign.chunk_item(CAMPAIGN, chunk, 1))
            self._put(batch_item(Batch(batch, "acme", CHUNK, {"text": "Hello"}), "2026-01-01", 1))
            for position in range(CHUNK):
                own = {"to": "+911000000001", "reference": f"r-{position}", "segments": 1}
                self._put(message_item(batch, position, own, 1))
            for position in range(0, CHUNK, CHUNK // each):
                kind = "S" if each < CHUNK else "M"
                key = ItemKey(batch, f"{kind}#{position:03d}")
                sub = Submission(
                    key=key,
                    count=CHUNK // each,
                    vendor="jst",
                    vendors=("jst",),
                    status=Status.SCHEDULED,
                    attempt=0,
                    created=0,
                    expires=2,
                    due=1,
                    polls=0,
                    changed=0,
                    result=None,
                    timeline=(),
                    tenant=None,
                    content=None,
                )
                self._put(self.partitions[batch].get(key.sort, {}) | submission_item(sub, 1))

    def answer(self, target: str, path: str, body: bytes) -> bytes:
        """Answers, and remembers for what."""
        self.asked.append(target.rpartition(".")[2])
        return super().answer(target, path, body)

    def statuses(self) -> Counter[str]:
        """How many submissions have each status."""
        return Counter(
            one["status"]["S"]
            for items in self.partitions.values()
            for one in items.values()
            if "vendor" in one
        )


def cancelled() -> dict[str, float]:
    """A hundred thousand rows that wait, taken back: once in groups, as for a vendor that takes
    many messages a call, and once one by one. Seconds (with the table's, which are not ours), CPU
    without them, calls, and how many submissions were left."""
    from bench.wire import Wire
    from sms_gateway.campaigns import repository as campaign_repository
    from sms_gateway.campaigns.cancel import cancel_unsent

    told: dict[str, float] = {}
    wire = Wire(Memory("http://127.0.0.1:1"))
    for name, each in (("groups", 1), ("singles", CHUNK)):
        wire.memory = memory = Waiting(100_000, each)
        one = campaign_repository.find_campaign(CAMPAIGN)
        if one is None:
            raise ValueError("the campaign is not there")
        memory.asked.clear()
        wall, cpu, others = time.monotonic(), time.process_time(), wire.spent
        done = cancel_unsent(one, lambda _seconds: True)
        told[f"{name}_seconds"] = time.monotonic() - wall
        told[f"{name}_cpu"] = time.process_time() - cpu - (wire.spent - others)
        told[f"{name}_calls"] = len(memory.asked)
        told[f"{name}_updates"] = memory.asked.count("UpdateItem")
        if done is None or done.rows_left_to_cancel != 0 or set(memory.statuses()) != {"cancelled"}:
            raise ValueError(f"the campaign ended as {done}, {memory.statuses()}")
    return told


if __name__ == "__main__":
    measures = {
        "rate": rate,
        "units": units,
        "memory": memory,
        "killed": killed,
        "cancelled": cancelled,
    }
    print(json.dumps(measures[sys.argv[1]]()))

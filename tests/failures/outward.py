"""The stack with a bus, webhooks and campaigns, and relays before those too."""

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from e2e.receiver import Receiver, hook, listening, receiving, until
from failures.arena import PATIENCE, THROUGH, ArenaStack, Case, Ground, arena
from failures.oracle import Row
from failures.witness import due, faults

from testing.stream import PATTERNS, matches

GUARDED = {  # scenario: what keeps it safe; test_guards.py takes that away
    "an endpoint is down, then up": "delivery",
    "a slow endpoint stands beside a fast one": "lane",
    "publish is killed between stream and bus": "checkpoint",
    "the stream hands records over again": "event id",
    "the bus refuses": "refused records",
    "a campaign is killed three times": "chunk",
}
MOST_RECORDS = 100  # of a delivery of the stream, as the template says


class Changes:
    """The table's stream and the two functions that it is handed to: for the bus, and for webhooks.

    The emulator's own mappings hand over again what a function died with. What a function answers
    as failed they drop, unlike Lambda: `deliver` does then what Lambda documents, with the stream's
    own records and the real function. https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
    """

    def __init__(self, stack: ArenaStack) -> None:
        self._lambda = stack.client("lambda")
        self._streams = stack.client("dynamodbstreams")
        found = self._lambda.list_event_source_mappings()["EventSourceMappings"]
        mappings = [one for one in found if ":dynamodb:" in one["EventSourceArn"]]
        self._mappings = [one["UUID"] for one in mappings]
        self._stream = mappings[0]["EventSourceArn"]
        self.readers = [
            stack.facts[f"{one}_function"] for one in ("publish_events", "queue_webhooks")
        ]
        assert len(mappings) == len(self.readers)

    @contextmanager
    def held(self) -> Iterator[None]:
        """While the emulator hands nothing over; afterwards it goes on from where it was."""
        self._turn(on=False)
        try:
            yield
        finally:
            self._turn(on=True)

    def _turn(self, *, on: bool) -> None:
        for one in self._mappings:
            self._lambda.update_event_source_mapping(UUID=one, Enabled=on)

    def records(self, batches: Sequence[str]) -> list[dict[str, Any]]:
        """What the stream has of batches and the mapping's filter lets through, from the start."""
        (shard,) = self._streams.describe_stream(StreamArn=self._stream)["StreamDescription"][
            "Shards"
        ]
        iterator = self._streams.get_shard_iterator(
            StreamArn=self._stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        found: list[dict[str, Any]] = []
        while (page := self._streams.get_records(ShardIterator=iterator))["Records"]:
            found += json.loads(json.dumps(page["Records"], default=_plain))
            iterator = page["NextShardIterator"]
        return [
            one
            for one in found
            if one["dynamodb"]["Keys"]["pk"]["S"] in batches
            and any(matches(pattern, one) for pattern in PATTERNS)
        ]

    def hand_over(self, reader: str, records: Sequence[dict[str, Any]]) -> list[str]:
        """Invokes a reader once; the sequence numbers that failed, all where it raised."""
        payload = json.dumps({"Records": records}).encode()
        answer = self._lambda.invoke(FunctionName=reader, Payload=payload)
        if "FunctionError" in answer:
            return [_number(one) for one in records]
        failed = json.loads(answer["Payload"].read())["batchItemFailures"]
        return [one["itemIdentifier"] for one in failed]

    def deliver(self, reader: str, records: Sequence[dict[str, Any]]) -> list[tuple[int, int]]:
        """Hands records over until all are done with, each time from the lowest number that failed
        on; of each time, how many there were and how many were done with."""
        left, times = list(records), []
        while left:
            page = left[:MOST_RECORDS]
            failed = self.hand_over(reader, page)
            numbers = [_number(one) for one in page]
            done = min(map(numbers.index, failed), default=len(page))
            times.append((len(page), done))
            left = left[done:]
            if len(times) > 30:
                raise TimeoutError(f"records come again and again: {times}")
        return times


def _number(record: Mapping[str, Any]) -> str:
    return str(record["dynamodb"]["SequenceNumber"])


def _plain(value: object) -> object:
    """A record's values as Lambda writes them."""
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(type(value))


@dataclass
class Outside:
    """Who is told, and all that a scenario needs besides its Case."""

    ground: Ground
    receiver: Receiver
    bus: Callable[[], list[dict[str, Any]]]
    changes: Changes
    rows: list[Row] = field(default_factory=list)

    def case(self, name: str) -> Case:
        """A scenario, with callers of a tenant of its own."""
        marker = f"out{list(GUARDED).index(name)}x{time.time_ns() % 10**8:08d}z"
        return Case(name, marker, self.ground.for_tenant(marker))

    def hook(self, case: Case, path: str, **fields: Any) -> str:
        """A webhook of the scenario's tenant at a path of the receiver; its id."""
        return str(hook(case.ground.api, self.receiver, path, **fields)["id"])

    def on_bus(self, case: Case) -> list[dict[str, Any]]:
        """What the bus was told of a scenario's batches."""
        return self._of(case, [one["detail"] for one in self.bus()])

    def at(self, case: Case, path: str) -> list[dict[str, Any]]:
        """What a path took of a scenario's batches, signed."""
        return self._of(case, self.receiver.at(path))

    def _of(self, case: Case, got: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        return [one for one in got if one["data"].get("batch_id") in case.batches]

    def wanted(self, case: Case) -> dict[str, str]:
        """Waits until all of a scenario's messages are final; the events that they are due."""
        until(case.ended)
        api = case.ground.api
        ids = [one.id for one in case.promises]
        return due(api("GET", f"/messages/{identifier}").body for identifier in ids)

    def deliveries(self, case: Case, webhook: str) -> list[dict[str, Any]]:
        """What failed at least once at a webhook."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            path = f"/webhooks/{webhook}/deliveries?limit=100{cursor}"
            page = case.ground.api("GET", path).body
            found += page["deliveries"]
            if page["cursor"] is None:
                return found
            cursor = f"&cursor={page['cursor']}"

    def later(self, case: Case, webhook: str) -> None:
        """Pretends that a webhook's pauses are over: the real ones are minutes and hours."""
        self.due_now(f"HOOKS#{case.marker}", webhook, "paused")
        for one in self.deliveries(case, webhook):
            if one["state"] == "waiting":
                self.due_now(f"HOOK#{case.marker}#{webhook}", one["id"], "due", "next")

    def due_now(self, partition: str, sort: str, *times: str) -> None:
        """Moves times of an item to now, where it has them."""
        stack = self.ground.stack
        with suppress(stack.client("dynamodb").exceptions.ConditionalCheckFailedException):
            stack.client("dynamodb").update_item(
                TableName=stack.facts["table"],
                Key={"pk": {"S": partition}, "sk": {"S": sort}},
                UpdateExpression="SET " + ", ".join(f"#{one} = :now" for one in times),
                ConditionExpression=" AND ".join(f"attribute_exists(#{one})" for one in times),
                ExpressionAttributeNames={f"#{one}": one for one in times},
                ExpressionAttributeValues={":now": {"N": str(int(time.time()))}},
            )

    def settle(self, case: Case, *paths: str) -> Row:
        """Waits until the bus and the paths were told everything; then both witnesses speak."""
        wanted = self.wanted(case)
        end = time.monotonic() + PATIENCE
        while True:
            got = {"the bus": self.on_bus(case), **{path: self.at(case, path) for path in paths}}
            missing = any(wanted.keys() - {one["id"] for one in what} for what in got.values())
            if not missing or time.monotonic() > end:
                break
            time.sleep(0.5)
        found = {who: faults(wanted, what) for who, what in got.items()}
        row = case.settle()
        for who, what in found.items():
            row.wrong += len(what)
            row.faults += [f"{who}: {fault}" for fault in what]
        row.faults += [f"the receiver refused: {one}" for one in self.receiver.refused]
        row.wrong += len(self.receiver.refused)
        return self.add(row)

    def add(self, row: Row) -> Row:
        """Enters a scenario's row into the table."""
        self.rows.append(row)
        return row

    def dead_letters(self) -> list[str]:
        """What was given up."""
        return [
            f"{name}: {one['Body']}"
            for name, messages in self.ground.queues().items()
            if "DeadLetters" in name
            for one in messages
        ]


@contextmanager
def outside(folder: Path) -> Iterator[Outside]:
    """A stack that tells everything, with whom it tells. The times and the queues' patience are
    the template's own: a campaign's worker needs them."""
    parameters = {"Events": "all", "DispatchWorkers": "2"}
    with (
        receiving() as receiver,
        arena(
            folder, parameters, through=(*THROUGH, "eventbridge"), visibility=None, persist=False
        ) as ground,
    ):
        port = urlsplit(receiver.url).port
        assert port
        receiver.url = ground.chaos.relay("receiver", port).url
        events = ground.stack.client("events")
        ground.chaos.put_events = lambda entries: events.put_events(Entries=entries)["Entries"]
        yield Outside(ground, receiver, listening(ground.stack), Changes(ground.stack))

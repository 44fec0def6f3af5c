"""Changes of the table that could not be told: fetched from its stream, and published again.

Lambda and our functions name such changes alike, by their places in the stream, which keeps them
for 24 hours. Only Lambda knows the shard as well; otherwise it is looked for.
"""

import json
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from smsgw.errors import CommandError

SLICE = 100  # changes for one invocation, as many as the stream brings at once
LARGEST = 4_000_000  # bytes for one invocation; Lambda takes 6 MB
PATIENCE = 200  # pages without a change until the next one
PAUSE = 0.2  # seconds between two such pages: DynamoDB allows five calls a second
# One invocation may take its function's 120 seconds, and is never made twice behind our back.
PATIENT = Config(read_timeout=130, retries={"mode": "standard", "total_max_attempts": 1})
GONE = ("TrimmedDataAccessException", "ResourceNotFoundException")


@dataclass(slots=True)
class Told:
    """What came of the changes of one letter."""

    done: int = 0
    buried: int = 0


def said(letter: Any) -> str:
    """What may be shown of a letter: which function gave up what, when and why."""
    body = json.loads(letter["Body"])
    batch = body["DDBStreamBatchInfo"]
    what = f"{batch['batchSize']} changes since {batch['approximateArrivalOfFirstRecord']}"
    if body.get("batch"):
        what += f" of batch {body['batch']}"
    given = letter.get("MessageAttributes", {}).get("reason", {}).get("StringValue")
    why = f"not understood: {given}" if given else "not told in time"
    return f"{function(body)}: {what}, {why}; kept by the stream for 24 hours"


def function(body: Mapping[str, Any]) -> str:
    """The function that a letter's changes were for."""
    return str(body.get("function") or body["requestContext"]["functionArn"].split(":")[6])


def publish(body: Mapping[str, Any]) -> Told:
    """Publishes the changes that a letter names, in slices, as long as it gets on; the function
    buries again what it can't understand. Raises CommandError when the stream has forgotten them,
    or when they can't be published now either: what was told before is told again next time."""
    told = Told()
    for some in _slices(_records(body["DDBStreamBatchInfo"])):
        left = some
        while left:
            left = left[_told(body, left, told) :]
    return told


def _slices(records: Iterator[Any]) -> Iterator[list[Any]]:
    """As many changes at once as one invocation may be given."""
    some: list[Any] = []
    size = 0
    for one in records:
        own = len(json.dumps(one, default=_plain))
        if some and (len(some) == SLICE or size + own > LARGEST):
            yield some
            some, size = [], 0
        some.append(one)
        size += own
    if some:
        yield some


def _told(body: Mapping[str, Any], some: list[Any], told: Told) -> int:
    """Invokes the function once; how many of the changes are done with, from the first on."""
    name = function(body)
    answer = boto3.client("lambda", config=PATIENT).invoke(
        FunctionName=f"{name}:live",
        Payload=json.dumps({"Records": some, "redriven": True}, default=_plain).encode(),
    )
    said = json.loads(answer["Payload"].read() or b"{}") or {}
    failed = {one["itemIdentifier"] for one in said.get("batchItemFailures", [])}
    numbers = [one["dynamodb"]["SequenceNumber"] for one in some]
    done = next((n for n, number in enumerate(numbers) if number in failed), len(some))
    if "FunctionError" in answer or not done:
        again = f" ({told.done} before it were told, and will be told again)" if told.done else ""
        raise CommandError(
            f"the change {numbers[0]} can't be told now{again}: mend what the log of {name} says, "
            "then redrive again"
        )
    told.done += done
    told.buried += len(said.get("dead_lettered", []))
    print(f"{name}: {told.done} changes done")
    return done


def _records(batch: Mapping[str, Any]) -> Iterator[Any]:
    """From the first to the last sequence number of a shard."""
    client, last = boto3.client("dynamodbstreams"), int(batch["endSequenceNumber"])
    first, empty = batch["startSequenceNumber"], 0
    place: str | None = None
    try:
        for shard in [batch["shardId"]] if "shardId" in batch else _shards(client, batch):
            place = _place(client, batch, shard, first)
            if place is not None:
                break
        if place is None:
            raise CommandError(FORGOTTEN)
        while place and empty < PATIENCE:
            page = client.get_records(ShardIterator=place, Limit=SLICE)
            place = page.get("NextShardIterator")
            for one in page["Records"]:
                number = int(one["dynamodb"]["SequenceNumber"])
                if number <= last:
                    yield {**one, "eventSourceARN": batch["streamArn"]}  # as Lambda adds it
                if number >= last:
                    return
            # An empty page means nothing: the next one may have changes again.
            empty = 0 if page["Records"] else empty + 1
            if empty:
                time.sleep(PAUSE)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in GONE:
            raise CommandError(FORGOTTEN) from None
        raise
    raise CommandError(
        f"the stream does not bring the change {last} now: redrive again in some minutes"
    )


FORGOTTEN = (
    "the stream has forgotten these changes (it keeps them for 24 hours): look at the messages "
    "with `smsgw messages show`, and delete the letter"
)


def _shards(client: Any, batch: Mapping[str, Any]) -> Iterator[str]:
    """The shards that may hold a change."""
    number = int(batch["startSequenceNumber"])
    more: dict[str, str] = {}
    while True:
        found = client.describe_stream(StreamArn=batch["streamArn"], **more)["StreamDescription"]
        for shard in found["Shards"]:
            between = shard["SequenceNumberRange"]
            first = int(between.get("StartingSequenceNumber", 0))
            if first <= number <= int(between.get("EndingSequenceNumber", number)):
                yield shard["ShardId"]
        if "LastEvaluatedShardId" not in found:
            return
        more = {"ExclusiveStartShardId": found["LastEvaluatedShardId"]}


def _place(client: Any, batch: Mapping[str, Any], shard: str, number: str) -> str | None:
    """Where a change stands in a shard; None when it does not. Of a shard that is named nothing is
    asked first."""
    try:
        place = client.get_shard_iterator(
            StreamArn=batch["streamArn"],
            ShardId=shard,
            ShardIteratorType="AT_SEQUENCE_NUMBER",
            SequenceNumber=number,
        )["ShardIterator"]
        if "shardId" in batch:
            return str(place)
        found = client.get_records(ShardIterator=place, Limit=1)["Records"]
    except ClientError as error:
        if "shardId" in batch or error.response.get("Error", {}).get("Code") not in ELSEWHERE:
            raise
        return None
    if not found or found[0]["dynamodb"]["SequenceNumber"] != number:
        return None
    return str(place)


ELSEWHERE = (*GONE, "ValidationException")


def _plain(value: object) -> float | str:
    """A time and bytes as Lambda writes them in a record."""
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(type(value).__name__)

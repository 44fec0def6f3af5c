"""Redrive changes of the table that could not be published: read them from its stream again.

Dead-letter messages of Lambda and of our functions name changes by their places in the stream,
which keeps them for 24 hours. Only Lambda's name the shard; else it is searched for.
"""

import json
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError

from smsgw import clients
from smsgw.errors import CommandError
from smsgw.terminal import counted, say

BATCH_SIZE = 100  # changes for one invocation, as many as the stream brings at once
MAX_BATCH_BYTES = 4_000_000  # bytes for one invocation; Lambda takes 6 MB
MAX_EMPTY_PAGES = 200  # one after the other
PAUSE_SECONDS = 0.2  # after an empty page: DynamoDB allows five calls a second
# One invocation may take its function's 120 seconds, and is never made twice behind our back.
INVOKE_CONFIG = Config(read_timeout=130, retries={"mode": "standard", "total_max_attempts": 1})
GONE = ("TrimmedDataAccessException", "ResourceNotFoundException")


@dataclass(slots=True)
class Redriven:
    """Counts of the changes of one dead-letter message."""

    done: int = 0
    dead_again: int = 0


def describe(message: Any) -> str:
    """Say which function gave up what, when and why."""
    body = json.loads(message["Body"])
    batch = body["DDBStreamBatchInfo"]
    what = f"{batch['batchSize']} changes since {batch['approximateArrivalOfFirstRecord']}"
    if body.get("batch"):
        what += f" of batch {body['batch']}"
    reason = message.get("MessageAttributes", {}).get("reason", {}).get("StringValue")
    why = f"not understood: {reason}" if reason else "not told in time"
    return f"{function_name(body)}: {what}, {why}; kept by the stream for 24 hours"


def function_name(body: Mapping[str, Any]) -> str:
    """Name the function that gave the changes up."""
    return str(body.get("function") or body["requestContext"]["functionArn"].split(":")[6])


def redrive(body: Mapping[str, Any]) -> Redriven:
    """Publish the changes that a dead-letter message names, in batches.

    The function sends what it can't understand to the dead-letter queue again. Raises
    CommandError when the stream has forgotten them, or when they can't be published now
    either: then what was published before is published again next time.
    """
    total = Redriven()
    for batch in _batches(_records(body["DDBStreamBatchInfo"])):
        remaining = batch
        while remaining:
            remaining = remaining[_publish(body, remaining, total) :]
    return total


def _batches(records: Iterator[Any]) -> Iterator[list[Any]]:
    """Group changes into as many as one invocation may be given."""
    batch: list[Any] = []
    size = 0
    for record in records:
        own = len(json.dumps(record, default=_json_value))
        if batch and (len(batch) == BATCH_SIZE or size + own > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += own
    if batch:
        yield batch


def _publish(body: Mapping[str, Any], batch: list[Any], total: Redriven) -> int:
    """Invoke the function once; return how many of the changes are done, from the first on."""
    name = function_name(body)
    answer = clients.client("lambda", INVOKE_CONFIG).invoke(
        FunctionName=name,
        Payload=json.dumps({"Records": batch, "redriven": True}, default=_json_value).encode(),
    )
    result = json.loads(answer["Payload"].read() or b"{}") or {}
    failed = {failure["itemIdentifier"] for failure in result.get("batchItemFailures", [])}
    numbers = [record["dynamodb"]["SequenceNumber"] for record in batch]
    done = next((n for n, number in enumerate(numbers) if number in failed), len(batch))
    if "FunctionError" in answer or not done:
        again = f" ({total.done} before it were told, and will be told again)" if total.done else ""
        raise CommandError(
            f"the change {numbers[0]} can't be told now{again}: mend what the log of {name} says, "
            "then redrive again"
        )
    total.done += done
    total.dead_again += len(result.get("dead_lettered", []))
    say(f"{name}: {counted(total.done, 'change')} done")
    return done


def _records(batch: Mapping[str, Any]) -> Iterator[Any]:
    """Read from the first to the last sequence number of a shard."""
    client, last = clients.client("dynamodbstreams"), int(batch["endSequenceNumber"])
    empty = 0
    try:
        iterator: str | None = _first_iterator(client, batch)
        while iterator and empty < MAX_EMPTY_PAGES:
            page = client.get_records(ShardIterator=iterator, Limit=BATCH_SIZE)
            iterator = page.get("NextShardIterator")
            for record in page["Records"]:
                number = int(record["dynamodb"]["SequenceNumber"])
                if number <= last:
                    yield {**record, "eventSourceARN": batch["streamArn"]}  # as Lambda adds it
                if number >= last:
                    return
            # An empty page means nothing: the next one may have changes again.
            empty = 0 if page["Records"] else empty + 1
            if empty:
                time.sleep(PAUSE_SECONDS)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in GONE:
            raise CommandError(FORGOTTEN) from None
        raise
    raise CommandError(
        f"the stream does not bring the change {last} now: redrive again in some minutes"
    )


FORGOTTEN = (
    "the stream has forgotten these changes (it keeps them for 24 hours): look at the messages "
    "with `smsgw messages show`, and delete the dead letter"
)


def _first_iterator(client: Any, batch: Mapping[str, Any]) -> str:
    """Begin at the first change. Raise CommandError when the stream no longer has it."""
    for shard in [batch["shardId"]] if "shardId" in batch else _shards(client, batch):
        iterator = _shard_iterator(client, batch, shard, batch["startSequenceNumber"])
        if iterator is not None:
            return iterator
    raise CommandError(FORGOTTEN)


def _shards(client: Any, batch: Mapping[str, Any]) -> Iterator[str]:
    """List the shards that may hold the first change."""
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


def _shard_iterator(client: Any, batch: Mapping[str, Any], shard: str, number: str) -> str | None:
    """Make an iterator that begins at a change.

    None when the shard does not hold it. A shard that Lambda has named is not checked.
    """
    try:
        iterator = client.get_shard_iterator(
            StreamArn=batch["streamArn"],
            ShardId=shard,
            ShardIteratorType="AT_SEQUENCE_NUMBER",
            SequenceNumber=number,
        )["ShardIterator"]
        if "shardId" in batch:
            return str(iterator)
        found = client.get_records(ShardIterator=iterator, Limit=1)["Records"]
    except ClientError as error:
        if "shardId" in batch or error.response.get("Error", {}).get("Code") not in NOT_IN_SHARD:
            raise
        return None
    if not found or found[0]["dynamodb"]["SequenceNumber"] != number:
        return None
    return str(iterator)


NOT_IN_SHARD = (*GONE, "ValidationException")


def _json_value(value: object) -> float | str:
    """Write times and bytes as Lambda does in a record."""
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(type(value).__name__)

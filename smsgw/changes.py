"""Changes of the table that could not be told: fetched from its stream, and published again."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import boto3
from botocore.exceptions import ClientError

from smsgw.errors import CommandError


def publish(batch: Mapping[str, Any], outputs: Mapping[str, str]) -> None:
    """Publishes the changes that Lambda gave up (its DDBStreamBatchInfo). Raises CommandError when
    the stream has forgotten them, or when they can't be published now either."""
    records = _records(batch)
    answer = boto3.client("lambda").invoke(
        FunctionName=f"{outputs['PublishFunctionName']}:live",
        Payload=json.dumps({"Records": records}, default=_plain).encode(),
    )
    said = json.loads(answer["Payload"].read() or b"{}")
    if "FunctionError" in answer or said.get("batchItemFailures"):
        raise CommandError(
            "the changes can't be told now: see the publish function's log, then redrive again"
        )


def _records(batch: Mapping[str, Any]) -> list[Any]:
    """From the first to the last sequence number of a shard."""
    client, last = boto3.client("dynamodbstreams"), int(batch["endSequenceNumber"])
    found: list[Any] = []
    try:
        place: str | None = client.get_shard_iterator(
            StreamArn=batch["streamArn"],
            ShardId=batch["shardId"],
            ShardIteratorType="AT_SEQUENCE_NUMBER",
            SequenceNumber=batch["startSequenceNumber"],
        )["ShardIterator"]
        while place:
            page = client.get_records(ShardIterator=place, Limit=100)
            place = page.get("NextShardIterator")
            for one in page["Records"]:
                if int(one["dynamodb"]["SequenceNumber"]) > last:
                    return found
                found.append(one)
            if not page["Records"] or int(found[-1]["dynamodb"]["SequenceNumber"]) == last:
                return found
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in GONE:
            raise CommandError(
                "the stream has forgotten these changes (it keeps them for 24 hours): look at the "
                "messages with `smsgw messages show`, and delete the letter"
            ) from None
        raise
    return found


GONE = ("TrimmedDataAccessException", "ResourceNotFoundException")


def _plain(value: object) -> float:
    """A time as Lambda writes it in a record."""
    if isinstance(value, datetime):
        return value.timestamp()
    raise TypeError(type(value).__name__)

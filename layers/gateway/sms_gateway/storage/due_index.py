"""What is due, over all partitions of the due index: read side by side, and taken in turn."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from typing import Any

from botocore.exceptions import ClientError

from sms_gateway.storage.dynamodb import client, query, table_name, translate_errors
from sms_gateway.storage.items import Item, number_attribute
from sms_gateway.storage.models import ItemKey


def query_due(
    pool: ThreadPoolExecutor, shards: Sequence[str], now: int, limit: int
) -> dict[str, list[ItemKey]]:
    """At most `limit` keys of each partition; those without anything are left out."""
    found = pool.map(lambda shard: query_shard(shard, now, limit), shards)
    return {shard: keys for shard, keys in zip(shards, found, strict=True) if keys}


def round_robin(found: Mapping[str, Sequence[ItemKey]]) -> list[ItemKey]:
    """The first of each partition, then the second of each: none waits for all of another."""
    return [key for turn in zip_longest(*found.values()) for key in turn if key is not None]


def query_shard(shard: str, now: int, limit: int) -> list[ItemKey]:
    """The keys of what is due in one partition of the due index, longest due first."""
    found = query(
        "#shard = :shard AND due <= :now",
        {":shard": {"S": shard}, ":now": number_attribute(now)},
        IndexName="due",
        ExpressionAttributeNames={"#shard": "shard"},
        Limit=limit,
    )
    keys: list[ItemKey] = []
    for item in found:
        keys.append(ItemKey(item["pk"]["S"], item["sk"]["S"]))
        if len(keys) == limit:
            break
    return keys


LEASES: Item = {"pk": {"S": "CLOCK"}, "sk": {"S": "LEASES"}}  # one item: a write for all shards


def lease(shards: Sequence[str], now: int, seconds: int) -> list[str]:
    """Takes partitions of the due index for a while, so that no two workers look at one; those
    that were free."""
    wanted = list(shards)
    for _ in range(4):  # each time another worker was faster with some
        if not wanted:
            break
        try:
            _set_leases(wanted, now + seconds, free_at=now)
        except ClientError as error:
            held: Any = error.response.get("Item", {})
            wanted = [one for one in wanted if int(held.get(one, {"N": "0"})["N"]) <= now]
        else:
            return wanted
    return []


def release(shards: Sequence[str]) -> None:
    """Gives partitions back before their lease ends."""
    _set_leases(shards, 0)


def _set_leases(shards: Sequence[str], until: int, free_at: int | None = None) -> None:
    values: Item = {":until": number_attribute(until)}
    options: Any = {}
    if free_at is not None:
        values[":now"] = number_attribute(free_at)
        free = [f"(attribute_not_exists(#s{one}) OR #s{one} <= :now)" for one in shards]
        options["ConditionExpression"] = " AND ".join(free)
        options["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    with translate_errors():
        client().update_item(
            TableName=table_name(),
            Key=LEASES,
            UpdateExpression="SET " + ", ".join(f"#s{one} = :until" for one in shards),
            ExpressionAttributeNames={f"#s{one}": one for one in shards},
            ExpressionAttributeValues=values,
            **options,
        )

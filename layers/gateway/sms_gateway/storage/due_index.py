"""The due index: query what is due, lease its partitions."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from typing import Any

from sms_gateway.storage.dynamodb import (
    ConditionFailedError,
    client,
    query,
    table_name,
    translate_errors,
)
from sms_gateway.storage.items import Item, number_attribute
from sms_gateway.storage.models import ItemKey


def query_due(
    pool: ThreadPoolExecutor, shards: Sequence[str], now: int, limit: int
) -> dict[str, list[ItemKey]]:
    """Return at most `limit` due keys of each shard; shards without any are left out."""
    pages = pool.map(lambda shard: query_shard(shard, now, limit), shards)
    return {shard: keys for shard, keys in zip(shards, pages, strict=True) if keys}


def round_robin(due: Mapping[str, Sequence[ItemKey]]) -> list[ItemKey]:
    """Order keys by rank: the first of each shard, then the second of each."""
    return [key for rank in zip_longest(*due.values()) for key in rank if key is not None]


def query_shard(shard: str, now: int, limit: int) -> list[ItemKey]:
    """Return the keys due in one shard, the longest due first."""
    items = query(
        "#shard = :shard AND due <= :now",
        {":shard": {"S": shard}, ":now": number_attribute(now)},
        IndexName="due",
        ExpressionAttributeNames={"#shard": "shard"},
        Limit=limit,
    )
    keys: list[ItemKey] = []
    for item in items:
        keys.append(ItemKey(item["pk"]["S"], item["sk"]["S"]))
        if len(keys) == limit:
            break
    return keys


# One item for all shards: a lease is one write.
LEASES_KEY: Item = {"pk": {"S": "SCHEDULER"}, "sk": {"S": "LEASES"}}


def lease(shards: Sequence[str], now: int, seconds: int) -> list[str]:
    """Lease shards for some seconds, so that no two workers process one.

    Returns those that were free.
    """
    wanted = list(shards)
    for _ in range(4):  # each time another worker was faster with some of them
        if not wanted:
            break
        try:
            _set_leases(wanted, now + seconds, free_at=now)
        except ConditionFailedError as error:
            held = error.item
            wanted = [shard for shard in wanted if int(held.get(shard, {"N": "0"})["N"]) <= now]
        else:
            return wanted
    return []


def release(shards: Sequence[str]) -> None:
    """End leases early."""
    _set_leases(shards, 0)


def _set_leases(shards: Sequence[str], until: int, free_at: int | None = None) -> None:
    values: Item = {":until": number_attribute(until)}
    options: Any = {}
    if free_at is not None:
        values[":now"] = number_attribute(free_at)
        free = [f"(attribute_not_exists(#s{shard}) OR #s{shard} <= :now)" for shard in shards]
        options["ConditionExpression"] = " AND ".join(free)
        options["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    with translate_errors():
        client().update_item(
            TableName=table_name(),
            Key=LEASES_KEY,
            UpdateExpression="SET " + ", ".join(f"#s{shard} = :until" for shard in shards),
            ExpressionAttributeNames={f"#s{shard}": shard for shard in shards},
            ExpressionAttributeValues=values,
            **options,
        )

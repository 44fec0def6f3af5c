"""What is due, over all partitions of the due index: read side by side, and taken in turn."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest

from sms_gateway.storage import dynamodb
from sms_gateway.storage.models import Key


def due(
    pool: ThreadPoolExecutor, shards: Sequence[str], now: int, limit: int
) -> dict[str, list[Key]]:
    """At most `limit` keys of each partition; those without anything are left out."""
    found = pool.map(lambda shard: dynamodb.due(shard, now, limit), shards)
    return {shard: keys for shard, keys in zip(shards, found, strict=True) if keys}


def in_turn(found: Mapping[str, Sequence[Key]]) -> list[Key]:
    """The first of each partition, then the second of each: none waits for all of another."""
    return [key for turn in zip_longest(*found.values()) for key in turn if key is not None]

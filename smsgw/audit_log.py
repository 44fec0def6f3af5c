"""A record of each command that changes something: who, what and when.

It is written before the command acts, so that no change is without one, and then gets its end. It
holds ids and names of this command's own, never a file, a note, a text, a number or a secret. No
function of the gateway may write it: their roles do not name the partition.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sms_gateway.core.timestamps import epoch_seconds
from sms_gateway.core.ulids import new_ulid
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.items import Item, json_attribute, key_of, number_attribute
from sms_gateway.storage.models import ItemKey
from smsgw import clients
from smsgw.terminal import without_keys

PARTITION = "AUDIT"
NAMED = (  # options that a record shows
    *("id", "tenant", "scope", "country", "expires", "stop_messages", "key", "batch", "vendor"),
    *("endpoint", "outcome", "table", "at", "keep_scheduled", "keep_access", "no_check", "force"),
)


def caller() -> str:
    """Return the ARN of who runs this."""
    return str(clients.client("sts").get_caller_identity()["Arn"])


def begin(who: str, words: Sequence[str], given: Mapping[str, Any], now: datetime) -> ItemKey:
    """Record that a command begins; return the record's key."""
    key = ItemKey(PARTITION, new_ulid(now))
    shown = {name: given[name] for name in NAMED if given.get(name)}
    dynamodb.put_new(
        {
            **key_of(key),
            "who": {"S": who},
            "what": {"S": " ".join(words)},
            "with": {"S": without_keys(json_attribute(shown)["S"])},
            "began": number_attribute(epoch_seconds(now)),
            "end": {"S": "begun"},
        }
    )
    return key


def end(key: ItemKey, outcome: str) -> None:
    """Record how a command ended: `done` or `failed`; `begun` stays on one that was killed."""
    ItemUpdate(key).set("end", outcome).apply()


def latest(limit: int) -> list[Item]:
    """Return the latest records, newest first."""
    return dynamodb.query_range(PARTITION, "0", "Z", limit, newest_first=True)

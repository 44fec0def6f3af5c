"""A record of each command that changes something: who, what and when. `smsgw audit list`.

It is written before the command acts, so that no change is without one, and then gets its end. It
holds ids and names of this command's own, never a file, a note, a text, a number or a secret. No
function of the gateway may write it: their roles do not name the partition.
"""

import argparse
from datetime import datetime

import boto3
import msgspec

from sms_gateway.core.timestamps import epoch_seconds, from_ms, rfc3339
from sms_gateway.core.ulids import new_ulid
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.items import json_attribute, key_of, number_attribute
from sms_gateway.storage.models import ItemKey
from smsgw.terminal import say

PARTITION = "AUDIT"
READING = {"list", "show", "diff", "plan", "check", "callback-url", "audit"}  # change nothing
NAMED = (  # options that a record shows
    *(
        "id",
        "tenant",
        "scope",
        "region",
        "expires",
        "stop_messages",
        "key",
        "batch",
        "vendor",
        "endpoint",
    ),
    *("outcome", "table", "at", "keep_scheduled", "keep_access"),
)


def changes(options: argparse.Namespace) -> bool:
    """Return whether a command changes something; one that nobody sorted does."""
    return not READING.intersection(_words(options))


def _words(options: argparse.Namespace) -> list[str]:
    return [word for word in (options.command, getattr(options, "verb", None)) if word]


def begin(options: argparse.Namespace, now: datetime) -> ItemKey:
    """Record that a command begins; return the record's key."""
    key = ItemKey(PARTITION, new_ulid(now))
    given = {name: getattr(options, name, None) for name in NAMED}
    dynamodb.put_new(
        {
            **key_of(key),
            "who": {"S": boto3.client("sts").get_caller_identity()["Arn"]},
            "what": {"S": " ".join(_words(options))},
            "with": json_attribute({name: one for name, one in given.items() if one}),
            "began": number_attribute(epoch_seconds(now)),
            "end": {"S": "begun"},
        }
    )
    return key


def end(key: ItemKey, outcome: str) -> None:
    """Record how a command ended: `done` or `failed`; `begun` stays on one that was killed."""
    ItemUpdate(key).set("end", outcome).apply()


def show_all(options: argparse.Namespace) -> None:
    """Print the latest records, newest first."""
    found = dynamodb.query_range(PARTITION, "0", "Z", options.limit, newest_first=True)
    for item in found:
        when = rfc3339(from_ms(int(item["began"]["N"]) * 1000))
        given = msgspec.json.decode(item["with"]["S"])
        words = " ".join(
            f"{name}={','.join(value) if isinstance(value, list) else value}"
            for name, value in given.items()
        )
        say(f"{when}  {item['end']['S']:6}  {item['who']['S']}  {item['what']['S']}  {words}")

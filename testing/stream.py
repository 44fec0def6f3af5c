"""The table's stream as Lambda hands it over: moto's records, through the template's own filter."""

import json
import os
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from moto.dynamodb.models import dynamodb_backends
from unit.events.test_builders import check

from sms_gateway.core.event import Event
from sms_gateway.events.stream_reader import handle_records
from sms_gateway.webhooks import endpoints
from testing.environment import ACCOUNT_ID, REGION
from testing.settings import TEMPLATE

CHANGES = TEMPLATE["Resources"]["PublishEventsFunction"]["Properties"]["Events"]["Changes"][
    "Properties"
]
PATTERNS = [json.loads(one["Pattern"]) for one in CHANGES["FilterCriteria"]["Filters"]]
ARN = f"arn:aws:dynamodb:{REGION}:{ACCOUNT_ID}:table/test-table/stream/2026-11-22T00:00:00.000"
CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 120_000)


def matches(pattern: Any, value: Any) -> bool:
    """Whether a record fits a filter, as far as the template's filters go: equal, prefix, exists.

    As on AWS, `exists` looks at leaves only.
    """
    if isinstance(pattern, dict):
        inside = value if isinstance(value, dict) else {}
        return all(matches(one, inside.get(name)) for name, one in pattern.items())
    return any(_fits(one, value) for one in pattern)


def _as_json(value: object) -> str:
    """Bytes as Lambda hands them over; times are set later."""
    return b64encode(value).decode() if isinstance(value, bytes) else ""


def _fits(one: Any, value: Any) -> bool:
    if not isinstance(one, dict):
        return bool(one == value)
    ((word, wanted),) = one.items()
    if word == "exists":
        return (value is not None) is wanted
    assert word == "prefix"
    return isinstance(value, str) and value.startswith(wanted)


@dataclass
class Reported:
    """A bus and a queue of deliveries that remember; `refuses` are ids that the bus takes not."""

    events: list[Event] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)

    def put(self, events: Sequence[Event], _until: float) -> set[str]:
        """Take events; return the ids of those refused."""
        self.events += [one for one in events if one.id not in self.refuses]
        return {one.id for one in events} & self.refuses


@dataclass
class Stream:
    """What was written since, and who was told."""

    got: Reported = field(default_factory=Reported)

    def everything(self) -> list[dict[str, Any]]:
        """Every record since the last call."""
        shard = dynamodb_backends[ACCOUNT_ID][REGION].tables[os.environ["TABLE_NAME"]].stream_shard
        assert shard
        written = json.dumps([one.to_json() for one in shard.items], default=_as_json)
        records: list[dict[str, Any]] = json.loads(written)
        shard.items.clear()
        for number, one in enumerate(records):
            one["eventSourceARN"] = ARN
            change = one["dynamodb"]
            change["ApproximateCreationDateTime"] = 1795316698.0
            change["SequenceNumber"] = f"{shard.starting_sequence_number + number}"
        shard.starting_sequence_number += len(records)
        return records

    def records(self) -> list[dict[str, Any]]:
        """Those that the filter lets through."""
        return [
            one for one in self.everything() if any(matches(pattern, one) for pattern in PATTERNS)
        ]

    def publish(self, records: Sequence[dict[str, Any]] | None = None) -> list[str]:
        """Publish what was written since.

        The records that failed. Every event must be what its schema says.
        """
        given = self.records() if records is None else records
        if not given:
            return []
        answer = handle_records(given, 120, self.got.put)
        for one in self.got.events:
            check(json.loads(one.to_json()))
        return [one["itemIdentifier"] for one in answer["batchItemFailures"]]

    def kinds(self, identifier: str = "") -> list[str]:
        """Return the kinds of the events told, of one message or batch if one is given."""
        return [str(one.type) for one in self.got.events if one.id.startswith(identifier)]


def streaming() -> Iterator[Stream]:
    """Return the table's stream, from now on."""
    table = dynamodb_backends[ACCOUNT_ID][REGION].tables[os.environ["TABLE_NAME"]]
    table.set_stream_specification({"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    endpoints.reset_cache()
    yield Stream()
    table.stream_shard = None
    endpoints.reset_cache()

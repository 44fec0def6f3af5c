"""Events: their schemas and examples, their ids and numbers, what they hide."""

import json
from functools import cache
from itertools import combinations
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from sms_gateway.core.event import (
    EVENT_OF_STATUS,
    MAX_EVENT_BYTES,
    SEQUENCE,
    TENANT_EVENTS,
    EventType,
)
from sms_gateway.core.status import Status
from sms_gateway.events.builders import batch_event, mask_number, message_event
from sms_gateway.storage.models import Batch, MessageContent, TimelineEntry
from tools.openapi import ROOT

FOLDER = ROOT / "events" / "schemas"
BATCH = Batch("01M80KD8NAXEPBMQYG8412XQAH", "acme", 1)
NUMBER = "+8801000000001"


@cache
def schema(kind: str) -> dict[str, Any]:
    """A kind's schema."""
    found: dict[str, Any] = json.loads((FOLDER / f"{kind}.json").read_text())
    return found


@cache
def validator(kind: str) -> jsonschema_rs.Draft202012Validator:
    """What says whether a document is an event of this kind."""
    return jsonschema_rs.Draft202012Validator(
        schema(kind),
        validate_formats=True,
        retriever=lambda uri: json.loads((FOLDER / uri.rpartition("/")[2]).read_text()),
    )


def check(document: dict[str, Any]) -> None:
    """An event is valid, and has nothing that its schema does not describe."""
    described = schema(document["type"])
    validator(document["type"]).validate(document)
    assert set(document) <= set(described["properties"])
    assert set(document["data"]) <= set(described["properties"]["data"]["properties"])


def made(status: Status, *, full: bool = False, text: str = "Your code is 1234") -> dict[str, Any]:
    entry = TimelineEntry(1795316698931, status, "poll", "dinisoft", 1, "0", "DELIVRD")
    content = MessageContent(to=NUMBER, text=text, reference="o-7")
    event = message_event(BATCH, f"{BATCH.id}000", content, status, entry, full=full)
    document: dict[str, Any] = json.loads(event.to_json())
    return document


def test_every_kind_has_a_schema_and_an_example() -> None:
    names = {path.name for path in FOLDER.iterdir()}
    assert names == {
        *(f"{kind}.json" for kind in EventType),
        *(f"{kind}.example.json" for kind in EventType),
        "vendor.json",
    }


@pytest.mark.parametrize("kind", EventType)
def test_a_schema_is_one_and_its_example_is_true(kind: EventType) -> None:
    jsonschema_rs.meta.validate(schema(kind))
    example = json.loads((FOLDER / f"{kind}.example.json").read_text())
    check(example)
    for other in set(EventType) - {kind}:
        assert not validator(other).is_valid(example)


@pytest.mark.parametrize("status", list(Status))
def test_what_is_made_is_what_the_schema_says(status: Status) -> None:
    if status is Status.SUBMITTING:
        return  # told to nobody
    for full in (False, True):
        document = made(status, full=full)
        check(document)
        assert document["data"]["status"] == status
        assert document["id"] == f"{BATCH.id}000-{document['sequence']}"


def test_a_batch_is_what_its_schema_says() -> None:
    event = batch_event(BATCH, {Status.DELIVERED: 2, Status.EXPIRED: 1}, 1795316698931)
    document = json.loads(event.to_json())
    check(document)
    assert document["data"]["total"] == 3


def test_a_batch_has_a_message_and_a_campaign_may_have_none() -> None:
    document = batch_event(BATCH, {Status.DELIVERED: 1}, 1795316698931).to_dict()
    data = {**document["data"], "total": 0, "counts": {}}
    assert not validator(EventType.COMPLETED).is_valid({**document, "data": data})
    data |= {"state": "failed", "rows_refused": 0}
    assert validator(EventType.COMPLETED).is_valid({**document, "data": data})


def test_no_number_and_no_text_is_told_unless_it_is_wanted() -> None:
    hidden = json.dumps(made(Status.DELIVERED))
    assert NUMBER not in hidden
    assert "1234" not in hidden
    shown = made(Status.DELIVERED, full=True)["data"]
    assert (shown["to"], shown["text"]) == (NUMBER, "Your code is 1234")


@pytest.mark.parametrize(
    ("number", "shown"), [("+8801000000001", "+88*********01"), ("+12345678", "+12****78")]
)
def test_a_masked_number_shows_two_digits_at_each_end(number: str, shown: str) -> None:
    assert mask_number(number) == shown


@pytest.mark.parametrize("text", ["🙂" * 5000, "\u0001" * 5000, '"' * 5000])
def test_a_long_text_is_cut_so_that_the_event_stays_small(text: str) -> None:
    document = made(Status.DELIVERED, full=True, text=text)
    check(document)
    assert len(msgspec.json.encode(document)) <= MAX_EVENT_BYTES
    cut = document["data"].get("text_cut", False)
    assert cut == (document["data"]["text"] != text)


def test_a_status_that_may_follow_another_has_the_higher_number() -> None:
    """Of the ends one wins, but for `unknown`, which each of them may follow."""
    ends = {EVENT_OF_STATUS[one] for one in Status if one.final and one is not Status.UNKNOWN}
    assert {SEQUENCE[kind] for kind in ends} == {4}
    order = [EventType.ACCEPTED, EventType.SUBMITTED, EventType.UNKNOWN, EventType.DELIVERED]
    assert all(SEQUENCE[a] < SEQUENCE[b] for a, b in combinations(order, 2))


def test_tenants_may_want_what_is_theirs() -> None:
    assert set(EventType) - set(TENANT_EVENTS) == {
        EventType.OPENED,
        EventType.CLOSED,
        EventType.BALANCE_LOW,
        EventType.BALANCE_RUNS_OUT,
        EventType.BALANCE_TOPPED_UP,
        EventType.TEST,
    }

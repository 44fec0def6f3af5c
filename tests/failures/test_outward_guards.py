"""What keeps events and campaigns safe, taken away: the witnesses then speak."""

from collections.abc import Iterator, Sequence
from copy import replace
from typing import Any
from uuid import uuid4

import pytest
from failures.guards import GUARDS, guards, off
from failures.outward import GUARDED
from failures.witness import due, faults
from integration.campaigns.test_campaigns import (
    bucket,
    much_later,
    rows,
    stored,
    to_the_end,
    upload,
    work,
)
from integration.webhooks.test_deliveries import (
    SLOW,
    Clock,
    Customer,
    clock,
    customer,
    event,
    hook,
    run,
    wake,
)

from sms_gateway.campaigns import chunks, worker
from sms_gateway.campaigns import repository as campaign_repository
from sms_gateway.core.event import Event
from sms_gateway.events import change_mapping, stream_reader, webhook_fanout
from sms_gateway.events.builders import message_event
from sms_gateway.events.stream_reader import handle_records
from sms_gateway.storage import dynamodb as store
from sms_gateway.webhooks import deliveries, endpoint_health
from sms_gateway.webhooks.http_client import PostResult
from testing.gateway import Gateway
from testing.stream import Stream, streaming

__all__ = ["bucket", "clock", "customer"]  # fixtures


def test_every_scenario_names_a_guard_that_is_taken_away_here() -> None:
    assert set(GUARDED.values()) == GUARDS[__name__]


@pytest.fixture
def stream(gateway: Gateway) -> Iterator[Stream]:
    yield from streaming()


def wrong(gateway: Gateway, stream: Stream, ids: Sequence[str]) -> bool:
    """Whether the witness of the scenarios finds fault with what was told of messages."""
    wanted = due(gateway.view(one) for one in ids)
    return bool(faults(wanted, [one.to_dict() for one in stream.got.events]))


def final(gateway: Gateway) -> list[str]:
    """Two messages that are final, each in a batch of its own; their ids."""
    ids = gateway.sent("server2sms") + gateway.sent("server2sms")
    gateway.tick(after=400_000)
    return ids


def hand_over(records: Sequence[dict[str, Any]], stream: Stream, send: Any) -> list[dict[str, Any]]:
    """One delivery of the stream; the records that come again."""
    try:
        answer = handle_records(records, 120, send)
    except (KeyboardInterrupt, stream_reader.NothingPublishedError):
        return list(records)
    failed = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
    return [one for one in records if one["dynamodb"]["SequenceNumber"] in failed]


@guards("checkpoint")
def test_a_record_done_with_before_it_is_told_is_an_event_lost(
    guard: str, gateway: Gateway, stream: Stream
) -> None:
    ids = final(gateway)

    def killed(*_: object) -> set[str]:
        if guard == "off":
            return set()  # it would be told in a moment, and that does not come
        raise KeyboardInterrupt

    left = hand_over(stream.records(), stream, killed)
    hand_over(left, stream, stream.got.put)
    assert wrong(gateway, stream, ids) == (guard == "off")


@guards("refused records")
def test_not_answering_what_the_bus_refused_is_an_event_lost(
    guard: str, gateway: Gateway, stream: Stream
) -> None:
    ids = final(gateway)
    stream.got.refuses = {f"{ids[1]}-1"}

    def put(events: Sequence[Event], until: float) -> set[str]:
        refused = stream.got.put(events, until)
        return set() if guard == "off" else refused

    left = hand_over(stream.records(), stream, put)
    assert len(left) == (guard == "on")
    stream.got.refuses.clear()
    hand_over(left, stream, stream.got.put)
    assert wrong(gateway, stream, ids) == (guard == "off")


@guards("event id")
def test_an_id_that_does_not_follow_from_what_it_tells_is_an_event_twice(
    guard: str, gateway: Gateway, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    off(
        guard,
        monkeypatch,
        change_mapping,
        "message_event",
        lambda *given, **more: replace(message_event(*given, **more), id=f"{uuid4()}"),
    )
    ids = final(gateway)
    records = stream.records()
    for _ in range(2):
        assert hand_over(records, stream, stream.got.put) == []
    assert wrong(gateway, stream, ids) == (guard == "off")


@guards("delivery")
def test_forgetting_an_attempt_that_failed_is_an_event_that_never_arrives(
    guard: str, customer: Customer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    off(guard, monkeypatch, deliveries, "record_failure", lambda *_, **__: None)
    hook()
    one = replace(event(), data={"message_id": event().id[:-2], "status": "delivered"})
    customer.answers["/sms"] = PostResult(None, "the connection was refused")
    webhook_fanout.enqueue_deliveries([one])
    run(customer)
    customer.answers.clear()
    customer.got.clear()
    clock.at += 400
    wake(clock)
    run(customer, SLOW)
    assert bool(faults({one.id: one.type}, customer.at("/sms"))) == (guard == "off")


@guards("lane")
def test_a_slow_endpoint_in_everybodys_lane_holds_it_up(
    guard: str, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    off(guard, monkeypatch, endpoint_health, "mark_slow", lambda *_: None)
    hook()
    customer.answers["/sms"] = PostResult(204, seconds=14)
    for nth in range(2):
        webhook_fanout.enqueue_deliveries([event(nth)])
        run(customer)
    assert len(customer.got) == (1 if guard == "on" else 2)
    run(customer, SLOW)
    assert len(customer.got) == 2


@guards("chunk")
def test_without_a_chunks_record_a_row_is_sent_twice(
    guard: str, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written(_campaign: Any, item: Any, _dead: str | None) -> bool:
        store.client().put_item(TableName=store.table_name(), Item=item)
        return True

    off(guard, monkeypatch, worker, "find_next_chunk", lambda _: chunks.AbandonedChunk())
    off(guard, monkeypatch, campaign_repository, "put_chunk", written)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    notice = upload(bucket, "to,text\n" + rows(3))
    with monkeypatch.context() as crash:
        crash.setattr(worker, "advance", killed)  # after the chunk's batch was accepted
        with pytest.raises(KeyboardInterrupt):
            work(notice)
    much_later()
    assert to_the_end(notice).sent == 3
    assert set(stored().values()) == {1 if guard == "on" else 2}

"""A counted limit while things fail: once too much at most, never too little."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from failures.guards import guards, off

from sms_gateway.core.problems import GatewayError
from sms_gateway.messages.send import send
from sms_gateway.policies import door
from sms_gateway.policies.counters import month_key, of_day
from sms_gateway.policies.door import count_sends
from sms_gateway.policies.limits import QuotaExhaustedError
from sms_gateway.storage import dynamodb, quotas
from testing.gateway import Gateway
from testing.numbers import number
from testing.settings import set_policy

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
COUNT = 30
WRITES = ("UpdateItem", "PutItem", "BatchWriteItem")
BODY = json.dumps({"to": [number("rajasms", n) for n in range(COUNT)], "text": "once"}).encode()
ONE = json.dumps({"to": number("rajasms"), "text": "once"}).encode()


class Killed(BaseException):
    """The end of a function: nothing catches it."""


@contextmanager
def killed(nth: int, moment: str) -> Iterator[None]:
    """The function dies right before, or right after, its nth write."""
    seen, events = [0], dynamodb.client().meta.events

    def handler(**_: Any) -> None:
        seen[0] += 1
        if seen[0] == nth:
            raise Killed

    names = [f"{moment}-call.dynamodb.{write}" for write in WRITES]
    for name in names:
        events.register_first(name, handler)
    try:
        with pytest.raises(Killed):
            yield
    finally:
        for name in names:
            events.unregister(name, handler)


def counted() -> int:
    return quotas.number_of(quotas.read(month_key("acme", NOW)), of_day("messages", NOW))


def spent() -> int:
    """What the month has spent, in cents."""
    month = quotas.read(month_key("acme", NOW))
    return quotas.number_of(month, "month.spend.USD") // 10**7


def sent(body: bytes, key: str | None = None, later: int = 0) -> int:
    """How many of a request's messages are accepted."""
    try:
        return len(send("acme", body, NOW + timedelta(seconds=later), key)["messages"])
    except QuotaExhaustedError:
        return 0


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5])
def test_killed_between_counting_and_accepting_counts_once_too_much_at_most(
    gateway: Gateway, nth: int, moment: str
) -> None:
    """Its writes: the count, the key's record, two pages of the batch, the batch itself.

    Money is counted with them: a message is a cent.
    """
    money = {"amount": "1", "currency": "USD"}
    spend = {"spend_per_month": money, "assumed_price": {**money, "amount": "0.01"}}
    set_policy("acme", json.dumps({**spend, "segments_per_day": 500}))
    with killed(nth, moment):
        sent(BODY, "order-1")
    assert sent(BODY, "order-1", later=61) == COUNT
    lost = counted() - COUNT
    # Before the count nothing is, and after the batch the repeat has the first answer.
    assert lost == (0 if (nth, moment) in ((1, "before"), (5, "after")) else COUNT)
    went = COUNT + sum(sent(BODY, later=70) for _ in range(5))
    assert went == 100 - lost
    assert counted() == spent() == 100


@guards("counting first")
def test_without_the_count_before_it_more_is_accepted_than_the_limit(
    guard: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def instead(*given: Any, **named: Any) -> None:
        count_sends(*given, **named)  # counts, and listens to no answer

    off(guard, monkeypatch, door, "count_sends", instead)
    set_policy("acme", '{"messages_per_day": 40}')
    went = sent(BODY) + sent(BODY)
    assert (went > 40) == (guard == "off")


def test_a_counter_that_is_throttled_for_a_while_counts_nothing_that_it_refused(
    gateway: Gateway, failing: Callable[..., None]
) -> None:
    set_policy("acme", '{"messages_per_day": 3, "fail": "closed"}')
    failing("UpdateItem", 2)
    for _ in range(2):
        with pytest.raises(GatewayError, match="goes uncounted"):
            sent(ONE)
    assert [sent(ONE) for _ in range(5)] == [1, 1, 1, 0, 0]
    assert counted() == 3


def test_a_threshold_that_dies_with_its_function_is_untold_and_nothing_is_lost(
    gateway: Gateway,
) -> None:
    """Its second write is the threshold's, before anything is accepted."""
    set_policy("acme", '{"messages_per_day": 2}')
    with killed(2, "before"):
        sent(ONE, "order-1")
    assert (counted(), gateway.queued("rajasms")) == (1, [])
    assert [sent(ONE, "order-1", later=61), sent(ONE, later=62)] == [1, 0]
    assert counted() == 2


def test_texts_of_one_number_that_were_killed_count_once_too_much_at_most(
    gateway: Gateway,
) -> None:
    set_policy("acme", '{"same_text_per_number": 3}')
    with killed(2, "before"):
        sent(ONE, "order-1")
    assert sent(ONE, "order-1", later=61) == 1
    assert [sent(ONE, later=70) for _ in range(3)] == [1, 0, 0]


def test_a_counter_that_stays_throttled_loses_no_message_and_none_twice(
    gateway: Gateway, failing: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    set_policy("acme", '{"messages_per_day": 1}')
    failing("UpdateItem")
    assert sent(BODY, "order-1") == sent(BODY, "order-1") == COUNT
    assert capsys.readouterr().out.count("QuotaFailedOpen") >= 1
    assert len(gateway.queued("rajasms")) == 1
    set_policy("acme", '{"messages_per_day": 1, "fail": "closed"}')
    with pytest.raises(GatewayError, match="goes uncounted"):
        sent(ONE)
    assert gateway.queued("rajasms") == []

"""Reports equal a recount, whoever dies, comes late or asks twice, and are no dearer than said."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from random import Random, SystemRandom
from typing import Any

import pytest

from sms_gateway.reports import parts, report
from sms_gateway.reports.query import DIMENSIONS, ReportQuery
from sms_gateway.reports.report import Report, report_view
from sms_gateway.storage import dynamodb
from sms_gateway.storage.models import ItemKey
from testing.counting import Meter
from testing.gateway import Gateway
from testing.lives import (
    VENDORS,
    accepted,
    bucketed,
    coded,
    comparable,
    items_of,
    live_on,
    received,
    recounted,
    submitted,
)
from testing.numbers import number
from testing.rights import acting_as

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TODAY = NOON.date()
SEED = SystemRandom().randrange(2**32)
Row = dict[str, Any]


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def ask(minutes: float, by: str = "", tenant: str = "acme", first: date = TODAY) -> Row:
    """What GET /reports answers so many minutes after noon."""
    now = at(minutes)
    query = ReportQuery(first, now.date(), tuple(filter(None, by.split(","))))
    with acting_as("StatusFunction"):
        return report_view(query, {tenant: Report(tenant, query, now)})


def total(minutes: float, **options: Any) -> Row:
    """The one row of a report without dimensions."""
    found = ask(minutes, **options)["rows"]
    assert len(found) == 1
    return dict(found[0])


@pytest.fixture
def dying(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """`dying(n)`: whoever counts dies before the nth part is stored; 0 is nobody."""
    write, left = parts.store, [0]

    def store(*arguments: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return write(*arguments)

    monkeypatch.setattr(parts, "store", store)
    return lambda nth: left.__setitem__(0, nth)


def test_reports_equal_a_recount_over_random_lives(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, dying: Callable[[int], None]
) -> None:
    print(f"seed {SEED}")
    monkeypatch.setattr(report, "PART_WORK", 400)
    draw = Random(SEED)  # noqa: S311 - no secret
    lives: list[str] = []
    for minutes in range(0, 30 * 60, 45):  # until the evening of the next day
        now = at(minutes)
        for _ in range(4):
            # Of what is accepted at once some has an id that is a quarter of an hour older.
            when = now - timedelta(minutes=draw.choice((0, 0, 1, 5, 15)) if minutes else 0)
            lives.append(_accepted_at_random(when, draw))
        if draw.random() < 0.2:
            accepted(now, number("jst"), test=True)
        for batch in draw.sample(lives, min(len(lives), 6)):
            live_on(batch, now, draw)
        if draw.random() < 0.5:
            monkeypatch.setattr(report, "MAX_WORK", draw.choice((30, 100, 10_000)))
            dying(draw.choice((1, 2, 3, 0, 0, 0)))
            with suppress(KeyboardInterrupt):
                ask(minutes + draw.random(), "hour")
    dying(0)
    monkeypatch.setattr(report, "MAX_WORK", 10_000)
    later = 5 * 24 * 60  # what is open is looked at again
    while not (found := ask(later, ",".join(DIMENSIONS)))["complete"]:
        pass
    wanted = [bucketed(row) for row in recounted("acme", at(-720), at(later), DIMENSIONS)]
    assert [comparable(row) for row in found["rows"]] == wanted
    assert sum(row["accepted"] for row in wanted) > 1000


def _accepted_at_random(when: datetime, draw: Random) -> str:
    count = draw.choice((1, 1, 1, 2, 50))
    to = {number(draw.choice(VENDORS), draw.randrange(900)): None for _ in range(count)}
    category = draw.choice(("transactional", "promotional"))
    batch = accepted(when, *to, category=category, text="Hello " * draw.randrange(1, 60))
    if count == 1 and draw.random() < 0.3:
        coded(batch, when + timedelta(minutes=10), approved=draw.random() < 0.5)
    return batch


def delivered(batch: str, minutes: float) -> None:
    """A vendor took a single, and tells that it was delivered half a minute later."""
    (item, *_) = items_of(batch)
    submitted([item], at(minutes - 1), "0.25")
    received(item, "delivered", at(minutes - 0.5))
    dynamodb.put_all([item])


def test_a_late_receipt_is_in_the_next_report(gateway: Gateway) -> None:
    one = accepted(at(-60))
    assert total(0)["waiting"] == 1
    delivered(one, 5)
    assert total(10)["delivered"] == 0  # looked at again when it is as old again
    row = total(61)
    assert (row["waiting"], row["delivered"]) == (0, 1)
    assert row["price"] == [{"amount": "0.25", "currency": "INR", "messages": 1}]
    assert row["receipt_seconds"] == {
        "p50": 30,
        "p95": 30,
        "buckets": [{"up_to": 30, "messages": 1}],
    }


def test_unknown_gives_way_to_a_receipt_days_later(gateway: Gateway) -> None:
    one = accepted(at(-60))
    (item,) = items_of(one)
    received(item, "unknown", at(-30))
    dynamodb.put_all([item])
    assert total(0)["unknown"] == 1
    delivered(one, 2 * 24 * 60)
    row = total(3 * 24 * 60)
    assert (row["unknown"], row["delivered"]) == (0, 1)


def test_a_vendors_answer_behind_its_receipt_brings_the_price(gateway: Gateway) -> None:
    one = accepted(at(-60))
    (item,) = items_of(one)
    received(item, "delivered", at(-1))
    dynamodb.put_all([item])
    assert total(0)["price"] == []
    item["result"] = {"S": '{"own_ids":true,"price":["0.25","INR"]}'}
    dynamodb.put_all([item])
    assert total(61)["price"] == [{"amount": "0.25", "currency": "INR", "messages": 1}]


def test_a_batch_that_is_stored_late_is_counted(gateway: Gateway) -> None:
    accepted(at(-20))
    assert total(0)["accepted"] == 1
    accepted(at(-10))  # by a function that took its time
    assert total(30)["accepted"] == 2


def test_whoever_is_killed_leaves_what_the_next_one_replaces(
    gateway: Gateway, dying: Callable[[int], None]
) -> None:
    for minutes in (-150, -90, -30):
        accepted(at(minutes))
    for nth in (1, 2, 2):
        dying(nth)
        with pytest.raises(KeyboardInterrupt):
            ask(0)
        dying(0)
    assert total(0)["accepted"] == 3


def test_two_who_count_at_once_count_once(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted(at(-30))
    write, others = parts.store, [True]

    def store(*arguments: Any) -> Any:
        if others.pop() if others else False:
            assert total(0)["accepted"] == 1  # another question, in the middle of this one
        return write(*arguments)

    monkeypatch.setattr(parts, "store", store)
    first = ask(0)
    assert [row["accepted"] for row in first["rows"]] == [1]
    assert total(20)["accepted"] == 1


def test_a_question_counts_a_bounded_part_and_the_next_goes_on(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "MAX_WORK", report.DAY_WORK + 2)
    for minutes in range(-120, -20, 10):
        accepted(at(minutes))
    seen = [ask(0)]
    while not seen[-1]["complete"]:
        assert len(seen) < 30
        seen.append(ask(0))
    counts = [sum(row["accepted"] for row in one["rows"]) for one in seen]
    assert counts == sorted(counts)
    assert counts[-1] == 10
    assert len(seen) > 3
    assert seen[-1]["counted_until"] == "2026-11-20T12:00:00.000Z"
    assert seen[0]["counted_until"] < seen[-1]["counted_until"]


def test_nobody_sees_anothers_figures_and_tests_are_in_none(gateway: Gateway) -> None:
    accepted(at(-60))
    accepted(at(-60), tenant="bazaar")
    accepted(at(-60), number("jst"), test=True)
    assert total(0)["accepted"] == 1
    assert ask(0, tenant="acme-2")["rows"] == []


def test_what_is_counted_is_not_read_again(gateway: Gateway) -> None:
    for minutes in range(-50, -20):
        delivered(accepted(at(minutes)), minutes + 2)
    with Meter().listening(dynamodb.client()) as first:
        ask(0)
    with Meter().listening(dynamodb.client()) as second:
        ask(1)
    # 30 singles at half a unit, their entries, a part; then that part alone.
    assert first.total.reads <= 15 + 4
    assert first.total.writes <= 4
    assert (second.total.reads, second.total.writes) == (1, 0)


def test_a_days_figures_outlive_its_messages(gateway: Gateway) -> None:
    one = accepted(at(-60))
    assert total(0)["accepted"] == 1
    dynamodb.remove(ItemKey(one, "M#000"))
    assert total(91 * 24 * 60, first=TODAY)["accepted"] == 1

"""Runs: every entry is in one, whoever dies or comes late, and none is dear."""

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from sms_gateway.config import api_keys
from sms_gateway.config.stack_keys import message_key
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.ulids import new_ulid
from sms_gateway.messages.search_marks import MAX_MARKS, marks_of
from sms_gateway.messages.send import send
from sms_gateway.scheduler import search_index, tick
from sms_gateway.storage import dynamodb, search_runs
from sms_gateway.storage.models import MessageContent
from sms_gateway.storage.search_runs import IndexedDay, Place
from testing.counting import Meter, size_of
from testing.gateway import Gateway
from testing.numbers import number
from testing.rights import acting_as

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
TODAY = NOON.date()


def accepted(minutes: float, count: int = 1) -> str:
    """A batch accepted some minutes before noon; its id."""
    to = [number("jst", nth) for nth in range(count)]
    body = json.dumps({"to": to if count > 1 else to[0], "text": "Hello"}).encode()
    answer = send("acme", body, NOON - timedelta(minutes=minutes))
    return str(answer["batch_id"])


def noted(tenant: str = "acme", days: float = 0) -> None:
    api_keys.create_key(tenant, ["messages:read"], "", NOON - timedelta(days=days))


def sort(minutes: float = 0) -> None:
    with acting_as("SchedulerFunction"):
        search_index.sort_into_runs(NOON + timedelta(minutes=minutes), lambda _: True)


def day_of(day: date = TODAY) -> IndexedDay:
    return search_runs.indexed_days("acme", day, day).get(day, IndexedDay())


def in_runs(day: date = TODAY) -> Counter[str]:
    """How many runs have each batch."""
    mark = marks_of("acme", [MessageContent(to=number("jst"))], message_key)
    assert mark
    found = Counter[str]()
    for run in day_of(day).runs:
        for place in search_runs.marked_in_run("acme", day, run, mark, search_runs.LAST):
            found[place.batch] += 1
        for place in search_runs.others_in_run("acme", day, run, search_runs.LAST):
            found[place.batch] += 1
    return found


@pytest.fixture(autouse=True)
def _small_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_index, "RUN_ENTRIES", 3)


def test_a_full_run_is_written_and_what_is_left_waits_for_more(gateway: Gateway) -> None:
    noted()
    ids = [accepted(200 - nth) for nth in range(7)]
    sort()
    assert day_of() == IndexedDay((ids[2], ids[5]))
    assert in_runs() == dict.fromkeys(ids[:6], 1)


def test_what_may_still_come_late_is_in_no_run(gateway: Gateway) -> None:
    noted()
    ids = [accepted(minutes) for minutes in (60, 30, 21, 19, 1, 0)]
    sort()
    assert in_runs() == dict.fromkeys(ids[:3], 1)
    late = accepted(18)
    sort(61)
    assert in_runs() == dict.fromkeys([*ids[:4], late, ids[4]], 1)


def test_a_day_that_is_over_is_closed_with_what_it_has_left(gateway: Gateway) -> None:
    noted(days=2)
    first, second = accepted(24 * 60 + 5), accepted(24 * 60)
    sort()
    yesterday = TODAY - timedelta(days=1)
    assert day_of(yesterday) == IndexedDay((second,), closed=True)
    assert in_runs(yesterday) == {first: 1, second: 1}
    (known,) = search_runs.indexed_tenants()
    assert known.day == TODAY


def test_a_tenant_is_noted_once_and_from_its_first_key_on(gateway: Gateway) -> None:
    noted(days=2)
    sort()
    noted()
    (known,) = search_runs.indexed_tenants()
    assert (known.tenant, known.day) == ("acme", TODAY)
    assert known.next > NOON.timestamp()


def test_one_that_dies_before_it_says_so_is_repeated(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted()
    ids = [accepted(200 - nth) for nth in range(4)]
    with monkeypatch.context() as broken:
        broken.setattr(dynamodb, "put", _dies)
        sort()
    assert day_of() == IndexedDay()
    sort()
    assert in_runs() == dict.fromkeys(ids[:3], 1)


def _dies(*_: Any, **__: Any) -> None:
    raise ServiceUnavailableError("The table does not answer; try again.")


def test_two_schedulers_at_once_write_one_run(gateway: Gateway) -> None:
    noted()
    ids = [accepted(200 - nth) for nth in range(4)]
    before, mark = IndexedDay(), marks_of("acme", [MessageContent(to=number("jst"))], message_key)
    assert mark
    places = [Place(one, (mark,), single=True) for one in ids[:3]]
    for _ in range(2):
        search_runs.store_run("acme", TODAY, before, places, last=False, ttl=1)
    search_runs.store_run("acme", TODAY, before, places[:2], last=True, ttl=1)  # it came too late
    assert day_of() == IndexedDay((ids[2],))
    (known,) = search_runs.indexed_tenants()
    assert search_runs.move_on(known, TODAY, 5)
    assert not search_runs.move_on(known, TODAY, 6)


def test_a_tenant_whose_runs_fail_holds_up_no_other(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    noted("aaa")
    noted()
    ids = [accepted(200 - nth) for nth in range(3)]
    entries = search_runs.entries

    def some(tenant: str, *rest: Any, **named: Any) -> Any:
        return _dies() if tenant == "aaa" else entries(tenant, *rest, **named)

    monkeypatch.setattr(search_runs, "entries", some)
    sort()
    assert in_runs() == dict.fromkeys(ids, 1)
    assert '"SearchRunFailed":[1.0]' in capsys.readouterr().out


def test_without_time_no_run_is_begun(gateway: Gateway) -> None:
    noted()
    for nth in range(3):
        accepted(200 - nth)
    search_index.sort_into_runs(NOON, lambda _: False)
    assert day_of() == IndexedDay()


def test_a_run_expires_when_nothing_in_it_can_be_left(gateway: Gateway) -> None:
    noted()
    ids = [accepted(200 - nth) for nth in range(3)]
    sort()
    page, *_ = dynamodb.query("pk = :pk", {":pk": {"S": f"SEARCH#acme#{TODAY}"}})
    days = (int(page["ttl"]["N"]) - NOON.timestamp()) / 86_400
    assert 119 < days < 121  # kept for 90, and planned 30 ahead
    assert page["sk"]["S"].startswith(ids[2])


@pytest.mark.parametrize("messages", [1, 7, MAX_MARKS])
def test_a_run_costs_a_fraction_of_a_unit_a_message(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, messages: int
) -> None:
    """0.03 for a single, and for a batched one less than 0.01; each with what it reads."""
    count = 1200
    monkeypatch.setattr(search_index, "RUN_ENTRIES", count)
    noted()
    contents = [MessageContent(to=f"+88019{nth:08d}") for nth in range(messages)]
    marks = marks_of("acme", contents, message_key)
    assert marks
    when = NOON - timedelta(hours=3)
    dynamodb.put_all(
        [
            {
                "pk": {"S": new_ulid(when + timedelta(milliseconds=nth))},
                "sk": {"S": "M#000" if messages == 1 else "B"},
                "day": {"S": f"acme#{TODAY}"},
                "marks": {"B": marks},
            }
            for nth in range(count)
        ]
    )
    with Meter().listening(dynamodb.client()) as meter:
        sort()
    each = meter.total.writes / count / messages
    assert each <= (0.034 if messages == 1 else 0.01)
    assert meter.total.reads / count / messages <= 0.02
    for page in dynamodb.query("pk = :pk", {":pk": {"S": f"SEARCH#acme#{TODAY}"}}):
        assert size_of(page) + 40 - len("acme") <= 4096


def test_the_scheduler_sorts_in_its_minute_and_without_tenants_for_half_a_unit(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTS", "none")
    monkeypatch.setattr(tick, "check_all_due", lambda _: 0)
    monkeypatch.setattr(tick, "refresh_balances", lambda _: None)
    monkeypatch.setattr(tick, "utc_now", lambda: NOON)
    with acting_as("SchedulerFunction"), Meter().listening(dynamodb.client()) as meter:
        tick.run(60)
    assert (dict(meter.total.calls), meter.total.reads) == ({"dynamodb.Query": 1}, 0.5)
    noted()
    ids = [accepted(200 - nth) for nth in range(3)]
    with acting_as("SchedulerFunction"):
        tick.run(60)
    assert in_runs() == dict.fromkeys(ids, 1)

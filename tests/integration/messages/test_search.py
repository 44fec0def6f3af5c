"""Search by number and by reference: everything is found, and the cost is that of what is found."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto.dynamodb.models import dynamodb_backends

from sms_gateway.config import api_keys
from sms_gateway.config.stack_keys import derive_search_key, message_key
from sms_gateway.core.ulids import new_ulid
from sms_gateway.messages import search
from sms_gateway.messages.listing import list_messages, parse_query
from sms_gateway.messages.search_marks import MAX_MARKS, marks_of
from sms_gateway.messages.send import send
from sms_gateway.scheduler import search_index
from sms_gateway.storage import dynamodb, search_runs
from sms_gateway.storage.items import MARK_BYTES
from sms_gateway.storage.models import ItemKey, MessageContent
from testing.counting import Meter
from testing.environment import ACCOUNT_ID, REGION
from testing.gateway import Gateway
from testing.numbers import number
from testing.rights import acting_as
from testing.settings import MESSAGE_KEY, SEARCH_KEY, set_message_key, set_search_key

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
WANTED = number("jst", 7)
OTHER_KEY = "00112233445566778899aabbccddeeff00112233445566"


def sent(
    days: float,
    *to: str,
    tenant: str = "acme",
    reference: str | None = None,
    test: bool = False,
) -> list[str]:
    """Messages accepted some days before noon; their ids."""
    asked: dict[str, Any] = {"to": list(to) if len(to) > 1 else to[0], "text": "Hello"}
    if reference:
        asked["reference"] = reference
    when = NOON - timedelta(days=days)
    answer = send(tenant, json.dumps(asked).encode(), when, test=test)
    return [one["id"] for one in answer["messages"]]


def filled(days: float, count: int, tenant: str = "acme") -> None:
    """Store singles to others: of each only what the index has."""
    when = NOON - timedelta(days=days)
    items = []
    for nth in range(count):
        content = MessageContent(to=f"+88019{nth:08d}", reference=f"o-{nth}")
        items.append(
            {
                "pk": {"S": new_ulid(when + timedelta(milliseconds=nth))},
                "sk": {"S": "M#000"},
                "day": {"S": f"{tenant}#{when.date()}"},
                "tenant": {"S": tenant},
                "marks": {"B": marks_of(tenant, [content], message_key)},
            }
        )
    dynamodb.put_all(items)


def sort(hours: float = 0, times: int = 1) -> None:
    """Have the scheduler write the runs that are due some hours after noon."""
    for nth in range(times):
        now = NOON + timedelta(hours=hours + nth * 1.01)
        with acting_as("SchedulerFunction"):
            search_index.sort_into_runs(now, lambda _: True)


def noted(days: float, tenant: str = "acme") -> None:
    """A tenant whose first key was made some days before noon."""
    api_keys.create_key(tenant, ["messages:read"], "", NOON - timedelta(days=days))


def pages(now: datetime = NOON, tenant: str = "acme", **query: str) -> Iterator[list[str]]:
    while True:
        asked, cursor = parse_query(query)
        with acting_as("StatusFunction"):
            answer = list_messages(tenant, asked, cursor, now)
        yield [one["id"] for one in answer["messages"]]
        if answer["cursor"] is None:
            return
        query["cursor"] = answer["cursor"]


def found(now: datetime = NOON, tenant: str = "acme", **query: str) -> list[str]:
    return [one for page in pages(now, tenant, **query) for one in page]


def reads(**query: str) -> float:
    """The read units of one page."""
    asked, cursor = parse_query(query)
    with Meter().listening(dynamodb.client()) as meter:
        list_messages("acme", asked, cursor, NOON)
    return meter.total.reads


def stored(begin: str = "") -> list[dict[str, Any]]:
    """The items of partitions that begin so."""
    table = dynamodb_backends[ACCOUNT_ID][REGION].tables[dynamodb.table_name()]
    return [
        item.to_json()["Attributes"]
        for partition in table.items.values()
        for item in partition.values()
        if item.to_json()["Attributes"]["pk"]["S"].startswith(begin)
    ]


def mixed() -> list[str]:
    """Singles, batches and batches without marks over days, each with others beside it."""
    many = [number("jst", 100 + nth) for nth in range(MAX_MARKS)]
    wanted = []
    for days in (0, 1, 1.2, 40):
        sent(days, number("jst", 3))
        wanted += sent(days + 0.001, WANTED)
        several = sent(days + 0.002, number("jst", 4), WANTED, number("jst", 5))
        wanted.append(several[1])
        wanted.append(sent(days + 0.003, *many, WANTED)[MAX_MARKS])
        sent(days + 0.004, *many[:MAX_MARKS])
    return wanted


@pytest.mark.parametrize("limit", ["1", "2", "100"])
def test_a_number_is_found_newest_first_wherever_it_stands(gateway: Gateway, limit: str) -> None:
    noted(3)  # so that one old enough has no run
    wanted = mixed()
    assert found(to=WANTED, limit=limit) == wanted
    sort(1)
    assert {one["sk"]["S"] for one in stored("SEARCH#acme")} >= {
        str((NOON - timedelta(days=1)).date())
    }
    assert found(to=WANTED, limit=limit) == wanted
    sort(36, times=3)
    assert found(to=WANTED, limit=limit) == wanted
    assert found(to=number("jst", 8), limit=limit) == []


def test_a_cursor_holds_while_runs_are_written(gateway: Gateway) -> None:
    noted(3)
    wanted = mixed()
    going = pages(to=WANTED, limit="1")
    seen = next(going)
    for hours in range(1, len(wanted)):
        sort(4 * hours)
        seen += next(going)
    assert seen == wanted


@pytest.mark.parametrize("runs", [False, True])
def test_a_reference_is_found_alone_and_with_a_number(gateway: Gateway, runs: bool) -> None:
    noted(3)
    mine = sent(1, WANTED, reference="o-1")
    other = sent(1.1, number("jst", 8), reference="o-1")
    sent(1.2, WANTED, reference="o-2")
    if runs:
        sort(1)
    assert found(reference="o-1") == [*mine, *other]
    assert found(reference="o-1", to=WANTED) == mine
    assert found(reference=WANTED) == []


@pytest.mark.parametrize("runs", [False, True])
def test_a_search_keeps_to_its_time_and_other_filters(gateway: Gateway, runs: bool) -> None:
    noted(4)
    ids = [sent(days, WANTED)[0] for days in (0.5, 1.5, 2.5, 3.5)]
    if runs:
        sort(1)
    at = [(NOON - timedelta(days=days)).isoformat() for days in (1, 3)]
    assert found(to=WANTED, created_from=at[1], created_to=at[0]) == ids[1:3]
    assert found(to=WANTED, created_to=at[1]) == ids[3:]
    assert found(to=WANTED, status="accepted", vendor="jst") == ids
    assert found(to=WANTED, status="delivered") == []


@pytest.mark.parametrize("runs", [False, True])
def test_a_tenant_and_a_test_key_find_their_own_only(gateway: Gateway, runs: bool) -> None:
    noted(3)
    noted(3, "other")
    mine, theirs = sent(1, WANTED), sent(1, WANTED, tenant="other")
    tests = sent(1.1, WANTED, test=True)
    if runs:
        sort(1)
    assert found(to=WANTED) == [*mine, *tests]
    assert found(to=WANTED, test="true") == tests
    assert found(to=WANTED, test="false") == mine
    assert found(tenant="other", to=WANTED) == theirs
    one = [MessageContent(to=WANTED)]
    assert marks_of("acme", one, message_key) != marks_of("other", one, message_key)


def test_no_index_shows_a_number_or_a_reference(gateway: Gateway) -> None:
    noted(3)
    sent(1, WANTED, reference="secret-of-mine")
    sent(1.1, WANTED, number("jst", 8), reference="secret-of-mine")
    sort(1)
    indexed = [
        {name: one.get(name) for name in ("pk", "sk", "day", "campaign", "marks")}
        for one in stored("0")
    ]
    written = repr([*indexed, *stored("SEARCH")])
    assert "marks" in written
    assert "records" in written
    for plain in (WANTED, WANTED[1:], "secret-of-mine"):
        assert plain not in written


@pytest.mark.parametrize("runs", [False, True])
def test_what_was_marked_before_a_rotation_is_still_found(gateway: Gateway, runs: bool) -> None:
    noted(3)
    old = sent(1.1, WANTED)
    set_message_key(OTHER_KEY)
    set_search_key(f"{derive_search_key(OTHER_KEY.encode())}\n{SEARCH_KEY}\n")
    new = sent(1, WANTED)
    if runs:
        sort(1)
    assert found(to=WANTED) == [*new, *old]


@pytest.mark.parametrize("runs", [False, True])
def test_what_was_accepted_without_a_key_is_found(gateway: Gateway, runs: bool) -> None:
    noted(3)
    set_message_key("short")
    set_search_key("short")
    unmarked = sent(1, WANTED)
    assert found(to=WANTED) == unmarked  # also while there is none
    set_message_key(MESSAGE_KEY)
    set_search_key(SEARCH_KEY)
    marked = sent(1.1, WANTED)
    if runs:
        sort(1)
    assert found(to=WANTED) == [*unmarked, *marked]


def test_a_search_costs_what_it_finds_and_not_what_is_stored(gateway: Gateway) -> None:
    """Ten times as many on each of three days: the same units, to the last half. A day has one run
    up to 20,000; `make bench-scale` has a million."""
    noted(3)
    ids = [sent(days, WANTED)[0] for days in (3, 2, 1)][::-1]
    spent = []
    for count in (300, 2_600):
        for days in (3, 2, 1):
            filled(days + 0.05, count)
        for item in stored("SEARCH"):  # written anew
            dynamodb.remove(ItemKey(item["pk"]["S"], item["sk"]["S"]))
        noted(3)
        sort(24)
        assert found(to=WANTED) == ids
        spent.append((reads(to=WANTED), reads(to=number("jst", 8)), reads(reference="none")))
    assert spent[0] == spent[1]
    assert spent[0][0] == spent[0][1] + len(ids)
    assert spent[0][1] < 60  # half a unit for each of 88 days without anything, and the runs


def test_what_no_run_has_is_passed_over_without_reading_it(gateway: Gateway) -> None:
    (wanted,) = sent(1, WANTED)
    none = reads(to=number("jst", 8))
    filled(1.05, 2_000)
    with_others = reads(to=number("jst", 8))
    assert with_others - none <= 2_000 / 55 * 0.5
    assert found(to=WANTED) == [wanted]


def test_a_page_is_full_however_much_lies_between(gateway: Gateway) -> None:
    ids = []
    for nth in range(60):
        ids += sent(0.1 + nth / 1000, WANTED)
    filled(0.3, 500)
    old = sent(30, WANTED)
    assert [len(page) for page in pages(to=WANTED, limit="50")] == [50, 11]
    assert found(to=WANTED, limit="50") == [*ids, *old]


def test_the_work_of_a_page_that_passes_over_much_is_bounded(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MAX_ENTRIES", 100)
    monkeypatch.setattr(search, "MAX_SEARCHED_DAYS", 10)
    old = sent(30, WANTED)
    filled(1, 450)
    lengths = [len(page) for page in pages(to=WANTED)]
    assert lengths == [0] * (len(lengths) - 2) + [1, 0] or sum(lengths) == 1
    assert 6 <= len(lengths) <= 20
    assert found(to=WANTED) == old


def test_a_hot_number_goes_on_over_items_of_a_run(gateway: Gateway) -> None:
    noted(2)
    count = 2 * search_runs.PAGE_BYTES // search_runs.RECORD_BYTES + 5
    ids = []
    for nth in range(count):
        ids += sent(1 + nth / 100_000, WANTED)
    sort(24)
    assert found(to=WANTED, limit="100") == ids


@pytest.mark.parametrize("runs", [False, True])
def test_a_large_batch_that_has_it_not_is_not_looked_into(gateway: Gateway, runs: bool) -> None:
    """A unit for the marks of a batch, where reading its messages would be some twenty."""
    noted(3)
    many = [number("jst", 1000 + nth) for nth in range(MAX_MARKS + 1)]
    none = reads(to=WANTED)
    ids = [sent(1 + nth / 100, *many) for nth in range(4)]
    if runs:
        sort(1)
    assert reads(to=WANTED) - none <= 4 + 2
    last = many[-1]
    assert found(to=last) == [one[-1] for one in ids]
    for one in ids:
        assert len(stored(one[0][:26])) == len(many) + 3  # the batch, its submission, its marks


def test_a_batch_has_each_mark_once(gateway: Gateway) -> None:
    contents = [MessageContent(to=number("jst", nth), reference="o") for nth in range(3)]
    marks = marks_of("acme", contents * 2, message_key)
    assert marks is not None
    assert len(marks) == 4 * MARK_BYTES

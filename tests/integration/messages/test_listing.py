"""GET /messages: newest first, page by page, and only one's own."""

import base64
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.core.status import Status
from sms_gateway.messages.cancel import cancel_message
from sms_gateway.messages.listing import (
    MAX_BATCHES,
    MAX_DAYS,
    MAX_ITEMS,
    MessageQuery,
    list_messages,
    parse_query,
)
from sms_gateway.messages.send import send
from sms_gateway.storage import dynamodb
from sms_gateway.storage.message_pages import message_page
from sms_gateway.storage.models import ItemKey
from testing.gateway import Gateway
from testing.numbers import number
from testing.settings import set_account
from testing.vendor_answers import SUBMIT, TAKES

NOW = datetime.now(UTC)


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """How many items DynamoDB reads, by operation."""
    items = Counter[str]()

    def look(parsed: dict[str, Any], model: Any, **_: Any) -> None:
        items[model.name] += parsed.get("ScannedCount", 1)

    events = dynamodb.client().meta.events
    events.register("after-call.dynamodb", look)
    yield items
    events.unregister("after-call.dynamodb", look)


def earlier(days: float, count: int = 1, tenant: str = "acme", vendor: str = "jst") -> list[str]:
    """Messages accepted some days ago; their ids."""
    when = NOW - timedelta(days=days)
    numbers = ",".join(f'"{number(vendor, nth)}"' for nth in range(count))
    body = f'{{"to": [{numbers}], "text": "Hello", "reference": "{days}"}}'
    return [one["id"] for one in send(tenant, body.encode(), when)["messages"]]


def listed(tenant: str = "acme", now: datetime = NOW, **query: str) -> list[str]:
    """The ids of every page, in order."""
    found: list[str] = []
    seen = set()
    while True:
        asked, cursor = parse_query(query)
        answer = list_messages(tenant, asked, cursor, now)
        assert len(answer["messages"]) <= asked.limit
        found += [one["id"] for one in answer["messages"]]
        if answer["cursor"] is None:
            return found
        assert answer["cursor"] not in seen
        seen.add(answer["cursor"])
        query = query | {"cursor": answer["cursor"]}


@pytest.mark.parametrize("limit", ["1", "2", "3", "100"])
def test_newest_batches_come_first_over_days_and_pages(gateway: Gateway, limit: str) -> None:
    old, older, oldest = earlier(0.0001, 3), earlier(2, 2), earlier(70)
    assert listed(limit=limit) == [*old, *older, *oldest]


def test_what_is_kept_longer_is_listed_longer(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETENTION_DAYS", "400")
    assert listed() == []
    ids = earlier(365)
    assert listed() == ids


def test_other_tenants_messages_are_invisible(gateway: Gateway) -> None:
    mine, theirs = earlier(1), earlier(1, tenant="acme2")
    assert listed() == mine
    assert listed("acme2") == theirs
    assert listed("nobody") == []
    assert listed(batch_id=theirs[0][:26]) == []


def test_a_cursor_opens_nobody_elses_batch(gateway: Gateway) -> None:
    theirs = earlier(0.001, 3, tenant="other")
    forged = f'["{NOW.date()}","{theirs[0][:26]}",-1]'
    cursor = base64.urlsafe_b64encode(forged.encode()).decode()
    assert listed(cursor=cursor) == []


def test_a_category_is_chosen_and_may_stand_beside_a_number(gateway: Gateway) -> None:
    plain = earlier(0.1)
    to = number("jst")
    body = f'{{"to": "{to}", "text": "Sale", "category": "promotional"}}'
    (sale,) = send("acme", body.encode(), NOW)["messages"]
    assert listed(category="promotional") == [sale["id"]]
    assert listed(category="transactional", to=to) == plain
    assert listed(category="otp") == []
    with pytest.raises(InvalidRequestError, match="otp, transactional, promotional"):
        listed(category="marketing")


def test_filters_choose(gateway: Gateway) -> None:
    jst, rajasms = earlier(0.1, 2), earlier(0.2, 2, vendor="rajasms")
    assert listed(vendor="rajasms") == rajasms
    assert listed(to=number("jst", 1)) == jst[1:]
    assert listed(to=number("jst", 1).replace("+", " ")) == jst[1:]  # a + not percent-encoded
    assert listed(reference="0.2") == rajasms
    assert listed(batch_id=jst[0][:26]) == jst
    assert listed(batch_id=jst[0][:26], limit="1") == jst
    assert listed(status="accepted") == [*jst, *rajasms]
    assert listed(status="delivered") == []


def test_times_choose(gateway: Gateway) -> None:
    ids = [earlier(days)[0] for days in (0.5, 1.5, 2.5)]
    at = [(NOW - timedelta(days=days)).isoformat() for days in (1, 2)]
    assert listed(created_from=at[0]) == ids[:1]
    assert listed(created_to=at[0]) == ids[1:]
    assert listed(created_from=at[1], created_to=at[0]) == ids[1:2]
    assert listed(created_to="2000-01-01T00:00:00Z") == []
    batch = ids[1][:26]
    assert listed(batch_id=batch, created_from=at[1], created_to=at[0]) == ids[1:2]
    assert listed(batch_id=batch, created_from=at[0]) == []
    assert listed(batch_id=batch, created_to=at[1]) == []


def test_the_work_for_one_page_is_bounded(gateway: Gateway) -> None:
    for nth in range(MAX_BATCHES + 5):
        earlier(0.1 + nth / 10_000)
    answer = list_messages("acme", MessageQuery(status=Status.DELIVERED), None, NOW)
    assert answer["messages"] == []
    assert answer["cursor"]
    assert len(listed(limit="7")) == MAX_BATCHES + 5


@pytest.mark.parametrize("query", [{"reference": "nothing"}, {"status": "delivered"}, {}])
def test_no_page_reads_a_tenants_whole_history(gateway: Gateway, query: dict[str, str]) -> None:
    """A page that found nothing is empty, and its cursor goes on where it stopped."""
    for days in (0.1, 0.2, 0.3):
        earlier(days, 600)
    found, cursor = 0, None
    while True:
        asked, after = parse_query(query | ({"cursor": cursor} if cursor else {}))
        with counted() as items:
            answer = list_messages("acme", asked, after, NOW)
        assert items.total() <= MAX_ITEMS + MAX_BATCHES + 10
        found += len(answer["messages"])
        if query and (cursor := answer["cursor"]) is None:
            break
        if not query:
            assert items.total() < 2 * asked.limit + 10
            return
    assert found == 0


@pytest.mark.parametrize("limit", ["7", "100"])
def test_messages_of_every_place_are_listed_once_with_their_own_submission(
    gateway: Gateway, limit: str
) -> None:
    set_account("rajasms", submission_size=3)
    ids = earlier(0.1, 20, vendor="rajasms")
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    gateway.dispatch("rajasms")
    cancelled = earlier(0.05, 2, vendor="rajasms")
    cancel_message("acme", cancelled[1], NOW)
    assert listed(limit=limit) == [*cancelled, *ids]
    assert listed(limit=limit, status="cancelled") == cancelled[1:]
    assert listed(limit=limit, status="submitted") == ids
    assert listed(limit=limit, to=number("rajasms", 19)) == ids[19:]


def test_a_period_reads_nothing_outside_it(gateway: Gateway) -> None:
    earlier(0.01, 300)
    inside = earlier(0.02, 3)
    earlier(0.03, 300)
    begin, end = ((NOW - timedelta(days=days)).isoformat() for days in (0.025, 0.015))
    with counted() as items:
        assert listed(created_from=begin, created_to=end) == inside
    assert items.total() < 20


def test_a_filter_that_a_whole_batch_fails_costs_one_look_at_it(gateway: Gateway) -> None:
    theirs = earlier(0.01, 1000, vendor="dinisoft")
    for query in ({}, {"batch_id": theirs[0][:26]}):
        asked, cursor = parse_query({"key": "0" * 12, "limit": "1", **query})
        with counted() as items:
            answer = list_messages("acme", asked, cursor, NOW)
        assert answer["messages"] == []
        assert items["Query"] + items["GetItem"] < MAX_DAYS + 5


@pytest.mark.parametrize("limit", ["1", "7", "100"])
def test_messages_whose_submission_is_gone_hide_none_behind_them(
    gateway: Gateway, limit: str
) -> None:
    """DynamoDB removes what is over by itself, in any order, and within days."""
    set_account("rajasms", submission_size=30)
    ids, older = earlier(0.1, 90, vendor="rajasms"), earlier(0.2)
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    gateway.dispatch("rajasms")
    dynamodb.remove(ItemKey(ids[0][:26], "S#000"))
    assert listed(limit=limit) == [*ids[30:], *older]
    assert listed(limit=limit, batch_id=ids[0][:26]) == ids[30:]
    assert listed(limit=limit, to=number("rajasms", 89)) == ids[89:]


def test_messages_that_are_gone_hide_none_behind_them(gateway: Gateway) -> None:
    ids, older = earlier(0.1, 9, vendor="rajasms"), earlier(0.2)
    for position in (0, 3, 8):
        dynamodb.remove(ItemKey(ids[0][:26], f"M#{position:03d}"))
    left = [one for position, one in enumerate(ids) if position not in (0, 3, 8)]
    for limit in ("1", "2", "100"):
        assert listed(limit=limit) == [*left, *older]


def test_a_page_of_a_batch_says_where_it_ended(gateway: Gateway) -> None:
    set_account("rajasms", submission_size=3)
    ids = earlier(0.1, 9, vendor="rajasms")
    batch = ids[0][:26]
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    gateway.dispatch("rajasms")

    def pages(after: int = -1) -> Iterator[tuple[list[str], int, bool]]:
        for _ in range(9):
            page = message_page(batch, after, 4)
            assert page
            yield [one.id for one, _ in page.members], page.last, page.complete
            if page.complete:
                return
            after = page.last

    assert [*pages()] == [(ids[:4], 3, False), (ids[4:8], 7, False), (ids[8:], 8, True)]
    dynamodb.remove(ItemKey(batch, "S#000"))
    assert [*pages()] == [(ids[3:4], 3, False), (ids[4:8], 7, False), (ids[8:], 8, True)]
    dynamodb.remove(ItemKey(batch, "M#008"))
    assert [*pages()][-1] == ([], 7, True)


@pytest.mark.parametrize(
    ("query", "slug"),
    [
        ({"cursor": "x"}, "bad-cursor"),
        ({"cursor": "é"}, "bad-cursor"),
        ({"cursor": ""}, "bad-cursor"),
        ({"cursor": base64.urlsafe_b64encode(b'["2026-01-01","KEYS",0]').decode()}, "bad-cursor"),
        ({"cursor": base64.urlsafe_b64encode(b"[" * 3000).decode()}, "bad-cursor"),
        ({"limit": "0"}, "invalid-parameter"),
        ({"limit": "101"}, "invalid-parameter"),
        ({"limit": "many"}, "invalid-parameter"),
        ({"limit": "-1"}, "invalid-parameter"),
        ({"status": "lost"}, "invalid-parameter"),
        ({"vendor": "No vendor"}, "invalid-parameter"),
        ({"to": "everybody"}, "invalid-parameter"),
        ({"created_from": "yesterday"}, "invalid-parameter"),
        ({"created_from": "2026-01-01T00:00:00"}, "invalid-parameter"),
        ({"created_from": "0001-01-01T00:00:00+14:00"}, "invalid-parameter"),
        ({"created_to": "9999-12-31T23:59:59-14:00"}, "invalid-parameter"),
        (
            {"created_from": "2026-11-02T00:00:00Z", "created_to": "2026-11-01T00:00:00Z"},
            "invalid-parameter",
        ),
        ({"colour": "red"}, "unknown-parameter"),
    ],
)
def test_a_bad_query_is_an_error_of_its_own(query: dict[str, str], slug: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse_query(query)
    assert refused.value.slug == slug


def test_what_is_no_time_is_told_how_one_is_written() -> None:
    with pytest.raises(InvalidRequestError, match="it is a time such as 2026-12-01T09:30:00Z"):
        parse_query({"created_to": "yesterday"})


def test_a_list_shows_messages_without_their_timelines(gateway: Gateway) -> None:
    earlier(0.1)
    shown: dict[str, Any] = list_messages("acme", MessageQuery(), None, NOW)["messages"][0]
    assert "timeline" not in shown
    assert shown["text"] == "Hello"

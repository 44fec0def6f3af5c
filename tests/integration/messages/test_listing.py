"""GET /messages: newest first, page by page, and only one's own."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.messages.listing import MAX_BATCHES, MessageQuery, list_messages, parse_query
from sms_gateway.messages.send import send
from testing.gateway import Gateway
from testing.numbers import number

NOW = datetime.now(UTC)


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


def test_the_work_for_one_page_is_bounded(gateway: Gateway) -> None:
    for nth in range(MAX_BATCHES + 5):
        earlier(0.1 + nth / 10_000)
    answer = list_messages("acme", MessageQuery(reference="nothing"), None, NOW)
    assert answer["messages"] == []
    assert answer["cursor"]
    assert len(listed(limit="7")) == MAX_BATCHES + 5


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
        ({"vendor": "nobody"}, "invalid-parameter"),
        ({"to": "everybody"}, "invalid-parameter"),
        ({"created_from": "yesterday"}, "invalid-parameter"),
        ({"created_from": "2026-01-01T00:00:00"}, "invalid-parameter"),
        ({"created_from": "0001-01-01T00:00:00+14:00"}, "invalid-parameter"),
        ({"created_to": "9999-12-31T23:59:59-14:00"}, "invalid-parameter"),
        ({"colour": "red"}, "unknown-parameter"),
    ],
)
def test_a_bad_query_is_an_error_of_its_own(query: dict[str, str], slug: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse_query(query)
    assert refused.value.slug == slug


def test_a_list_shows_messages_without_their_timelines(gateway: Gateway) -> None:
    earlier(0.1)
    shown: dict[str, Any] = list_messages("acme", MessageQuery(), None, NOW)["messages"][0]
    assert "timeline" not in shown
    assert shown["text"] == "Hello"

"""GET /batches: a tenant's batches and campaigns, newest first, page by page."""

import base64
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from integration.campaigns.test_campaigns import STATUS, bucket, rows, to_the_end, upload

from sms_gateway.campaigns import batch_listing, chunks
from sms_gateway.messages.send import send
from testing.gateway import Gateway
from testing.numbers import number
from testing.rights import acting_as

__all__ = ["bucket"]  # a fixture

NOW = datetime.now(UTC)


def sent(days: float = 0, count: int = 1, tenant: str = "acme", key: str | None = None) -> str:
    """Sends a batch some days ago; its id."""
    to = [number("jst", nth) for nth in range(count)]
    body = json.dumps({"to": to if count > 1 else to[0], "text": "Hello"}).encode()
    answer = send(tenant, body, NOW - timedelta(days=days), None, key_id=key)
    return str(answer["batch_id"])


def ask(tenant: str = "acme", scopes: str = "messages:read", **query: str) -> tuple[int, Any]:
    event = {
        "httpMethod": "GET",
        "path": "/batches",
        "headers": {},
        "queryStringParameters": query,
        "requestContext": {"authorizer": {"tenant": tenant, "scopes": scopes}},
    }
    with acting_as("StatusFunction"):
        answer = STATUS.handler(event, SimpleNamespace())
    return answer["statusCode"], json.loads(answer["body"])


def listed(tenant: str = "acme", **query: str) -> list[str]:
    """The ids of all pages."""
    found: list[str] = []
    while True:
        status, page = ask(tenant, **query)
        assert status == 200, page
        found += [one["id"] for one in page["batches"]]
        if page["cursor"] is None:
            return found
        query |= {"cursor": page["cursor"]}


def test_batches_and_campaigns_come_newest_first_without_a_campaigns_parts(
    gateway: Gateway, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 1)
    old, several = sent(2), sent(0.001, 3, key="50d858e0985e")
    campaign = to_the_end(upload(bucket, "to,text\n" + rows(3))).id
    for limit in ("1", "2", "100"):
        assert listed(limit=limit) == [campaign, several, old]
    _, page = ask()
    first, second, third = page["batches"]
    assert first["campaign"] == {
        "file": "campaigns/acme/spring sale.csv",
        "state": "sending",
        "rows": 3,
        "rows_read": 3,
        "rows_sent": 3,
        "rows_refused": 0,
        "results": "results/acme/spring sale.csv",
        "problem": None,
    }
    assert first["total"] == 3
    assert (second["total"], second["key_id"], "campaign" in second) == (3, "50d858e0985e", False)
    assert (third["total"], third["key_id"]) == (1, None)


def test_messages_are_listed_as_before_beside_campaigns(gateway: Gateway, bucket: Any) -> None:
    to_the_end(upload(bucket, "to,text\n" + rows(2)))
    one = sent(0.5)
    event = {
        "httpMethod": "GET",
        "path": "/messages",
        "headers": {},
        "queryStringParameters": {},
        "requestContext": {"authorizer": {"tenant": "acme", "scopes": "messages:read"}},
    }
    page = json.loads(STATUS.handler(event, SimpleNamespace())["body"])
    assert len(page["messages"]) == 3
    assert page["messages"][-1]["batch_id"] == one


def test_other_tenants_see_none_of_it(gateway: Gateway, bucket: Any) -> None:
    to_the_end(upload(bucket, "to,text\n" + rows(1)))
    mine = sent(0.1)
    assert listed("acme")[1:] == [mine]
    assert listed("acme2") == []
    forged = base64.urlsafe_b64encode(f'["{NOW.date()}","{mine}",-1]'.encode()).decode()
    assert listed("acme2", cursor=forged) == []
    assert ask(scopes="messages:send")[0] == 403


def test_times_choose(gateway: Gateway) -> None:
    ids = [sent(days) for days in (0.5, 1.5, 2.5, 40)]
    at = [(NOW - timedelta(days=days)).isoformat() for days in (1, 2)]
    assert listed() == ids
    assert listed(created_from=at[0]) == ids[:1]
    assert listed(created_to=at[0]) == ids[1:]
    assert listed(created_from=at[1], created_to=at[0]) == ids[1:2]
    assert listed(created_to="2000-01-01T00:00:00Z") == []
    assert listed(created_from="2900-01-01T00:00:00Z") == []


def test_the_parts_that_a_page_passes_over_are_bounded(
    gateway: Gateway, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 1)
    monkeypatch.setattr(batch_listing, "MAX_ENTRIES", 4)
    old = sent(1)
    campaign = to_the_end(upload(bucket, "to,text\n" + rows(6))).id
    status, page = ask()
    assert (status, page["batches"]) == (200, [])
    assert page["cursor"]
    assert listed() == [campaign, old]


@pytest.mark.parametrize(
    ("query", "slug", "words"),
    [
        ({"cursor": "garbage"}, "bad-cursor", "begin again without it"),
        ({"cursor": "W10"}, "bad-cursor", "begin again without it"),
        ({"cursor": "é"}, "bad-cursor", "begin again without it"),
        ({"limit": "0"}, "invalid-parameter", "limit"),
        ({"created_from": "yesterday"}, "invalid-parameter", "created_from"),
        ({"created_to": "2026-11-01T00:00:00"}, "invalid-parameter", "offset or Z"),
        (
            {"created_from": "2026-11-02T00:00:00Z", "created_to": "2026-11-01T00:00:00Z"},
            "invalid-parameter",
            "created_to is not valid: it is before created_from",
        ),
        ({"status": "sent"}, "unknown-parameter", "created_from, created_to, cursor, limit"),
    ],
)
def test_a_query_that_is_not_valid_says_what_is_wrong(
    gateway: Gateway, query: dict[str, str], slug: str, words: str
) -> None:
    status, problem = ask(**query)
    assert (status, problem["type"]) == (422, f"/problems/{slug}")
    assert words in problem["detail"]

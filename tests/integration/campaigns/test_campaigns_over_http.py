"""Campaigns over HTTP: made, given a file by a link, previewed, braked, paused and taken back."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from integration.campaigns.test_campaigns import QUEUE, bucket, results, rows, stored, upload

from sms_gateway.campaigns import brake, chunks, http_views, live_counts, pace, s3_files, worker
from sms_gateway.campaigns import repository as campaign_repository
from sms_gateway.campaigns.live_counts import Counted
from sms_gateway.campaigns.model import Campaign, CampaignState
from sms_gateway.config import api_keys
from sms_gateway.core.timestamps import DAY_SECONDS, utc_now
from sms_gateway.messages import acceptance
from sms_gateway.messages.send import send
from sms_gateway.storage import dynamodb, message_repository
from testing.gateway import Gateway
from testing.numbers import number
from testing.processes import function
from testing.queues import emptied
from testing.rights import acting_as
from testing.settings import set_campaign_defaults, set_stopped
from testing.stream import Stream, streaming
from testing.vendor_answers import SUBMIT, TAKES

__all__ = ["bucket"]  # a fixture

CAMPAIGNS, SEND = function("campaigns"), function("send")
BODY: dict[str, Any] = {"name": "Spring sale", "size": 10}


@pytest.fixture
def key(gateway: Gateway) -> str:
    """The id of a key that may make campaigns, and no more."""
    return api_keys.create_key("acme", ("campaigns",), "", datetime.now(UTC))[1].id


@pytest.fixture
def stream(gateway: Gateway) -> Iterator[Stream]:
    yield from streaming()


def ask(
    method: str,
    path: str,
    body: Any = None,
    key: str | None = None,
    tenant: str = "acme",
    scopes: str = "campaigns",
    **query: str,
) -> tuple[int, Any]:
    """What API Gateway passes on of a request to the function of its route, and the answer."""
    test = path.endswith("/test") or method == "DELETE"
    authorizer = {"tenant": tenant, "scopes": scopes, **({"key_id": key} if key else {})}
    event = {
        "httpMethod": method,
        "path": path,
        "headers": {"content-type": "application/json"},
        "body": body if isinstance(body, str) or body is None else json.dumps(body),
        "queryStringParameters": query,
        "requestContext": {"authorizer": authorizer},
    }
    with acting_as("SendFunction" if test else "CampaignsFunction"):
        answer = (SEND if test else CAMPAIGNS).handler(event, SimpleNamespace())
    return answer["statusCode"], json.loads(answer["body"])


def work(body: str) -> None:
    with acting_as("CampaignWorkerFunction"):
        worker.handle_record(body, 1000)


def to_the_end() -> None:
    """Work until nobody is called any more."""
    while waiting := emptied(QUEUE):
        for one in waiting:
            work(one.body)


def made(key: str, **more: Any) -> dict[str, Any]:
    status, answer = ask("POST", "/campaigns", {**BODY, **more}, key)
    assert status == 201, answer
    return dict(answer)


def given(bucket: Any, campaign: dict[str, Any], body: str) -> str:
    """Give a campaign its file; its id."""
    work(upload(bucket, body, campaign["file"]))
    return str(campaign["id"])


def seen(identifier: str) -> dict[str, Any]:
    status, answer = ask("GET", f"/campaigns/{identifier}")
    assert status == 200, answer
    return dict(answer)


def found(identifier: str) -> Campaign:
    one = campaign_repository.find_campaign(identifier)
    assert one
    return one


@contextmanager
def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> Iterator[None]:
    """Let the worker's clock stand so many seconds ahead."""
    now = utc_now()
    with monkeypatch.context() as patch:
        for module in (worker, chunks):
            patch.setattr(module, "utc_now", lambda: now + timedelta(seconds=seconds))
        yield


def test_a_link_takes_exactly_its_file_once_within_an_hour(
    gateway: Gateway, bucket: Any, key: str
) -> None:
    one = made(key, size=4711)
    link = urlsplit(one["upload"]["url"])
    signed = parse_qs(link.query)
    assert one["upload"]["headers"] == {"Content-Type": "text/csv", "If-None-Match": "*"}
    assert set(signed["X-Amz-SignedHeaders"][0].split(";")) == {
        *("content-length", "content-type", "host", "if-none-match"),
    }
    assert signed["X-Amz-Expires"] == ["3600"]
    assert link.path.endswith(one["file"]) or link.path == f"/{one['file']}"
    assert (one["state"], one["final"], one["rows"]) == ("waiting", False, None)
    assert "upload" not in seen(one["id"])
    item = dynamodb.get(found(one["id"]).item_key)
    assert item
    assert {"day", "due", "shard"}.isdisjoint(item), "nobody works on it and no index has it"


def test_a_campaign_waits_to_be_resumed_and_is_sent_by_its_own_options(
    gateway: Gateway, bucket: Any, key: str
) -> None:
    set_campaign_defaults({"*": {"category": "promotional"}, "acme": {"max_segments": 3}})
    one = made(key, defaults={"category": "transactional", "validity": None}, region="GB")
    identifier = given(bucket, one, "to,text,reference\n+447700900001,Hello,o-1\n12,Hi,o-2\n")
    assert seen(identifier)["state"] == "paused"
    to_the_end()
    assert stored() == {}, "it waits for a person"
    status, moved = ask("POST", f"/campaigns/{identifier}/resume")
    assert (status, moved["state"]) == (200, "reading")
    to_the_end()
    shown = seen(identifier)
    assert (shown["state"], shown["rows_sent"], shown["rows_refused"]) == ("sending", 1, 1)
    assert shown["name"] == "Spring sale"
    sent, refused = results(bucket, f"results/acme/{identifier}.csv")
    assert (sent["to"], refused["status"]) == ("+447700900001", "refused")
    assert "none of GB" in refused["problem"]
    assert gateway.view(sent["id"])["category"] == "transactional"
    batch = message_repository.find_batch(sent["id"][:26])
    assert batch
    assert (batch.campaign, batch.key_id) == (identifier, key)
    status, link = ask("GET", f"/campaigns/{identifier}/results")
    assert status == 200
    assert f"results/acme/{identifier}.csv" in link["url"]


def test_one_that_need_not_wait_is_sent_when_its_file_comes_and_once(
    gateway: Gateway, bucket: Any, key: str
) -> None:
    one = made(key, paused=False)
    notice = upload(bucket, "to,text\n" + rows(3), one["file"])
    for _ in range(2):  # S3 gives notice at least once
        work(notice)
        to_the_end()
    assert sum(stored().values()) == 3
    assert [each.id for each in campaign_repository.list_campaigns()] == [one["id"]]


def test_another_file_at_the_same_place_is_no_campaign(
    gateway: Gateway, bucket: Any, key: str
) -> None:
    one = made(key, paused=False)
    given(bucket, one, "to,text\n" + rows(1))
    to_the_end()
    given(bucket, one, "to,text\n" + rows(3))
    to_the_end()
    assert sum(stored().values()) == 1


def test_a_file_that_is_replaced_before_it_was_read_is_not_sent(
    gateway: Gateway, bucket: Any, key: str
) -> None:
    one = made(key)
    identifier = given(bucket, one, "to,text\n" + rows(1))
    given(bucket, one, "to,text\n" + rows(2))
    ask("POST", f"/campaigns/{identifier}/resume")
    to_the_end()
    shown = seen(identifier)
    assert (shown["state"], shown["problem"]["type"]) == (
        "failed",
        "/problems/campaign-file-replaced",
    )
    assert stored() == {}


def test_a_link_that_ended_without_a_file_says_so_and_is_forgotten_a_day_later(
    gateway: Gateway, bucket: Any, key: str
) -> None:
    one = made(key)
    waiting = found(one["id"])
    assert waiting.ttl - waiting.options.link_ends == DAY_SECONDS
    after = datetime.fromtimestamp(waiting.options.link_ends + 1, UTC)
    shown = http_views.full_view(waiting, Counted({}, None, final=False), after)
    assert (shown["state"], shown["final"]) == ("expired", True)
    assert shown["problem"]["type"] == "/problems/campaign-link-ended"
    for path in ("preview", "test"):
        status, answer = ask("POST", f"/campaigns/{one['id']}/{path}", {"to": [number("jst")]})
        assert (status, answer["type"]) == (409, "/problems/campaign-without-file")
    assert ask("POST", f"/campaigns/{one['id']}/resume")[1]["type"] == "/problems/campaign-state"


def test_one_that_was_cancelled_before_its_file_came_takes_none(
    gateway: Gateway, bucket: Any, key: str
) -> None:
    one = made(key, paused=False)
    status, answer = ask("POST", f"/campaigns/{one['id']}/cancel")
    assert (status, answer["state"], answer["final"]) == (200, "cancelled", True)
    given(bucket, one, "to,text\n" + rows(1))
    to_the_end()
    assert stored() == {}


def test_a_preview_shows_all_of_a_file_and_sends_nothing(
    gateway: Gateway, bucket: Any, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 2)
    long = "x" * 200
    one = made(key, pace=2)
    body = f"to,text\n{rows(2)}12,Hi\n{number('server2sms', 9)},{long}\n13,Hi\n,\n{ONE},\n"
    identifier = given(bucket, one, body)
    assert ask("GET", f"/campaigns/{identifier}/preview")[0] == 404
    status, begun = ask("POST", f"/campaigns/{identifier}/preview")
    assert (status, begun["state"], begun["refusals"]) == (202, "reading", [])
    status, same = ask("POST", f"/campaigns/{identifier}/preview")
    assert (status, same["made_at"]) == (202, begun["made_at"]), "one at a time"
    to_the_end()
    _, done = ask("GET", f"/campaigns/{identifier}/preview")
    assert (done["state"], done["rows"], done["rows_passed"], done["rows_refused"]) == (
        *("done", 6, 3, 3),
    )
    refusals = {one["type"]: (one["rows"], one["first_rows"]) for one in done["refusals"]}
    assert refusals == {"/problems/invalid-number": (2, [3, 5]), "/problems/empty-text": (1, [6])}
    assert done["segments"] == {"1": 2, "2": 1}
    (vendor,) = done["vendors"]
    assert (vendor["vendor"], vendor["messages"], vendor["segments"]) == ("server2sms", 3, 4)
    assert done["ends_at"], "the pace says so"
    assert f"checked/acme/{identifier}.csv" in done["report"]["url"]
    assert len(results(bucket, f"checked/acme/{identifier}.csv")) == 4
    assert (stored(), seen(identifier)["state"]) == ({}, "paused")
    _, page = ask("GET", "/campaigns")
    assert [each["id"] for each in page["campaigns"]] == [identifier], "a preview is no campaign"
    _, again = ask("POST", f"/campaigns/{identifier}/preview")
    assert again["state"] == "reading"


ONE = number("server2sms", 8)


@pytest.mark.parametrize(
    ("body", "slug", "lines"),
    [
        ("number;name\n1;Ani\n", "campaign-columns", ["number;name", "1;Ani"]),
        ("<html>\n<body>\n\x07\n", "campaign-columns", ["<html>", "<body>", "\ufffd"]),
        ("PK\x03\x04 and more", "campaign-no-csv", None),
    ],
    ids=["columns", "a page", "a workbook"],
)
def test_a_file_that_is_no_csv_shows_its_first_lines(
    gateway: Gateway, bucket: Any, key: str, body: str, slug: str, lines: list[str] | None
) -> None:
    identifier = given(bucket, made(key), body)
    ask("POST", f"/campaigns/{identifier}/preview")
    to_the_end()
    _, shown = ask("GET", f"/campaigns/{identifier}/preview")
    assert (shown["state"], shown["problem"]["type"]) == ("failed", f"/problems/{slug}")
    assert shown["problem"].get("lines") == lines
    assert seen(identifier)["state"] == "paused", "the file can't be sent, and was not"


def test_a_test_sends_the_first_row_to_colleagues_and_leaves_the_campaign(
    gateway: Gateway, bucket: Any, key: str
) -> None:
    one = made(key, defaults={"category": "transactional"})
    body = f"to,template,name,reference\n{ONE},Hi {{name}},Ani,o-1\n"
    identifier = given(bucket, one, body)
    to = [number("server2sms", nth) for nth in (31, 32)]
    status, answer = ask("POST", f"/campaigns/{identifier}/test", {"to": to}, key)
    assert status == 202, answer
    assert stored() == {"Hi Ani": 2}
    views = [gateway.view(each["id"]) for each in answer["messages"]]
    assert [view["to"] for view in views] == to
    assert {(view["category"], view["reference"]) for view in views} == {("transactional", None)}
    assert seen(identifier)["rows_sent"] == 0
    assert ask("POST", f"/campaigns/{identifier}/test", {"to": []})[0] == 422


def test_too_many_refused_rows_brake_it_and_it_goes_on_when_somebody_looked(
    gateway: Gateway, bucket: Any, key: str, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 2)
    one = made(key, paused=False, stop_if={"refused_percent": 50, "after": 4})
    identifier = given(bucket, one, "to,text\n12,Hi\n13,Hi\n" + rows(2) + rows(4))
    to_the_end()
    shown = seen(identifier)
    assert (shown["state"], shown["rows_read"]) == ("paused", 4)
    assert shown["problem"]["type"] == "/problems/campaign-braked"
    assert "2 of 4 rows were refused" in shown["problem"]["detail"]
    stream.publish()
    (event,) = [each for each in stream.got.events if each.type == "CampaignBraked"]
    assert (event.tenant, event.data["rows_refused"]) == ("acme", 2)
    ask("POST", f"/campaigns/{identifier}/resume")
    to_the_end()
    assert (seen(identifier)["rows_read"], seen(identifier)["problem"]) == (8, None)


def test_messages_that_do_not_arrive_brake_it(
    gateway: Gateway, bucket: Any, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = made(key, paused=False, stop_if={"undelivered_percent": 30, "after": 10})
    counted = {"delivered": 7, "undelivered": 2, "expired": 1, "unknown": 50, "submitted": 9}
    monkeypatch.setattr(brake, "count_messages", lambda *_: Counted(counted, None, final=False))
    identifier = given(bucket, one, "to,text\n" + rows(1))
    to_the_end()
    assert seen(identifier)["state"] == "paused"
    assert "3 of 10 messages" in found(identifier).problem["detail"]  # type: ignore[index] # it has
    assert stored() == {}


def test_a_pace_lets_so_many_rows_go_in_a_minute(
    gateway: Gateway, bucket: Any, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    identifier = given(bucket, made(key, paused=False, pace=2), "to,text\n" + rows(5))
    to_the_end()
    read = [found(identifier).row]
    for minute in (0.5, 1.1, 2.2):
        with later(monkeypatch, 60 * minute):
            work(identifier)
            to_the_end()
        read.append(found(identifier).row)
    assert read == [2, 2, 4, 5]
    assert sum(stored().values()) == 5


def test_no_row_goes_before_its_campaign_s_time(
    gateway: Gateway, bucket: Any, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    identifier = given(bucket, made(key, paused=False, send_at=start), "to,text\n" + rows(1))
    to_the_end()
    waits = found(identifier)
    assert (waits.rows, waits.row, waits.state) == (1, 0, CampaignState.READING)
    item = dynamodb.get(waits.item_key)
    assert item
    assert int(item["due"]["N"]) == waits.options.starts_at
    with later(monkeypatch, 7201):
        work(identifier)
    assert sum(stored().values()) == 1


@pytest.mark.parametrize(
    ("rate", "used", "wait"),
    [(2, 60, 61), (600, 60, 61), (6000, 10, None), (100_000, 1, None)],
)
def test_a_pace_is_used_up_by_the_rows_that_went(rate: int, used: int, wait: int | None) -> None:
    options = SimpleNamespace(pace=rate, starts_at=None)
    one: Any = SimpleNamespace(paced_until=0, options=options)
    assert pace.wait_until(one, 1) is None, "the first rows go at once"
    one.paced_until = pace.use_pace(one, min(rate, 1000), 1)
    assert one.paced_until == 1 + used
    assert pace.wait_until(one, 1) == wait


def test_a_key_that_was_revoked_sends_no_further_row(
    gateway: Gateway, bucket: Any, key: str
) -> None:
    identifier = given(bucket, made(key), "to,text\n" + rows(1))
    api_keys.revoke_key(key, datetime.now(UTC))
    ask("POST", f"/campaigns/{identifier}/resume")
    to_the_end()
    shown = seen(identifier)
    assert (shown["state"], shown["problem"]["type"]) == ("failed", "/problems/campaign-key")
    assert stored() == {}


def test_a_key_s_policy_holds_for_each_row(gateway: Gateway, bucket: Any) -> None:
    policy = json.dumps({"countries": ["GB"]})
    key = api_keys.create_key("acme", ("campaigns",), "", datetime.now(UTC), policy=policy)[1]
    event = {"policy": policy}
    with acting_as("CampaignsFunction"):
        answer = CAMPAIGNS.handler(
            {
                "httpMethod": "POST",
                "path": "/campaigns",
                "headers": {"content-type": "application/json"},
                "body": json.dumps({**BODY, "paused": False}),
                "requestContext": {
                    "authorizer": {
                        **{"tenant": "acme", "scopes": "campaigns", "key_id": key.id},
                        **event,
                    }
                },
            },
            SimpleNamespace(),
        )
    one = json.loads(answer["body"])
    identifier = given(bucket, one, f"to,text\n+447700900001,Hi\n{number('jst')},Hi\n")
    to_the_end()
    lines = results(bucket, f"results/acme/{identifier}.csv")
    assert [line["status"] == "refused" for line in lines] == [False, True]
    assert lines[1]["problem"].startswith("country-not-allowed")


def test_a_stopped_tenant_s_campaign_sends_nothing(gateway: Gateway, bucket: Any, key: str) -> None:
    identifier = given(bucket, made(key), "to,text\n" + rows(1))
    set_stopped("acme")
    assert ask("POST", f"/campaigns/{identifier}/resume")[0] == 403
    assert ask("POST", "/campaigns", BODY, key)[0] == 403
    assert stored() == {}


def test_another_tenant_finds_no_campaign(gateway: Gateway, bucket: Any, key: str) -> None:
    identifier = given(bucket, made(key), "to,text\n" + rows(1))
    ask("POST", f"/campaigns/{identifier}/preview")
    preview = found(identifier).preview
    for tenant, one in (("other", identifier), ("acme", preview)):
        for method, path in (
            *(("GET", ""), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/cancel")),
            *(("POST", "/preview"), ("GET", "/preview"), ("GET", "/results")),
        ):
            assert ask(method, f"/campaigns/{one}{path}", tenant=tenant)[0] == 404
        status, _ = ask("POST", f"/campaigns/{one}/test", {"to": [ONE]}, tenant=tenant)
        assert status == 404
    assert ask("GET", "/campaigns", tenant="other")[1] == {"campaigns": [], "cursor": None}


def test_campaigns_are_listed_page_by_page_whatever_they_came_by(
    gateway: Gateway, bucket: Any, key: str
) -> None:
    work(upload(bucket, "to,text\n" + rows(1)))
    wanted = [each.id for each in campaign_repository.list_campaigns()]
    wanted += [made(key)["id"] for _ in range(3)]
    pages: list[list[str]] = []
    cursor: dict[str, str] = {}
    while True:
        status, page = ask("GET", "/campaigns", limit="3", **cursor)
        assert status == 200
        pages.append([one["id"] for one in page["campaigns"]])
        if page["cursor"] is None:
            break
        cursor = {"cursor": page["cursor"]}
    assert [len(page) for page in pages] == [3, 1]
    assert sorted(one for page in pages for one in page) == sorted(wanted)
    assert ask("GET", "/campaigns", cursor="x")[1]["type"] == "/problems/bad-cursor"
    assert ask("GET", "/campaigns", state="x")[1]["type"] == "/problems/unknown-parameter"


@pytest.mark.parametrize(
    ("change", "slug", "pointer"),
    [
        ({"size": 600_000_000}, "campaign-too-large", "/size"),
        ({"size": 0}, "invalid-request", "/size"),
        ({"name": "a\nb"}, "invalid-request", "/name"),
        ({"name": " "}, "invalid-request", "/name"),
        ({"region": "XX"}, "unknown-region", "/region"),
        ({"defaults": {"region": "XX"}}, "unknown-region", "/defaults/region"),
        ({"defaults": {"reference": "x"}}, "invalid-request", "/defaults/reference"),
        ({"defaults": {"send_at": "2030-01-01T00:00:00Z"}}, "invalid-request", "/defaults/send_at"),
        ({"defaults": {"to": "x"}}, "invalid-request", "/defaults"),
        ({"send_at": "2020-01-01T00:00:00Z"}, "send-at-in-the-past", "/send_at"),
        ({"send_at": "2999-01-01T00:00:00Z"}, "send-at-too-far", "/send_at"),
        ({"pace": 0}, "invalid-request", "/pace"),
        ({"stop_if": {"refused_percent": 101}}, "invalid-request", "/stop_if/refused_percent"),
    ],
)
def test_what_can_not_be_is_refused_with_its_place(
    gateway: Gateway, bucket: Any, key: str, change: dict[str, Any], slug: str, pointer: str
) -> None:
    status, answer = ask("POST", "/campaigns", {**BODY, **change}, key)
    assert (status, answer["type"], answer["pointer"]) == (422, f"/problems/{slug}", pointer)
    assert campaign_repository.list_campaigns() == []


def test_a_stack_that_reads_no_files_makes_no_campaign(
    gateway: Gateway, bucket: Any, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEND_FROM_BUCKET", "false")
    status, answer = ask("POST", "/campaigns", BODY, key)
    assert (status, answer["type"]) == (409, "/problems/campaigns-off")


def test_a_campaign_in_the_bucket_is_paused_by_the_same_code(
    gateway: Gateway, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And cancelled: what a vendor has goes on, the rest is taken back."""
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 2)
    monkeypatch.setattr(live_counts, "MAX_AGE_SECONDS", 0)
    work(upload(bucket, "to,text\n" + rows(4)))
    (one,) = campaign_repository.list_campaigns()
    gateway.wire.answers.setdefault(SUBMIT["server2sms"], TAKES["server2sms"])
    assert gateway.work(gateway.queued("server2sms")[:1]) == []
    status, answer = ask("POST", f"/campaigns/{one.id}/cancel")
    assert (status, answer["state"]) == (200, "cancelled")
    to_the_end()
    shown = seen(one.id)
    assert shown["rows_left_to_cancel"] == 0
    assert set(shown["counts"]) == {"cancelled", "submitted"}
    assert sum(shown["counts"].values()) == 4


def test_what_has_not_left_of_a_batch_is_taken_back(gateway: Gateway) -> None:
    body = {"messages": [{"to": number("server2sms", n), "text": f"Hi {n}"} for n in range(3)]}
    later_ = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    answer = send("acme", json.dumps({**body, "send_at": later_}).encode(), datetime.now(UTC))
    batch = answer["batch_id"]
    for _ in range(2):
        status, shown = ask("DELETE", f"/batches/{batch}", scopes="messages:send")
        assert (status, shown["counts"], shown["final"]) == (200, {"cancelled": 3}, True)
    view = gateway.view(answer["messages"][0]["id"])
    assert [step["source"] for step in view["timeline"]] == ["api", "api"]
    assert ask("DELETE", f"/batches/{batch}", tenant="other", scopes="messages:send")[0] == 404
    assert ask("DELETE", f"/batches/{batch}", scopes="messages:read")[0] == 403


def test_a_sent_message_of_a_batch_goes_on(gateway: Gateway) -> None:
    sent = gateway.sent("server2sms")
    status, shown = ask("DELETE", f"/batches/{sent[0][:26]}", scopes="messages:send")
    assert (status, shown["counts"]) == (200, {"submitted": 1})


def test_a_test_key_has_no_campaigns(gateway: Gateway, bucket: Any) -> None:
    with pytest.raises(ValueError, match="scope of a test key"):
        api_keys.create_key("acme", ("campaigns",), "", datetime.now(UTC), test=True)
    assert s3_files.LINK_SECONDS == 3600


def test_a_worker_that_dies_before_a_pause_has_each_row_sent_once_after_it(
    gateway: Gateway, bucket: Any, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies after its chunk was written, and in another run after its batch was accepted."""
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 2)
    monkeypatch.setattr(chunks, "IN_PROGRESS_SECONDS", 0)
    store = acceptance.store_batch
    for nth, after in enumerate((False, True)):

        def dies(batch: Any, after: bool = after) -> None:
            if after:
                store(batch)
            raise KeyboardInterrupt

        one = made(key, paused=False)
        body = "to,text\n" + "".join(f"{number('server2sms', n)},{nth} {n}\n" for n in range(5))
        with monkeypatch.context() as patch:
            patch.setattr(chunks, "store_batch", dies)
            with pytest.raises(KeyboardInterrupt):
                given(bucket, one, body)
        assert ask("POST", f"/campaigns/{one['id']}/pause")[0] == 200
        work(one["id"])
        to_the_end()
        assert found(one["id"]).row == 0
        assert ask("POST", f"/campaigns/{one['id']}/resume")[0] == 200
        to_the_end()
        assert found(one["id"]).row == 5
    assert stored() == {f"{nth} {n}": 1 for nth in range(2) for n in range(5)}

"""A file in check/: every row is judged as for a send, and nothing is sent."""

import json
from contextlib import suppress
from typing import Any

import pytest
from integration.campaigns.test_campaigns import (
    Killed,
    bucket,
    got,
    kill_at,
    operate,
    results,
    rows,
    shown,
    stored,
    stream,
    to_the_end,
    upload,
    with_floor,
    work,
)

from sms_gateway.campaigns import chunks, repository
from sms_gateway.campaigns.model import Campaign, CampaignState
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.vendors.registry import VENDORS
from testing.gateway import Gateway
from testing.numbers import number
from testing.settings import ACCOUNTS, set_accounts, set_campaign_defaults, set_stopped
from testing.stream import Stream

__all__ = ["bucket", "stream"]  # fixtures

KEY, REPORT = "check/acme/spring.csv", "checked/acme/spring.csv"
LONG = "x" * 200  # two segments


def check(bucket: Any, body: str, key: str = KEY) -> Campaign:
    return to_the_end(upload(bucket, body, key))


def kinds() -> set[str]:
    """The first words of the partitions and sort keys in the table, but settings and keys."""
    items = dynamodb.client().scan(TableName=dynamodb.table_name())["Items"]
    return {
        item["sk"]["S"][0]
        for item in items
        if item["pk"]["S"] not in ("KEYS", "SETTINGS", "ACCOUNTS", "CAMPAIGNS", "SEARCH")
    }


def test_a_check_tells_what_would_be_refused_and_sends_nothing(
    gateway: Gateway, bucket: Any, stream: Stream
) -> None:
    body = f"to,text,reference\n{number('jst')},Hi,a\n12,Hi,b\n{number('rajasms')},{LONG},c\n"
    one = check(bucket, body)
    refused, summed = results(bucket, REPORT)
    assert (refused["row"], refused["to"], refused["reference"]) == ("2", "12", "b")
    assert refused["status"] == "refused"
    assert refused["problem"].startswith("invalid-number (to): ")
    assert (summed["row"], summed["status"]) == ("", "checked")
    assert summed["problem"] == (
        "3 rows: 2 would be sent, 1 refused. Segments: 1 in 1 rows, 2 in 1 rows."
    )
    assert stored() == {}
    assert kinds() == {"C", "R"}  # the campaign and its chunk
    assert [gateway.queued(vendor) for vendor in VENDORS] == [[]] * len(VENDORS)
    assert got(stream) == []
    status, body_shown = shown(one.id)
    assert status == 200
    assert (body_shown["total"], body_shown["counts"], body_shown["final"]) == (0, {}, True)
    assert body_shown["campaign"] | {"counted_at": None} == {
        "file": KEY,
        "state": "done",
        "rows": 3,
        "rows_read": 3,
        "rows_sent": 0,
        "rows_refused": 1,
        "counted_at": None,
        "results": REPORT,
        "problem": None,
        "check": {"rows_passed": 2, "segments": {"1": 1, "2": 1}},
    }


def test_a_check_refuses_the_rows_that_a_campaign_refuses(bucket: Any) -> None:
    set_campaign_defaults({"*": {"category": "promotional"}, "acme": {"max_segments": 1}})
    lines = [
        "to,name,template,reference,send_at",
        f"{number('server2sms', 0)},Ani,Hi {{name}},r-0,",
        f"{number('server2sms', 1)},,Hi {{name}},,",
        f"{number('server2sms', 3)},x",
        "12,x,Hi {name},,",
        f"{number('server2sms', 6)},x,Hi {{name}},,tomorrow",
        f"{number('server2sms', 7)},x,{LONG},,",
        f"{number('server2sms', 9)},x,Hi {{name}},{'r' * 65},",
    ]
    body = "\n".join(lines)
    check(bucket, body)
    to_the_end(upload(bucket, body, "campaigns/acme/spring.csv"))
    reported_before = results(bucket, REPORT)[:-1]
    reported_after = [
        line for line in results(bucket, "results/acme/spring.csv") if line["status"] == "refused"
    ]
    assert reported_before == reported_after
    assert len(reported_after) == 6


@pytest.mark.parametrize(
    ("key", "body", "slug"),
    [
        (KEY, "number,text\n+1,Hi\n", "campaign-columns"),
        (KEY, "", "campaign-columns"),
        (KEY, "to,text\n", "campaign-empty"),
        ("check/acme/a.txt", "to,text\n+1,Hi\n", "campaign-name"),
        ("check/a.csv", "to,text\n+1,Hi\n", "campaign-name"),
        ("check/nobody/a.csv", "to,text\n+1,Hi\n", "unknown-tenant"),
    ],
)
def test_a_file_that_can_not_be_read_is_told_in_the_report(
    bucket: Any, capsys: pytest.CaptureFixture[str], key: str, body: str, slug: str
) -> None:
    one = check(bucket, body, key)
    assert (one.state, one.final) == ("failed", True)
    line = results(bucket, key.replace("check/", "checked/"))[0]
    assert line["status"] == "failed"
    assert line["problem"].startswith(f"/problems/{slug}: ")
    assert "CampaignFailed" not in capsys.readouterr().out  # nothing that should be sent was not
    if slug == "campaign-name":
        assert "check/<tenant>/<name>.csv" in line["problem"]


def test_a_check_books_no_credit(bucket: Any) -> None:
    with_floor("1100")
    for name in ("one", "two", "three"):
        assert check(bucket, "to,text\n" + rows(90), f"check/acme/{name}.csv").state == "done"
    items = dynamodb.client().scan(TableName=dynamodb.table_name())["Items"]
    assert not [item for item in items if item["pk"]["S"].startswith("PLANNED#")]
    assert to_the_end(upload(bucket, "to,text\n" + rows(90))).sent == 90


def test_a_stopped_tenant_and_an_account_that_is_not_usable_fail_a_check_too(bucket: Any) -> None:
    set_stopped("acme")
    one = check(bucket, "to,text\n" + rows(1))
    assert one.problem
    assert one.problem["type"] == "/problems/tenant-stopped"
    set_stopped()
    set_accounts({**ACCOUNTS, "dinisoft": {}})
    another = check(bucket, f"to,text\n{number('dinisoft')},Hi\n", "check/acme/b.csv")
    assert another.problem
    assert another.problem["type"] == "/problems/vendor-not-configured"


def test_each_upload_is_checked_anew_and_a_notice_that_comes_again_is_not(bucket: Any) -> None:
    def notice(sequencer: str) -> str:
        written = json.loads(upload(bucket, "to,text\n" + rows(1), KEY))
        written["Records"][0]["s3"]["object"]["sequencer"] = sequencer
        return json.dumps(written)

    set_campaign_defaults({"*": {"max_segments": 0}})
    work(notice("01"))
    (first,) = repository.list_campaigns()
    assert first.state == "failed"
    set_campaign_defaults({})
    work(notice("02"))
    work(notice("02"))
    one, two = repository.list_campaigns()
    assert (one.state, two.state, two.sent) == ("failed", "done", 1)
    assert results(bucket, REPORT)[-1]["status"] == "checked"


def test_a_check_whose_report_a_later_one_has_written_is_done(bucket: Any) -> None:
    work(upload(bucket, "to,text\n" + rows(2), KEY))
    (first,) = repository.list_campaigns()
    change = ItemUpdate(first.item_key).set("state", CampaignState.SENDING)
    change.remove("tally", "final").apply()  # as if its worker had died before the report
    work(upload(bucket, "to,text\n" + rows(3), KEY))
    work(first.id)
    assert [one.state for one in repository.list_campaigns()] == ["done", "done"]
    assert results(bucket, REPORT)[-1]["problem"].startswith("3 rows: 3 would be sent")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_check_killed_at_any_call_goes_on_and_still_sends_nothing(
    bucket: Any, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 2)
    nth = 0
    while True:
        key = f"check/acme/{when}-{nth}.csv"
        notice = upload(bucket, "to,text\n" + rows(2) + "nobody,Hello\n", key)
        end = kill_at(nth, when)
        with suppress(Killed):
            to_the_end(notice)
        killed = end()
        done = to_the_end(notice)
        assert (done.state, done.row, done.sent, done.refused) == ("done", 3, 2, 1)
        refused, summed = results(bucket, key.replace("check/", "checked/"))
        assert (refused["row"], refused["status"]) == ("3", "refused")
        assert summed["problem"].startswith("3 rows: 2 would be sent, 1 refused.")
        nth += 1
        if not killed:
            break
    assert nth > 20
    assert stored() == {}


def test_a_check_is_listed_and_its_rows_are_not_called_sent(
    bucket: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    one = check(bucket, "to,text\n" + rows(2))
    operate("show", one.id)
    operate("list")
    said = capsys.readouterr().out
    assert "2 passed the check, 0 refused" in said
    assert "check/acme/spring.csv" in said

"""An upload to the stack's bucket becomes messages, with IAM enforced on every call."""

import csv
import io
import re
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from local.stack import LocalStack
from testing.deployed import PATIENCE, Api

FINAL = ("delivered", "undelivered", "rejected", "expired", "cancelled", "unknown")


@pytest.fixture(scope="module")
def bucket(stack: LocalStack) -> str:
    return str(stack.facts["campaigns_bucket"])


def campaign(stack: LocalStack, name: str) -> str:
    """The id of the campaign of a file, as soon as it has one."""

    def listed() -> str | None:
        lines = stack.run_smsgw("campaigns", "list").splitlines()
        found = [line.split()[0] for line in lines if line.endswith(f"/{name}.csv")]
        return found[0] if found else None

    return str(wait(listed))


def wait(reached: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := reached()):
        assert time.monotonic() < end
        time.sleep(0.5)
    return found


def put(stack: LocalStack, bucket: str, name: str, body: str, tenant: str = "demo") -> str:
    key = f"campaigns/{tenant}/{name}.csv"
    stack.client("s3").put_object(Bucket=bucket, Key=key, Body=body.encode())
    return campaign(stack, name)


def results(
    stack: LocalStack, bucket: str, name: str, tenant: str = "demo"
) -> list[dict[str, str]]:
    answer = stack.client("s3").get_object(Bucket=bucket, Key=f"results/{tenant}/{name}.csv")
    return list(csv.DictReader(io.StringIO(answer["Body"].read().decode())))


def test_an_upload_is_sent_and_its_results_stand_beside_it(
    api: Api, stack: LocalStack, bucket: str
) -> None:
    body = "\ufeffto,name,template,reference\r\n" + "".join(
        f'+9110000000{nth:02d},"Ani, {nth}","Hi {{name}}",c-{nth}\r\n' for nth in range(40)
    )
    identifier = put(stack, bucket, "winter", body + "+1,x,Hi,\r\n")

    def done() -> Any:
        answer = api("GET", f"/batches/{identifier}")
        assert answer.status == 200, answer.body
        return answer.body if answer.body["campaign"]["results"] else None

    shown = wait(done)
    assert shown["campaign"]["state"] in ("sending", "done")
    assert shown["campaign"] | {"counted_at": "", "state": ""} == {
        "file": "campaigns/demo/winter.csv",
        "state": "",
        "rows": 41,
        "rows_read": 41,
        "rows_sent": 40,
        "rows_refused": 1,
        "counted_at": "",
        "results": "results/demo/winter.csv",
        "problem": None,
    }
    lines = results(stack, bucket, "winter")
    assert len(lines) == 41
    assert lines[-1]["status"] == "refused"
    assert (lines[0]["to"], lines[0]["reference"]) == ("+911000000000", "c-0")
    message = api.final(lines[0]["id"])
    assert (message["text"], message["reference"]) == ("Hi Ani, 0", "c-0")
    for line in lines[:40]:
        api.final(line["id"])

    def counted() -> Any:
        body = api("GET", f"/batches/{identifier}").body
        return body if sum(body["counts"].get(one, 0) for one in FINAL) == 40 else None

    # Long before the results file is written again.
    assert wait(counted)["campaign"]["state"] in ("sending", "done")
    listed = api("GET", "/batches?limit=100").body["batches"]
    (mine,) = [one for one in listed if one["id"] == identifier]
    assert (mine["total"], mine["campaign"]["rows_refused"]) == (40, 1)
    assert message["batch_id"] not in {one["id"] for one in listed}


def test_a_check_judges_every_row_and_sends_none(api: Api, stack: LocalStack, bucket: str) -> None:
    body = "to,text,reference\r\n+911000000051,Hi,k-1\r\n+1,Hi,k-2\r\n"
    key = "check/demo/judged.csv"
    stack.client("s3").put_object(Bucket=bucket, Key=key, Body=body.encode())
    identifier = campaign(stack, "judged")

    def done() -> Any:
        shown = api("GET", f"/batches/{identifier}").body
        return shown if shown["final"] else None

    shown = wait(done)
    assert (shown["total"], shown["counts"]) == (0, {})
    assert shown["campaign"]["check"] == {"rows_passed": 1, "segments": {"1": 1}}
    report = stack.client("s3").get_object(Bucket=bucket, Key="checked/demo/judged.csv")
    refused, summed = csv.DictReader(io.StringIO(report["Body"].read().decode()))
    assert (refused["row"], refused["to"], refused["reference"]) == ("2", "+1", "k-2")
    assert summed["problem"].startswith("2 rows: 1 would be sent, 1 refused.")
    assert api("GET", "/messages?reference=k-1").body["messages"] == []


def test_a_file_that_can_not_be_sent_says_why(api: Api, stack: LocalStack, bucket: str) -> None:
    identifier = put(stack, bucket, "strange", "number;text\r\n+447700900001;Hi\r\n")
    shown = wait(
        lambda: (one := api("GET", f"/batches/{identifier}").body)["campaign"]["results"] and one
    )
    assert shown["campaign"]["state"] == "failed"
    assert shown["campaign"]["problem"]["type"] == "/problems/campaign-columns"
    (line,) = results(stack, bucket, "strange")
    assert line["status"] == "failed"
    assert "commas" in line["problem"]
    assert "only one that is reading" in _refused(stack, "pause", identifier)


ROWS = 80_000  # more than workers are done with before the operator has typed a word


def test_an_operator_pauses_resumes_and_cancels_a_campaign(
    api: Api, stack: LocalStack, bucket: str
) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    rows = "".join(f"+{911_000_000_001 + nth},Hi,{tomorrow}\r\n" for nth in range(ROWS))
    identifier = put(stack, bucket, "paused", "to,text,send_at\r\n" + rows)

    def shown() -> Any:
        return api("GET", f"/batches/{identifier}").body

    wait(lambda: shown()["campaign"]["rows_read"])
    assert "stops within seconds" in stack.run_smsgw("campaigns", "pause", identifier)
    read = shown()["campaign"]["rows_read"]
    assert 0 < read < ROWS
    time.sleep(5)  # a worker that went on would have accepted more of it
    paused = shown()["campaign"]
    assert (paused["state"], paused["results"]) == ("paused", None)
    # The chunk whose record was there already may be taken in, nothing behind it.
    assert paused["rows_read"] - read in (0, 1000)
    assert "only one that is reading" in _refused(stack, "pause", identifier)

    stack.run_smsgw("campaigns", "resume", identifier)

    def ticked() -> Any:
        stack.tick()
        return shown()

    wait(lambda: ticked()["campaign"]["rows_read"] > paused["rows_read"])
    assert "begins to cancel" in stack.run_smsgw("campaigns", "cancel", identifier, "--yes")
    cancelled = wait(lambda: (one := ticked())["final"] and one)
    assert cancelled["campaign"]["state"] == "cancelled"
    read = cancelled["campaign"]["rows_read"]
    assert cancelled["counts"] == {"cancelled": read}
    lines = results(stack, bucket, "paused")
    assert [line["row"] for line in lines] == [str(nth) for nth in range(1, read + 1)]
    assert api("GET", f"/messages/{lines[0]['id']}").body["timeline"][-1]["source"] == "operator"
    assert "only one that is paused or failed" in _refused(stack, "resume", identifier)


def _refused(stack: LocalStack, what: str, identifier: str) -> str:
    from local.processes import StackError

    with pytest.raises(StackError) as error:
        stack.run_smsgw("campaigns", what, identifier)
    return str(error.value)


# --- Over HTTP


@pytest.fixture(scope="module")
def marketer(stack: LocalStack) -> Api:
    """A caller that may make campaigns, and no more."""
    return Api(stack, stack.key("demo", ("campaigns",)))


def put_by(upload: dict[str, Any], body: bytes, **changed: str) -> int:
    """Put a file by a link; S3's status."""
    headers = upload["headers"] | changed
    asked = Request(upload["url"], body, headers, method="PUT")  # noqa: S310 - the stack's own
    return opened(asked)[0]


def opened(asked: Request | str) -> tuple[int, str]:
    """Follow a link; the status, and what it gives."""
    try:
        with urlopen(asked, timeout=30) as answer:  # noqa: S310 - as above
            return answer.status, answer.read().decode()
    except HTTPError as refused:
        return refused.code, ""


def is_(marketer: Api, identifier: str, *states: str) -> dict[str, Any]:
    """Wait until a campaign is in one of the states."""

    def reached() -> Any:
        answer = marketer("GET", f"/campaigns/{identifier}")
        assert answer.status == 200, answer.body
        marketer.stack.tick()
        return answer.body if answer.body["state"] in states else None

    found: dict[str, Any] = wait(reached)
    return found


def test_a_campaign_over_http_is_looked_at_and_sent(api: Api, marketer: Api) -> None:
    body = "to,name,template\n" + "".join(
        f"+9110000001{nth:02d},Ani {nth},Hi {{name}}\n" for nth in range(20)
    )
    raw = (body + "+1,Ani,Hi {name}\n").encode()
    made = marketer("POST", "/campaigns", {"name": "Spring sale", "size": len(raw), "pace": 600})
    assert made.status == 201, made.body
    identifier, upload = made.body["id"], made.body["upload"]
    assert put_by(upload, raw[:-1]) == 403, "another size"
    assert put_by(upload, raw, **{"Content-Type": "text/html"}) == 403
    assert marketer("GET", f"/campaigns/{identifier}").body["state"] == "waiting"
    assert put_by(upload, raw) == 200
    assert put_by(upload, raw) == 412, "a second file"
    assert is_(marketer, identifier, "paused")["total"] == 0
    assert marketer("POST", f"/campaigns/{identifier}/preview").status == 202

    def previewed() -> Any:
        shown = marketer("GET", f"/campaigns/{identifier}/preview").body
        return shown if shown["state"] == "done" else None

    preview = wait(previewed)
    assert (preview["rows_passed"], preview["rows_refused"]) == (20, 1)
    assert [one["first_rows"] for one in preview["refusals"]] == [[21]]
    status, report = opened(preview["report"]["url"])
    assert status == 200
    assert "invalid-number" in report
    test = marketer("POST", f"/campaigns/{identifier}/test", {"to": ["+911000000199"]})
    assert test.status == 202, test.body
    assert api.final(test.body["messages"][0]["id"])["text"] == "Hi Ani 0"
    assert marketer("POST", f"/campaigns/{identifier}/resume").status == 200
    is_(marketer, identifier, "sending", "done")
    where = f"/campaigns/{identifier}/results"
    link = wait(lambda: marketer("GET", where).body.get("url"))
    lines = list(csv.DictReader(io.StringIO(opened(link)[1])))
    assert [line["status"] == "refused" for line in lines] == [False] * 20 + [True]
    assert api.final(lines[3]["id"])["text"] == "Hi Ani 3"
    listed = marketer("GET", "/campaigns").body["campaigns"]
    assert identifier in [one["id"] for one in listed]


def test_a_link_is_its_own_file_s_and_ends(marketer: Api, stack: LocalStack, bucket: str) -> None:
    made = marketer("POST", "/campaigns", {"name": "Mine", "size": 8, "paused": False}).body
    url = made["upload"]["url"]
    other = url.replace("/campaigns/demo/", "/campaigns/another/")
    late = re.sub(r"X-Amz-Date=\d{8}T", "X-Amz-Date=20200101T", url)
    longer = url.replace("X-Amz-Expires=3600", "X-Amz-Expires=86400")
    for forged in (other, late, longer, url.partition("?")[0]):
        assert put_by(made["upload"] | {"url": forged}, b"to,text\n") == 403
    assert opened(url)[0] == 403, "it takes, and gives nothing"
    found = stack.client("s3").list_objects_v2(Bucket=bucket, Prefix=made["file"])
    assert found["KeyCount"] == 0


def test_an_upload_that_breaks_off_leaves_nothing_and_may_be_made_again(
    marketer: Api, stack: LocalStack, bucket: str
) -> None:
    raw = b"to,text\n+911000000198,Hi\n" + b"\n" * 100_000
    made = marketer("POST", "/campaigns", {"name": "Torn", "size": len(raw)}).body
    parts = urlsplit(made["upload"]["url"])
    head = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in made["upload"]["headers"].items())
    with socket.create_connection((str(parts.hostname), parts.port or 80), timeout=10) as torn:
        torn.sendall(f"{head}Content-Length: {len(raw)}\r\n\r\n".encode() + raw[:50_000])
    time.sleep(1)
    found = stack.client("s3").list_objects_v2(Bucket=bucket, Prefix=made["file"])
    assert found["KeyCount"] == 0
    assert marketer("GET", f"/campaigns/{made['id']}").body["state"] == "waiting"
    assert put_by(made["upload"], raw) == 200
    is_(marketer, made["id"], "paused")


def test_a_paused_campaign_reads_no_further_and_what_has_not_left_is_taken_back(
    marketer: Api, stack: LocalStack
) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    raw = "to,text,send_at\n" + "".join(
        f"+{911_000_000_001 + nth},Hi,{tomorrow}\n" for nth in range(40_000)
    )
    wanted = {"name": "Paused", "size": len(raw), "paused": False}
    made = marketer("POST", "/campaigns", wanted).body
    assert put_by(made["upload"], raw.encode()) == 200
    where = f"/campaigns/{made['id']}"
    wait(lambda: marketer("GET", where).body["rows_read"])
    paused = marketer("POST", f"{where}/pause")
    assert (paused.status, paused.body["state"]) == (200, "paused")
    read = marketer("GET", where).body["rows_read"]
    time.sleep(2)
    assert read <= marketer("GET", where).body["rows_read"] <= read + 1000
    assert marketer("POST", f"{where}/pause").body["type"] == "/problems/campaign-state"
    assert marketer("POST", f"{where}/cancel").status == 200
    wait(lambda: marketer("GET", where).body["rows_left_to_cancel"] == 0)
    shown = wait(lambda: (one := marketer("GET", where).body)["final"] and one)
    assert shown["counts"] == {"cancelled": shown["total"]}

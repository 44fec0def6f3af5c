"""The console's campaigns in a real browser: a marketer drops a file, looks at it, and sends it."""

import base64
from typing import Any

import pytest
from e2e.browsing import HOSTILE, sign_in, violations
from playwright.sync_api import Page, Route, expect

from testing.deployed import Api

DROP = """([name, content]) => {
  const given = new DataTransfer();
  given.items.add(new File([Uint8Array.from(atob(content), (one) => one.charCodeAt(0))], name));
  const input = document.querySelector("input[type=file]");
  const enter = { bubbles: true, dataTransfer: given };
  document.body.dispatchEvent(new DragEvent("dragover", enter));
  return new Promise((done) => setTimeout(() => {
    const zone = [...document.querySelectorAll("*")].findLast((one) =>
      one.textContent === "Drop the file here");
    (zone ?? input).dispatchEvent(new DragEvent("drop", enter));
    done(zone !== undefined);
  }, 300));
}"""


NAME = "<script>document.title='stolen'</script><img src=x onerror=alert(1)> شر"


@pytest.fixture(scope="module")
def marketer(api: Api) -> Api:
    return Api(api.stack, api.stack.key("demo", ("campaigns",)))


def csv_of(rows: int, first: int) -> bytes:
    lines = [f'+{first + nth},"Hi {nth}"' for nth in range(rows)]
    return ("to,text\n" + "\n".join(lines) + "\n").encode()


def choose(page: Page, content: bytes, name: str = "spring.csv") -> None:
    page.get_by_role("link", name="New campaign").click()
    expect(page.get_by_role("heading", name="New campaign")).to_be_visible()
    file: Any = {"name": name, "mimeType": "text/csv", "buffer": content}
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_label("Name")).to_have_value(name)


def test_a_marketer_drops_a_file_looks_at_it_and_sends_it(page: Page, marketer: Api) -> None:
    sign_in(page, marketer.key, "#/campaigns")
    expect(page.get_by_role("heading", name="Campaigns", exact=True)).to_be_visible()
    assert violations(page) == []
    page.get_by_role("link", name="New campaign").click()
    expect(page.get_by_role("heading", name="New campaign")).to_be_visible()
    content = csv_of(3, 911_000_000_201) + f'12,"{HOSTILE.replace(chr(34), "")}"\n'.encode()
    given = base64.b64encode(content).decode()
    assert page.evaluate(DROP, ["summer.csv", given]), "there is a place to drop it"
    expect(page.get_by_label("Name")).to_have_value("summer.csv")
    page.get_by_label("Name").fill(NAME)
    assert violations(page) == []
    page.get_by_role("button", name="Upload and check").click()
    page.wait_for_url("**#/campaigns/0*")
    expect(page.get_by_text("Would be refused")).to_be_visible()
    refused = page.get_by_role("table", name="Refused rows")
    expect(refused.get_by_role("row")).to_have_count(2)
    expect(refused.get_by_text("does not say its country")).to_be_visible()
    expect(page.get_by_role("table", name="By vendor").get_by_role("row")).to_have_count(2)
    assert violations(page) == []
    identifier = page.url.rpartition("/")[2]
    shown = marketer("GET", f"/campaigns/{identifier}").body
    assert (shown["state"], shown["rows_sent"], shown["name"]) == ("paused", 0, NAME)
    page.get_by_role("button", name="Start sending").click()
    expect(page.get_by_role("button", name="Results")).to_be_visible()
    with page.expect_download() as results:
        page.get_by_role("button", name="Results").click()
    lines = results.value.path().read_text().splitlines()
    assert len(lines) == 5
    assert violations(page) == []


def test_one_is_paused_resumed_and_cancelled(page: Page, marketer: Api) -> None:
    sign_in(page, marketer.key, "#/campaigns")
    choose(page, csv_of(3, 911_000_000_211), "slow.csv")
    page.get_by_label("Rows a minute").fill("1")
    page.get_by_role("button", name="Upload and check").click()
    page.wait_for_url("**#/campaigns/0*")
    page.get_by_role("button", name="Start sending").click()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    expect(page.get_by_role("status").get_by_text("paused")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.get_by_role("button", name="Cancel campaign").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel campaign").click()
    expect(page.get_by_role("status").get_by_text("cancelled")).to_be_visible()
    identifier = page.url.rpartition("/")[2]
    assert marketer("GET", f"/campaigns/{identifier}").body["rows_read"] < 3


def test_a_file_that_is_no_csv_is_shown_with_what_is_wrong(page: Page, marketer: Api) -> None:
    sign_in(page, marketer.key, "#/campaigns")
    choose(page, b"<script>alert(1)</script>\nno;csv\n", "page.csv")
    page.get_by_role("button", name="Upload and check").click()
    expect(page.get_by_text("The file can't be sent")).to_be_visible()
    expect(page.get_by_text("<script>alert(1)</script>")).to_be_visible()
    assert violations(page) == []


@pytest.mark.parametrize(
    ("status", "words"),
    [(403, "The link is over"), (412, "has a file already"), (0, "did not arrive")],
    ids=["expired", "second", "torn"],
)
def test_an_upload_that_fails_says_so_and_leaves_nothing_half_done(
    page: Page, marketer: Api, status: int, words: str
) -> None:
    def fail(route: Route) -> None:
        if route.request.method != "PUT":
            route.continue_()
        elif status:
            route.fulfill(status=status, body="<Error/>")
        else:
            route.abort("connectionreset")

    sign_in(page, marketer.key, "#/campaigns")
    choose(page, csv_of(1, 911_000_000_221), f"{status}.csv")
    page.route("**/campaigns/demo/**", fail)
    page.get_by_role("button", name="Upload and check").click()
    expect(page.get_by_text(words)).to_be_visible()
    expect(page.get_by_role("button", name="Upload and check")).to_be_enabled()
    assert violations(page) == []
    listed = marketer("GET", "/campaigns").body["campaigns"]
    (one,) = [each for each in listed if each["name"] == f"{status}.csv"]
    assert (one["state"], one["rows_sent"]) == ("waiting", 0)


def test_who_may_not_does_not_see_it_and_by_a_link_is_told_why(page: Page, api: Api) -> None:
    key = api.stack.key("demo", ("messages:read",))
    sign_in(page, key, "#/campaigns")
    expect(page.get_by_text("It needs the scope campaigns")).to_be_visible()
    expect(page.get_by_role("link", name="Campaigns", exact=True)).to_have_count(0)


def test_another_tenant_s_campaign_is_not_there(page: Page, api: Api, marketer: Api) -> None:
    made = marketer("POST", "/campaigns", {"name": "Ours", "size": 9}).body
    sign_in(page, api.stack.key("curious", ("campaigns",)), f"#/campaigns/{made['id']}")
    expect(page.get_by_text("There is no such campaign.")).to_be_visible()


def test_a_campaign_reads_well_on_a_telephone_at_night(narrow: Page, marketer: Api) -> None:
    sign_in(narrow, marketer.key, "#/campaigns/new")
    expect(narrow.get_by_label("Name")).to_be_visible()
    assert violations(narrow, but=("aria-allowed-attr",)) == []

"""The console in a real browser, on the real stack."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urljoin

import pytest
import urllib3
from playwright.sync_api import Browser, Page, expect, sync_playwright

from testing.deployed import NUMBERS, PATIENCE, Api
from testing.paths import ROOT

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
AXE = ROOT / "console/node_modules/axe-core/axe.min.js"
HOSTILE = "<script>document.title='stolen'</script> \u202eevil"


def get(address: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request("GET", address, redirect=False, retries=False, timeout=60)


def test_the_console_is_served_whole_with_its_headers(api: Api) -> None:
    first = get(f"{api.stack.facts['url']}/console")
    assert first.status == 302
    address = urljoin(f"{api.stack.facts['url']}/console", first.headers["Location"])
    page = get(address)
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "no-cache"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    names = [part.split('"')[0] for part in page.data.decode().split('"./assets/')[1:]]
    assert len(names) >= 2
    for name in names:
        file = get(urljoin(address, f"assets/{name}"))
        assert file.status == 200
        assert "immutable" in file.headers["Cache-Control"]
        assert file.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["../app.py", "%2e%2e/app.py", "..%2fapp.py", ".built", "assets/", "assets/none.js"]
)
def test_no_other_file_is_served(path: str, api: Api) -> None:
    pool = urllib3.HTTPConnectionPool("127.0.0.1", api.stack.gateway_port)
    below = api.stack.facts["url"].removeprefix(api.stack.endpoint)
    answer = pool.urlopen("GET", f"{below}/console/{path}", redirect=False, retries=False)
    assert answer.status == 404
    assert answer.json()["type"] in ("/problems/not-found", "/problems/no-route")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium as the system has it."""
    if CHROMIUM is None:
        pytest.fail("Chromium is needed: `apt-get install chromium` installs it")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, api: Api) -> Iterator[Page]:
    """A page of its own that fails on whatever the browser complains of."""
    made = browser.new_page(base_url=f"{api.stack.facts['url']}/console/")
    made.set_default_timeout(PATIENCE * 1000)
    expect.set_options(timeout=PATIENCE * 1000)
    complaints: list[str] = []
    made.on("pageerror", lambda error: complaints.append(str(error)))
    made.on(
        "console",
        lambda said: complaints.append(said.text) if "Content Security" in said.text else None,
    )
    yield made
    made.close()
    assert complaints == []


def sign_in(page: Page, key: str, view: str = "") -> None:
    page.goto(f"index.html{view}")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def violations(page: Page) -> list[str]:
    """What axe finds on the page. Through the debugger, since the page's policy lets nothing in."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run()")
    return [f"{one['id']}: {json.dumps(one['nodes'][0]['html'])}" for one in found["violations"]]


def test_support_finds_a_message_and_reads_what_the_vendor_said(page: Page, api: Api) -> None:
    (sent,) = api.send({"to": NUMBERS["dinisoft"], "text": HOSTILE, "reference": "console-1"})
    api.final(sent["id"])
    sign_in(page, api.key or "")
    page.get_by_label("Your reference").fill("console-1")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**reference=console-1")
    expect(page.get_by_role("row")).to_have_count(2)
    assert violations(page) == []
    page.get_by_role("link", name=sent["to"]).click()
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    expect(page.get_by_text("The vendor said:").first).to_be_visible()
    expect(page.get_by_text("<script>").first).to_be_visible()
    assert page.title() == "SMS gateway"
    assert violations(page) == []


def test_a_message_is_found_by_its_id_and_cancelled(page: Page, api: Api) -> None:
    later = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    (sent,) = api.send({"to": NUMBERS["server2sms"], "text": "later", "send_at": later})
    identifier = sent["id"]
    sign_in(page, api.key or "")
    page.get_by_label("Number or message id").fill(identifier)
    page.get_by_role("button", name="Search").click()
    page.get_by_role("button", name="Cancel message").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel message").click()
    expect(page.get_by_role("status").get_by_text("cancelled")).to_be_visible()
    assert api("GET", f"/messages/{identifier}").body["status"] == "cancelled"


def test_another_tenants_link_shows_nothing(page: Page, api: Api, stranger: Api) -> None:
    (sent,) = api.send({"to": NUMBERS["dinisoft"], "text": "ours"})
    sign_in(page, stranger.key or "", f"#/messages/{sent['id']}")
    expect(page.get_by_text("There is no such message.")).to_be_visible()
    assert "ours" not in page.content()


def test_a_wrong_key_is_told_so_and_kept_nowhere(page: Page) -> None:
    sign_in(page, "sms_" + "A" * 48)
    expect(page.get_by_text("does not know this key")).to_be_visible()
    assert page.evaluate("[sessionStorage.length, localStorage.length]") == [0, 0]
    assert violations(page) == []


def test_a_key_without_the_scope_sees_no_messages(page: Page, api: Api) -> None:
    sign_in(page, api.stack.key("demo", ("messages:send",)), "#/messages")
    expect(page.get_by_text("It needs the scope messages:read")).to_be_visible()
    expect(page.get_by_role("link", name="Messages")).to_have_count(0)


def test_a_key_that_is_revoked_ends_the_session(page: Page, api: Api) -> None:
    sign_in(page, api.key or "")
    expect(page.get_by_role("button", name="Search")).to_be_visible()
    gone = json.dumps({"key": "sms_" + "A" * 48, "scopes": ["messages:read"]})
    page.evaluate("key => sessionStorage.setItem('sms-gateway', key)", gone)
    page.get_by_role("button", name="Load again").click()
    expect(page.get_by_text("Your key is not valid any more")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_who_sends_sees_first_what_it_will_be(page: Page, api: Api) -> None:
    sign_in(page, api.key or "", "#/send")
    page.get_by_label("To").fill(NUMBERS["dinisoft"])
    page.get_by_label("Text").fill("Your parcel is here. Don\u2019t forget it")
    expect(page.get_by_text("1 (ucs2)")).to_be_visible()
    expect(page.get_by_text("RIGHT SINGLE QUOTATION MARK")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("button", name="Send", exact=True).click()
    page.wait_for_url("**#/messages/*")
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    identifier = page.url.rpartition("/")[2]
    assert api("GET", f"/messages/{identifier}").status == 200

"""The console in a real browser, on the real stack: who supports, sends and operates."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urljoin

import pytest
import urllib3
from e2e.browsing import HOSTILE, sign_in, violations
from e2e.receiver import Receiver, receiving
from playwright.sync_api import Page, expect

from testing.deployed import NUMBERS, Api

FIRST_VIEW_BYTES = 300_000  # compressed, beside Cloudscape's own files
# Cloudscape's own, where its navigation is a drawer (aria-orientation of a nav).
NARROW = ("aria-allowed-attr",)
# Swagger UI's own: levels of headings, its introduction beside its <main>, a link within what opens
# an operation, and the choice of an example without a name.
REFERENCE = ("heading-order", "region", "nested-interactive", "select-name")


def get(address: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request("GET", address, redirect=False, retries=False, timeout=60)


@pytest.mark.parametrize(("path", "page"), [("/console", "index.html"), ("/docs", "docs.html")])
def test_a_page_is_served_whole_with_its_headers(path: str, page: str, api: Api) -> None:
    first = get(api.stack.facts["url"] + path)
    assert first.status == 302
    address = urljoin(api.stack.facts["url"] + path, first.headers["Location"])
    assert address == f"{api.stack.facts['url']}/console/{page}"
    shown = get(address)
    assert shown.status == 200
    assert shown.headers["Content-Type"] == "text/html; charset=utf-8"
    assert shown.headers["Cache-Control"] == "no-cache"
    assert "default-src 'none'" in shown.headers["Content-Security-Policy"]
    names = [part.split('"')[0] for part in shown.data.decode().split('"./assets/')[1:]]
    assert len(names) >= 2
    own = 0
    for name in names:
        file = get(urljoin(address, f"assets/{name}"))
        assert file.status == 200
        assert "immutable" in file.headers["Cache-Control"]
        assert file.headers["X-Content-Type-Options"] == "nosniff"
        if not name.startswith(("cloudscape", "swagger-ui")):
            own += len(gzip.compress(file.data))
    assert own < FIRST_VIEW_BYTES


@pytest.mark.parametrize(
    "path", ["../app.py", "%2e%2e/app.py", "..%2fapp.py", ".built", "assets/", "assets/none.js"]
)
def test_no_other_file_is_served(path: str, api: Api) -> None:
    pool = urllib3.HTTPConnectionPool("127.0.0.1", api.stack.gateway_port)
    below = api.stack.facts["url"].removeprefix(api.stack.endpoint)
    answer = pool.urlopen("GET", f"{below}/console/{path}", redirect=False, retries=False)
    assert answer.status == 404
    assert answer.json()["type"] in ("/problems/not-found", "/problems/no-route")


def test_support_finds_a_message_and_reads_what_the_vendor_said(page: Page, api: Api) -> None:
    (sent,) = api.send({"to": NUMBERS["dinisoft"], "text": HOSTILE, "reference": "console-1"})
    api.final(sent["id"])
    sign_in(page, api.key)
    page.get_by_label("Your reference").fill("console-1")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**reference=console-1")
    expect(page.get_by_role("row")).to_have_count(2)
    assert violations(page) == []
    page.get_by_role("link", name=sent["to"]).click()
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    expect(page.get_by_text("The vendor said:").first).to_be_visible()
    at = page.locator("time").first
    assert (at.get_attribute("title") or "").endswith(" UTC")
    assert page.title() == "Messages · SMS gateway"
    assert violations(page) == []


def test_a_message_is_found_by_its_id_and_cancelled(page: Page, api: Api) -> None:
    later = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    (sent,) = api.send({"to": NUMBERS["server2sms"], "text": "later", "send_at": later})
    identifier = sent["id"]
    sign_in(page, api.key)
    page.get_by_label("Number or message id").fill(identifier)
    page.get_by_role("button", name="Search").click()
    page.get_by_role("button", name="Cancel message").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel message").click()
    expect(page.get_by_role("status").get_by_text("cancelled")).to_be_visible()
    assert api("GET", f"/messages/{identifier}").body["status"] == "cancelled"


def test_who_sends_sees_first_what_it_will_be(page: Page, api: Api) -> None:
    sign_in(page, api.key, "#/send")
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


def test_by_the_keyboard_alone_one_signs_in_and_sends(page: Page, api: Api) -> None:
    page.goto("index.html#/send")
    expect(page.get_by_label("API key")).to_be_focused()
    page.keyboard.type(api.key or "")
    page.keyboard.press("Enter")
    page.get_by_label("To").focus()
    page.keyboard.type(NUMBERS["dinisoft"])
    page.keyboard.press("Tab")
    page.keyboard.type("by keyboard")
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_enabled()
    page.get_by_role("button", name="Send", exact=True).press("Enter")
    page.wait_for_url("**#/messages/*")


def test_a_batch_is_counted_and_leads_to_its_messages(page: Page, api: Api) -> None:
    batch = api("POST", "/messages", {"to": [NUMBERS["dinisoft"], NUMBERS["jst"]], "text": "two"})
    for one in batch.body["messages"]:
        api.final(one["id"])
    identifier = batch.body["batch_id"]
    sign_in(page, api.key, "#/batches")
    expect(page.get_by_role("heading", name="Batches and campaigns")).to_be_visible()
    expect(page.get_by_role("link", name=identifier)).to_be_visible()
    assert violations(page) == []
    page.get_by_role("link", name=identifier).click()
    expect(page.get_by_text("All 2 are final").first).to_be_visible()
    assert violations(page) == []
    page.get_by_role("table").get_by_role("link").first.click()
    page.wait_for_url("**#/messages?*")
    expect(page.get_by_label("Batch")).to_have_value(identifier)
    expect(page.get_by_role("row")).to_have_count(3)


def test_an_operator_sees_what_each_vendor_is_and_has(page: Page, admin: Api) -> None:
    sign_in(page, admin.key, "#/vendors")
    for one in admin("GET", "/vendors").body["vendors"]:
        expect(page.get_by_role("heading", name=one["title"], exact=True)).to_be_visible()
    got = [one for one in admin("GET", "/balances").body["balances"] if one["amount"]]
    assert got
    for one in got:
        expect(page.get_by_text(f"{one['amount']} {one['unit']}").first).to_be_visible()
    expect(page.get_by_text("unencrypted").first).to_be_visible()
    assert violations(page) == []


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def test_a_webhook_is_added_tested_rotated_followed_and_deleted(
    page: Page, admin: Api, receiver: Receiver
) -> None:
    where = f"{receiver.url}/console"
    sign_in(page, admin.key, "#/webhooks")
    page.get_by_role("button", name="Add webhook").click()
    page.get_by_label("Address").fill("http://")
    page.get_by_role("dialog").get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("The address can't be").first).to_be_visible()
    page.get_by_label("Address").fill(where)
    page.get_by_label("Description").fill(HOSTILE)
    page.get_by_role("dialog").get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("it is shown this once")).to_be_visible()
    secret = page.get_by_text("whsec_").inner_text()
    receiver.secrets["/console"] = secret
    assert violations(page) == []
    page.get_by_role("link", name=where).click()
    expect(page.get_by_text("pending")).to_be_visible()
    assert "whsec_" not in page.content()

    receiver.answers["/console"] = 500
    page.get_by_role("button", name="Test").click()
    expect(page.get_by_text("It did not arrive")).to_be_visible()
    receiver.answers["/console"] = 200
    page.get_by_role("button", name="Test").click()
    expect(page.get_by_text("the webhook is active")).to_be_visible()
    expect(page.get_by_text("active", exact=True)).to_be_visible()
    assert violations(page) == []

    page.get_by_role("button", name="New secret").click()
    page.get_by_role("dialog").get_by_role("button", name="Make a new secret").click()
    expect(page.get_by_text("The one before signs too")).to_be_visible()
    renewed = page.get_by_text("whsec_").inner_text()
    assert renewed != secret
    assert violations(page) == []

    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete webhook").click()
    expect(page.get_by_role("button", name="Add webhook")).to_be_visible()
    assert where not in [one["url"] for one in admin("GET", "/webhooks").body["webhooks"]]


def test_on_a_telephone_at_night_every_view_can_be_read(narrow: Page, admin: Api) -> None:
    (sent,) = admin.send({"to": NUMBERS["dinisoft"], "text": HOSTILE})
    sign_in(narrow, admin.key)
    headings = {
        "messages": "Messages",
        f"messages/{sent['id']}": "Timeline",
        "batches": "Batches and campaigns",
        f"batches/{sent['id'][:26]}": "Messages by status",
        "send": "Send a message",
        "usage": "Usage",
        "vendors": "Vendors",
        "webhooks": "Webhooks",
    }
    for view, heading in headings.items():
        narrow.goto(f"index.html#/{view}")
        expect(narrow.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        expect(narrow.get_by_text("Loading").locator("visible=true")).to_have_count(0)
        assert violations(narrow, but=NARROW) == [], view
        # Tables scroll by themselves; the page does not.
        assert narrow.evaluate("document.documentElement.scrollWidth") <= 390, view
    narrow.get_by_role("button", name="Open side navigation").click()
    expect(narrow.get_by_role("link", name="Send", exact=True)).to_be_visible()


def test_a_link_signs_in_and_leaves_the_key_nowhere(page: Page, admin: Api) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"index.html#key={admin.key}")
    expect(page.get_by_role("heading", name="Messages")).to_be_visible()
    key = admin.key or ""
    entries = page.evaluate("navigation.entries().map(one => one.url)")
    assert page.url.endswith("index.html#/")
    assert key not in json.dumps([entries, asked, page.content()])
    page.reload()
    expect(page.get_by_role("heading", name="Messages")).to_be_visible()
    page.evaluate("key => { location.hash = `key=${key}` }", "sms_" + "A" * 48)
    expect(page.get_by_text("does not know this key")).to_be_visible()
    assert "AAAA" not in page.url
    assert page.evaluate("sessionStorage.length") == 0


def test_a_key_of_the_sandbox_says_so_and_offers_what_it_may(page: Page, api: Api) -> None:
    key = api.stack.run_smsgw(
        *("keys", "create", "--tenant", "demo", "--test"),
        *("--scope", "messages:read", "--scope", "messages:send"),
    ).split()[-1]
    (sent,) = Api(api.stack, key).send({"to": "+8801000000001", "text": "tried"})
    sign_in(page, key)
    expect(page.get_by_role("button", name="demo (test)")).to_be_visible()
    for name, times in {"Messages": 1, "Send": 1, "Usage": 0, "Vendors": 0}.items():
        expect(page.get_by_role("link", name=name, exact=True)).to_have_count(times)
    row = page.get_by_role("row", name=sent["to"]).first
    expect(row.get_by_text("test", exact=True)).to_be_visible()


def test_what_is_used_of_a_limit_is_shown(page: Page, api: Api, tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text('{"messages_per_day": 4, "most_per_number_per_day": 3}')
    key = api.stack.run_smsgw(
        *("keys", "create", "--tenant", "demo", "--policy", str(policy)),
        *("--scope", "messages:read", "--scope", "messages:send"),
    ).split()[-1]
    Api(api.stack, key).send({"to": NUMBERS["dinisoft"], "text": "counted"})
    sign_in(page, key, "#/usage")
    row = page.get_by_role("row", name="Messages per day")
    expect(row.get_by_text("1 of 4")).to_be_visible()
    expect(page.get_by_text("3 for each number")).to_be_visible()
    assert violations(page) == []


def test_the_reference_shows_every_operation_and_calls_nobody(page: Page, api: Api) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{api.stack.facts['url']}/docs")
    page.wait_for_url("**/console/docs.html")
    expect(page.locator("header")).to_contain_text(api.stack.facts["url"])
    operation = page.locator("#operations-Messages-sendMessages")
    operation.get_by_role("button").first.click()
    expect(operation.get_by_text("Idempotency-Key").first).to_be_visible()
    served = f"{api.stack.facts['url']}/"
    assert [one for one in asked if not one.startswith((served, "data:"))] == []
    assert violations(page, but=REFERENCE) == []
    page.get_by_role("link", name="Console").click()
    expect(page.get_by_label("API key")).to_be_visible()

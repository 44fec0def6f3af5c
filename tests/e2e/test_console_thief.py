"""Whoever has no key, an old one, a small one or another tenant's sees nothing in the console, and
what a caller or a vendor writes is text there."""

from attacks.test_callbacks import Victim, callback_key
from e2e.browsing import HOSTILE, expect_as_text, sign_in, violations
from e2e.conftest import ELSEWHERE
from e2e.receiver import until
from playwright.sync_api import Page, expect

from sms_gateway.config.api_keys import digest
from testing.deployed import NUMBERS, Api

MADE_UP = "sms_" + "A" * 48
TESTS = ("messages:read", "messages:send", "webhooks:manage")


def test_a_wrong_key_is_told_so_and_kept_nowhere(page: Page) -> None:
    page.goto("index.html")
    page.get_by_label("API key").fill(MADE_UP)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("does not know this key")).to_be_visible()
    assert page.evaluate("[sessionStorage.length, localStorage.length]") == [0, 0]
    assert page.context.cookies() == []
    assert violations(page) == []


def test_a_key_that_ended_ends_the_session(page: Page, api: Api) -> None:
    key = api.stack.key("demo", ("messages:read",))
    sign_in(page, key)
    expect(page.get_by_role("button", name="Search")).to_be_visible()
    api.stack.client("dynamodb").update_item(
        TableName=api.stack.facts["table"],
        Key={"pk": {"S": "KEYS"}, "sk": {"S": digest(key)}},
        UpdateExpression="SET expires = :past",
        ExpressionAttributeValues={":past": {"N": "1"}},
    )
    page.get_by_role("button", name="Load again").click()
    expect(page.get_by_text("Your key is not valid any more")).to_be_visible()
    expect(page.get_by_role("table")).to_have_count(0)
    assert page.evaluate("sessionStorage.length") == 0
    assert violations(page) == []
    page.go_back()
    assert key not in page.content()


def test_a_key_without_a_scope_is_shown_nothing_of_it(page: Page, api: Api) -> None:
    sign_in(page, api.stack.key("demo", ("messages:send",)), "#/messages")
    expect(page.get_by_text("It needs the scope messages:read")).to_be_visible()
    for name in ("Messages", "Batches and campaigns", "Vendors", "Webhooks"):
        expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)
    for view, scope in (("vendors", "balances:read"), ("webhooks", "webhooks:manage")):
        page.goto(f"index.html#/{view}")
        expect(page.get_by_text(f"It needs the scope {scope}")).to_be_visible()
    assert violations(page) == []


def test_a_session_that_claims_more_scopes_than_its_key_has_is_refused(
    page: Page, api: Api
) -> None:
    sign_in(page, api.stack.key("demo", ("messages:read",)))
    expect(page.get_by_role("button", name="Search")).to_be_visible()
    page.evaluate("""() => {
        const session = JSON.parse(sessionStorage.getItem("sms-gateway"));
        session.scopes.push("webhooks:manage");
        sessionStorage.setItem("sms-gateway", JSON.stringify(session));
    }""")
    page.goto("index.html#/webhooks")
    page.reload()
    expect(page.get_by_text("Your key may not see this")).to_be_visible()
    expect(page.get_by_role("row")).to_have_count(0)
    assert violations(page) == []


def test_another_tenants_links_show_nothing(page: Page, api: Api, admin: Api) -> None:
    ours = api("POST", "/messages", {"to": NUMBERS["dinisoft"], "text": "ours alone"}).body
    hook = admin("POST", "/webhooks", {"url": "https://8.8.8.8/ours-alone"}).body
    sign_in(page, api.stack.key("another", TESTS))
    expect(page.get_by_role("button", name="Search")).to_be_visible()
    for link, got in (
        (f"messages/{ours['messages'][0]['id']}", "There is no such message."),
        (f"batches/{ours['batch_id']}", "There is no such batch."),
        (f"webhooks/{hook['id']}", "There is no such webhook"),
        (f"messages?batch_id={ours['batch_id']}", "No message matches."),
    ):
        page.goto(f"index.html#/{link}")
        expect(page.get_by_text(got).first).to_be_visible()
        assert "ours alone" not in page.content()
        assert "ours-alone" not in page.content()
        assert violations(page) == []
    assert admin("DELETE", f"/webhooks/{hook['id']}").status == 200


def test_a_link_from_elsewhere_signs_nobody_in(page: Page, api: Api) -> None:
    address = api.stack.facts["url"].replace("127.0.0.1", ELSEWHERE)
    page.goto(f"{address}/console/index.html#key={api.key}")
    expect(page.get_by_text("on your own machine only")).to_be_visible()
    assert page.url.endswith("#/")
    assert page.evaluate("sessionStorage.length") == 0
    assert (api.key or "") not in page.content()


def test_what_callers_and_vendors_write_is_text_everywhere(
    page: Page, api: Api, admin: Api
) -> None:
    victim = Victim(api, "rajasms", 7, callback_key(api.stack))
    got = victim.report(Api(api.stack, None), victim.token(), deliverystatustext=HOSTILE)
    assert got.status == 200, got.body
    (sent,) = api.send({"to": NUMBERS["dinisoft"], "text": HOSTILE, "reference": HOSTILE[:60]})
    hook = admin("POST", "/webhooks", {"url": "https://8.8.8.8/h", "description": HOSTILE}).body
    file = f"campaigns/demo/{HOSTILE.replace('/', '-')}.csv"
    api.stack.client("s3").put_object(
        Bucket=api.stack.facts["campaigns_bucket"],
        Key=file,
        Body=f"to,text\n{NUMBERS['dinisoft']},Hello\n".encode(),
    )

    def campaign() -> str | None:
        api.stack.tick()
        listed = api("GET", "/batches").body["batches"]
        return next((b["id"] for b in listed if b.get("campaign", {}).get("file") == file), None)

    identifier = until(campaign)
    sign_in(page, admin.key)
    for view, start in (
        ("messages", ""),
        (f"messages/{sent['id']}", ""),
        (f"messages/{victim.id}", "4 "),
        ("webhooks", ""),
        (f"webhooks/{hook['id']}", ""),
        ("batches", "campaigns/demo/"),
        (f"batches/{identifier}", "campaigns/demo/"),
    ):
        page.goto(f"index.html#/{view}")
        expect_as_text(page, start)
        assert violations(page) == [], view
    assert admin("DELETE", f"/webhooks/{hook['id']}").status == 200

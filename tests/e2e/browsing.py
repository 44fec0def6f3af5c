"""What the journeys through the console share."""

import json

from playwright.sync_api import Page, expect

from testing.paths import ROOT

AXE = ROOT / "console/node_modules/axe-core/axe.min.js"
# A script, and marks that would turn what stands behind them around.
HOSTILE = "<script>document.title='stolen'</script><img src=x onerror=alert(1)> \u202eevil\u2067 شر"


def sign_in(page: Page, key: str | None, view: str = "") -> None:
    """Open a view, and give a key."""
    page.goto(f"index.html{view}")
    page.get_by_label("API key").fill(key or "")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_label("API key")).to_have_count(0)


def violations(page: Page, *, but: tuple[str, ...] = ()) -> list[str]:
    """What axe finds on the page, but for some rules.

    Through the debugger, since the page's policy lets nothing in.
    """
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run()")
    return [
        f"{one['id']}: {json.dumps(one['nodes'][0]['html'])}"
        for one in found["violations"]
        if one["id"] not in but
    ]


def expect_as_text(page: Page, start: str = "") -> None:
    """Expect that what is hostile is shown as it was written, and did nothing."""
    shown = page.locator(".as-written", has_text=f"{start}<script>")
    expect(shown.first).to_be_visible()
    for one in shown.all():
        assert one.get_attribute("dir") == "auto"
        assert one.evaluate("one => getComputedStyle(one).unicodeBidi") == "isolate"
        assert one.evaluate("one => one.childElementCount") == 0
    assert page.title().endswith("SMS gateway")

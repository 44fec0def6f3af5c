"""Take the documentation's pictures of the console from the running local stack.

`make run` and `make demo` come first. Made-up traffic differs by the day, and so do the pictures.
"""

import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from local.keys import local_key
from smsgw.errors import CommandError
from smsgw.stack import local_facts
from tools.browser import MISSING, chromium

FOLDER = Path(__file__).parent.parent / "docs/images"
WIDTH, HEIGHT, TALL = 1180, 640, 1020
TENANT = "shop"  # of `make demo`


def main() -> int:
    """Write the pictures; return the exit status."""
    try:
        facts = local_facts(("url", "stack_name"))
    except CommandError as error:
        print(f"make screenshots: {error}", file=sys.stderr)
        return 1
    found = chromium()
    if found is None:
        print(f"make screenshots: {MISSING}", file=sys.stderr)
        return 1
    FOLDER.mkdir(exist_ok=True)
    key = local_key(f"{facts['stack_name']} {TENANT}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, timezone_id="UTC")
        page.goto(f"{facts['url']}/console/index.html#key={key}")
        page.get_by_role("table").get_by_role("link").first.wait_for()
        _take(page, "console-messages")
        page.goto(f"{facts['url']}/console/index.html#/messages?status=undelivered")
        page.wait_for_url("**status=undelivered")
        page.get_by_role("cell", name="undelivered").first.wait_for()
        page.get_by_role("table").get_by_role("link").first.click()
        page.get_by_role("heading", name="Timeline").wait_for()
        page.set_viewport_size({"width": WIDTH, "height": TALL})
        _take(page, "console-timeline")
        page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
        page.goto(f"{facts['url']}/console/index.html#/vendors")
        page.get_by_role("table").first.wait_for()
        _take(page, "console-vendors")
        browser.close()
    return 0


def _take(page: Page, name: str) -> None:
    page.mouse.move(0, 0)
    page.screenshot(path=FOLDER / f"{name}.png", animations="disabled")
    print(f"docs/images/{name}.png", flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""A real browser before the real stack."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from testing.deployed import PATIENCE, Api
from tools.browser import MISSING, chromium

# A name as of a gateway elsewhere, which leads to this machine's.
ELSEWHERE = "gateway.example"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium as the system has it."""
    found = chromium()
    if found is None:
        pytest.fail(MISSING)
    arguments = ["--no-sandbox", f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=arguments)
        yield started
        started.close()


@contextmanager
def opened(browser: Browser, api: Api, **options: Any) -> Iterator[Page]:
    """Open a tab without what others stored, and fail on what the browser complains of."""
    base = f"{api.stack.facts['url']}/console/"
    made = browser.new_page(base_url=base, **options)
    made.set_default_timeout(PATIENCE * 1000)
    expect.set_options(timeout=PATIENCE * 1000)
    complaints: list[str] = []
    made.on("pageerror", lambda error: complaints.append(str(error)))
    made.on("dialog", lambda dialog: complaints.append(dialog.message))
    made.on(
        "console",
        lambda said: complaints.append(said.text) if "Content Security" in said.text else None,
    )
    yield made
    made.close()
    assert complaints == []


@pytest.fixture
def page(browser: Browser, api: Api) -> Iterator[Page]:
    """Open a tab of its own, which fails on whatever the browser complains of."""
    with opened(browser, api) as made:
        yield made


@pytest.fixture
def narrow(browser: Browser, api: Api) -> Iterator[Page]:
    """Open one as on a telephone, at night."""
    with opened(browser, api, viewport={"width": 390, "height": 800}, color_scheme="dark") as made:
        yield made

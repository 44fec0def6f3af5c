"""The real stack on the emulator, IAM enforced, with the simulators as vendors."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import urllib3

from local.simulators.registry import SIMULATORS, routes, vendor_number
from local.stack import LocalStack, running
from testing.descriptions import whole
from testing.log_search import searched
from testing.waiting import free_port

PATIENCE = 240  # seconds after which a hope is given up, on however busy a machine
DESCRIBED = "+33639981001"  # of no subscriber; it goes to a described vendor
DESCRIBED_THEN_BUILT_IN = "+33639982001"
NUMBERS = {vendor: vendor_number(vendor) for vendor in SIMULATORS}


@dataclass(frozen=True)
class Answer:
    """An answer of the API."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Api:
    """A caller with a key; the key None sends no Authorization."""

    stack: LocalStack
    key: str | None

    def __call__(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One call."""
        sent = dict(headers or {})
        if self.key is not None:
            sent["Authorization"] = f"Bearer {self.key}"
        answer = urllib3.request(
            method,
            path if path.startswith("http") else self.stack.facts["url"] + path,
            body=raw if raw is not None else json.dumps(body).encode() if body else None,
            headers=sent,
            retries=False,
            timeout=60,
        )
        return Answer(answer.status, answer.headers, answer.json() if answer.data else None)

    def send(self, body: object) -> list[dict[str, Any]]:
        """Send; return the accepted messages."""
        answer = self("POST", "/messages", body)
        assert answer.status == 202, answer.body
        messages: list[dict[str, Any]] = answer.body["messages"]
        return messages

    def until(
        self,
        identifier: str,
        reached: Callable[[dict[str, Any]], bool],
        seconds: float = PATIENCE,
        *,
        clock: bool = True,
    ) -> dict[str, Any]:
        """Read a message, running the clock in between, until it is as wanted."""
        end = time.monotonic() + seconds
        while True:
            message: dict[str, Any] = self("GET", f"/messages/{identifier}").body
            if reached(message):
                return message
            assert time.monotonic() < end, message
            time.sleep(0.5)
            if clock:
                self.stack.tick()

    def final(self, identifier: str, *, clock: bool = True) -> dict[str, Any]:
        """Read a message until its life is over."""
        return self.until(identifier, lambda message: bool(message["final"]), clock=clock)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Deploy the stack, once for a process; at the end search what it logged."""
    made = LocalStack(
        tmp_path_factory.mktemp("stack") / "run",
        free_port(),
        free_port(),
        delay=0.3,
        poll_after=1,
    )
    with running(made), searched(made):
        _describe(made)
        yield made


def _describe(stack: LocalStack) -> None:
    """Set a described vendor before any function reads the accounts."""
    file = stack.folder / "acme.json"
    file.write_text(json.dumps(whole()))
    stack.describe(file)
    own = [
        {"prefix": DESCRIBED[:-3], "vendors": ["acme"]},
        {"prefix": DESCRIBED_THEN_BUILT_IN[:-3], "vendors": ["acme", "server2sms"]},
    ]
    stack.set_setting("routes", {"routes": [*routes(), *own]})


@pytest.fixture(scope="session")
def api(stack: LocalStack) -> Api:
    """Return a caller with the usual scopes."""
    return Api(stack, stack.facts["key"])


@pytest.fixture(scope="session")
def stranger(stack: LocalStack) -> Api:
    """Return a caller of another tenant."""
    return Api(stack, stack.key("another", ("messages:send", "messages:read")))


@pytest.fixture(scope="session")
def nobody(stack: LocalStack) -> Api:
    """Return a caller without a key."""
    return Api(stack, None)


@pytest.fixture(scope="session")
def admin(stack: LocalStack) -> Api:
    """Return a caller of the same tenant as `api`, with every scope."""
    return Api(stack, stack.facts["admin_key"])

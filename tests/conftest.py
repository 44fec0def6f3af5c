"""Settings of every test run, and which tests share a process."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

import testing.environment  # noqa: F401 - before anything of the product is imported
from sms_gateway.core.observability import logger

pytest_plugins = ["testing.deployed"]  # the stack that the e2e tests and the attacks share

# How long an example takes says more of the machine than of us.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")
signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever stops us gets it all stopped


CAMPAIGNS = "tests/e2e/test_campaigns.py"
LONG = (
    "tests/e2e/test_contract_fuzz.py",
    "tests/e2e/test_local_run.py",
    "tests/e2e/test_schedule.py",
    "tests/e2e/test_upgrade.py",
)


class ByFile(LoadScopeScheduling):
    """A file's tests run in one process. Those of a whole stack share two stacks: what mostly waits
    has one of its own."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file.startswith(("tests/e2e/", "tests/attacks/", "tests/docs/")):
            return "a stack that waits" if file in LONG else "a stack"
        return file


@pytest.fixture(autouse=True)
def _log_level() -> Iterator[None]:
    """Fail the test that leaves the log at another level: those behind it would see no lines."""
    before = logger.log_level
    yield
    assert logger.log_level == before


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run campaigns last of those that share a stack.

    One leaves ten thousand changes in the stream, and the emulator drops what a reader of a full
    stream answers as failed: events of the tests behind it would be missed.
    """
    items.sort(key=lambda item: item.nodeid.startswith(CAMPAIGNS))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Who runs what, where tests run in several processes."""
    return ByFile(config, log)

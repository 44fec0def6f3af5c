"""One stack for all scenarios of the main job, which run in lanes, and each test looks at its own
line; another one for what goes outward, whose tests follow one another."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from failures.arena import arena
from failures.oracle import Row, table
from failures.outward import Outside, outside
from failures.scenarios import SCENARIOS, Finished, run_all
from integration.conftest import atomic, aws, failing, gateway, stack, wire  # noqa: F401 - fixtures

ROWS = pytest.StashKey[list[Row]]()
TABLE = Path(".local") / "failures.txt"


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Finished:
    """Every scenario that a selected test asks for, run to its end; the stack is gone again, since
    other tests put fake services in the place of the emulator's."""
    wanted = set()
    for item in request.session.items:
        if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
            wanted.add(item.callspec.params.get("name"))
    capture = request.config.pluginmanager.getplugin("capturemanager")
    one_by_one = threading.Lock()

    def say(line: str) -> None:
        with one_by_one, capture.global_and_fixture_disabled():
            print(line, flush=True)

    with arena(tmp_path_factory.mktemp("failures") / "run") as ground:
        over = run_all(ground, [one for one in SCENARIOS.values() if one.name in wanted], say)
        finished = Finished(over, ground.unexplained())
        lineage = ground.chaos.lineage
        say(
            f"the longest chain through queues: {lineage.longest}; Lambda would end "
            f"{len(lineage.spared)} more if no function had RecursiveLoop: Allow"
        )
    _keep(request, [one.row for one in over.values()])
    return finished


@pytest.fixture(scope="module")
def outer(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Outside]:
    """The stack with a bus, webhooks and campaigns, for one module."""
    with outside(tmp_path_factory.mktemp("outside") / "run") as made:
        yield made
    _keep(request, made.rows)


def _keep(request: pytest.FixtureRequest, rows: Sequence[Row]) -> None:
    request.config.stash.setdefault(ROWS, []).extend(rows)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the table, and keeps it."""
    rows = terminalreporter.config.stash.get(ROWS, [])
    if not rows:
        return
    written = table(rows)
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(written + "\n")
    terminalreporter.section("nothing lost, nothing sent twice")
    terminalreporter.write_line(written)

"""One stack for all scenarios; they run in lanes, and each test looks at its own line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from e2e.conftest import free_port
from failures.arena import PARAMETERS, ArenaStack, Ground
from failures.oracle import Row, table
from failures.scenarios import SCENARIOS, Done, run_all

from local.stack import running

ROWS = pytest.StashKey[list[Row]]()
TABLE = Path(".local") / "failures.txt"


@contextmanager
def arena(folder: Path) -> Iterator[Ground]:
    """A stack with relays between the functions and everything that they call."""
    stack = ArenaStack(
        folder,
        free_port(),
        free_port(),
        delay=0.3,
        poll_after=2,
        keep=True,
        parameters=PARAMETERS,
    )
    stack.prepare()
    try:
        with running(stack):
            stack.settle_in()
            stack.warm_up()
            ground = Ground(stack)
            try:
                yield ground
            finally:
                ground.stop()
    finally:
        stack.chaos.stop()


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with arena(tmp_path_factory.mktemp("failures") / "run") as made:
        yield made


@pytest.fixture(scope="session")
def done(ground: Ground, request: pytest.FixtureRequest) -> dict[str, Done]:
    """Every scenario that a selected test asks for, run to its end."""
    wanted = set()
    for item in request.session.items:
        if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
            wanted.add(item.callspec.params.get("name"))
    finished = run_all(ground, [one for one in SCENARIOS.values() if one.name in wanted])
    request.config.stash[ROWS] = [one.row for one in finished.values()]
    return finished


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

"""One stack for all scenarios; they run in lanes, and each test looks at its own line."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.conftest import free_port
from failures.arena import PARAMETERS, ArenaStack, Ground
from failures.oracle import Row, table
from failures.scenarios import SCENARIOS, Done, run_all

ROWS = pytest.StashKey[list[Row]]()
TABLE = Path(".local") / "failures.txt"


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """The stack, with relays between the functions and everything that they call."""
    folder = tmp_path_factory.mktemp("failures") / "run"
    with arena(folder) as made:
        yield made


@pytest.fixture(scope="session")
def done(ground: Ground, request: pytest.FixtureRequest) -> dict[str, Done]:
    """Every scenario that a selected test asks for, run to its end."""
    wanted = {
        item.callspec.params["name"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and "name" in getattr(item, "callspec", _None).params
    }
    chosen = [one for one in SCENARIOS.values() if one.name in wanted]
    finished = run_all(ground, chosen)
    request.config.stash[ROWS] = [one.row for one in finished.values()]
    return finished

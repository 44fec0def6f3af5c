"""The console is built when what it is made from changed, and by one process."""

from pathlib import Path

import pytest

from local.console import BUILT, GENERATED, SOURCES, build_console
from local.kept import inputs_digest
from local.processes import StackError
from testing.paths import ROOT

BUILDING = ["run types", "run check", "run build"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with a console."""
    for name in (*SOURCES, "openapi.yaml"):
        path = tmp_path / name if "." in name else tmp_path / name / "main.tsx"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "console/node_modules").mkdir()
    return tmp_path


def built(root: Path) -> list[str]:
    """Build, and return what npm was asked for."""
    asked: list[str] = []

    def npm(*arguments: str) -> None:
        asked.append(" ".join(one for one in arguments if not one.startswith("-")))
        if "build" in arguments:
            (root / BUILT / "index.html").write_text("built")

    build_console(root, npm)
    return asked


def test_a_console_is_built_once_and_again_when_a_source_changed(root: Path) -> None:
    assert built(root) == ["ci", *BUILDING]
    assert built(root) == []
    (root / "console/src/main.tsx").write_text("changed")
    assert built(root) == BUILDING
    (root / "console/package-lock.json").write_text("changed")
    assert built(root) == ["ci", *BUILDING]
    assert built(root) == []


def test_the_contract_is_one_of_the_sources(root: Path) -> None:
    built(root)
    (root / "openapi.yaml").write_text("changed")
    assert built(root) == BUILDING


def test_what_a_build_writes_is_no_source_of_it_or_of_the_stack(root: Path) -> None:
    before = inputs_digest(root)
    built(root)
    for name in GENERATED:
        (root / name).write_text("another")
    assert built(root) == []
    assert inputs_digest(root) == before
    (root / "console/src/main.tsx").write_text("changed")
    assert inputs_digest(root) != before


def test_a_build_that_failed_is_begun_again(root: Path) -> None:
    def npm(*_arguments: str) -> None:
        raise StackError("the console can't be built")

    with pytest.raises(StackError):
        build_console(root, npm)
    assert built(root) == ["ci", *BUILDING]


def test_the_lock_file_names_no_registry() -> None:
    lock = (ROOT / "console/package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert '"integrity"' in lock

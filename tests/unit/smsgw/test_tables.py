"""Tables: as JSON, in a pipe, on a terminal."""

import json

import click
import pytest

from smsgw import tables
from smsgw.tables import show

ROWS = [
    {"name": "a", "state": "works", "count": 7, "said": "x\x1b[2J\ny"},
    {"name": "q" * 150, "state": "refused", "count": 1000, "said": None},
]
COLUMNS = {"name": "NAME", "state": "STATE", "count": "COUNT", "said": "SAID"}


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns."""
    monkeypatch.setattr(tables, "width", lambda: 80)
    monkeypatch.setattr(tables, "has_colours", lambda: True)


def test_in_a_pipe_each_row_is_a_line_without_colours(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS, COLUMNS)
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["NAME", "STATE", "COUNT", "SAID"]
    assert first.split() == ["a", "works", "7", "x\\u001b[2J\\ny"]
    assert second.split() == ["q" * 150, "refused", "1000"]
    assert first.index("7") + 1 == second.index("1000") + 4


def test_on_a_terminal_rows_keep_within_it_and_states_have_colours(
    terminal: None, capsys: pytest.CaptureFixture[str]
) -> None:
    show(ROWS, COLUMNS)
    said = capsys.readouterr().out
    assert max(len(click.unstyle(line)) for line in said.splitlines()) <= 80
    assert "\x1b[31mrefused" in said
    assert "\x1b[32mworks" in said
    assert "\x1b[2J" not in said
    assert click.unstyle(said).count("q") == 150


def test_as_json_rows_are_whole(capsys: pytest.CaptureFixture[str]) -> None:
    with click.Context(click.Command("list")) as line:
        line.meta["json"] = True
        show(ROWS, {"name": "NAME"})
    assert json.loads(capsys.readouterr().out) == ROWS


def test_nobody_wants_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    from smsgw import terminal as one

    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert one.has_colours()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not one.has_colours()

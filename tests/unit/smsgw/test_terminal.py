"""What reaches an operator's terminal."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import smsgw
from smsgw.terminal import say, say_text

SOURCES = sorted(Path(smsgw.__file__).parent.glob("*.py"))
ESCAPES = {
    "colour": "\x1b[31mred",
    "title": "\x1b]0;owned\x07",
    "C1 control": "\x9b2J",
    "carriage return": "paid\rfree",
    "backspace": "abc\b\b\bxyz",
    "direction": "\u202egpj.exe",
    "isolate": "\u2066\u2069",
    "zero width": "\u200b\ufeff",
    "line separator": "\u2028\u2029",
    "surrogate": "\ud83d",
    "tag": "\U000e0041",
    "delete": "\x7f",
}


@pytest.mark.parametrize("escape", ESCAPES.values(), ids=list(ESCAPES))
def test_escapes_are_shown_and_not_made(escape: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(escape)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.isprintable()
    assert json.loads(f'"{line}"') == escape


def test_a_line_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    say("a label\n0 dead letters", error=True)
    assert capsys.readouterr().err == "a label\\n0 dead letters\n"


def test_a_text_keeps_its_lines_and_all_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    say_text('{\r\n\t"text": "আপনার কোড 12\u00a0€ 😀"\r\n}')
    assert capsys.readouterr().out == '{\n\t"text": "আপনার কোড 12\u00a0€ 😀"\n}\n'


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_nothing_else_writes_to_the_terminal(source: Path) -> None:
    names = {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.Name | ast.Attribute)
    }
    writes = names & {"print", "pprint", "stdout", "stderr", "print_exc"}
    assert writes == ({"print", "stdout", "stderr"} if source.name == "terminal.py" else set())


@pytest.mark.parametrize("buffered", ["", "1"])
def test_a_full_disk_is_one_line(tmp_path: Path, buffered: str) -> None:
    """A key that was made is not shown then: whoever reads the line knows to look.

    A file that may not grow stands for the disk: each system can set that limit.
    """
    words = [sys.executable, "-m", "smsgw", "completion", "bash"]
    with (tmp_path / "full").open("w") as full:
        done = subprocess.run(
            ["bash", "-c", 'ulimit -f 0; exec "$@"', "bash", *words],  # noqa: S607 - any bash
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "PYTHONUNBUFFERED": buffered},
        )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "can't be written: File too large" in done.stderr

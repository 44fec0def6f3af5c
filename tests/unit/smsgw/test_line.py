"""The command line: help, wrong words, options anywhere, completion, and what a start imports."""

import subprocess
import sys
from collections.abc import Callable

import click
import pytest

from smsgw.__main__ import ROOT, SECTIONS, main
from smsgw.line import Command, given

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a line; its exit status, output and errors."""

    def line(*words: str) -> tuple[int, str, str]:
        status = main(words)
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return line


def test_a_bare_call_groups_every_area_and_shows_examples(run: Run) -> None:
    status, said, _ = run()
    assert status == 0
    for title, areas in SECTIONS.items():
        assert f"\n{title}:\n" in said
        assert all(f"\n  {name} " in said for name in areas)
    assert "Examples:\n  smsgw init" in said


@pytest.mark.parametrize("name", [name for areas in SECTIONS.values() for name in areas])
def test_each_area_is_there_and_explains_itself_in_80_columns(
    run: Run, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    status, said, error = run(name, "--help")
    assert (status, error) == (0, "")
    usage = said.partition("Examples:")[0]
    assert max(map(len, usage.splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("kyes", "list"), "did you mean keys;"),
        (("keys", "lst"), "did you mean list;"),
        (("keys", "list", "--stak", "x"), "Did you mean --stack?"),
        (("keys",), ""),
        (("keys", "list", "--region", "BD"), "write an AWS region"),
        (("keys", "list", "--stack", ""), "give a name, or leave the option out"),
        (("--profile", " ", "tenants", "stop", "acme"), "give a name, or leave the option out"),
        (("completion", "bash", "--json"), "it prints nothing that could be JSON"),
        (("keys", "revoke"), "Missing argument"),
    ],
)
def test_a_wrong_line_is_one_line_that_helps(run: Run, words: tuple[str, ...], said: str) -> None:
    status, out, error = run(*words)
    if not said:
        assert (status, error) == (0, "")
        assert "revoke" in out
        return
    assert (status, out) == (2, "")
    assert said in error
    assert error.count("\n") == 1
    assert "--help" in error


def test_what_was_typed_steers_no_terminal(run: Run) -> None:
    assert "\x1b" not in run("keys\x1b[2J")[2]


def test_the_version_is_the_packages(run: Run) -> None:
    assert run("--version")[1].startswith("smsgw 0.")


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_an_option_of_all_commands_may_stand_anywhere(place: int) -> None:
    seen: list[object] = []

    def runner(_command: Command, _line: click.Context, _work: object) -> None:
        seen.append((given("stack"), given("json")))

    words = ["keys", "list"]
    words[place:place] = ["--stack", "other", "--json"]
    with ROOT.make_context("smsgw", words, obj=runner) as line:
        ROOT.invoke(line)
    assert seen == [("other", True)]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script(run: Run, shell: str) -> None:
    status, said, _ = run("completion", shell)
    assert status == 0
    assert "_SMSGW_COMPLETE" in said


def test_a_shell_is_told_the_areas_and_commands(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_SMSGW_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_CWORD", "2")
    monkeypatch.setenv("COMP_WORDS", "smsgw keys re")
    assert run()[1].split() == ["plain,revoke"]


@pytest.mark.parametrize("words", [[], ["--help"], ["--version"], ["kyes"], ["completion", "zsh"]])
def test_what_asks_nobody_imports_no_client_of_aws(words: list[str]) -> None:
    code = (
        "import sys; from smsgw.__main__ import main; main(sys.argv[1:]); "
        "sys.exit(any(one in sys.modules for one in ('boto3', 'botocore', 'rich')))"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, check=False)
    assert done.returncode == 0


def test_no_command_imports_boto3() -> None:
    """It reads all descriptions of AWS's services a second time, and brings S3's transfers."""
    code = (
        "import sys; from smsgw.__main__ import ROOT; "
        "[ROOT.get_command(None, name) for name in ROOT.list_commands(None)]; "
        "sys.exit('boto3' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("area", ROOT.list_commands(click.Context(ROOT)))
def test_no_line_of_a_help_is_cut_or_shows_a_name_of_the_code(area: str) -> None:
    command = ROOT.get_command(click.Context(ROOT), area)
    assert command
    shown = command.get_help(click.Context(command, info_name=area)).splitlines()[1:]
    assert [line for line in shown if line.endswith("...") or " _" in line] == []


def test_the_help_of_all_names_no_code(run: Run) -> None:
    assert " _" not in run("--help")[1]

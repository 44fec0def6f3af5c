"""The guides, followed: each command that a page says to run is run, and prints what it shows."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from local.simulators.registry import SIMULATORS
from local.stack import LocalStack
from testing.pages import Step, steps_of
from testing.paths import ROOT
from testing.shapes import ShapeError, compare

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FOLLOWED = [page for page in PAGES if steps_of(page)]
PATIENCE = 180  # seconds until what a page shows must be so, on however busy a machine
COMMAND_SECONDS = 120
AWS_CLI = ROOT / ".pages" / "bin"  # `make e2e` and `make test` set it up
# What pages set and others read: it is put back.
SETTINGS = re.compile(r"smsgw (routes|sources|senders|campaign-defaults) set")
ACCOUNTS = re.compile(r"smsgw (vendors (set|remove)|init)")
# What a command that only reads looks like: it is repeated until it shows what the page shows.
READS = re.compile(
    r"curl -s (?!.* (-d|-X)\b)|curl -s -X POST \S+/test\b"
    r"|(\S*/)?smsgw (\S+ )?(list|show|status|diff)\b|aws s3 cp s3:"
)


@dataclass
class Reader:
    """Somebody who follows a page in a folder and a shell of their own."""

    stack: LocalStack
    folder: Path
    learned: dict[str, str] = field(default_factory=dict)
    shells: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / ".venv").symlink_to(Path(sys.prefix))
        facts = self.stack.facts
        # As in a new shell: a page that calls what `.venv` has says how it gets onto PATH.
        own = str(Path(sys.executable).parent)
        others = [one for one in os.environ["PATH"].split(os.pathsep) if one != own]
        variables = self.stack.environment | {
            "PATH": os.pathsep.join([str(AWS_CLI), *others]),
            "PYTHONPATH": f"{ROOT}/layers/gateway:{ROOT}",
            "HOME": str(self.folder),
            "URL": facts["url"],
            "KEY": facts["key"],
            "ADMIN_KEY": facts["admin_key"],
            "SIMULATORS": self.stack.simulators,
            "COLUMNS": "200",
            "https_proxy": "http://127.0.0.1:9",  # nothing leaves this machine
        }
        exports = [f"export {name}={json.dumps(value)}\n" for name, value in variables.items()]
        (self.folder / ".variables").write_text("".join(exports))

    def follow(self, step: Step) -> None:
        """Write the step's file, or run its commands and compare what they print."""
        if step.file:
            (self.folder / step.file).write_text(step.content)
            return
        commands = self.with_real_values(step.commands)
        end = time.monotonic() + PATIENCE
        printed = self.run(commands)
        while step.shown is not None:
            try:
                self.learned |= compare(step.shown, printed, step.language)
                return
            except ShapeError:
                last = commands.strip().splitlines()[-1]
                if not READS.match(last) or time.monotonic() > end:
                    raise
            time.sleep(0.5)
            self.stack.tick()
            printed = self.run(last)

    def with_real_values(self, commands: str) -> str:
        """Name what was really printed, instead of what the page shows."""
        for shown in sorted(self.learned, key=len, reverse=True):
            if len(shown) > 3:  # the ids and codes: no port, no count
                commands = commands.replace(shown, self.learned[shown])
        return commands

    def run(self, commands: str) -> str:
        """Run commands as one types them into a shell; variables stay."""
        written = f"set -a; . ./.variables\n{commands}\nexport -p > .variables"
        shell = subprocess.Popen(
            ["bash", "-eu", "-o", "pipefail", "-c", written],  # noqa: S607 - the reader's shell
            cwd=self.folder,
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # with what it leaves in the background
        )
        self.shells.append(shell)
        printed, said = shell.communicate(timeout=COMMAND_SECONDS)
        assert shell.returncode == 0, f"{commands}{printed}{said}"
        return printed

    def leave(self) -> None:
        """Stop what runs in the background."""
        for shell in self.shells:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)


@contextmanager
def following(page: Path, stack: LocalStack, folder: Path) -> Iterator[Reader]:
    """Let somebody follow a page, and put back what it sets."""
    commands = "".join(step.commands for step in steps_of(page))
    names = sorted({one[1] for one in SETTINGS.finditer(commands)})
    kept = {name: stack.run_smsgw(name, "show") for name in names}
    one = Reader(stack, folder)
    try:
        yield one
    finally:
        one.leave()
        for name, value in kept.items():
            stack.run_smsgw(name, "set", "-", given=value)
        if ACCOUNTS.search(commands):
            stack.set_accounts({vendor: {} for vendor in SIMULATORS})


def test_every_guide_but_those_about_aws_itself_is_followed() -> None:
    guides = {page.name for page in PAGES if page.parent.name == "guides"}
    assert guides - {page.name for page in FOLLOWED} <= {"events.md", "upgrade.md"}
    assert ROOT / "README.md" in FOLLOWED


def test_what_a_handset_shows_comes_from_one_page() -> None:
    pages = {page: page.read_text() for page in FOLLOWED}
    asked = re.findall(r"curl .*_handset\?number=\+?(\d+)", "".join(pages.values()))
    users = {one: [page.name for page, text in pages.items() if one in text] for one in asked}
    assert users
    assert [one for one, names in users.items() if len(names) > 1] == []


@pytest.mark.parametrize("page", FOLLOWED, ids=[str(one.relative_to(ROOT)) for one in FOLLOWED])
def test_a_page_can_be_followed(page: Path, stack: LocalStack, tmp_path: Path) -> None:
    with following(page, stack, tmp_path) as reader:
        for step in steps_of(page):
            try:
                reader.follow(step)
            except (AssertionError, ShapeError) as error:
                raise AssertionError(f"{page.name}:{step.line}: {error}") from None

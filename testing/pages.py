"""What a page of the documentation says to do, and what it says that one will see.

A block fenced as `sh` is run. A `json` or `text` block right behind it is what it prints. A fenced
block with a file's name behind its language is that file.
"""

import re
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)(?: (?P<name>\S+))?\n(?P<body>.*?)^(?P=indent)```$",
    re.M | re.S,
)
ANSWERS = ("json", "text")


@dataclass(frozen=True)
class Step:
    """A block of a page: commands with what they print, or a file's name and content."""

    line: int
    commands: str = ""
    shown: str | None = None
    language: str = ""
    file: str = ""
    content: str = ""


def steps_of(page: Path) -> list[Step]:
    """Return a page's steps, in order."""
    written = page.read_text()
    blocks = list(FENCE.finditer(written))
    steps = []
    for number, block in enumerate(blocks):
        line = written.count("\n", 0, block.start()) + 1
        body = _without_indent(block)
        if block["name"]:
            steps.append(Step(line, file=block["name"], content=body))
        if block["language"] != "sh":
            continue
        behind = blocks[number + 1] if number + 1 < len(blocks) else None
        answered = (
            behind is not None
            and behind["language"] in ANSWERS
            and not behind["name"]
            and not written[block.end() : behind.start()].strip()
        )
        if behind is not None and answered:
            steps.append(Step(line, body, _without_indent(behind), behind["language"]))
        else:
            steps.append(Step(line, body))
    return steps


def _without_indent(block: re.Match[str]) -> str:
    indent = block["indent"]
    return "".join(line.removeprefix(indent) for line in block["body"].splitlines(keepends=True))

"""Figures, and the targets that they must meet (targets.toml)."""

import tomllib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from math import floor, log10
from pathlib import Path
from typing import Any

import msgspec

TARGETS: dict[str, dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("targets.toml").read_text()
)


class Figure(msgspec.Struct, frozen=True):
    """A figure of a family: its place in one of the family's tables, and its value."""

    table: str
    row: str
    column: str
    value: float


class Family(msgspec.Struct, frozen=True):
    """What a family's main() answers.

    `plot` names the table and its columns that are drawn, `log` whether on a logarithmic
    scale; `notes` are paragraphs of Markdown.
    """

    name: str
    title: str
    figures: Sequence[Figure]
    plot: Sequence[str]
    notes: Sequence[str]
    log: bool = False
    seconds: float = 0


def target(family: str, figure: Figure) -> tuple[str, float] | None:
    """Return the bound of a figure, as ("at most", 5); None where it only tells."""
    name = f"{figure.row}: {figure.column}"
    for pattern, wanted in TARGETS[family].items():
        if fnmatchcase(name, pattern):
            if isinstance(wanted, dict):
                return "at least", wanted["at_least"]
            return "at most", wanted
    return None


def met(family: str, figure: Figure) -> bool:
    """Whether a figure meets its target, if it has one."""
    match target(family, figure):
        case "at most", bound:
            return figure.value <= bound
        case "at least", bound:
            return figure.value >= bound
    return True


def missed(family: Family) -> list[str]:
    """Each target that is missed, or that no figure is held to, in one line."""
    lines = []
    for one in family.figures:
        bound = target(family.name, one)
        if bound and not met(family.name, one):
            words = f"{shown(one.value)}, {bound[0]} {shown(bound[1])}"
            lines.append(f"{family.name}: {one.row}: {one.column}: {words}")
    names = [f"{one.row}: {one.column}" for one in family.figures]
    return lines + [
        f"{family.name}: no figure for the target {pattern}"
        for pattern in TARGETS[family.name]
        if not any(fnmatchcase(name, pattern) for name in names)
    ]


def shown(value: float) -> str:
    """Return a number with three digits that count, and commas between thousands."""
    if value == round(value):
        return f"{value:,.0f}"
    return f"{value:,.{max(0, 2 - floor(log10(abs(value))))}f}"

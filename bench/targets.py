"""Figures in tables, and the targets that they must meet (targets.toml)."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from math import floor, log10
from pathlib import Path
from typing import Any

import msgspec

TARGETS: dict[str, dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("targets.toml").read_text()
)

type Table = Mapping[str, Mapping[str, float]]  # figures, by row and column


class Family(msgspec.Struct, frozen=True):
    """What a family's main() returns.

    `plot` names the table and its columns that are drawn, `log` whether on a logarithmic
    scale; `notes` are paragraphs of Markdown.
    """

    name: str
    title: str
    tables: Mapping[str, Table]
    plot: Sequence[str]
    notes: Sequence[str]
    log: bool = False
    seconds: float = 0


class Target(msgspec.Struct, frozen=True):
    """What a figure must be at most, or at least."""

    bound: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Whether a figure meets it."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {shown(self.bound)}"


def target(family: str, row: str, column: str) -> Target | None:
    """Return the target of a figure; None where it only tells."""
    for pattern, wanted in TARGETS[family].items():
        if fnmatchcase(f"{row}: {column}", pattern):
            at_least = isinstance(wanted, dict)
            return Target(wanted["at_least"] if at_least else wanted, at_least)
    return None


def cell(family: str, row: str, column: str, value: float) -> tuple[str, bool]:
    """Return a figure with its target as text, and whether it meets that."""
    wanted = target(family, row, column)
    text = f"{shown(value)} ({wanted})" if wanted else shown(value)
    return text, wanted is None or wanted.met(value)


def missed(family: Family) -> Iterator[str]:
    """Each target that is missed, or that no figure is held to, in one line."""
    names = []
    for table in family.tables.values():
        for row, figures in table.items():
            for column, value in figures.items():
                names.append(f"{row}: {column}")
                text, met = cell(family.name, row, column, value)
                if not met:
                    yield f"{family.name}: {row}: {column}: {text}"
    for pattern in TARGETS[family.name]:
        if not any(fnmatchcase(name, pattern) for name in names):
            yield f"{family.name}: no figure for the target {pattern}"


def shown(value: float) -> str:
    """Return a number with three digits that count, and commas between thousands."""
    if value == round(value):
        return f"{value:,.0f}"
    return f"{value:,.{max(0, 2 - floor(log10(abs(value))))}f}"

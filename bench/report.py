"""Write bench/README.md: a section a family, with its tables and its plot."""

import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.metadata import version
from os import sched_getaffinity
from pathlib import Path
from platform import machine, python_version
from typing import Any

from bench.targets import Family, cell, shown, target
from testing.paths import ROOT

FOLDER = Path(__file__).parent
VERSIONS = ("aws-lambda-powertools", "boto3", "botocore", "msgspec", "urllib3")
INTRODUCTION = """\
# Benchmarks

    make bench            # all of them, a quarter of an hour; writes this page
    make bench-cold       # or one: cold, cpu, cost, throughput, scale, campaign, express

The exit status is 1 when a target ([targets.toml](targets.toml)) is missed. Ratios and counts hold
from machine to machine, times are this machine's. `cold` and `throughput` want a machine that does
nothing else. \
"""


def write(families: Sequence[Family], date: str) -> None:
    """Write the page and the plots."""
    for one in families:
        draw(one)
    seconds = sum(one.seconds for one in families)
    versions = ", ".join(f"{name} {version(name)}" for name in VERSIONS)
    measured = (
        f"Measured {date} in {seconds / 60:.1f} minutes on {cpu()}, {len(sched_getaffinity(0))} "
        f"cores, {machine()}; Python {python_version()}, {versions}.\n"
    )
    (FOLDER / "README.md").write_text(
        "\n".join([INTRODUCTION + measured, *(section(one) for one in families)])
    )


def section(family: Family) -> str:
    """Return a family as Markdown."""
    parts = [f"## {family.title}", *tables(family)]
    parts.append(f"\n![{family.title}]({family.name}.svg)\n")
    return "\n".join([*parts, *(" ".join(note.split()) + "\n" for note in family.notes)])


def tables(family: Family) -> Iterator[str]:
    """Return a family's tables, in lines of Markdown."""
    for name, table in family.tables.items():
        columns = list(dict.fromkeys(column for row in table.values() for column in row))
        yield f"\n| {name} | {' | '.join(columns)} |"
        yield f"|---{'|--:' * len(columns)}|"
        for row, figures in table.items():
            cells = []
            for column in columns:
                known = column in figures
                text, met = cell(family.name, row, column, figures[column]) if known else ("", True)
                cells.append(text if met else f"**{text} missed**")
            yield f"| {row} | {' | '.join(cells)} |"


def cpu() -> str:
    """Return the CPU's name; ARM's /proc/cpuinfo has none."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unnamed CPU"


def draw(family: Family) -> None:
    """Bars of the family's plot, with a line at each target."""
    sys.path.append(str(ROOT / ".bench" / "plots"))  # where `make` put matplotlib
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "bench", "font.size": 9}
    plt: Any = import_module("matplotlib.pyplot")
    name, *columns = family.plot
    table, thick = family.tables[name], 0.8 / len(columns)
    height = 1 + 0.2 * len(table) * len(columns)
    figure, axes = plt.subplots(figsize=(8, height), layout="constrained")
    for nth, column in enumerate(columns):
        for place, (row, figures) in enumerate(table.items()):
            if column not in figures:
                continue
            value, middle = figures[column], place + nth * thick
            wanted = target(family.name, row, column)
            color = f"C{nth}" if wanted is None or wanted.met(value) else "C3"
            bar = axes.barh(middle, value, thick, color=color, label=column if not place else None)
            axes.bar_label(bar, [shown(value)], padding=4)
            if wanted:
                axes.vlines(wanted.bound, middle - thick / 2, middle + thick / 2, "black")
    axes.set_yticks([place + 0.4 - thick / 2 for place in range(len(table))], table)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    if family.log:
        axes.set_xscale("log")
    if len(columns) > 1:
        axes.legend(fontsize=8)
    else:
        axes.set_xlabel(columns[0])
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(FOLDER / f"{family.name}.svg", metadata={"Date": None})
    plt.close(figure)

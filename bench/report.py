"""Write bench/README.md: a section a family, with its tables and its plot."""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from os import sched_getaffinity
from pathlib import Path
from platform import machine, python_version
from typing import Any

from bench.targets import Family, Figure, met, shown, target
from testing.paths import ROOT

FOLDER = Path(__file__).parent
VERSIONS = ("aws-lambda-powertools", "boto3", "botocore", "msgspec", "urllib3")
INTRODUCTION = """\
# Benchmarks

    make bench            # all of them, under ten minutes; writes this page
    make bench-cold       # or one: cold, cpu, cost, throughput, scale, campaign

The exit status is 1 when a target ([targets.toml](targets.toml)) is missed. Ratios and counts hold
from machine to machine, times are this machine's. A CPU time is the first decile of its samples,
taken in turn with all others': a shared host is slower than it can be most of the time, never
faster. `cold` and `throughput` want a machine that does nothing else.
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
    parts = [f"## {family.title}\n", *tables(family)]
    parts.append(f"\n![{family.title}]({family.name}.svg)\n")
    paragraphs = [part for note in family.notes for part in note.split("\n\n")]
    return "\n".join([*parts, *(" ".join(part.split()) + "\n" for part in paragraphs)])


def tables(family: Family) -> list[str]:
    """Return a family's tables, in lines of Markdown."""
    lines: list[str] = []
    for table in dict.fromkeys(one.table for one in family.figures):
        figures = {(one.row, one.column): one for one in family.figures if one.table == table}
        columns = list(dict.fromkeys(column for _, column in figures))
        lines += [""] if lines else []
        lines += [f"| {table} | {' | '.join(columns)} |", f"|---{'|--:' * len(columns)}|"]
        for row in dict.fromkeys(row for row, _ in figures):
            cells = [cell(family.name, figures.get((row, column))) for column in columns]
            lines.append(f"| {row} | {' | '.join(cells)} |")
    return lines


def cell(family: str, figure: Figure | None) -> str:
    """Return a figure with its target, bold where that is missed."""
    if figure is None:
        return ""
    bound = target(family, figure)
    sign = {"at most": "≤", "at least": "≥"}
    told = f" ({sign[bound[0]]} {shown(bound[1])})" if bound else ""
    text = f"{shown(figure.value)}{told}"
    return text if met(family, figure) else f"**{text} missed**"


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
    table, *columns = family.plot
    figures = [one for one in family.figures if one.table == table and one.column in columns]
    rows = list(dict.fromkeys(one.row for one in figures))
    figure, axes = plt.subplots(figsize=(8, 1 + 0.2 * len(figures)), layout="constrained")
    for nth, column in enumerate(columns):
        shown_here = [one for one in figures if one.column == column]
        places = [rows.index(one.row) + nth / (len(columns) + 0.5) for one in shown_here]
        colors = [f"C{nth}" if met(family.name, one) else "C3" for one in shown_here]
        values = [one.value for one in shown_here]
        bars = axes.barh(places, values, 0.8 / len(columns), color=colors, label=column)
        axes.bar_label(bars, [shown(value) for value in values], padding=4)
        for place, one in zip(places, shown_here, strict=True):
            if bound := target(family.name, one):
                half = 0.45 / len(columns)
                axes.vlines(bound[1], place - half, place + half, "black", linewidth=2)
    axes.set_yticks([nth + 0.4 - 0.4 / len(columns) for nth in range(len(rows))], rows)
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

"""What a benchmark answers, and how it is kept: results.json, and from it README.md with a table
and a bar chart for each benchmark."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from math import floor, log10
from os import sched_getaffinity
from pathlib import Path
from platform import machine, python_version
from typing import Literal

import msgspec

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"
README = FOLDER / "README.md"
INTRODUCTION = FOLDER / "introduction.md"
VERSIONS = ("aws-lambda-powertools", "boto3", "botocore", "msgspec", "urllib3")

Bound = Literal["at most", "at least"]


class Row(msgspec.Struct, frozen=True):
    """One figure. `bound` says on which side of `target` it must lie; without one it only tells.
    A target that is not `gated` is shown, met or missed, and fails nothing: the notes say why."""

    label: str
    value: float
    unit: str
    target: float | None = None
    bound: Bound = "at most"
    gated: bool = True

    @property
    def met(self) -> bool:
        """Whether the target is met, if there is one."""
        if self.target is None:
            return True
        return self.value <= self.target if self.bound == "at most" else self.value >= self.target

    @property
    def mark(self) -> str:
        """Whether its target is met, in words; empty without one."""
        if self.target is None:
            return ""
        return "met" if self.met else "missed" if self.gated else "missed, see the notes"

    @property
    def miss(self) -> str:
        """A missed target in one line."""
        return (
            f"{self.label}: {shown(self.value)} {self.unit}, {self.bound} {shown(self.target or 0)}"
        )


class Result(msgspec.Struct, frozen=True):
    """What a benchmark's main() answers. `name` is its word on the command line; the chart draws
    the rows whose unit is `plot`; `notes` are paragraphs of Markdown."""

    name: str
    title: str
    rows: Sequence[Row]
    plot: str
    notes: Sequence[str] = ()

    @property
    def misses(self) -> list[str]:
        """Each target that is missed, in one line."""
        return [f"{self.name}: {row.miss}" for row in self.rows if row.gated and not row.met]


class Kept(msgspec.Struct, frozen=True):
    """A result with when, where and on what it was measured."""

    result: Result
    date: str
    seconds: float
    machine: str
    versions: dict[str, str]


def now() -> str:
    """The date that results bear."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def kept(result: Result, seconds: float, date: str) -> Kept:
    """A result of this machine; `seconds` is how long it took, `date` when its run began."""
    return Kept(
        result,
        date,
        round(seconds, 1),
        f"{_cpu()}, {len(sched_getaffinity(0))} cores, {machine()}",
        {"Python": python_version()} | {name: version(name) for name in VERSIONS},
    )


def _cpu() -> str:
    # platform.processor() is empty on most Linux systems; ARM's /proc/cpuinfo has no model name.
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unnamed CPU"


def write(results: Sequence[Kept], order: Sequence[str]) -> None:
    """Puts results in place of the older ones of the same names, and writes README.md anew."""
    every = {one.result.name: one for one in read()} | {one.result.name: one for one in results}
    ordered = [every[name] for name in order if name in every]
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(ordered), indent=1) + b"\n")
    for one in ordered:
        (FOLDER / f"{one.result.name}.svg").write_text(chart(one.result))
    README.write_text("\n".join([INTRODUCTION.read_text(), *map(section, ordered)]))


def read() -> list[Kept]:
    """The results kept so far."""
    if not RESULTS.exists():
        return []
    return msgspec.json.decode(RESULTS.read_bytes(), type=list[Kept])


def section(one: Kept) -> str:
    """A result as Markdown."""
    result = one.result
    lines = [f"## {result.title}", "", f"`make bench-{result.name}`", ""]
    lines += ["| | figure | target | |", "|---|--:|--:|---|"]
    for row in result.rows:
        target = "" if row.target is None else f"{row.bound} {shown(row.target)}"
        mark = row.mark if row.met else f"**{row.mark}**"
        lines.append(f"| {row.label} | {shown(row.value)} {row.unit} | {target} | {mark} |")
    lines += ["", f"![{result.title}]({result.name}.svg)", ""]
    for note in result.notes:
        lines += [note, ""]
    versions = ", ".join(f"{name} {number}" for name, number in one.versions.items())
    lines.append(f"Measured {one.date} in {one.seconds:.0f} s on {one.machine}; {versions}.")
    return "\n".join(lines) + "\n"


def shown(value: float) -> str:
    """A number with three digits that count, and commas between thousands."""
    if value == round(value):
        return f"{value:,.0f}"
    return f"{value:,.{max(0, 2 - floor(log10(abs(value))))}f}"


LABEL, BAR, HEIGHT = 330, 420, 24  # pixels


def chart(result: Result) -> str:
    """Horizontal bars as SVG; over two powers of ten, on a logarithmic scale that says so. A
    target is a line across its bar."""
    rows = [row for row in result.rows if row.unit == result.plot and row.value > 0]
    ends = [end for row in rows for end in (row.value, row.target or row.value)]
    most, least = max(ends, default=1.0), min(ends, default=1.0)
    decades = most / least > 100
    base = 10 ** floor(log10(least))

    def width(value: float) -> float:
        part = log10(value / base) / log10(most / base) if decades else value / most
        return round(BAR * max(part, 0.004), 1)

    title = f"{result.plot}{', logarithmic' if decades else ''}"
    lines = [f'<text class="unit" x="{LABEL}" y="14">{escape(title)}</text>']
    for number, row in enumerate(rows):
        y = 24 + number * HEIGHT
        kind = "bar" if row.met else "bar missed"
        end = LABEL + width(row.value)
        lines += [
            f'<text class="label" x="{LABEL - 8}" y="{y + 15}">{escape(row.label)}</text>',
            f'<rect class="{kind}" x="{LABEL}" y="{y + 3}" width="{width(row.value)}" '
            f'height="{HEIGHT - 8}" rx="2"/>',
        ]
        if row.target is not None:
            x = LABEL + width(row.target)
            lines.append(f'<path class="target" d="M{x} {y + 1}v{HEIGHT - 4}"/>')
            end = max(end, x)
        lines.append(f'<text class="value" x="{end + 6}" y="{y + 15}">{shown(row.value)}</text>')
    high, wide = 32 + len(rows) * HEIGHT, LABEL + BAR + 80
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" '
        f'width="{wide}" height="{high}" role="img">\n<title>{escape(result.title)}</title>\n'
        "<style>text{font:12px system-ui,sans-serif;fill:#3b4252}.label{text-anchor:end}"
        ".unit{fill:#7a8294}.bar{fill:#4c8dae}.missed{fill:#c0504d}"
        ".target{stroke:#3b4252;stroke-width:2}</style>\n"
        f'<rect width="{wide}" height="{high}" fill="#fff"/>\n' + "\n".join(lines) + "\n</svg>\n"
    )

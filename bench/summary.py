"""The few figures that the project's README shows, taken from the results."""

import re
from collections.abc import Sequence
from math import inf
from pathlib import Path

from bench.report import Kept, Row, shown

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- figures: written by `make bench` -->\n\n", "<!-- end of figures -->\n"

# By benchmark and a pattern of labels: what the README calls the worst of those figures, the one
# that is nearest to its target or furthest beyond. `{}` stands for the pattern's first group.
FIGURES = {
    ("cold", r"(\w+) to the boto3 client"): "`{}` starts, against a bare boto3 client",
    ("cold", r"(send) to the boto3 client"): "`send` starts, against the same",
    ("cold", r"(\w+) to the typical handler"): "`{}` starts, against a typical Powertools handler",
    ("cpu", r"accept, 1( with an Idempotency-Key)?"): "CPU time to accept a message",
    ("cpu", r"accept, 1,000, .+"): "CPU time to accept one of 1,000",
    ("cpu", r"dispatch, (?!Dinisoft).+, 1,000"): "CPU time to dispatch one of 1,000",
    ("cpu", r"callback, .+"): "CPU time for a receipt",
    ("cost", r"(.+), single"): "AWS, single messages, from request to status read ({})",
    ("cost", r"(.+), single with an Idempotency-Key"): "the same with an Idempotency-Key ({})",
    ("cost", r"(.+), [\d,]+ in a batch"): "AWS, in batches of 10 to 1,000 ({})",
    ("cost", r".+, single with an Idempotency-Key: writes"): "writes for a single with a key",
    ("cost", r".+, [\d,]+ in a batch: writes"): "writes for one of a batch",
    ("cost", r"idle, in all"): "AWS, sending nothing",
    ("throughput", r"Dinisoft, one by one, 50 calls at once"): "one worker, one message a call",
    ("throughput", r"(\w+), \d+ a call"): "one worker, a vendor's own batches ({})",
    ("throughput", r"ten workers, against one"): "ten workers, against one",
    ("scale", r"(.+): most over least stored"): "a tick with 1,000,000 stored over 1,000: {}",
    ("scale", r".+ due: hottest partition's traffic"): "traffic of the index's hottest partition",
    ("campaign", r"rows a second, one CPU"): "a campaign's rows",
    ("campaign", r"the most memory for a million rows"): "memory for a campaign of a million rows",
}


def summary(results: Sequence[Kept]) -> str:
    """A table in Markdown: the figures above, then every missed target that is not among them and
    that fails the benchmark; what was not measured yet is left out. Below it, when and in what time
    that was."""
    lines = ["| | measured | target |", "|---|--:|--:|"]
    told: list[Row] = []
    for (name, pattern), words in FIGURES.items():
        found = [
            (row, label)
            for one in results
            if one.result.name == name
            for row in one.result.rows
            if (label := re.fullmatch(pattern, row.label))
        ]
        if found:
            row, label = max(found, key=lambda one: _burden(one[0]))
            lines.append(_line(words.format(*label.groups()), row))
            told.append(row)
    for one in results:
        for row in one.result.rows:
            if not row.met and row.gated and row not in told:
                lines.append(_line(f"{one.result.title}: {row.label}", row))
    return "\n".join([*lines, "", _when(results)]) + "\n"


def _burden(row: Row) -> float:
    """How near a figure is to its target: beyond 1 it misses it. Without one, by itself."""
    if row.target is None:
        return row.value
    if row.bound == "at least":
        return row.target / row.value if row.value else inf
    return row.value / row.target if row.target else row.value


def _line(words: str, row: Row) -> str:
    target = "" if row.target is None else f"{row.bound} {shown(row.target)}"
    missed = "" if row.met else f" **{row.mark}**"
    return f"| {words} | {shown(row.value)} {row.unit} | {target}{missed} |"


def _when(results: Sequence[Kept]) -> str:
    dates = sorted({one.date for one in results})
    if len(dates) == 1:
        minutes = sum(one.seconds for one in results) / 60
        return f"One run of `make bench`, {dates[0]}, {minutes:.1f} minutes."
    return "Of several runs: the date of each is in bench/README.md."


def write(results: Sequence[Kept]) -> None:
    """Puts the table into the README, between its marks. Raises ValueError when they are gone."""
    before, _, rest = README.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{README.name} has no place for the figures")
    README.write_text(f"{before}{BEGIN}{summary(results)}{END}{after}")

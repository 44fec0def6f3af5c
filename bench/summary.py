"""The few figures that the project's README shows, taken from the results."""

from collections.abc import Sequence
from pathlib import Path

from bench.report import Kept, shown

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- figures: written by `make bench` -->\n\n", "<!-- end of figures -->\n"

# By benchmark and label: what the README calls it.
FIGURES = {
    ("cold", "send to the boto3 client"): "`send` starts, against a bare boto3 DynamoDB client",
    ("cold", "dispatch to the boto3 client"): "`dispatch` starts, against the same",
    ("cold", "send to the typical handler"): "`send` starts, against a typical Powertools handler",
    ("cpu", "accept, 1"): "CPU time to accept a message",
    ("cpu", "accept, 1,000, one text"): "CPU time to accept one of 1,000",
    ("cpu", "callback, 1 report"): "CPU time for a receipt",
    ("cost", "dinisoft, single"): "AWS, single messages, from request to status read",
    ("cost", "dinisoft, 1,000 in a batch"): "AWS, in batches of 1,000",
    ("cost", "dinisoft, single with an Idempotency-Key: writes"): "writes for a single with a key",
    ("cost", "idle, in all"): "AWS, sending nothing",
    ("throughput", "Dinisoft, one by one, 50 calls at once"): "one worker, one message a call",
    ("throughput", "JST, 100 a call"): "one worker, 100 messages a call",
    (
        "scale",
        "calls: most over least stored",
    ): "AWS calls of a tick, 1,000,000 stored over 1,000",
    ("scale", "1,000 due: hottest partition's traffic"): "traffic of the index's hottest partition",
    ("campaign", "rows a second, one CPU"): "a campaign's rows",
    ("campaign", "the most memory for a million rows"): "memory for a campaign of a million rows",
}


def summary(results: Sequence[Kept]) -> str:
    """A table in Markdown; what was not measured yet is left out."""
    rows = {(one.result.name, row.label): row for one in results for row in one.result.rows}
    lines = ["| | measured | target |", "|---|--:|--:|"]
    for place, words in FIGURES.items():
        if (row := rows.get(place)) is not None:
            target = "" if row.target is None else f"{row.bound} {shown(row.target)}"
            missed = "" if row.met else " **missed**"
            lines.append(f"| {words} | {shown(row.value)} {row.unit} | {target}{missed} |")
    return "\n".join(lines) + "\n"


def write(results: Sequence[Kept]) -> None:
    """Puts the table into the README, between its marks. Raises ValueError when they are gone."""
    before, _, rest = README.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{README.name} has no place for the figures")
    README.write_text(f"{before}{BEGIN}{summary(results)}{END}{after}")
